"""A chat while it is served; its document may be closed and opened again meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4

from jupyter_ai_personas.chat import Chat, Message, encode_message
from jupyter_ai_personas.routing import Chain
from jupyter_ai_personas.runtime.ledger import RecordState, TurnLedger, TurnRecord

__all__ = ["ChatHandle"]


class ChatHandle:
    """A chat that is served. :attr:`current` is the document that was opened last."""

    def __init__(self, chat: Chat, root_dir: str | None) -> None:
        self.current = chat
        self._root = None if root_dir is None else Path(root_dir).absolute()
        # A chat gets its id when it is first asked for, and an observer must not write.
        self._known_id = chat.id

    @property
    def id(self) -> str:
        """The stable id of the chat."""
        return self.current.id

    def follow_id(self, ledger: TurnLedger) -> None:
        """Carry the records over if another id of the chat has won.

        Two servers, or one before a crash, gave the chat an id before any was saved.
        """
        before, self._known_id = self._known_id, self.id
        if before != self._known_id:
            ledger.carry_over(before, self._known_id)

    @property
    def full_path(self) -> str:
        """The path of the chat's file: absolute, if the server's root is in the file system.

        Servers with different roots may share a ledger.
        """
        path = self.current.path
        return path if self._root is None else str(self._root / path.strip("/"))

    def record(
        self,
        message: Message,
        persona_id: str,
        *,
        turn_id: str | None = None,
        person: str | None = None,
        chain: Chain | None = None,
        state: RecordState = "accepted",
    ) -> TurnRecord:
        """Return the ledger's record of a turn, with the whole message.

        By default the turn is new, and its message, by the sender, starts the chain.
        """
        chain = chain or Chain(message.id)
        if (raw := self.current.raw(message.id)) is None:
            deletion = {"id": message.id, "deleted": True}
            raw = deletion if message.deleted else encode_message(message)
        return TurnRecord(
            turn_id=turn_id or str(uuid4()),
            chat_id=self.id,
            path=self.full_path,
            message=raw,
            persona_id=persona_id,
            person=message.sender if person is None else person,
            accepted_at=time.time(),
            root=chain.root,
            hops=chain.hops,
            state=state,
        )
