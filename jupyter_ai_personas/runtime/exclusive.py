"""Turns that may not run at the same time, in any chat."""

from __future__ import annotations

import anyio

from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.providers import ModelRegistry

__all__ = ["ExclusiveSlots"]


class ExclusiveSlots:
    """Serializes the turns of personas and providers that do not allow concurrency."""

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models
        # Not locks: any task of a turn may give them back.
        self._slots: dict[str, anyio.Semaphore] = {}

    def of(self, persona: Persona, model: str | None) -> list[anyio.Semaphore]:
        """Return the slots that a turn needs; none if it may run beside any other."""
        # The persona's slot comes first: two turns never wait for each other.
        names = [] if persona.allows_concurrency else [persona.id]
        if model is not None and not self._models.allows_concurrency(model):
            names.append(model.partition(":")[0])
        return [self._slots.setdefault(name, anyio.Semaphore(1)) for name in names]
