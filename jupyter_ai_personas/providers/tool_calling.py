"""Models that call tools: whether they can, their calls, and the results sent back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ToolMessage,
    message_chunk_to_message,
)

from .pieces import content_text

__all__ = ["ModelCall", "bound", "calls_of", "refuses_tools", "sent_back", "whole_answer"]

_TOOLS = re.compile(r"\btools?\b|\btool[ _-]?(?:use|call\w*|choice)|function[ _-]?call", re.I)
_REFUSED = re.compile(r"support|enabl|not available|unavailable", re.I)
_NAMELESS = "unnamed"


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call that a model asks for. ``problem`` says what is wrong with its arguments."""

    name: str
    arguments: Mapping[str, Any]
    id: str
    problem: str = ""


def bound(model: Any, tools: Sequence[Mapping[str, Any]]) -> Any:
    """Return ``model`` with ``tools`` (OpenAI's function format), ``None`` if it takes none.

    By LangChain's profile of the model, or by what its class says. Raises what the class raises.
    """
    profile = getattr(model, "profile", None)
    if isinstance(profile, Mapping) and profile.get("tool_calling") is False:
        return None
    if not hasattr(type(model), "bind_tools"):
        return None
    try:
        return model.bind_tools([dict(tool) for tool in tools])
    except NotImplementedError:
        return None


def refuses_tools(error: BaseException, messages: Sequence[BaseMessage]) -> bool:
    """Return whether ``error`` says that the model takes no tools, rather than what of them."""
    if any(isinstance(message, ToolMessage) for message in messages):
        return False
    text = f"{error} {error.__cause__ or ''}"
    return bool(_TOOLS.search(text) and _REFUSED.search(text))


def whole_answer(raws: Sequence[Any]) -> AIMessage | None:
    """Return the answer whose raw chunks these are, ``None`` if it calls no tool."""
    raws = [raw for raw in raws if isinstance(raw, AIMessage)]
    if not raws:
        return None
    try:
        whole = _sum(raws)
    except (TypeError, ValueError):
        # Vendors' additional members may not add up; text and calls do.
        whole = _sum([_bare(raw) for raw in raws])
    return whole if calls_of(whole) else None


def _sum(raws: list[Any]) -> AIMessage:
    # All at once: each sum of two parses the calls anew.
    whole: AIMessage = raws[0] + raws[1:] if len(raws) > 1 else raws[0]
    return whole


def _bare(raw: Any) -> AIMessageChunk:
    return AIMessageChunk(
        content=content_text(raw.content),
        tool_call_chunks=getattr(raw, "tool_call_chunks", None) or [],
    )


def calls_of(answer: AIMessage) -> list[ModelCall]:
    """Return the calls in an answer; each has an id that no other of them has."""
    found: list[ModelCall] = []
    # LangChain completes JSON that was cut off in a stream, and so changes what was meant.
    chunks = getattr(answer, "tool_call_chunks", None)
    parts = _joined(chunks or ()) or [*answer.tool_calls, *answer.invalid_tool_calls]
    ids: set[str] = set()
    for number, part in enumerate(parts, start=1):
        arguments, problem = _arguments(part.get("args"))
        id_ = part["id"] if _names(part.get("id")) else f"call_{number}"
        while id_ in ids:
            id_ += "_"
        ids.add(id_)
        found.append(ModelCall(part.get("name") or _NAMELESS, arguments, id_, problem))
    return found


def _joined(chunks: Sequence[Any]) -> list[Any]:
    """Return the parts of calls with those that begin no call put behind the one before."""
    parts: list[Any] = []
    for chunk in chunks:
        if parts and not chunk.get("name"):
            last = parts[-1]
            parts[-1] = {**last, "args": f"{last.get('args') or ''}{chunk.get('args') or ''}"}
        else:
            parts.append(chunk)
    return parts


def _names(id_: Any) -> bool:
    return bool(id_) and id_ != "null"  # as Mistral's package has it


def _arguments(given: Any) -> tuple[Mapping[str, Any], str]:
    """Return the arguments of a call, or what is wrong with them."""
    if isinstance(given, str) and given.strip():
        try:
            given = json.loads(given, strict=False)
            if isinstance(given, str):  # some servers encode them twice
                given = json.loads(given, strict=False)
        except (ValueError, RecursionError) as error:
            return {}, f"The arguments are not valid JSON: {error}. Call it again with valid JSON."
    if given is None or given == "":
        return {}, ""
    if not isinstance(given, Mapping):
        return {}, "The arguments must be a JSON object. Call it again with one."
    return dict(given), ""


def sent_back(answer: AIMessage, calls: Sequence[ModelCall]) -> AIMessage:
    """Return ``answer`` as the vendor takes it back before the results of its ``calls``.

    As it came, with what it holds beside text and calls, such as signatures of reasoning; unless
    a call in it is malformed, which vendors refuse.
    """
    told = [(call.name, dict(call.arguments), call.id) for call in calls]
    message = message_chunk_to_message(answer)
    same = [(c["name"], c["args"], c["id"]) for c in getattr(message, "tool_calls", ())] == told
    if same and isinstance(message, AIMessage) and not message.invalid_tool_calls:
        return message
    return AIMessage(
        content=content_text(answer.content),
        tool_calls=[{"name": name, "args": args, "id": id_} for name, args, id_ in told],
    )
