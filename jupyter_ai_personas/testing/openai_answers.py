"""Answers of the loopback server of the OpenAI protocol: bodies and events, valid or not.

The formats are those of OpenAI's API reference, and of servers that speak the same protocol and
deviate from it in ways that were seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

__all__ = ["Answer", "Call", "Request", "events_of", "refusal_of", "whole_of"]

_FRAGMENT = 5  # characters of arguments in one delta


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of an answer: the name that the model was told, and the arguments.

    Arguments that are a string are sent as they are, for malformed ones. Servers that leave out the
    ``id`` or the ``index`` of a call, or give all calls of an answer the same, were seen.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = "given"
    index: int | None = -1

    @property
    def text(self) -> str:
        """The arguments as they are sent."""
        is_text = isinstance(self.arguments, str)
        return str(self.arguments) if is_text else json.dumps(self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the server answers one request.

    ``text`` is streamed word by word, or as the given sequence of pieces. ``status`` other than
    200 gives an error body with ``text`` as its message. ``hold_after`` pieces the server waits
    for :meth:`OpenAIServer.release`; ``cut_after`` pieces it drops the connection. ``events`` are
    raw ``data:`` lines sent before the text, for malformed ones. ``body`` replaces everything by
    raw bytes, ``json`` by a JSON value, such as an error body of another shape, ``html`` by a web
    page. ``deltas`` are further deltas, such as tool calls, sent before the text.
    ``closing`` holds members to add to the last chunk: some vendors put the usage there.

    ``alternatives`` are the texts of further choices, streamed in turns with the first; a request
    with ``n`` gets as many of its own accord. ``usage_in_each`` chunk repeats the usage so far.
    ``streams=False`` answers in one piece although a stream was asked for. ``opens=False`` leaves
    out the first chunk, which has the role only: a stream that begins with one of ``events``.

    ``calls`` are tool calls that follow the text, their arguments in fragments that take turns;
    ``fragments=False`` sends each call in one piece, as some servers do.
    """

    text: str | Sequence[str] = "Hello from the loopback model."
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    hold_after: int | None = None
    cut_after: int | None = None
    events: Sequence[str] = ()
    deltas: Sequence[Mapping[str, Any]] = ()
    finish_reason: str = "stop"
    closing: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    json: Any = None
    html: str | None = None
    alternatives: Sequence[str] = ()
    usage_in_each: bool = False
    streams: bool = True
    opens: bool = True
    calls: Sequence[Call] = ()
    fragments: bool = True

    @property
    def pieces(self) -> list[str]:
        """The text in the pieces that are streamed."""
        return _pieces(self.text)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


def whole_of(request: Request, answer: Answer) -> tuple[str, bytes] | None:
    """Return content type and body of an answer in one piece, ``None`` for one that streams."""
    if answer.body is not None:
        return "application/json", answer.body
    if answer.html is not None:
        return "text/html; charset=utf-8", answer.html.encode()
    if answer.json is not None:
        return "application/json", json.dumps(answer.json).encode()
    if answer.status != 200:
        return "application/json", _error_body(answer)
    if answer.streams and request.json.get("stream"):
        return None
    return "application/json", _completion(request, answer)


def events_of(request: Request, answer: Answer) -> Iterator[tuple[str, int | None]]:
    """Yield the ``data:`` of each event of a stream.

    With it comes, for a piece of the text, how many pieces were sent before it, else ``None``.
    """
    opening = [{"role": "assistant", "content": ""}] if answer.opens else []
    for delta in [*opening, *answer.deltas]:
        yield json.dumps(_chunk(request, [_choice(delta)])), None
    for event in answer.events:
        yield event, None
    pieces = answer.pieces
    others = [_pieces(text) for text in _alternatives(request, answer)]
    for position in range(max(map(len, [pieces, *others]))):
        if position < len(pieces):
            usage = {"usage": _usage(request, position + 1)} if answer.usage_in_each else {}
            chunk = _chunk(request, [_choice({"content": pieces[position]})], **usage)
            yield json.dumps(chunk), position
        for index, other in enumerate(others, start=1):
            if position < len(other):
                choice = _choice({"content": other[position]}, index=index)
                yield json.dumps(_chunk(request, [choice])), None
    for index in range(1, len(others) + 1):
        yield json.dumps(_chunk(request, [_choice({}, "stop", index=index)])), None
    for delta in _call_deltas(answer):
        yield json.dumps(_chunk(request, [_choice(delta)])), None
    last = [_choice({}, "tool_calls" if answer.calls else answer.finish_reason)]
    yield json.dumps(_chunk(request, last, **answer.closing)), None
    if (request.json.get("stream_options") or {}).get("include_usage"):
        yield json.dumps(_chunk(request, [], usage=_usage(request, len(pieces)))), None
    yield "[DONE]", None


def _call_deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    """Yield the deltas of tool calls: each begins with its name, then fragments take turns."""
    rest: list[tuple[int | None, str]] = []
    for position, call in enumerate(answer.calls):
        index = position if call.index == -1 else call.index
        function = {"name": call.name, "arguments": "" if answer.fragments else call.text}
        begun: dict[str, Any] = {"type": "function", "function": function}
        begun |= {} if index is None else {"index": index}
        begun |= {} if (id_ := _call_id(call, position)) is None else {"id": id_}
        yield {"tool_calls": [begun]}
        rest += [(index, call.text)] if answer.fragments else []
    while rest:
        for index, text in rest:
            fragment = {"index": index, "function": {"arguments": text[:_FRAGMENT]}}
            yield {"tool_calls": [fragment]}
        rest = [(index, text[_FRAGMENT:]) for index, text in rest if len(text) > _FRAGMENT]


def _call_id(call: Call, position: int) -> str | None:
    return f"call_{position}" if call.id == "given" else call.id


def _whole_calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "id": _call_id(call, position),
            "type": "function",
            "function": {"name": call.name, "arguments": call.text},
        }
        for position, call in enumerate(answer.calls)
    ]


def refusal_of(request: Request, *, alternating: bool, most_tokens: int | None) -> Answer | None:
    """Return what a strict server says to messages that its model's template cannot take.

    With ``alternating`` roles, as the templates of Mistral, Gemma and Llama 2 demand, the first
    system message aside; with more than ``most_tokens`` words.
    """
    messages = request.json.get("messages") or []
    if most_tokens is not None and (words := _words(request)) > most_tokens:
        text = (
            f"This model's maximum context length is {most_tokens} tokens. However, your messages "
            f"resulted in {words} tokens. Please reduce the length of the messages."
        )
        return Answer(status=400, code="context_length_exceeded", text=text)
    if alternating:
        roles = [message["role"] for message in messages]
        roles = roles[1:] if roles[:1] == ["system"] else roles
        wanted = islice(cycle(["user", "assistant"]), len(roles))
        if not roles or roles != list(wanted):
            text = "Conversation roles must alternate user/assistant/user/assistant/..."
            return Answer(status=400, text=text)
        if not all(str(message.get("content") or "").strip() for message in messages):
            return Answer(status=400, text="Messages must have non-empty content.")
    return None


def _pieces(text: str | Sequence[str]) -> list[str]:
    return re.findall(r"\S+\s*|^\s+", text) if isinstance(text, str) else list(text)


def _alternatives(request: Request, answer: Answer) -> list[str]:
    missing = (request.json.get("n") or 1) - 1 - len(answer.alternatives)
    return [*answer.alternatives, *["Another answer altogether."] * missing]


def _choice(
    delta: Mapping[str, Any], finish_reason: str | None = None, *, index: int = 0
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _chunk(request: Request, choices: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-loopback",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": request.json.get("model", "loopback"),
        "choices": choices,
        **more,
    }


def _completion(request: Request, answer: Answer) -> bytes:
    texts = ["".join(answer.pieces), *_alternatives(request, answer)]
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": text},
            "finish_reason": answer.finish_reason,
        }
        for index, text in enumerate(texts)
    ]
    if answer.calls:
        choices[0]["message"] = {
            "role": "assistant",
            "content": texts[0],
            "tool_calls": _whole_calls(answer),
        }
    completion = _chunk(request, choices, usage=_usage(request, len(answer.pieces)))
    return json.dumps({**completion, "object": "chat.completion"}).encode()


def _words(request: Request) -> int:
    return sum(len(str(m.get("content")).split()) for m in request.json.get("messages", []))


def _usage(request: Request, said: int) -> dict[str, int]:
    """Count words as tokens."""
    asked = _words(request)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _error_body(answer: Answer) -> bytes:
    message = "".join(answer.pieces)
    kind = "invalid_request_error" if answer.status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": answer.code}
    return json.dumps({"error": error}).encode()
