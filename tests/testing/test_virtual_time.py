"""Virtual time: long waits end at once and in order, and threads are waited for."""

from __future__ import annotations

import asyncio
import time

import anyio
import anyio.to_thread
import pytest
from langchain_core.tools import tool

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.runtime import RuntimeSettings
from jupyter_ai_personas.testing import FakeModel, ask, converse, in_virtual_time, tool_calls

HOUR = 3600.0


@in_virtual_time
async def test_pauses_end_in_order_and_the_clock_shows_them() -> None:
    ended: list[float] = []
    begun = anyio.current_time()

    async def pause(seconds: float) -> None:
        await anyio.sleep(seconds)
        ended.append(round(anyio.current_time() - begun))

    async with anyio.create_task_group() as group:
        for hours in (3, 1, 2):
            group.start_soon(pause, hours * HOUR)
    assert ended == [HOUR, 2 * HOUR, 3 * HOUR]


@in_virtual_time
async def test_a_limit_does_not_run_out_while_a_thread_works() -> None:
    let_go = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> str:
        loop.call_soon_threadsafe(let_go.set)
        time.sleep(0.05)  # real work, which no event tells of
        return "done"

    with anyio.fail_after(HOUR):
        assert await anyio.to_thread.run_sync(work) == "done"
    with anyio.fail_after(HOUR):
        assert await asyncio.to_thread(work) == "done"


@in_virtual_time
async def test_what_is_ready_comes_before_what_is_due() -> None:
    order: list[str] = []
    asyncio.get_running_loop().call_later(1, order.append, "later")
    for n in range(3):
        await asyncio.sleep(0)
        order.append(str(n))
    await asyncio.sleep(1)
    assert order == ["0", "1", "2", "later"]


class Slow(BasePersona):
    defaults = PersonaDefaults(name="Slow")

    async def process_message(self, message: Message) -> None:
        await asyncio.sleep(HOUR)
        self.send_message("Sorry, I was away.")


@in_virtual_time
async def test_a_persona_may_take_an_hour() -> None:
    [reply] = await ask(Slow, "hello", settings=RuntimeSettings(turn_timeout=2 * HOUR))
    assert (reply.body, reply.state) == ("Sorry, I was away.", "done")


@in_virtual_time
async def test_a_turn_ends_at_its_limit() -> None:
    [reply] = await ask(Slow, "hello", settings=RuntimeSettings(turn_timeout=60))
    assert reply.state == "failed"
    assert "60" in reply.body


@tool
def note(text: str) -> str:
    """Note something."""
    return text


class Clerk(BasePersona):
    defaults = PersonaDefaults(name="Clerk", tools=["desk"])


@in_virtual_time
async def test_an_approval_ends_after_its_hour() -> None:
    model = FakeModel([tool_calls(("desk__note", {"text": "x"})), "Then not."])
    async with converse(Clerk, model=model, toolsets={"desk": lambda: [note]}) as chat:
        asked = chat.post("note x")
        [reply] = await chat.replied(asked)
        assert reply.body.endswith("Then not.")
        assert "Nobody decided in time" in model.prompts[-1][-1].text


@pytest.mark.parametrize("value", ["a", "b"])
@in_virtual_time
async def test_fixtures_and_parameters_reach_the_test(value: str) -> None:
    await asyncio.sleep(HOUR)
    assert value in "ab"
