"""``/context``: everything that a persona would be given for the next message, with sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from jupyter_ai_personas.chat.history import HistoryEntry
from jupyter_ai_personas.chat.markdown import code, inert
from jupyter_ai_personas.context.bounds import fence, first_lines
from jupyter_ai_personas.context.rendered import Rendered
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.tokens import BYTES_PER_TOKEN, approximate_tokens

__all__ = ["Given", "describe_context"]

SHOWN_CHARS = 12_000
"""How much of each part is shown."""

IMAGE_TOKENS = 1_000
"""About what vendors count for an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The context of a persona for the next message of a person.

    ``history`` are the messages so far, ``earlier`` their attachments. ``beside`` is the notebook
    beside the chat, for a message that speaks of one; ``uses_beside`` says whether it is used at
    all. ``attached_chars`` bounds the attachments, and ``searched_chars`` the results of a
    workspace search.
    """

    persona: str
    model: str | None
    problem: str
    system_prompt: str
    instructions: str
    history: Sequence[HistoryEntry]
    earlier: Sequence[Rendered]
    beside: Sequence[Rendered]
    uses_beside: bool
    attached_chars: int
    searched_chars: int = 0


def describe_context(given: Given) -> str:
    """Return the answer to ``/context`` as Markdown. Tokens are counted approximately."""
    model = code(given.model) if given.model else f"no model ({inert(given.problem)})"
    history = "\n\n".join(f"{entry.speaker}: {entry.body}" for entry in given.history)
    number = len(given.history)
    rows = [
        ("System prompt of the persona", given.system_prompt),
        ("Instructions of the workspace", given.instructions),
        (f"Chat: {number} message{'' if number == 1 else 's'}", history),
    ]
    together = sum(approximate_tokens(text) for _, text in rows)
    lines = [
        f"For your next message, **{inert(given.persona)}** with {model} is given:",
        "",
        "| what | tokens, about |",
        "| --- | ---: |",
        *(f"| {name} | {approximate_tokens(text):,} |" for name, text in rows),
        f"| **Together, with every message** | {together:,} |",
        *(f"| {part.title} | {_tokens(part):,} |" for part in given.earlier),
        *_beside_rows(given),
        f"| What you attach to it | up to {given.attached_chars // BYTES_PER_TOKEN:,} |",
        *_searched_rows(given),
        "",
        f"This goes to {_vendor(given.model)}. Nothing else of the workspace does, unless a tool "
        "reads it for the persona.",
        "",
    ]
    parts = [*given.earlier, *given.beside]
    details = [*rows, *((part.title, part.text) for part in parts if not part.problem)]
    for name, text in details:
        if text:
            lines += _details(name, text)
    return "\n".join(lines).rstrip("\n")


def _searched_rows(given: Given) -> list[str]:
    if not given.searched_chars:
        return []
    tokens = given.searched_chars // BYTES_PER_TOKEN
    return [f"| What a search of the workspace finds for it | up to {tokens:,} |"]


def _beside_rows(given: Given) -> list[str]:
    if not given.uses_beside:
        return ["| The notebook beside the chat | never: it is turned off |"]
    when = "if the message speaks of a notebook, a cell or an error"
    if not given.beside:
        return [f"| The notebook beside the chat, {when} | none is open |"]
    rows = []
    for part in given.beside:
        if part.problem:
            rows.append(f"| {part.title}, {when} | {_in_a_row(part.problem)} |")
        else:
            tokens = f"{_tokens(part):,}"
            rows.append(f"| {part.title}, which is open beside the chat, {when} | {tokens} |")
    return rows


def _tokens(part: Rendered) -> int:
    return approximate_tokens(part.text) + IMAGE_TOKENS * len(part.images)


def _vendor(model: str | None) -> str:
    provider = (model or "").partition(":")[0]
    return f"the provider {code(provider)}" if provider else "nobody while there is no model"


def _details(name: str, text: str) -> list[str]:
    kept, cut = first_lines(redact(text), lines=400, chars=SHOWN_CHARS)
    summary = escape(f"{name} ({cut})" if cut else name).replace("`", "")
    return [f"<details><summary>{summary}</summary>", "", fence(kept), "", "</details>", ""]


def _in_a_row(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
