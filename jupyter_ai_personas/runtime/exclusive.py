"""Turns that may not run at the same time, in any chat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio

from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.providers import ModelRegistry

__all__ = ["ExclusiveSlots"]


class ExclusiveSlots:
    """Serializes the turns of personas and providers that do not allow concurrency."""

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models
        self._locks: dict[str, anyio.Lock] = {}

    def allows_concurrency(self, persona: Persona, model: str | None) -> bool:
        """Return whether turns of ``persona`` with ``model`` may run at the same time."""
        return not self._names(persona, model)

    @asynccontextmanager
    async def hold(
        self, persona: Persona, model: str | None, *, on_wait: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Hold the slots that a turn needs; ``on_wait`` is called if one is taken."""
        async with AsyncExitStack() as slots:
            # The persona's slot comes first: two turns never wait for each other.
            for name in self._names(persona, model):
                lock = self._locks.setdefault(name, anyio.Lock())
                if lock.locked():
                    on_wait()
                await slots.enter_async_context(lock)
            yield

    def _names(self, persona: Persona, model: str | None) -> list[str]:
        names = [] if persona.allows_concurrency else [persona.id]
        if model is not None and not self._models.allows_concurrency(model):
            names.append(model.partition(":")[0])
        return names
