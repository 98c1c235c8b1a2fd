"""The seam that every host keeps; one suite of tests runs over all of them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jupyter_ai_personas.chat.markdown import code, sentence
from jupyter_ai_personas.errors import PersonasError
from jupyter_ai_personas.personas import TurnSpec
from jupyter_ai_personas.personas.turn import EventKind
from jupyter_ai_personas.redaction import for_people, redact

if TYPE_CHECKING:
    from jupyter_ai_personas.providers import ModelCache

__all__ = [
    "Failure",
    "Host",
    "HostEvent",
    "HostServices",
    "describe_failure",
    "in_words",
    "log_text",
    "traceback_of",
]


MOST_KIND = 80
"""Characters of the name of an exception's class that people are shown."""

MOST_TEXT = 1000
"""Characters of what an error of ours says that people are shown."""

MOST_READ = 50_000
"""Characters of it that are looked at."""

SHOWN_FRAMES = 2
"""Of the traceback of a failure that is understood, for each error in its chain."""

CUT = "…"


class HostEvent(NamedTuple):
    """Something that a turn did; see :data:`~jupyter_ai_personas.personas.turn.EventKind`."""

    turn_id: str
    kind: EventKind
    data: Any = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a turn failed: a class name, a paragraph for people, an id that the log repeats.

    ``expected`` failures are understood: of the model, of a bound, of a mistake in the persona's
    code that has a name. What its code raised by itself is not.
    """

    kind: str
    text: str
    error_id: str
    expected: bool = False


@dataclass(frozen=True, slots=True)
class HostServices:
    """What a host in this process is given.

    ``resolve`` turns ``module:Class`` into the persona's class; ``new_models`` makes a cache of
    models: one for each host, since asynchronous clients belong to one event loop.
    """

    resolve: Callable[[str], type]
    new_models: Callable[[], ModelCache]
    log: logging.Logger


def traceback_of(error: BaseException, *, innermost: int | None = None) -> str:
    """Return the traceback of a foreign error for the log, without secrets: it may quote them.

    Of each error in its chain the ``innermost`` frames are shown, or all.
    """
    limit = None if innermost is None else -innermost
    try:
        return redact("".join(traceback.format_exception(error, limit=limit))).rstrip()
    except BaseException:
        # An exception's own attributes may be code that raises.
        return f"{type(error).__name__}, which has no traceback that can be shown"


def describe_failure(error: BaseException, spec: TurnSpec) -> Failure:
    """Return what people are told of ``error``: our own errors in full, of others the class.

    The text of a foreign error may hold paths, keys or headers; it goes to the log only. One of
    ours may quote others, or be raised by them. Total: the class may be anybody's.
    """
    error_id = spec.turn_id[:8]
    kind = for_people(type(error).__name__)[:MOST_KIND]
    if issubclass(type(error), PersonasError) and (text := _text_of(error)):
        return Failure(kind, text, error_id, expected=True)
    text = (
        f"`{spec.persona_name}` could not answer: its code failed with {code(kind)}. If it "
        f"fails again, tell the operator (error `{error_id}` in the server's log)."
    )
    return Failure(kind, text, error_id)


def log_text(error: BaseException, failure: Failure) -> str:
    """Return what the log says of a failure: one of ours without a cause has it all in its text.

    Of one that is understood, as a model that cannot be reached, the way there is long and known.
    """
    try:
        told = failure.expected and error.__cause__ is None and CUT not in failure.text
    except BaseException:
        told = False
    frames = SHOWN_FRAMES if failure.expected else None
    return failure.text if told else f"\n{traceback_of(error, innermost=frames)}"


def in_words(text: str) -> str:
    """Return a text of ours, which may quote others, as people are shown it in a chat.

    On one line of at most ``MOST_TEXT`` characters, without secrets and paths; of Markdown only
    code spans.
    """
    # As it is, or else what is secret in it is not found; its end is cut off in any case.
    line = " ".join(for_people(text[:MOST_READ]).split())
    return sentence(line if len(line) <= MOST_TEXT else f"{line[:MOST_TEXT]}{CUT}")


def _text_of(error: BaseException) -> str:
    try:
        return in_words(str(error))
    except BaseException:
        return ""


class Host(Protocol):
    """Runs the turns of one persona. All calls are made on the server's event loop."""

    async def open(self) -> None:
        """Get ready to run turns."""

    def start(self, spec: TurnSpec) -> None:
        """Begin a turn. Its end is an event: ``end``, ``failed`` or ``lost``."""

    def cancel(self, turn_id: str) -> None:
        """Ask a turn to end; idempotent. A turn that is gone is no error."""

    def release(self, chat_id: str) -> None:
        """Let go of the persona's object for a chat: nobody addressed it for a while."""

    def events(self) -> AsyncIterator[list[HostEvent]]:
        """Yield what the turns do, in batches, in order for each turn, until :meth:`close`."""

    async def close(self) -> None:
        """Cancel all turns, let the persona shut down, and end within a bound."""

    def abandon(self) -> None:
        """Give the host up: it does not come back. Its running turns are ``lost``."""

    def ping(self, now: float) -> None:
        """Ask for a sign of life; ``now`` is in monotonic seconds."""

    def stuck_for(self, now: float) -> float:
        """Return for how many seconds a sign of life has been missing."""

    def where(self) -> str:
        """Return the line of code that runs at present, ``file:line (function)``."""
