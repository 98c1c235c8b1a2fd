"""What leaves a host: gathered, joined, in order, and in portions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.chat.pacing import Pacing
from jupyter_ai_personas.hosts import outbox
from jupyter_ai_personas.hosts.outbox import MOST, Outbox, joined
from jupyter_ai_personas.personas.wire import (
    HostEvent,
    ReplyClosed,
    ReplyOpened,
    StatusChanged,
    TextDelta,
)

EVENTS = st.lists(
    st.one_of(
        st.builds(
            TextDelta,
            st.sampled_from("AB"),
            st.sampled_from("xy"),
            st.text(max_size=3),
        ),
        st.builds(StatusChanged, st.sampled_from("AB"), st.just("busy")),
    )
)


def told(events: Iterable[HostEvent], turn: str) -> list[HostEvent]:
    """What a turn said, chunk by chunk joined where nothing of the turn comes between."""
    said: list[HostEvent] = []
    for event in events:
        if event.turn_id != turn:
            continue
        last = said[-1] if said else None
        if (
            isinstance(event, TextDelta)
            and isinstance(last, TextDelta)
            and last.reply_id == event.reply_id
        ):
            said[-1] = TextDelta(turn, event.reply_id, last.text + event.text)
        else:
            said.append(event)
    return said


@given(EVENTS)
def test_joining_changes_neither_what_a_turn_says_nor_its_order(events: list[HostEvent]) -> None:
    out = joined(events)
    for turn in "AB":
        assert told(out, turn) == told(events, turn)
        own = [e for e in out if e.turn_id == turn]
        assert len(own) == len(told(events, turn)), "chunks that follow each other are one"


async def test_a_flood_comes_in_portions_and_the_loop_goes_on_in_between() -> None:
    outbox = Outbox()
    for number in range(3 * MOST + 1):
        outbox.put(TextDelta("A", "x", f"{number} "))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    texts = []
    seen_turns = []
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(count_turns)
            async for batch in outbox.batches():
                texts += [event.text for event in batch]
                seen_turns.append(turns)
                if len(seen_turns) == 4:
                    group.cancel_scope.cancel()
    assert "".join(texts) == "".join(f"{number} " for number in range(3 * MOST + 1))
    assert len(texts) == 4
    assert seen_turns == sorted(set(seen_turns)), "others had the loop between two portions"


def chunk(turn: str, text: str = "more ") -> HostEvent:
    return TextDelta(turn, "x", text)


@pytest.fixture
async def wakes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether it was urgent, for each time that the loop was woken."""
    loop = asyncio.get_running_loop()
    seen: list[bool] = []

    def call(callback: object, urgent: bool) -> None:
        seen.append(urgent)
        loop.call_soon(callback, urgent)

    monkeypatch.setattr(loop, "call_soon_threadsafe", call)
    return seen


async def flowing(box: Outbox) -> AsyncIterator[list[HostEvent]]:
    """The batches of ``box`` after the first text of turn A."""
    box.put(ReplyOpened("A", "x", "first "))
    batches = box.batches()
    assert [type(event) for event in await anext(batches)] == [ReplyOpened]
    return batches


async def test_a_turn_wakes_the_loop_once_however_much_text_flows(wakes: list[bool]) -> None:
    box = Outbox()
    batches = await flowing(box)
    for _ in range(3):
        for _ in range(100):
            box.put(chunk("A"))
        assert await anext(batches) == [chunk("A", 100 * "more ")]
    assert wakes == [True]


async def test_what_ends_something_and_who_was_quiet_do_not_wait_for_the_others(
    wakes: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PACING", Pacing(eager_interval=3600.0))
    box = Outbox()
    batches = await flowing(box)
    with anyio.fail_after(10):
        box.put(chunk("A"))
        box.put(chunk("B"))
        assert await anext(batches) == [chunk("A"), chunk("B")]
        box.put(chunk("B"))
        box.put(ReplyClosed("A", "x"))
        assert await anext(batches) == [chunk("B"), ReplyClosed("A", "x")]
    assert wakes == [True, False, True]


async def test_the_loop_comes_early_when_much_waits(
    wakes: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PACING", Pacing(eager_interval=3600.0))
    box = Outbox()
    batches = await flowing(box)
    for _ in range(MOST - 1):
        box.put(chunk("A"))
    assert wakes == [True]
    box.put(chunk("A"))
    assert wakes == [True, False]
    with anyio.fail_after(10):
        assert await anext(batches) == [chunk("A", MOST * "more ")]


async def test_a_turn_that_was_quiet_for_a_while_wakes_the_loop_again(
    wakes: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PACING", Pacing(eager_interval=0.0))
    box = Outbox()
    batches = await flowing(box)
    with anyio.fail_after(10):
        async with asyncio.TaskGroup() as tasks:
            batch = tasks.create_task(anext(batches))
            while box._flowing:
                await anyio.lowlevel.checkpoint()
            box.put(chunk("A"))
        assert batch.result() == [chunk("A")]
    assert wakes == [True, False]


async def test_no_chunk_stays_behind_whenever_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PACING", Pacing(interval=0.0, eager_interval=0.0))
    monkeypatch.setattr(outbox, "WINDOW", 0.0)
    box = Outbox()
    taken = threading.Semaphore(0)

    def produce() -> None:
        # Each comes while the loop takes the one before, or has just looked.
        for number in range(400):
            box.put(chunk("A", f"{number} "))
            if number % 3 == 0:
                taken.acquire(timeout=10)

    producer = threading.Thread(target=produce)
    producer.start()
    text = ""
    with anyio.fail_after(10):
        async for batch in box.batches():
            text += "".join(event.text for event in batch)
            taken.release()
            if text.endswith("399 "):
                break
    await asyncio.to_thread(producer.join)
    assert text == "".join(f"{number} " for number in range(400))
