"""A persona around a library that blocks: it computes in a thread, and can be stopped."""

from __future__ import annotations

import random
from threading import Event

import anyio.from_thread
import anyio.to_thread

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message

__all__ = ["Simulator", "estimate_pi"]


def estimate_pi(points: int, stopped: Event, report) -> float:
    """Stand in for the library: blocks for long, and looks now and then whether to go on."""
    inside = 0
    generator = random.Random(1)
    for number in range(1, points + 1):
        inside += generator.random() ** 2 + generator.random() ** 2 < 1
        if number % 10_000 == 0:
            if stopped.is_set():
                break
            report(f"has thrown {number:,} points")
    return 4 * inside / number


class Simulator(BasePersona):
    """Computes in a thread, so that everybody else goes on."""

    defaults = PersonaDefaults(
        name="Simulator", description="Estimates π by throwing points at a circle."
    )

    async def process_message(self, message: Message) -> None:
        """Estimate π, and tell meanwhile how far it is."""
        stopped = Event()

        def report(text: str) -> None:
            anyio.from_thread.run_sync(self.set_status, text)

        try:
            # A stop cancels the await; the thread looks at `stopped`, and ends soon after.
            value = await anyio.to_thread.run_sync(
                estimate_pi, 200_000, stopped, report, abandon_on_cancel=True
            )
        finally:
            stopped.set()
        self.send_message(f"π is about {value:.3f}.")
