"""Shows turns to people: the typing status beside a persona's name, and the open turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jupyter_ai_personas.chat import OpenTurn
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.runtime.chat_handle import ChatHandle
from jupyter_ai_personas.runtime.wording import WAITING

__all__ = ["TypingStatus"]


class TypingStatus:
    """The typing status of the personas of one chat.

    A persona has one status and may have several turns. The newest turn that does more than wait
    is shown, with the number of turns that wait. The last turn that ends clears the status.
    ``turns`` returns the open turns of the chat, which are announced with each status.
    """

    def __init__(self, chat: ChatHandle, turns: Callable[[], Iterable[OpenTurn]]) -> None:
        self._chat = chat
        self._turns = turns
        # Persona id → the persona, and turn id → text, the newest last.
        self._shown: dict[str, tuple[Persona, dict[str, str]]] = {}

    def show(self, persona: Persona, turn_id: str, text: str) -> None:
        """Show ``text`` for a turn."""
        _, texts = self._shown.setdefault(persona.id, (persona, {}))
        if texts.get(turn_id) == text and next(reversed(texts)) == turn_id:
            return  # it is shown already
        texts.pop(turn_id, None)
        texts[turn_id] = text
        self._publish(persona)

    def publish_all(self) -> None:
        """Show every status again, in a document that was opened anew."""
        for persona, _ in self._shown.values():
            self._publish(persona)

    def clear(self, persona: Persona, turn_id: str) -> None:
        """Show a turn no longer."""
        _, texts = self._shown.get(persona.id, (persona, {}))
        texts.pop(turn_id, None)
        if not texts:
            self._shown.pop(persona.id, None)
        self._publish(persona)

    def _publish(self, persona: Persona) -> None:
        _, texts = self._shown.get(persona.id, (persona, {}))
        working = [text for text in texts.values() if text != WAITING]
        shown = working[-1] if working else WAITING if texts else None
        if working and len(texts) > len(working):
            shown = f"{shown} ({len(texts) - len(working)} more waiting)"
        self._chat.current.set_status(persona.user(), shown, self._turns())
