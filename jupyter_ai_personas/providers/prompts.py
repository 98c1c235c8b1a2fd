"""Prepares messages for a model: accepted by every server, and within the model's limit.

Chat templates of many models refuse roles that do not alternate, an answer before the first
question, a system message in the middle, and an empty message. All calls of models, from chats and
cells, use this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    merge_message_runs,
    trim_messages,
)

from ..text import well_formed_json
from ..tokens import PER_MESSAGE, approximate_tokens
from .chunks import content_text

__all__ = ["acceptable", "count_tokens", "most_tokens", "newest", "trimmed"]

_SEPARATOR = "\n\n"
_PER_MEDIUM = 1000  # tokens of a picture, roughly what vendors count for a large one
_TEXTS = ("text", "thinking", "reasoning")

Counter = Callable[[list[BaseMessage]], int]


def acceptable(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return ``messages`` such that every server accepts them; the given ones are not changed.

    All text is well-formed; system messages are one, and first; empty messages are left out;
    neighbours of one role are one message; the first of the others is a person's.
    """
    clean = [message for message in map(_well_formed, messages) if not _is_empty(message)]
    system = [message for message in clean if isinstance(message, SystemMessage)]
    others = [message for message in clean if not isinstance(message, SystemMessage)]
    first = next((i for i, message in enumerate(others) if message.type == "human"), None)
    if first is not None:
        others = others[first:]
    elif others or system:
        # Without a question, the content is the question.
        source = others or system
        system = system if others else []
        text = _SEPARATOR.join(content_text(message.content) for message in source)
        others = [HumanMessage(text)] if text.strip() else []
    runs = [list(run) for _, run in groupby([*system, *others], key=lambda m: m.type)]
    return [_in_blocks(message) for run in runs for message in _merged(run)]


def newest(messages: Sequence[BaseMessage], *, system: bool = True) -> list[BaseMessage]:
    """Return the last question with what follows it, and the system messages if wanted."""
    last = next((i for i in range(len(messages) - 1, -1, -1) if messages[i].type == "human"), 0)
    before = [message for message in messages[:last] if isinstance(message, SystemMessage)]
    return [*(before if system else []), *messages[last:]]


def trimmed(
    messages: Sequence[BaseMessage], max_tokens: float, counter: Counter
) -> list[BaseMessage]:
    """Return the newest of ``messages`` that are no more than ``max_tokens`` together.

    The system messages at the beginning and the last question are kept, however long they are. The
    oldest that is kept is a person's.
    """
    kept = newest(messages)
    if counter(list(messages)) <= max_tokens:
        return list(messages)
    found: list[BaseMessage] = trim_messages(
        list(messages),
        max_tokens=int(max_tokens),
        token_counter=counter,
        strategy="last",
        include_system=True,
        start_on="human",
    )
    return found if len(found) > len(kept) else kept


def most_tokens(model: Any) -> int | None:
    """Return how many tokens ``model`` can read, by LangChain's profile of it, if that tells."""
    profile = getattr(model, "profile", None)
    most = profile.get("max_input_tokens") if isinstance(profile, dict) else None
    return most if isinstance(most, int) and most > 0 else None


def count_tokens(model: Any) -> Counter:
    """Return what counts the tokens of messages for ``model``: its own way, or an approximation.

    Its own is its ``custom_get_token_ids``, or a ``get_num_tokens_from_messages``,
    ``get_num_tokens`` or ``get_token_ids`` that its provider's class has. Those of LangChain's
    packages are not used: they ask a server, or download a tokenizer.
    """
    if (encode := getattr(model, "custom_get_token_ids", None)) is not None:
        count = partial(_sum, lambda text: len(encode(text)))
    elif _has_own(model, "get_num_tokens_from_messages"):
        count = model.get_num_tokens_from_messages
    elif _has_own(model, "get_num_tokens") or _has_own(model, "get_token_ids"):
        count = partial(_sum, model.get_num_tokens)
    else:
        return partial(_sum, approximate_tokens)
    return partial(_own_or_approximate, count)


def _has_own(model: Any, method: str) -> bool:
    owner = next((cls for cls in type(model).__mro__ if method in vars(cls)), None)
    return owner is not None and not owner.__module__.startswith("langchain")


def _own_or_approximate(count: Counter, messages: list[BaseMessage]) -> int:
    try:
        return int(count(messages))
    except Exception:
        return _sum(approximate_tokens, messages)  # foreign code, for an estimate


def _sum(count: Callable[[str], int], messages: Sequence[BaseMessage]) -> int:
    total = 0
    for message in messages:
        total += PER_MESSAGE + count(content_text(message.content))
        if isinstance(message, AIMessage) and message.tool_calls:
            total += count(str(message.tool_calls))
        if isinstance(message.content, list):
            blocks = [block for block in message.content if isinstance(block, dict)]
            total += _PER_MEDIUM * sum(block.get("type") not in _TEXTS for block in blocks)
    return total


def _well_formed(message: BaseMessage) -> BaseMessage:
    content = well_formed_json(message.content)
    calls = getattr(message, "tool_calls", None)
    changed: dict[str, Any] = {} if content == message.content else {"content": content}
    if calls and (clean := well_formed_json(calls)) != calls:
        changed["tool_calls"] = clean
    return message.model_copy(update=changed) if changed else message


def _merged(run: list[BaseMessage]) -> list[BaseMessage]:
    """Return the messages of one role as one, those of tools as they are."""
    texts = [message.content for message in run if isinstance(message.content, str)]
    simple = not any(getattr(m, "tool_calls", None) or isinstance(m, ToolMessage) for m in run)
    if len(run) > 1 and simple and len(texts) == len(run):
        # As `merge_message_runs` does, which takes 0.1 ms a message.
        return [run[0].model_copy(update={"content": _SEPARATOR.join(texts)})]
    return merge_message_runs(run, chunk_separator=_SEPARATOR)


def _in_blocks(message: BaseMessage) -> BaseMessage:
    """Return ``message`` without strings among its blocks, which not every vendor takes."""
    if isinstance(message.content, str) or not any(isinstance(b, str) for b in message.content):
        return message
    blocks = [{"type": "text", "text": b} if isinstance(b, str) else b for b in message.content]
    return message.model_copy(update={"content": blocks})


def _is_empty(message: BaseMessage) -> bool:
    if isinstance(message, ToolMessage) or getattr(message, "tool_calls", None):
        return False
    if isinstance(message.content, str):
        return not message.content.strip()
    return not any(_has_something(block) for block in message.content)


def _has_something(block: Any) -> bool:
    if isinstance(block, str):
        return bool(block.strip())
    return block.get("type") != "text" or bool(str(block.get("text") or "").strip())
