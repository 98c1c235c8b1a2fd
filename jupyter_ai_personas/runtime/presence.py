"""What is shown beside a persona's name while it works."""

from __future__ import annotations

from jupyter_ai_personas.chat import Chat
from jupyter_ai_personas.personas import Persona

__all__ = ["WAITING", "Presence"]

WAITING = "is waiting for an earlier turn"


class Presence:
    """The writing status of the personas of one chat.

    A persona has one status and may have several turns: the newest that does more than wait is
    shown, and how many wait. It is cleared with the last turn, whatever ended it.
    """

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        # Persona id → the persona, and turn id → text, the newest last.
        self._shown: dict[str, tuple[Persona, dict[str, str]]] = {}

    def show(self, persona: Persona, turn_id: str, text: str) -> None:
        """Show ``text`` for a turn."""
        _, texts = self._shown.setdefault(persona.id, (persona, {}))
        texts.pop(turn_id, None)
        texts[turn_id] = text
        self._publish(persona)

    def move_to(self, chat: Chat) -> None:
        """Show all of it in ``chat``, which is the same one, opened anew."""
        self._chat = chat
        for persona, _ in self._shown.values():
            self._publish(persona)

    def clear(self, persona: Persona, turn_id: str) -> None:
        """Show nothing for a turn any more."""
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
        self._chat.set_status(persona.user(), shown)
