"""Work that begins at once is begun a few at a time in each iteration of the event loop."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from support.room import Room, persona, room

from jupyter_ai_personas.runtime.turnstile import (
    AT_ONCE,
    SpreadCalls,
    Turnstile,
)
from jupyter_ai_personas.slices import SLICE


async def pass_and_note(turnstile: Turnstile, passed: list[int], number: int) -> None:
    await turnstile.enter()
    passed.append(number)


async def test_many_pass_in_order_a_few_an_iteration() -> None:
    turnstile, passed = Turnstile(), list[int]()
    tasks = [asyncio.create_task(pass_and_note(turnstile, passed, n)) for n in range(25)]
    most, before = 0, 0
    while len(passed) < len(tasks):
        await asyncio.sleep(0)
        most, before = max(most, len(passed) - before), len(passed)
    assert passed == list(range(25))
    assert most == AT_ONCE


async def test_who_comes_alone_does_not_wait() -> None:
    turnstile = Turnstile()
    for _ in range(3):
        entering = turnstile.enter()
        try:
            entering.send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError("it waits")
        await asyncio.sleep(0)


async def test_who_gives_up_keeps_nobody_out() -> None:
    turnstile, passed = Turnstile(), list[int]()
    tasks = [asyncio.create_task(pass_and_note(turnstile, passed, n)) for n in range(20)]
    await asyncio.sleep(0)
    for task in tasks[AT_ONCE:18]:
        task.cancel()
    await asyncio.wait(tasks)
    assert passed == [*range(AT_ONCE), 18, 19]


async def test_calls_that_take_long_are_made_in_order_in_several_iterations() -> None:
    calls, made = SpreadCalls(), list[int]()

    def call(number: int) -> None:
        made.append(number)
        busy_until = time.monotonic() + 0.002
        while time.monotonic() < busy_until:
            pass

    for number in range(20):
        calls.soon(partial(call, number))
    iterations = 0
    while len(made) < 20:
        await asyncio.sleep(0)
        iterations += 1
    assert made == list(range(20))
    assert iterations >= 20 * 0.002 / SLICE / 2


async def test_a_call_that_fails_keeps_no_other_back() -> None:
    calls, made, failed = SpreadCalls(), asyncio.Event(), list[object]()
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: failed.append(context["exception"])
    )
    calls.soon(partial(int, "no number"))
    calls.soon(made.set)
    await made.wait()
    assert [type(error) for error in failed] == [ValueError]


async def test_a_turn_that_is_stopped_before_it_passes_never_begins() -> None:
    begun: list[str] = []
    good = persona("Good", lambda me, message: begun.append(message.body))

    async with room(good, max_concurrent_turns=100) as here:
        keep_out(here)
        asked = here.say("@Good hi")
        await here.until_turns(1)
        await here.command("/stop")
        assert (await here.reply(asked)).state == "stopped"
        await here.quiet()
    assert begun == []


async def test_a_message_is_handled_when_it_has_passed() -> None:
    async with room(persona("Good", lambda me, message: me.send_message("Hello."))) as here:
        came, gate = asyncio.Event(), asyncio.Event()

        async def enter() -> None:
            came.set()
            await gate.wait()

        here.session._services.event_turnstile.enter = enter  # type: ignore[method-assign]
        asked = here.say("@Good hi")
        await came.wait()
        assert not here.session.turns
        assert not here.session.has_handled_all
        gate.set()
        assert (await here.reply(asked)).body == "Hello."


def keep_out(here: Room) -> None:
    """Let nobody pass."""
    turnstile = here.session._services.turn_turnstile

    async def wait() -> None:
        await asyncio.Event().wait()

    turnstile.enter = wait  # type: ignore[method-assign]
