"""What leaves a host: gathered, joined, in order, and in portions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import anyio
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.hosts import HostEvent
from jupyter_ai_personas.hosts.outbox import MOST, Outbox, joined

EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda turn, reply, text: HostEvent(turn, "chunk", (reply, text)),
            st.sampled_from("AB"),
            st.sampled_from("xy"),
            st.text(max_size=3),
        ),
        st.builds(lambda turn: HostEvent(turn, "status", "busy"), st.sampled_from("AB")),
    )
)


def told(events: Iterable[HostEvent], turn: str) -> list[tuple[str, str, str]]:
    """What a turn said, chunk by chunk joined where nothing of the turn comes between."""
    said: list[tuple[str, str, str]] = []
    for event in events:
        if event.turn_id != turn:
            continue
        reply, text = event.data if event.kind == "chunk" else ("", event.data)
        if said and event.kind == "chunk" and said[-1][:2] == ("chunk", reply):
            said[-1] = ("chunk", reply, said[-1][2] + text)
        else:
            said.append((event.kind, reply, text))
    return said


@given(EVENTS)
def test_joining_changes_neither_what_a_turn_says_nor_its_order(events: list[HostEvent]) -> None:
    out = joined(events)
    for turn in "AB":
        assert told(out, turn) == told(events, turn)
        kinds = [e for e in out if e.turn_id == turn]
        assert len(kinds) == len(told(events, turn)), "chunks that follow each other are one"


async def test_a_flood_comes_in_portions_and_the_loop_goes_on_in_between() -> None:
    outbox = Outbox()
    for number in range(3 * MOST + 1):
        outbox.put(HostEvent("A", "chunk", ("x", f"{number} ")))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    texts = []
    seen_turns = []
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(count_turns)
            async for batch in outbox.batches():
                texts += [event.data[1] for event in batch]
                seen_turns.append(turns)
                if len(seen_turns) == 4:
                    group.cancel_scope.cancel()
    assert "".join(texts) == "".join(f"{number} " for number in range(3 * MOST + 1))
    assert len(texts) == 4
    assert seen_turns == sorted(set(seen_turns)), "others had the loop between two portions"
