"""Turns that may not run at the same time, in any chat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager

import anyio

from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.providers import ModelRegistry

__all__ = ["ExclusiveSlots", "HeldSlots"]


class HeldSlots:
    """The slots of one turn, which may give them back for a while."""

    def __init__(self, slots: Sequence[anyio.Semaphore], on_wait: Callable[[], None]) -> None:
        self._slots = slots
        self._on_wait = on_wait
        self._held = ExitStack()

    async def acquire(self) -> None:
        """Hold all of them; when cancelled, none."""
        with ExitStack() as held:
            for slot in self._slots:
                if slot.value == 0:
                    self._on_wait()
                await slot.acquire()
                held.callback(slot.release)
            self._held = held.pop_all()

    def release(self) -> None:
        """Give back those that are held."""
        self._held.close()


class ExclusiveSlots:
    """Serializes the turns of personas and providers that do not allow concurrency."""

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models
        # Not locks: any task of a turn may give them back.
        self._slots: dict[str, anyio.Semaphore] = {}

    def allows_concurrency(self, persona: Persona, model: str | None) -> bool:
        """Return whether turns of ``persona`` with ``model`` may run at the same time."""
        return not self._names(persona, model)

    @asynccontextmanager
    async def hold(
        self, persona: Persona, model: str | None, *, on_wait: Callable[[], None]
    ) -> AsyncIterator[HeldSlots]:
        """Hold the slots that a turn needs; ``on_wait`` is called if one is taken."""
        # The persona's slot comes first: two turns never wait for each other.
        slots = HeldSlots(
            [
                self._slots.setdefault(name, anyio.Semaphore(1))
                for name in self._names(persona, model)
            ],
            on_wait,
        )
        await slots.acquire()
        try:
            yield slots
        finally:
            slots.release()

    def _names(self, persona: Persona, model: str | None) -> list[str]:
        names = [] if persona.allows_concurrency else [persona.id]
        if model is not None and not self._models.allows_concurrency(model):
            names.append(model.partition(":")[0])
        return names
