"""The records of turns, and their encoding in bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

__all__ = [
    "FinalState",
    "Key",
    "RecordState",
    "ReplySnapshot",
    "StepKind",
    "TurnRecord",
    "TurnStep",
    "as_bytes",
    "as_text",
    "decode_replies",
    "decode_row",
    "decode_step",
    "encode",
    "encode_replies",
    "encode_request",
]

RecordState = Literal["accepted", "running", "finished"]
FinalState = Literal["done", "stopped", "failed", "interrupted", "rejected"]
StepKind = Literal["answer", "asked", "decided", "begun", "result"]
Key = tuple[str, str, str]
"""Chat id, message id, persona id: the key that is answered at most once."""

_DEEPEST = 100
_REQUEST = ("path", "message", "person", "root", "hops")
"""The constant parts of a record that have no column of their own."""


@dataclass(frozen=True, slots=True)
class ReplySnapshot:
    """The known part of a reply: its message id, body, state and metadata (plain JSON)."""

    message_id: str
    body: str
    state: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TurnStep:
    """A part of a turn, recorded before its consequences; ``data`` is plain JSON.

    ``answer``: a model's answer that calls tools, ``{"message": ...}``, ``None`` if it could not
    be serialised. ``asked`` and ``decided``: an approval, and the decision. ``begun`` and
    ``result``: a call of a tool, ``{"call": id, ...}``.
    """

    kind: StepKind
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRecord:
    """An accepted turn.

    ``path`` is the chat's path at that time, absolute if chats are files. ``message`` is the whole
    asking message as plain JSON with an ``id``, so that it can be restored; ``person`` is its
    sender. ``accepted_at`` is in seconds since the epoch and tells age, never identity. ``root`` is
    the id of the message that started the chain of personas, ``hops`` the number of steps from it.
    ``final_state`` is set exactly when ``state`` is ``finished``: the reply is final, the document
    not yet saved.

    Raises :class:`ValueError` for a message without an id, a time that is not finite, and states
    that do not fit.
    """

    turn_id: str
    chat_id: str
    path: str
    message: Mapping[str, Any]
    persona_id: str
    person: str
    accepted_at: float
    root: str
    hops: int = 0
    state: RecordState = "accepted"
    final_state: FinalState | None = None
    replies: tuple[ReplySnapshot, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.message.get("id"), str):
            raise ValueError("The asking message has no id")
        if not math.isfinite(self.accepted_at):
            raise ValueError("The time of acceptance cannot be told")
        if self.state not in get_args(RecordState):
            raise ValueError(f"A turn cannot be {self.state!r}")
        finals = get_args(FinalState) if self.state == "finished" else (None,)
        if self.final_state not in finals:
            raise ValueError(f"A turn that is {self.state} cannot end as {self.final_state!r}")

    @property
    def message_id(self) -> str:
        """The id of the asking message."""
        return cast(str, self.message["id"])

    @property
    def key(self) -> Key:
        """The key that is answered at most once."""
        return (self.chat_id, self.message_id, self.persona_id)


def as_bytes(text: str) -> bytes:
    """Encode any ``str``: paths may hold lone surrogates, which SQLite's own text refuses."""
    return text.encode("utf-8", "surrogatepass")


def as_text(data: object) -> str:
    """Undo :func:`as_bytes`; raises :class:`ValueError` for anything else."""
    if not isinstance(data, bytes):
        raise ValueError(f"Expected bytes, found {type(data).__name__}")
    return data.decode("utf-8", "surrogatepass")


def _plain(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(k): _plain(v, depth + 1) for k, v in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple):
        return [_plain(v, depth + 1) for v in value]
    return None


def encode(value: Any) -> bytes:
    """Encode as JSON without raising: values that JSON cannot express, or nests too deep, are null.

    Part of ``value`` was written into the document by a client.
    """
    try:
        return as_bytes(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return as_bytes(json.dumps(_plain(value), ensure_ascii=False))


def _load(data: object) -> Any:
    try:
        return json.loads(as_text(data), parse_int=_number)
    except RecursionError as error:
        raise ValueError("Nested too deeply") from error


def _number(digits: str) -> int | None:
    # A document holds 64 bits; its library crashes on more.
    number = int(digits) if len(digits) <= 20 else 2**63
    return number if -(2**63) <= number < 2**63 else None


def encode_request(record: TurnRecord) -> bytes:
    """Encode the constant parts of a record that have no column."""
    return encode({name: getattr(record, name) for name in _REQUEST})


def encode_replies(replies: Sequence[ReplySnapshot]) -> bytes:
    """Encode the replies of a turn."""
    return encode([(r.message_id, r.body, r.state, r.metadata) for r in replies])


def decode_replies(data: object) -> tuple[ReplySnapshot, ...]:
    """Undo :func:`encode_replies`; raises :class:`ValueError` for anything else."""
    if data is None:
        return ()
    replies = _load(data)
    if not isinstance(replies, list):
        raise ValueError("The replies are not a list")
    return tuple(_reply(reply) for reply in replies)


def decode_step(kind: object, data: object) -> TurnStep:
    """Decode the kind and the encoded data; raises :class:`ValueError` for anything else."""
    known, value = as_text(kind), _load(data)
    if known not in get_args(StepKind) or not isinstance(value, dict):
        raise ValueError("The step is of no known kind")
    return TurnStep(cast(StepKind, known), value)


def _reply(value: object) -> ReplySnapshot:
    match value:
        case [str(message_id), str(body), str(state), dict(metadata)]:
            return ReplySnapshot(message_id, body, state, metadata)
    raise ValueError("A reply does not have its four parts")


def decode_row(columns: Sequence[object], replies: tuple[ReplySnapshot, ...]) -> TurnRecord:
    """Decode a row from its columns; raises :class:`ValueError` if they are invalid."""
    turn_id, chat_id, message_id, persona_id, state, final_state, accepted_at, request = columns
    parts = _load(request)
    match parts:
        case {
            "path": str(),
            "message": {"id": str(asked)},
            "person": str(),
            "root": str(),
            "hops": int(),
        } if asked == as_text(message_id):
            pass
        case _:
            raise ValueError("The request lacks a part, or belongs to another message")
    if not isinstance(accepted_at, float):
        raise ValueError("The time of acceptance is not a number")
    return TurnRecord(
        turn_id=as_text(turn_id),
        chat_id=as_text(chat_id),
        persona_id=as_text(persona_id),
        accepted_at=accepted_at,
        state=cast(RecordState, as_text(state)),
        final_state=None if final_state is None else cast(FinalState, as_text(final_state)),
        replies=replies,
        **{name: parts[name] for name in _REQUEST},
    )
