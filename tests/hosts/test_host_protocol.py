"""One suite over all hosts: turns begin, speak, end, fail and are cancelled alike."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.bench import WAIT, Act, Bench, Gate

from jupyter_ai_personas import BasePersona
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import ModelFailedError, NoModelError
from jupyter_ai_personas.hosts import HostHealth
from jupyter_ai_personas.personas.wire import (
    MessageSent,
    ReplyClosed,
    ReplyOpened,
    StatusChanged,
    TextDelta,
    TurnFailed,
    TurnFinished,
    TurnLost,
    UsageReported,
)


async def wait_for_ever(persona: BasePersona, message: Message) -> None:
    await asyncio.Event().wait()


def say(*bodies: str) -> Act:
    async def act(persona: BasePersona, message: Message) -> None:
        for body in bodies:
            persona.send_message(body)

    return act


# -- speaking ---------------------------------------------------------------------------------


async def test_a_turn_says_its_messages_and_ends(bench: Bench) -> None:
    turn = bench.start(say("one", "two"))
    events = await bench.until(turn)
    assert [type(e) for e in events] == [MessageSent, MessageSent, TurnFinished]
    assert [e.body for e in events[:2]] == ["one", "two"]


async def test_a_stream_arrives_whole_and_in_order(bench: Bench) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        async def chunks() -> AsyncIterator[str]:
            for n in range(500):
                yield f"{n} "
                if n % 7 == 0:
                    await asyncio.sleep(0)

        await persona.stream_message(chunks())

    events = await bench.until(bench.start(act))
    text = "".join(e.text for e in events if isinstance(e, ReplyOpened | TextDelta))
    assert text == "".join(f"{n} " for n in range(500))
    assert [type(e) for e in events[-2:]] == [ReplyClosed, TurnFinished]
    assert isinstance(events[0], ReplyOpened)


async def test_the_first_text_comes_before_the_rest_is_there(bench: Bench) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        async def chunks() -> AsyncIterator[str]:
            yield "first"
            await asyncio.Event().wait()

        await persona.stream_message(chunks())

    turn = bench.start(act)
    await bench.until(turn, ReplyOpened)
    bench.host.cancel(turn)
    await bench.until(turn)


async def test_status_and_usage_come_up(bench: Bench) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        persona.set_status("is reading")
        persona.turn.record_usage({"total_tokens": 3})

    turn = bench.start(act)
    events = await bench.until(turn)
    assert events[:-1] == [
        StatusChanged(turn, "is reading"),
        UsageReported(turn, {"total_tokens": 3}),
    ]


async def test_a_plain_function_is_a_persona_as_well(bench: Bench) -> None:
    events = await bench.until(bench.start(lambda persona, message: persona.send_message("plain")))
    assert [type(e) for e in events] == [MessageSent, TurnFinished]


class OddText(str):
    """A string of another class, as templates and arrays have them."""


async def test_a_string_of_another_class_is_its_text(bench: Bench) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        persona.send_message(OddText("odd"))
        persona.set_status(OddText("odd status"))
        await persona.stream_message([OddText("a"), "b"])

    turn = bench.start(act)
    events = await bench.until(turn)
    assert [e.body for e in events if isinstance(e, MessageSent)] == ["odd"]
    assert StatusChanged(turn, "odd status") in events
    text = "".join(e.text for e in events if isinstance(e, ReplyOpened | TextDelta))
    assert text == "ab"


async def test_a_persona_that_says_nothing_just_ends(bench: Bench) -> None:
    assert [type(e) for e in await bench.until(bench.start(say()))] == [TurnFinished]


async def test_turns_run_side_by_side_and_each_knows_its_own(bench: Bench) -> None:
    met = []
    everybody = asyncio.Event()

    async def act(persona: BasePersona, message: Message) -> None:
        mine = persona.turn.id
        met.append(mine)
        if len(met) == 20:
            everybody.set()
        await everybody.wait()
        assert persona.turn.id == mine
        persona.send_message(persona.turn.id)

    turns = [bench.start(act) for _ in range(20)]
    for turn in turns:
        [message, end] = await bench.until(turn)
        assert (message.body, end) == (turn, TurnFinished(turn))


# -- objects ----------------------------------------------------------------------------------


async def test_there_is_one_object_for_each_chat(bench: Bench) -> None:
    for chat in ("a", "b", "a"):
        await bench.until(bench.start(say(), chat=chat))
    assert len(bench.made) == 2


async def test_turns_that_come_together_share_the_object_that_is_being_made(bench: Bench) -> None:
    async def prepare() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    bench.prepare = prepare
    turns = [bench.start(say("x")) for _ in range(5)]
    for turn in turns:
        assert type((await bench.until(turn))[-1]) is TurnFinished
    assert len(bench.made) == 1


async def test_an_object_that_cannot_be_made_fails_the_turn_and_is_made_anew(bench: Bench) -> None:
    errors = [ValueError("first")]

    def make() -> None:
        if errors:
            raise errors.pop()

    bench.make = make
    assert type((await bench.until(bench.start(say())))[-1]) is TurnFailed
    assert type((await bench.until(bench.start(say())))[-1]) is TurnFinished


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), asyncio.CancelledError()])
async def test_a_failing_preparation_fails_each_turn_that_waits_for_it(
    bench: Bench, error: BaseException
) -> None:
    async def prepare() -> None:
        await asyncio.sleep(0)
        raise error

    bench.prepare = prepare
    turns = [bench.start(say()) for _ in range(3)]
    for turn in turns:
        assert type((await bench.until(turn))[-1]) is TurnFailed


async def test_who_is_cancelled_while_the_object_is_made_does_not_take_it_from_others(
    bench: Bench, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)

    async def prepare() -> None:
        await asyncio.get_running_loop().run_in_executor(None, gate.wait)

    bench.prepare = prepare
    first, second = bench.start(say("1")), bench.start(say("2"))
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    bench.host.cancel(first)
    await bench.until(first)
    with gate.opened():
        assert type((await bench.until(second))[-1]) is TurnFinished


async def test_a_released_object_is_shut_down_and_made_anew(bench: Bench) -> None:
    await bench.until(bench.start(say()))
    bench.host.release("c")
    bench.host.release("c")
    bench.host.release("never seen")
    await bench.until(bench.start(say()))
    assert len(bench.made) == 2
    assert bench.shut_down == bench.made[:1]


async def test_closing_shuts_every_object_down(bench: Bench) -> None:
    for chat in "ab":
        await bench.until(bench.start(say(), chat=chat))
    await bench.host.close()
    assert set(bench.shut_down) == set(bench.made)
    assert len(bench.shut_down) == 2


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1)])
async def test_a_failing_shutdown_is_logged(
    bench: Bench, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def shutdown() -> None:
        raise error

    bench.shutdown = shutdown
    await bench.until(bench.start(say()))
    await bench.host.close()
    assert "failed to shut down" in caplog.text


# -- failing ----------------------------------------------------------------------------------


class OddError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret sk-1234"),
        SystemExit(1),
        KeyboardInterrupt(),
        GeneratorExit(),
        BaseException("base"),
        asyncio.CancelledError(),
        StopIteration(),
        StopAsyncIteration(),
        ExceptionGroup("several", [ValueError("a")]),
        OddError(),
    ],
    ids=lambda e: type(e).__name__,
)
async def test_whatever_a_persona_raises_costs_its_own_turn(
    bench: Bench, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        persona.send_message("before")
        raise error

    other = bench.start(say("other"))
    events = await bench.until(bench.start(act))
    assert [type(e) for e in events] == [MessageSent, TurnFailed]
    failure = events[-1]
    assert "secret" not in failure.text
    assert failure.error_id in caplog.text
    assert not failure.expected
    assert type((await bench.until(other))[-1]) is TurnFinished
    assert type((await bench.until(bench.start(say("after"))))[-1]) is TurnFinished


@pytest.mark.parametrize("cause", [None, KeyError("from a vendor")])
async def test_errors_of_ours_are_told_in_full(
    bench: Bench, cause: BaseException | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        raise NoModelError("Persona") from cause

    failure = (await bench.until(bench.start(act)))[-1]
    assert failure.text == str(NoModelError("Persona"))
    assert failure.kind == "NoModelError"
    assert failure.expected
    # Where nothing of others' is behind it, a traceback would only tell of our own lines.
    assert failure.text in caplog.text
    assert ("Traceback" in caplog.text) == ("from a vendor" in caplog.text) == (cause is not None)


async def test_a_failure_that_is_understood_does_not_fill_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        raise ConnectionError("refused")

    async def act(persona: BasePersona, message: Message) -> None:
        try:
            down(10)
        except ConnectionError as error:
            raise ModelFailedError("a:b", "it cannot be reached") from error

    await bench.until(bench.start(act))
    assert caplog.text.count("in down") == 2
    assert "ConnectionError: refused" in caplog.text


@pytest.mark.parametrize("path", ["not_installed.personas:Gone", "support.bench_persona:Gone"])
async def test_a_class_that_is_not_there_fails_the_turn_and_is_named(
    bench: Bench, path: str
) -> None:
    failure = (await bench.until(bench.start(say(), persona_class=path)))[-1]
    assert failure.kind == "HostUnavailableError"
    assert f"The package `{path.partition('.')[0]}`, or its class `Gone`, is not" in failure.text


async def test_leaving_by_exit_costs_the_turn_only(bench: Bench) -> None:
    events = await bench.until(bench.start(lambda persona, message: sys.exit(3)))
    assert events[-1].kind == "SystemExit"


# -- cancelling -------------------------------------------------------------------------------


async def test_a_cancelled_turn_ends(bench: Bench) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        persona.send_message("waiting")
        await asyncio.Event().wait()

    turn = bench.start(act)
    await bench.until(turn, MessageSent)
    bench.host.cancel(turn)
    bench.host.cancel(turn)
    assert [type(e) for e in await bench.until(turn)] == [MessageSent, TurnFinished]
    bench.host.cancel(turn)
    bench.host.cancel("never seen")


async def test_a_turn_that_is_cancelled_before_it_begins_ends_too(bench: Bench) -> None:
    turn = bench.start(wait_for_ever)
    bench.host.cancel(turn)
    assert [type(e) for e in await bench.until(turn)] == [TurnFinished]


async def test_a_cancelled_turn_can_write_no_more(bench: Bench) -> None:
    async def act(persona: Any, message: Message) -> None:
        turn = persona.turn
        turn.send("one")
        try:
            await asyncio.Event().wait()
        finally:
            try:
                turn.send("two")
            except BaseException as error:
                persona.refused = type(error).__name__

    turn = bench.start(act)
    await bench.until(turn, MessageSent)
    bench.host.cancel(turn)
    assert [type(e) for e in await bench.until(turn)] == [MessageSent, TurnFinished]
    [said, _] = await bench.until(bench.start(lambda p, m: p.send_message(p.refused)))
    assert said.body == "TurnEndedError"


async def test_a_turn_that_swallows_its_cancellation_is_cancelled_again(bench: Bench) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        persona.set_status("stubborn")
        for _ in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    turn = bench.start(act)
    await bench.until(turn, StatusChanged)
    with anyio.fail_after(WAIT):
        while bench.types(turn)[-1] is not TurnFinished:
            bench.host.cancel(turn)
            await anyio.lowlevel.checkpoint()


async def test_a_cleanup_that_fails_after_a_cancellation_is_no_failure(bench: Bench) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        persona.set_status("working")
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("cleanup")

    turn = bench.start(act)
    await bench.until(turn, StatusChanged)
    bench.host.cancel(turn)
    assert type((await bench.until(turn))[-1]) is TurnFinished


async def test_cancelling_one_turn_leaves_the_others(bench: Bench) -> None:
    one, two = bench.start(wait_for_ever), bench.start(wait_for_ever)
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    bench.host.cancel(one)
    await bench.until(one)
    assert bench.events[two] == []
    bench.host.cancel(two)
    await bench.until(two)


async def test_closing_ends_the_turns_that_run(bench: Bench) -> None:
    turn = bench.start(wait_for_ever)
    await anyio.lowlevel.checkpoint()
    with anyio.fail_after(WAIT):
        await bench.host.close()
    assert type((await bench.until(turn))[-1]) is TurnFinished


async def test_a_closed_host_ends_its_events_and_may_be_closed_again(bench: Bench) -> None:
    await bench.until(bench.start(say("x")))
    await bench.host.close()
    await bench.host.close()
    bench.host.cancel("anything")
    bench.host.release("c")
    with anyio.fail_after(WAIT):
        assert [batch async for batch in bench.host.events()] == []


async def test_an_abandoned_host_loses_its_turns_and_says_so(bench: Bench) -> None:
    done, lost = bench.start(say("x")), bench.start(wait_for_ever)
    await bench.until(done)
    bench.host.abandon()
    bench.host.abandon()
    assert [type(e) for e in await bench.until(lost)] == [TurnLost]
    assert bench.types(done) == [MessageSent, TurnFinished]


async def test_a_host_that_lives_is_not_stuck(bench: Bench) -> None:
    assert bench.host.health(1.0) == HostHealth()
    await bench.until(bench.start(say("x")))
    assert bench.host.health(100.0) == HostHealth()


# -- flooding ---------------------------------------------------------------------------------


async def test_a_flood_of_chunks_leaves_the_loop_responsive(bench: Bench, tmp_path: Path) -> None:
    most = 50_000_000
    responsive = tmp_path / "responsive"

    def flood() -> Iterator[str]:
        # It goes on until others have had their turns; they get none where it holds the loop.
        until = time.monotonic() + WAIT
        while not responsive.exists() and time.monotonic() < until:
            yield "x"
        yield "x" * most

    async def act(persona: BasePersona, message: Message) -> None:
        await persona.stream_message(flood())

    async def other() -> None:
        loop_turns = 0
        while loop_turns < 5:
            await asyncio.sleep(0)
            loop_turns += bool(bench.events[turn])
        responsive.touch()

    turn = bench.start(act, max_reply_chars=most)
    async with anyio.create_task_group() as group:
        group.start_soon(other)
        events = await bench.until(turn)
        group.cancel_scope.cancel()
    assert events[-1].kind == "ReplyTooLongError"
    assert responsive.exists()
