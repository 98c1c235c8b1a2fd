"""What every message and every chunk goes through, each with ten times the input beside it.

``pytest tests/benchmarks/bench_pure.py -o python_functions="bench_*"``: a group of the table shows
how one thing grows.
"""

from __future__ import annotations

import logging
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_ai_personas.chat import MemoryChat, Pacer, ReplyWriter
from jupyter_ai_personas.chat.history import read_history
from jupyter_ai_personas.chat.pacing import Pacing
from jupyter_ai_personas.routing import NameIndex, address, find_mentions

SIZES = (1_000, 10_000, 100_000)

PROSE = "Dear @Ada, see `@Code` and https://x.org/@y; ask @Guide or ada@example.org. "


def names(count: int) -> NameIndex:
    return NameIndex({f"id-{n}": f"Persona-{n}" for n in range(count)} | {"guide": "Guide"})


@pytest.mark.benchmark(group="flush policy: one decision")
@pytest.mark.parametrize("chars", SIZES)
def bench_policy(benchmark: Any, chars: int) -> None:
    benchmark(Pacing().pause, chars=chars, stretch=1.5, lag=0.01)


@pytest.mark.benchmark(group="mention grammar: a body of so many characters")
@pytest.mark.parametrize("chars", SIZES)
def bench_mentions(benchmark: Any, chars: int) -> None:
    body = (PROSE * (chars // len(PROSE) + 1))[:chars]
    assert benchmark(find_mentions, body, names(10)) == ["guide"]


@pytest.mark.benchmark(group="mention grammar: backticks that never close")
@pytest.mark.parametrize("chars", SIZES)
def bench_hostile(benchmark: Any, chars: int) -> None:
    body = "".join("`" * (1 + n % 40) + "@Guide " for n in range(chars // 27))
    benchmark(find_mentions, body, names(10))


@pytest.mark.benchmark(group="routing: so many personas installed")
@pytest.mark.parametrize("personas", [5, 50, 500])
def bench_routing(benchmark: Any, personas: int) -> None:
    index = names(personas)
    addressed = benchmark(address, "Could @Guide help with this?", (), index)
    assert addressed == ["guide"]


@pytest.mark.benchmark(group="history window: so many messages in the chat")
@pytest.mark.parametrize("messages", SIZES)
def bench_history(benchmark: Any, messages: int) -> None:
    chat = MemoryChat("a.chat")
    for number in range(messages):
        chat.post(f"Message {number} of a long chat", sender="ada")
    last = chat.messages[-1]

    def read() -> int:
        return len(read_history(chat, reader="p", until=last, max_messages=40, max_chars=60_000))

    assert benchmark(read) == 40


class Never:
    """A scheduler whose timers never come: appending is measured, not writing."""

    def time(self) -> float:
        return 1.0

    def call_later(self, delay: float, callback: Callable[[], None], /) -> TimerHandle:
        return NEVER_FIRES


NEVER_FIRES: Any = object()


@pytest.mark.benchmark(group="a chunk: the reply has so many characters already")
@pytest.mark.parametrize("chars", SIZES)
def bench_chunk(benchmark: Any, chars: int) -> None:
    writer = ReplyWriter(MemoryChat("a.chat"), Pacer(Never()), log=logging.getLogger("bench"))
    reply = writer.open("p", {})
    for _ in range(chars // 5):
        writer.append(reply, "word ")
    benchmark.pedantic(writer.append, args=(reply, "word "), rounds=200, iterations=100)
