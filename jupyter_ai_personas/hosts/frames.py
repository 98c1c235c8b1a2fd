"""Messages between a server and a worker: commands go down, reports come up.

Each is a frozen dataclass of plain values around the types of
:mod:`jupyter_ai_personas.personas.wire`. Both sides send their :data:`SCHEMA` first, as JSON that
any version can read. A worker with another schema is refused.
"""

from __future__ import annotations

import json
import pickle
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, get_args

from jupyter_ai_personas.chat.history import HistoryEntry
from jupyter_ai_personas.chat.messages import Attachment, Message, Selection
from jupyter_ai_personas.errors import HostUnavailableError
from jupyter_ai_personas.hosts.plain import Codec
from jupyter_ai_personas.hosts.protocol import HostConfig, HostHealth
from jupyter_ai_personas.personas.wire import HostEvent, TurnAnswer, TurnRequest, TurnSpec
from jupyter_ai_personas.providers.settings import ProviderSettings
from jupyter_ai_personas.tools.descriptions import ToolBounds, ToolInfo
from jupyter_ai_personas.version import __version__

__all__ = [
    "SCHEMA",
    "AbandonHost",
    "AnswerTurn",
    "CancelTurn",
    "CloseHost",
    "Command",
    "Configure",
    "HostClosed",
    "HostEvents",
    "Logged",
    "OpenHost",
    "Ping",
    "Pong",
    "Preload",
    "ReleaseChat",
    "Report",
    "StartTurn",
    "UseProviders",
    "check_hello",
    "hello",
    "pack_commands",
    "pack_reports",
    "unpack_commands",
    "unpack_reports",
]


# -- commands: the server tells the worker ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Configure:
    """The first command. ``log_level`` is that of the server's log."""

    config: HostConfig
    log_level: int


@dataclass(frozen=True, slots=True)
class UseProviders:
    """The operator's settings, with the secrets of those providers that this worker uses."""

    providers: ProviderSettings = field(repr=False)


@dataclass(frozen=True, slots=True)
class Preload:
    """Import persona classes (``module:Class``) and model providers before the first turn."""

    class_paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenHost:
    """Prepare to run turns of a persona. ``host`` is a number of the server's choice."""

    host: int
    name: str


@dataclass(frozen=True, slots=True)
class StartTurn:
    """See :meth:`Host.start`."""

    host: int
    spec: TurnSpec


@dataclass(frozen=True, slots=True)
class CancelTurn:
    """See :meth:`Host.cancel`."""

    host: int
    turn_id: str


@dataclass(frozen=True, slots=True)
class AnswerTurn:
    """See :meth:`Host.answer`."""

    host: int
    turn_id: str
    answer: TurnAnswer


@dataclass(frozen=True, slots=True)
class ReleaseChat:
    """See :meth:`Host.release`."""

    host: int
    chat_id: str


@dataclass(frozen=True, slots=True)
class CloseHost:
    """See :meth:`Host.close`; answered by :class:`HostClosed`."""

    host: int


@dataclass(frozen=True, slots=True)
class AbandonHost:
    """See :meth:`Host.abandon`."""

    host: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a :class:`Pong`."""

    number: int


Command: TypeAlias = (
    Configure
    | UseProviders
    | Preload
    | OpenHost
    | StartTurn
    | CancelTurn
    | AnswerTurn
    | ReleaseChat
    | CloseHost
    | AbandonHost
    | Ping
)


# -- reports: the worker tells the server -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostEvents:
    """A batch of events of the turns of one host."""

    host: int
    events: tuple[HostEvent, ...]


@dataclass(frozen=True, slots=True)
class HostClosed:
    """The host has ended; it has no more events."""

    host: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The worker lives. ``health`` is of its hosts."""

    number: int
    health: Mapping[int, HostHealth]


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the server's log, without secrets.

    ``name`` is below the server's own logger, or a library's if it is not ``own``.
    """

    level: int
    name: str
    own: bool
    text: str


Report: TypeAlias = HostEvents | HostClosed | Pong | Logged


# -- the schema -------------------------------------------------------------------------------

_PARTS = (
    *(HostConfig, HostHealth, ProviderSettings, TurnSpec, TurnRequest, TurnAnswer),
    *(Message, Attachment, Selection, HistoryEntry, ToolInfo, ToolBounds),
)
_CLASSES = (*get_args(Command), *get_args(Report), *get_args(HostEvent), *_PARTS)


_CODEC = Codec(_CLASSES)

SCHEMA = _CODEC.schema
"""A digest of all types that cross, so it changes when one of them does."""


def hello(schema: str = "") -> bytes:
    """Return the first frame of a process, by default of a worker."""
    python = ".".join(platform.python_version_tuple()[:2])
    facts = {"schema": schema or SCHEMA, "version": __version__, "python": python}
    return json.dumps(facts).encode()


def check_hello(frame: bytes, *, worker: str, wanted: str = "") -> None:
    """Check the first frame of a process; ``wanted`` is its schema, by default that of workers.

    Raises:
        HostUnavailableError: it is of another version; the message says what to install.
    """
    wanted = wanted or SCHEMA
    try:
        facts = json.loads(frame)
        schema, version, python = (str(facts[key]) for key in ("schema", "version", "python"))
    except (ValueError, KeyError, TypeError):
        raise HostUnavailableError(
            f"{worker} is no worker of jupyter_ai_personas. Run `pip install "
            f"jupyter_ai_personas=={__version__}` where it runs, and restart it."
        ) from None
    if schema != wanted:
        raise HostUnavailableError(
            f"{worker} has another version of jupyter_ai_personas ({version}, schema {schema}) "
            f"than the server ({__version__}, schema {wanted}). Install one version on both, and "
            "restart both."
        )
    here = ".".join(platform.python_version_tuple()[:2])
    if python != here:
        raise HostUnavailableError(
            f"{worker} runs Python {python} and the server Python {here}. Use one version on both."
        )


# -- bytes ------------------------------------------------------------------------------------


def pack_commands(commands: list[Command]) -> bytes:
    """Return commands as bytes that :func:`unpack_commands` reads."""
    return pickle.dumps(commands, protocol=5)


def pack_reports(reports: list[Report]) -> bytes:
    """Return reports as bytes that :func:`unpack_reports` reads."""
    return _CODEC.pack(reports)


def unpack_reports(frame: bytes) -> list[Report]:
    """Return what a worker reported.

    Raises:
        pickle.UnpicklingError: something else than reports.
    """
    reports = _CODEC.unpack(frame)
    if not isinstance(reports, list) or not all(isinstance(one, Report) for one in reports):
        raise pickle.UnpicklingError("These are no reports.")
    return reports


def unpack_commands(frame: bytes) -> list[Command]:
    """Return what the server commanded. The worker trusts its server."""
    commands: list[Command] = pickle.loads(frame)
    return commands
