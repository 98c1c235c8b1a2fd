"""The message that asks people about a call of a tool: complete, inert, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jupyter_ai_personas.chat.markdown import code, inert
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.runtime.approvals import ANYONE, ASKER, Approval, Decision, without_secrets
from jupyter_ai_personas.runtime.wording import duration
from jupyter_ai_personas.tools import Preview, ToolInfo

__all__ = ["MAX_SHOWN", "describe_call", "shown"]

MAX_SHOWN = 100_000
"""Characters that people can be shown of a call. A longer one cannot be asked about."""

_WANTS = {"read": "use", "write": "use", "run": "run"}
# Before the first block of code, or the name of an argument that is one.
_FIRST_BLOCK = re.compile(r"\n\n(?=```|`[^`\n]+`:\n)")
# Characters that change the order in which a text is read.
_UNSEEN = {
    ord(c): f"\\u{ord(c):04x}"
    for c in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
}


def describe_call(
    persona: str, tool: ToolInfo, arguments: Mapping[str, Any], preview: Preview
) -> str:
    """Return what a persona wants to do, in Markdown, with the complete arguments."""
    parts = [f"**{inert(persona)}** wants to {_WANTS[tool.effect]} {code(tool.name)}."]
    if preview.target:
        parts.append(f"Target: {code(redact(preview.target))}")
    if preview.note:
        parts.append(inert(redact(preview.note), most=1000))
    if preview.diff:
        parts.append(_fenced(redact(preview.diff), "diff"))
    if preview.code:
        parts.append(_fenced(redact(preview.code), preview.language))
    rest = {k: v for k, v in without_secrets(arguments).items() if k not in preview.covers}
    long = {k: v for k, v in rest.items() if isinstance(v, str) and len(v.splitlines()) > 1}
    for name, text in long.items():
        # A tool that runs elsewhere describes its change itself.
        parts.append(f"{code(name)}:\n\n{_fenced(text, 'diff' if name == 'diff' else '')}")
    if lines := [f"{_word(k)}: {_word(v)}" for k, v in rest.items() if k not in long]:
        parts.append(_fenced("\n".join(lines)))
    return "\n\n".join(parts)


def _word(value: Any) -> str:
    """Return a value on one line: text as it is, where that is clear, else as JSON."""
    if isinstance(value, str) and value and value == value.strip() and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=False)


def shown(
    approval: Approval, decision: Decision | None, *, link: str | None = None, asker: str = ""
) -> str:
    """Return the body of the message: the question, and the decision or the approvers.

    ``link`` is the address of the page on which people decide, ``asker`` the name of who asked.
    """
    if decision is None:
        return f"{approval.text}\n\n{_asked(approval, link, asker)}"
    # Long parts are collapsed once it is decided.
    head, *rest = _FIRST_BLOCK.split(approval.text, maxsplit=1)
    details = [f"<details><summary>Details</summary>\n\n{each}\n\n</details>" for each in rest]
    return "\n\n".join([head, _decided(approval, decision), *details])


def _asked(approval: Approval, link: str | None, asker: str) -> str:
    names = [
        "anyone here" if name == ANYONE else inert(asker or name) if name == ASKER else inert(name)
        for name in approval.approvers
    ]
    who = " or ".join(names) or "nobody"
    # No time of day: the message has one, which each reader's chat shows in their time zone.
    within = duration(approval.expires - approval.asked_at)
    sentences = [f"{who[:1].upper()}{who[1:]} may decide within {within}."]
    if link is not None:
        sentences.append(f"[Approve or deny]({link}).")
    if ANYONE in approval.approvers:
        sentences.append(f"Or type `/approve {approval.id}` or `/deny {approval.id} reason`.")
    return " ".join(sentences)


def _decided(approval: Approval, decision: Decision) -> str:
    what = "Approved" if decision.approved else "Denied"
    by = f" by **{inert(decision.name or decision.by)}**" if decision.by else ""
    for_chat = decision.approved and decision.scope == "chat"
    further = ", also for later calls of this tool in this chat" if for_chat else ""
    reason = f" {inert(redact(decision.reason), most=1000)}" if decision.reason else ""
    after = duration(decision.at - approval.asked_at)
    return f"*{what}{by} after {after}{further}.*{reason}"


def _fenced(text: str, language: str = "") -> str:
    text = text.translate(_UNSEEN)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    language = language if re.fullmatch(r"[\w+#.-]{0,30}", language) else ""
    return f"{fence}{language}\n{text}\n{fence}"
