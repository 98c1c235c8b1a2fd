"""Streams that suspend, streams that never do, and the others on their event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest

from jupyter_ai_personas import slices as slices_module
from jupyter_ai_personas.slices import SLICE, Slices


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Puts the clock forward, by seconds."""
    now = 0.0

    def forward(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(slices_module.time, "perf_counter", lambda: now)
    return forward


async def at_once(value: int) -> int:
    return value


async def later(value: int) -> int:
    await asyncio.sleep(0)
    return value


@pytest.mark.parametrize("item", [at_once, later])
async def test_what_is_watched_is_awaited(item: Callable[[int], Awaitable[int]]) -> None:
    assert await Slices().watch(item(5)) == 5


async def test_a_slice_is_over_when_nothing_has_suspended_for_long(
    clock: Callable[[float], None],
) -> None:
    slices = Slices()
    await slices.watch(at_once(1))
    assert not slices.is_over
    clock(2 * SLICE)
    await slices.watch(at_once(1))
    assert slices.is_over


async def test_who_suspends_begins_another_slice(clock: Callable[[float], None]) -> None:
    slices = Slices()
    clock(2 * SLICE)
    await slices.watch(later(1))
    assert not slices.is_over


async def test_handing_over_lets_others_run_and_begins_another_slice(
    clock: Callable[[float], None],
) -> None:
    slices, ran = Slices(), []
    clock(2 * SLICE)
    asyncio.get_running_loop().call_soon(ran.append, 1)
    await slices.hand_over()
    assert ran == [1]
    assert not slices.is_over


async def test_an_error_and_the_end_of_a_stream_come_through() -> None:
    async def stream() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        raise ValueError("the stream's own")

    async def empty() -> AsyncIterator[int]:
        for number in ():
            yield number

    slices, items = Slices(), stream()
    assert await slices.watch(anext(items)) == 1
    with pytest.raises(ValueError, match="the stream's own"):
        await slices.watch(anext(items))
    with pytest.raises(StopAsyncIteration):
        await slices.watch(anext(empty()))
    assert await slices.watch(anext(empty(), None)) is None


async def test_a_cancellation_reaches_what_is_watched_and_may_be_waited_for() -> None:
    seen: list[Any] = []

    async def slow() -> int:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            seen.append("told")
            await asyncio.sleep(0)
            seen.append("cleaned up")
            raise
        return 1

    task = asyncio.create_task(_watched(slow()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["told", "cleaned up"]


async def test_a_cancellation_may_be_swallowed_by_what_is_watched() -> None:
    async def stubborn() -> int:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return 7

    task = asyncio.create_task(_watched(stubborn()))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == 7


async def test_what_cannot_be_told_of_a_cancellation_is_cancelled_all_the_same() -> None:
    class Plain:
        def __await__(self) -> Iterator[Any]:
            return iter([None])

    task = asyncio.create_task(_watched(Plain()))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _watched(item: Awaitable[int]) -> int:
    return await Slices().watch(item)
