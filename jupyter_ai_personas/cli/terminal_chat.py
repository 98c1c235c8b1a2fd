"""A chat in memory that is printed while it grows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jupyter_ai_personas.chat import MemoryChat, Message
from jupyter_ai_personas.chat.markdown import with_short_calls
from jupyter_ai_personas.chat.messages import GROWING_STATES
from jupyter_ai_personas.chat.protocol import Write

__all__ = ["TerminalChat"]

_STREAMING = "streaming"


class TerminalChat(MemoryChat):
    """Prints what personas write with ``show``, one message after the other.

    A message that begins while another one streams is printed after that.
    """

    def __init__(self, path: str, show: Callable[[str], None], *, id: str | None = None) -> None:
        super().__init__(path, id=id)
        self._show = show
        # By id, what has been printed of a message; those that are complete are in `_ended`.
        self._printed: dict[str, str] = {}
        self._ended: set[str] = set()
        self._at: str | None = None
        self._begun = False

    def begin(self) -> None:
        """Take all that the chat holds as seen, and print from now on."""
        self._begun = True
        self._ended.update(message.id for message in self.messages)

    def apply(self, writes: Iterable[Write]) -> list[str]:
        """See :meth:`Chat.apply`."""
        gone = super().apply(writes)
        for message in self.messages if self._begun else ():
            if message.id not in self._ended and not message.by_person:
                self._print(message)
                if message.state == _STREAMING:
                    break
        return gone

    def _print(self, message: Message) -> None:
        body, before = with_short_calls(message.body), self._printed.get(message.id, "")
        is_final = message.state not in GROWING_STATES
        if body != before or (is_final and not before):
            user = self.user(message.sender)
            goes_on = self._at == message.id and body.startswith(before)
            text = body[len(before) :] if goes_on else body
            self._show(
                text if goes_on else f"{self.break_()}{user.shown_name if user else '?'}: {text}"
            )
            self._printed[message.id] = body
            self._at = message.id
        if is_final:
            self._ended.add(message.id)
            self._show(self.break_())

    def break_(self) -> str:
        """Return the end of the line that is being printed, if there is one."""
        is_open, self._at = self._at is not None, None
        return "\n" if is_open else ""
