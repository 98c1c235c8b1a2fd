"""Sentences that people read in a chat."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.routing import Limits

__all__ = [
    "ASKING",
    "INTERRUPTED",
    "NOT_BEGUN",
    "RETRY",
    "SAID_NOTHING",
    "THINKING",
    "WAITING",
    "cut_off",
    "duration",
    "flooding",
    "may_have_happened",
    "overloaded",
    "paused",
    "queue_full",
    "stopped",
]

INTERRUPTED = "*The server stopped before this was finished. `/retry` runs it again.*"
NOT_BEGUN = "*The server stopped before this could be answered. `/retry` asks again.*"
SAID_NOTHING = "*Nothing to add.*"
THINKING = "is thinking"
ASKING = "is waiting for an approval"
WAITING = "is waiting for an earlier turn"
RETRY = " `/retry` asks it again."


def duration(seconds: float) -> str:
    """Return ``seconds`` in the largest unit of which they are one exactly or at least two."""
    whole = max(round(seconds), 0)
    units = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
    size, unit = next(one for one in units if whole == one[0] or whole >= 2 * one[0] or one[0] == 1)
    count = whole // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def may_have_happened(tools: Sequence[str], what: str = "The server stopped.") -> str:
    """Return the note about calls of ``tools`` that ``what`` cut off."""
    names = ", ".join(code(tool) for tool in dict.fromkeys(tools))
    return (
        f"*{what.removesuffix('.')} while {names} ran. It may have happened: look before you run "
        "it again with `/retry`.*"
    )


def paused(name: str, seconds: float, *, can_retry: bool) -> str:
    """Return the notice about a persona that is paused for ``seconds``."""
    minutes = math.ceil(seconds / 60)
    hint = ", or `/retry` now" if can_retry else ""
    return f"`{name}` failed again and again and is paused. Try again in {minutes} min{hint}."


def overloaded(name: str) -> str:
    """Return the notice about a persona that has the maximum number of turns."""
    return f"`{name}` has too much to answer. Send this again a little later."


def queue_full(persona: Persona, most: int) -> str:
    """Return the notice for a person with ``most`` messages waiting for a persona."""
    messages = "a message" if most == 0 else f"{most + 1} messages"
    return (
        f"`{persona.name}` has {messages} of yours to answer already. Send this again when "
        f"`{persona.name}` has answered one, or `/stop @{persona.mention_name}` first."
    )


def flooding(most: int) -> str:
    """Return the notice for a person whose messages exceed the flood limit."""
    return (
        f"More than {most} messages to personas in a minute: this one and those that follow at "
        "once are not answered. Send them again a little later."
    )


def cut_off(bound: str, limits: Limits) -> str:
    """Return the notice about a chain of personas that a bound ends."""
    if bound == "hops":
        return (
            f"The personas have passed this on {limits.max_hops} times; it ends here. Mention one "
            "to go on."
        )
    return (
        f"One message may cause {limits.max_turns} turns; the rest is left out. Mention a persona "
        "to go on."
    )


def stopped(by: str | None, how: str) -> str:
    """Return the note on a stopped reply: ``by`` whom (Markdown), and ``how``."""
    who = f" by {by}" if by is not None else ""
    separator = ", " if who and how else " " if how else ""
    return f"*Stopped{who}{separator}{how}.*"
