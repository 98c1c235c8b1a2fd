"""A persona's entries and the texts of a collaborative document."""

from __future__ import annotations

from jupyter_ai_personas.chat import PERSONA_PREFIX
from support.stages import DocumentStage

ECHO = PERSONA_PREFIX + "acme::Echo"
STREAMING = {"reply_to": "q", "turn": "t", "state": "streaming"}
DONE = {"reply_to": "q", "turn": "t", "state": "done"}


def bodies(stage: DocumentStage) -> list[str]:
    return [m.body for m in stage.chat.before(None, 1000)]


def in_document(stage: DocumentStage) -> list[str]:
    return [m["body"] for m in stage.ychat.ymessages.to_py() or []]
