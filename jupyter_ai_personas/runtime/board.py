"""The messages of a chat that ask people about calls of tools."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_ai_personas.chat import Insert, Update
from jupyter_ai_personas.runtime.approval_text import shown
from jupyter_ai_personas.runtime.approvals import Approval, Decision
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.unsaved import Unsaved

__all__ = ["ApprovalBoard"]


class ApprovalBoard:
    """Writes and edits the messages of one chat. The id of a message is that of its approval."""

    def __init__(self, services: Services, chat: ChatHandle, unsaved: Unsaved) -> None:
        self._services = services
        self._chat = chat
        self._unsaved = unsaved

    @property
    def path(self) -> str:
        """Where the chat is now."""
        return self._chat.current.path

    def show(self, approval: Approval, decision: Decision | None) -> None:
        """Show that people are asked, or what was decided. A message that is deleted stays so."""
        chat = self._chat.current
        asker = chat.user(approval.person)
        body = shown(
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

    def close(self, approval_id: str, reason: str) -> None:
        """Close an approval for which nobody waits any more."""
        self._show_all(self._services.approvals.close(approval_id, reason))

    def close_turn(self, turn_id: str, reason: str) -> None:
        """Close what a turn asked, since it has ended."""
        self._show_all(self._services.approvals.close_turn(turn_id, reason))

    def _show_all(self, closed: Sequence[tuple[Approval, Decision]]) -> None:
        for approval, decision in closed:
            self.show(approval, decision)
