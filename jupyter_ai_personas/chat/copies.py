"""Of two copies of one message: whether they are the same, and which one counts."""

from __future__ import annotations

from jupyter_ai_personas.chat.messages import FINAL_STATES, Message

__all__ = ["content", "finality", "same"]


def same(one: Message, other: Message) -> bool:
    """Tell whether messages with one id are copies, and not a clumsy client's."""
    return one.sender == other.sender and (one.by_persona or one.body == other.body)


def content(message: Message) -> tuple[object, ...]:
    """Return what counts as an edit when it changes."""
    # A browser may bring back that a reply is streaming, after the server that wrote it died.
    return message.body, message.mentions, message.by_persona and message.state


def finality(message: Message | None) -> tuple[bool, bool, int]:
    """Return what is greater for the copy that is to stay."""
    if message is None:
        return False, False, 0
    return message.deleted, message.state in FINAL_STATES, len(message.body)
