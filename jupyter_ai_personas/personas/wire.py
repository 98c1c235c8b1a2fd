"""Plain data that crosses the wall between the server and the code of a persona.

A :class:`TurnSpec`, answers and cancellations go down; events come up. Every type here is a frozen
dataclass of plain values: it can be pickled and sent to another process or machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from jupyter_ai_personas.chat.history import HistoryEntry
from jupyter_ai_personas.chat.messages import Message
from jupyter_ai_personas.errors import RequestRefusedError
from jupyter_ai_personas.tools.descriptions import ToolBounds, ToolInfo

__all__ = [
    "JSON",
    "MAX_ANSWER",
    "MAX_OPEN_REQUESTS",
    "MAX_REQUEST",
    "HostEvent",
    "MessageSent",
    "ReplyClosed",
    "ReplyDescribed",
    "ReplyOpened",
    "ReplyRewritten",
    "RequestWithdrawn",
    "StatusChanged",
    "TextDelta",
    "TurnAnswer",
    "TurnEnd",
    "TurnFailed",
    "TurnFinished",
    "TurnLost",
    "TurnRequest",
    "TurnRequested",
    "TurnSpec",
    "UsageReported",
    "plain_json",
]

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

MAX_OPEN_REQUESTS = 32
"""Requests of one turn that may be open at once."""

MAX_REQUEST = 2_000_000
"""Characters of JSON that the arguments of a request may have."""

MAX_ANSWER = 10_000_000
"""Characters of JSON that an answer may have."""


@dataclass(frozen=True, slots=True)
class TurnSpec:
    """All that a host needs to run a turn.

    ``persona_class`` is ``module:Class``. ``speaker`` is the display name of who asked.
    ``model`` is a reference ``provider_id:model_id``, or ``None`` and ``model_problem`` says why;
    it is built with ``model_parameters``.
    ``root_dir`` is the server's root directory, if it has one in the file system; ``base_url`` is
    the path of its URL, which begins and ends with a slash, empty where there is no server.
    Of ``history``, a persona sees the newest ``history_messages`` of at most ``history_tokens``
    unless it asks for others. ``max_reply_chars`` bounds all that the turn writes. ``tools`` are
    the persona's, without those of its own class. ``so_far`` is what its reply held
    when the turn was cut off, if it goes on by itself from its steps; otherwise ``None``.
    """

    turn_id: str
    persona_id: str
    persona_class: str
    persona_name: str
    chat_id: str
    chat_path: str
    message: Message
    speaker: str
    history: tuple[HistoryEntry, ...] = ()
    history_messages: int = 40
    history_tokens: int = 16_000
    model: str | None = None
    model_problem: str = ""
    model_parameters: Mapping[str, Any] = field(default_factory=dict)
    system_prompt: str = ""
    root_dir: str | None = None
    base_url: str = ""
    max_reply_chars: int = 500_000
    config: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[ToolInfo, ...] = ()
    tool_bounds: ToolBounds = field(default_factory=ToolBounds)
    so_far: str | None = None


# -- requests: the persona's side asks, the server's side answers -----------------------------


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """Something that a turn asks the server for. ``id`` is unique within the turn."""

    id: int
    kind: str
    arguments: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TurnAnswer:
    """The server's answer to a request: a value, or in ``error`` why it is refused."""

    request_id: int
    value: JSON = None
    error: str | None = None


def plain_json(value: Any, *, most: int) -> Any:
    """Return a copy of ``value`` as JSON holds it. Costs what its size costs.

    Raises:
        TypeError: it is not JSON.
        RequestRefusedError: it has more than ``most`` characters as JSON.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"It must be JSON: {error}") from error
    if len(text) > most:
        raise RequestRefusedError(
            f"A request or answer has {len(text):,} characters of JSON, and {most:,} are allowed. "
            "Ask for less at once."
        )
    return json.loads(text)


# -- events: what a turn does -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MessageSent:
    """A complete message."""

    turn_id: str
    reply_id: str
    body: str


@dataclass(frozen=True, slots=True)
class ReplyOpened:
    """A reply begins to grow, with its first text."""

    turn_id: str
    reply_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of a reply that grows."""

    turn_id: str
    reply_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReplyRewritten:
    """A reply begins anew: ``text`` replaces what it had."""

    turn_id: str
    reply_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReplyDescribed:
    """Metadata of a reply beside the runtime's own, as JSON by key; it may precede any text."""

    turn_id: str
    reply_id: str
    metadata: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class ReplyClosed:
    """A reply has all its text."""

    turn_id: str
    reply_id: str


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The persona's present activity; ``None``: the usual text."""

    turn_id: str
    text: str | None


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Token counts by name, and the ``model`` that they are of."""

    turn_id: str
    usage: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TurnRequested:
    """The turn asks the server for something, and waits for a :class:`TurnAnswer`."""

    turn_id: str
    request: TurnRequest


@dataclass(frozen=True, slots=True)
class RequestWithdrawn:
    """The turn does not wait for the answer to a request any more."""

    turn_id: str
    request_id: int


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The turn is over: its persona returned, or was cancelled."""

    turn_id: str


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """The turn failed: a class name, a paragraph for people, an id that the log repeats.

    ``expected`` failures are understood: of the model, of a bound, of a mistake in the persona's
    code that has a name. Other exceptions of its code are not.
    """

    turn_id: str
    kind: str
    text: str
    error_id: str
    expected: bool = False


@dataclass(frozen=True, slots=True)
class TurnLost:
    """The host hung or died. A turn that has not ``begun`` may run in another host.

    ``reason`` is a sentence about a worker that is gone, empty if the host hung. ``blameless``: the
    persona cannot be the cause.
    """

    turn_id: str
    begun: bool = True
    reason: str = ""
    blameless: bool = False


TurnEnd: TypeAlias = TurnFinished | TurnFailed | TurnLost
HostEvent: TypeAlias = (
    MessageSent
    | ReplyOpened
    | TextDelta
    | ReplyRewritten
    | ReplyDescribed
    | ReplyClosed
    | StatusChanged
    | UsageReported
    | TurnRequested
    | RequestWithdrawn
    | TurnEnd
)
