"""Of two copies of one message: whether they are the same, and which one counts."""

from __future__ import annotations

from jupyter_ai_personas.chat.messages import FINAL_STATES, Message

__all__ = ["content_of", "is_duplicate", "precedence"]


def is_duplicate(one: Message, other: Message) -> bool:
    """Tell whether messages with one id are copies, and not a clumsy client's.

    One of them may be from before an edit; the server's time stays what it was.
    """
    if one.sender != other.sender:
        return False
    return one.by_persona or one.body == other.body or 0 < one.time == other.time


def content_of(message: Message) -> tuple[object, ...]:
    """Return what counts as an edit when it changes."""
    # A browser may bring back that a reply is streaming, after the server that wrote it died.
    return message.body, message.mentions, message.by_persona and message.state


def precedence(message: Message) -> tuple[bool, bool, bool, int]:
    """Return what is greater for the copy whose content is to stay."""
    return (
        message.deleted,
        message.state in FINAL_STATES,
        message.edited,
        len(message.body),
    )
