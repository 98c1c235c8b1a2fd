"""The messages of a chat that ask people about calls of tools: complete, inert, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jupyter_ai_personas.chat import Insert, Update
from jupyter_ai_personas.chat.markdown import code, inert
from jupyter_ai_personas.redaction import redact, redact_json
from jupyter_ai_personas.runtime.approvals import ANYONE, ASKER, Approval, Decision
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.unsaved import Unsaved
from jupyter_ai_personas.runtime.wording import duration
from jupyter_ai_personas.tools import Preview, ToolInfo

__all__ = ["MAX_SHOWN", "ApprovalBoard", "describe_call"]

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


class ApprovalBoard:
    """Writes and edits the messages of one chat. The id of a message is that of its approval."""

    def __init__(self, services: Services, chat: ChatHandle, unsaved: Unsaved) -> None:
        self._services = services
        self._chat = chat
        self._unsaved = unsaved

    def path(self) -> str:
        """Where the chat is now."""
        return self._chat.current.path

    def show(self, approval: Approval, decision: Decision | None) -> None:
        """Show that people are asked, or what was decided. A message that is deleted stays so."""
        chat = self._chat.current
        asker = chat.user(approval.person)
        body = _shown(
            approval,
            decision,
            link=self._services.approval_url(approval.id),
            asker=asker.shown_name if asker is not None else "",
        )
        about = {"approval": approval.id, "turn": approval.turn_id}
        if decision is not None:
            about["decision"] = decision.status
        there = chat.get(approval.id)
        try:
            if there is None:
                chat.apply([Insert(approval.id, approval.persona_id, body, about)])
            elif not there.deleted and (there.body, there.metadata) != (body, about):
                chat.apply([Update(approval.id, body, about)])
            else:
                return
            # A turn that runs anew forgets what it asked, and one that goes on may not ask again.
            self._unsaved.keep(approval.id)
        except Exception:
            # It can be decided elsewhere.
            self._services.log.exception("Approval %s cannot be shown", approval.id)

    def close(self, of: str, reason: str) -> None:
        """Close what nobody waits for any more: an approval, or those of a turn, by its id."""
        for approval, decision in self._services.approvals.close(of, reason):
            self.show(approval, decision)


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
    rest = {k: v for k, v in redact_json(arguments).items() if k not in preview.covers}
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


def _shown(approval: Approval, decision: Decision | None, *, link: str | None, asker: str) -> str:
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
