"""A chat in memory that reports how the replies in it grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jupyter_ai_personas.chat.in_memory import MemoryChat
from jupyter_ai_personas.chat.messages import GROWING_STATES, Message
from jupyter_ai_personas.chat.protocol import Write
from jupyter_ai_personas.text import Anew

__all__ = ["WatchedChat"]

_GOOD = ("streaming", "waiting", "done", "stopped")


class WatchedChat(MemoryChat):
    """Calls ``grew`` with each piece of text that personas write, one message after the other.

    A piece that is :class:`~jupyter_ai_personas.text.Anew` replaces those before it. The text of a
    message that begins while an earlier one still grows is held back until then.
    """

    def __init__(self, grew: Callable[[str], None]) -> None:
        super().__init__("")
        self._grew = grew
        self._shown = ""

    def apply(self, writes: Iterable[Write]) -> list[str]:
        """See :meth:`Chat.apply`."""
        gone = super().apply(writes)
        texts: list[str] = []
        for message in self._replies():
            texts += filter(None, [_parts(message)[0]])
            if message.state in GROWING_STATES:
                break
        text = "\n\n".join(texts)
        if text != self._shown:
            more = text.startswith(self._shown)
            self._grew(text[len(self._shown) :] if more else Anew(text))
            self._shown = text
        return gone

    @property
    def failure(self) -> str:
        """The reason why the turn failed; empty if it did not."""
        return "\n\n".join(filter(None, (_parts(message)[1] for message in self._replies())))

    def _replies(self) -> list[Message]:
        return [message for message in self.messages if message.by_persona]


def _parts(message: Message) -> tuple[str, str]:
    """Return the text that a persona wrote, and the reason why it failed."""
    if message.state in _GOOD:
        return message.body, ""
    # A reply that fails while it grows keeps its text; the reason is its last paragraph.
    text, _, reason = message.body.rpartition("\n\n")
    return text, reason
