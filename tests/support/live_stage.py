"""A chat document with a writer and browsers that show growing texts, in virtual time."""

from __future__ import annotations

from typing import Any

from pycrdt import Awareness, Text

from jupyter_ai_personas.chat import PERSONA_PREFIX, GrowingReply, Pacer, ReplyWriter
from jupyter_ai_personas.chat.document import DocumentChat
from support.clock import FakeClock
from support.stages import LOG, DocumentStage, OtherClient

ECHO = PERSONA_PREFIX + "acme::Echo"
META = {"reply_to": "q", "turn": "t"}
LIVE = {"jupyter_ai_personas": {"live": 1}}


class Client(OtherClient):
    """A browser: a document, and the state that it announces."""

    def __init__(self, stage: DocumentStage, state: dict[str, Any] | None) -> None:
        super().__init__(stage.ychat.ydoc)
        self.stage = stage
        self.awareness = Awareness(self.doc)
        self.announce(state)

    def announce(self, state: dict[str, Any] | None) -> None:
        self.awareness.set_local_state(state)
        update = self.awareness.encode_awareness_update([self.awareness.client_id])
        self.stage.awareness.apply_awareness_update(update, "client")

    def leave(self) -> None:
        super().leave()
        self.announce(None)

    def close(self) -> None:
        """Lose the connection without a word."""
        super().leave()


class LiveStage(DocumentStage):
    """A document with a writer, in virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.connected = 0
        self.chat = DocumentChat(self.ychat, log=LOG, connections=lambda: self.connected)
        self.subscribe()
        self.clock = FakeClock()
        self.gone: list[GrowingReply] = []
        pacer = Pacer(self.clock, processor_time=lambda: 0.0)
        self.writer = ReplyWriter(self.chat, pacer, log=LOG, on_gone=self.gone.append)
        self.sent: list[int] = []
        self._sizes = self.ychat.ydoc.observe(lambda event: self.sent.append(len(event.update)))

    def join(self, state: dict[str, Any] | None = LIVE, **fields: Any) -> Client:  # type: ignore[override]
        return Client(self, {"user": {"username": "ada"}, **(state or {})})

    def open(self, message_id: str = "r", *texts: str) -> GrowingReply:
        reply = self.writer.open(ECHO, META, message_id=message_id)
        for text in texts:
            self.writer.append(reply, text)
        return reply

    def raw(self, message_id: str = "r") -> Any:
        return next(m["body"] for m in self.ychat.ymessages if m["id"] == message_id)

    def is_live(self, message_id: str = "r") -> bool:
        return isinstance(self.raw(message_id), Text)
