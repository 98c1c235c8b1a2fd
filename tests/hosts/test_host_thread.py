"""What a thread of its own is for: a persona that blocks, spins or breaks holds only itself."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from textwrap import dedent
from typing import Any

import anyio
import pytest
from support.bench import WAIT, Bench, bench_with

from jupyter_ai_personas import BasePersona
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.hosts import HostHealth, ThreadHost
from jupyter_ai_personas.hosts.environment import HostConfig, HostEnvironment
from jupyter_ai_personas.hosts.switching import SWITCH_SECONDS
from jupyter_ai_personas.personas.wire import (
    MessageSent,
    StatusChanged,
    TurnFinished,
    TurnLost,
)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with bench_with(ThreadHost) as made:
        yield made


class Gate:
    """Holds a thread until a test opens it; never longer than a minute."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reached = threading.Event()

    def __call__(self, persona: BasePersona, message: Message) -> None:
        self._reached.set()
        assert self._event.wait(WAIT)
        persona.send_message("after all")

    async def reached(self) -> None:
        """Return once a thread is held."""
        assert await anyio.to_thread.run_sync(self._reached.wait, WAIT)

    def open(self) -> None:
        self._event.set()


async def wait_for_ever(persona: BasePersona, message: Message) -> None:
    await asyncio.Event().wait()


def spin(persona: BasePersona, message: Message) -> None:
    persona.set_status("spinning")
    while True:
        pass


async def turn_the_loop(times: int) -> None:
    """Return when the event loop has turned so often, which it does not while it is held."""
    with anyio.fail_after(WAIT):
        for _ in range(times):
            await anyio.lowlevel.checkpoint()


async def test_a_persona_that_blocks_leaves_the_loop_responsive(bench: Bench) -> None:
    gate = Gate()
    turn = bench.start(gate)
    await gate.reached()
    await turn_the_loop(1000)
    assert bench.events[turn] == []
    gate.open()
    assert [type(e) for e in await bench.until(turn)] == [MessageSent, TurnFinished]


async def test_a_persona_that_sleeps_in_its_thread_delays_only_itself(bench: Bench) -> None:
    turned = threading.Event()

    def act(persona: BasePersona, message: Message) -> None:
        # It sleeps until the loop has turned, which it does not where this sleeps on it.
        until = time.monotonic() + WAIT
        while not turned.is_set():
            assert time.monotonic() < until
            time.sleep(0.001)

    turn = bench.start(act)
    await turn_the_loop(1000)
    turned.set()
    assert [type(e) for e in await bench.until(turn)] == [TurnFinished]


async def test_a_persona_that_spins_leaves_the_loop_its_share(bench: Bench) -> None:
    turn = bench.start(spin)
    await bench.until(turn, StatusChanged)
    await turn_the_loop(20)
    assert bench.types(turn) == [StatusChanged]
    bench.host.abandon()
    assert type((await bench.until(turn))[-1]) is TurnLost


async def test_a_blocked_turn_is_cancelled_as_soon_as_its_thread_comes_back(bench: Bench) -> None:
    gate = Gate()
    first = bench.start(gate)
    await gate.reached()
    second = bench.start(lambda p, m: p.send_message("second"))
    bench.host.cancel(first)
    bench.host.cancel(second)
    assert bench.events == {first: [], second: []}
    gate.open()
    # Told to end, it could not write any more, and the one that had not begun never began.
    assert [type(e) for e in await bench.until(first)] in (
        [TurnFinished],
        [MessageSent, TurnFinished],
    )
    assert [type(e) for e in await bench.until(second)] == [TurnFinished]


async def test_a_blocked_host_is_stuck_and_says_where(bench: Bench) -> None:
    gate = Gate()
    turn = bench.start(gate)
    await gate.reached()
    assert bench.host.health(100.0) == HostHealth()
    assert bench.host.health(103.0).stuck_seconds == 3.0
    health = bench.host.health(105.0)
    assert health.stuck_seconds == 5.0
    assert "test_host_thread.py" in health.location
    gate.open()
    await bench.until(turn)
    with anyio.fail_after(WAIT):
        while bench.host.health(105.0) != HostHealth():
            await anyio.lowlevel.checkpoint()


async def test_abandoning_ends_a_loop_in_python(bench: Bench) -> None:
    ended = threading.Event()

    def act(persona: BasePersona, message: Message) -> None:
        try:
            spin(persona, message)
        finally:
            ended.set()

    turn = bench.start(act)
    await bench.until(turn, StatusChanged)
    bench.host.abandon()
    assert [type(e) for e in await bench.until(turn)] == [StatusChanged, TurnLost]
    with anyio.fail_after(WAIT):
        await anyio.to_thread.run_sync(ended.wait)
        thread = bench.host._thread  # type: ignore[attr-defined]
        await anyio.to_thread.run_sync(thread.join)
    gc.collect()  # what was left behind must not warn


async def test_abandoning_at_any_moment_closes_the_loop_and_raises_nothing() -> None:
    for number in range(150):
        async with bench_with(ThreadHost) as bench:
            host: Any = bench.host
            if number % 3 == 1:
                bench.start(wait_for_ever)
            elif number % 3 == 2:
                host._to_host(host._stop.set)  # it is about to end by itself
            host.abandon()
            await anyio.to_thread.run_sync(host._thread.join, WAIT)
            assert host._loop.is_closed()
    gc.collect()  # what was left behind must not warn


async def test_a_host_that_is_given_up_while_it_opens_leaves_no_thread() -> None:
    log = logging.getLogger("tests.early")
    environment = HostEnvironment(HostConfig(models=False), log=log)
    for iterations in range(1, 20):
        host = ThreadHost("Early", environment)
        opening = asyncio.create_task(host.open())
        await turn_the_loop(iterations)
        opening.cancel()
        with suppress(asyncio.CancelledError):
            await opening
            await host.close()
        await asyncio.to_thread(host._thread.join, WAIT)
        assert not host._thread.is_alive()


async def test_an_abandoned_thread_that_comes_back_says_nothing(bench: Bench) -> None:
    gate = Gate()
    turn = bench.start(gate)
    await gate.reached()
    bench.host.abandon()
    gate.open()
    with anyio.fail_after(WAIT):
        await anyio.to_thread.run_sync(bench.host._thread.join)  # type: ignore[attr-defined]
    assert [type(e) for e in await bench.until(turn)] == [TurnLost]
    gc.collect()


async def test_closing_a_blocked_host_ends_within_its_bound(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("jupyter_ai_personas.hosts.thread.SHUTDOWN_SECONDS", 0.05)
    gate = Gate()
    turn = bench.start(gate)
    await gate.reached()
    await bench.host.close()
    assert bench.host._thread.is_alive(), "it did not wait for what is held"  # type: ignore[attr-defined]
    assert "did not end" in caplog.text
    assert "test_host_thread.py" in caplog.text
    assert type((await bench.until(turn))[-1]) is TurnLost
    gate.open()
    with anyio.fail_after(WAIT):
        await anyio.to_thread.run_sync(bench.host._thread.join)  # type: ignore[attr-defined]
    gc.collect()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("stray")])
async def test_a_task_that_a_persona_left_behind_may_fail(
    bench: Bench, error: BaseException
) -> None:
    kept = []

    async def stray() -> None:
        raise error

    async def act(persona: BasePersona, message: Message) -> None:
        kept.append(asyncio.get_running_loop().create_task(stray()))

    assert type((await bench.until(bench.start(act)))[-1]) is TurnFinished
    for _ in range(3):
        after = await bench.until(bench.start(lambda p, m: p.send_message("alive")))
        assert [type(e) for e in after] == [MessageSent, TurnFinished]
    with pytest.raises(type(error)):
        kept[0].result()


async def test_a_task_that_a_persona_left_behind_ends_with_the_host(bench: Bench) -> None:
    ended = threading.Event()

    async def stray() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    kept = []

    async def act(persona: BasePersona, message: Message) -> None:
        kept.append(asyncio.get_running_loop().create_task(stray()))
        await asyncio.sleep(0)

    await bench.until(bench.start(act))
    await bench.host.close()
    assert ended.is_set()


async def test_a_thread_of_the_persona_writes_to_its_turn(bench: Bench) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        turn = persona.turn
        threads = [threading.Thread(target=turn.send, args=(str(n),)) for n in range(20)]
        for thread in threads:
            thread.start()
        await asyncio.get_running_loop().run_in_executor(None, lambda: [t.join() for t in threads])

    events = await bench.until(bench.start(act))
    assert sorted(int(e.body) for e in events[:-1]) == list(range(20))
    assert len({e.reply_id for e in events[:-1]}) == 20


async def test_a_thread_that_writes_after_the_end_is_refused(bench: Bench) -> None:
    turns: list[Any] = []
    turn = bench.start(lambda persona, message: turns.append(persona.turn))
    await bench.until(turn)
    refused: list[str] = []

    def late() -> None:
        try:
            turns[0].send("late")
        except Exception as error:
            refused.append(type(error).__name__)

    thread = threading.Thread(target=late)
    thread.start()
    thread.join(WAIT)
    await anyio.lowlevel.checkpoint()
    assert refused == ["TurnEndedError"]
    assert bench.types(turn) == [TurnFinished]


async def test_a_persona_may_use_worker_threads(bench: Bench) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        for run in (anyio.to_thread.run_sync, asyncio.to_thread):
            persona.send_message(await run(lambda: threading.current_thread().name))
        await anyio.to_thread.run_sync(persona.send_message, "from a worker")

    events = await bench.until(bench.start(act))
    assert [type(e) for e in events] == [MessageSent, MessageSent, MessageSent, TurnFinished]


async def test_hosts_are_many_and_do_not_wait_for_each_other() -> None:
    gate = Gate()
    async with bench_with(ThreadHost) as blocked, bench_with(ThreadHost) as free:
        held = blocked.start(gate)
        await gate.reached()
        assert (
            type((await free.until(free.start(lambda p, m: p.send_message("free"))))[-1])
            is TurnFinished
        )
        assert blocked.events[held] == []
        gate.open()
        await blocked.until(held)


@pytest.mark.parametrize("end", ["close", "abandon"])
async def test_threads_switch_quickly_while_any_host_runs_and_as_before_afterwards(
    end: str,
) -> None:
    before = sys.getswitchinterval()
    assert before > SWITCH_SECONDS
    async with bench_with(ThreadHost) as first:
        async with bench_with(ThreadHost) as second:
            assert abs(sys.getswitchinterval() - SWITCH_SECONDS) < 1e-6
            if end == "abandon":
                second.host.abandon()
        assert abs(sys.getswitchinterval() - SWITCH_SECONDS) < 1e-6
        await first.until(first.start(lambda p, m: p.send_message("still here")))
    assert abs(sys.getswitchinterval() - before) < 1e-6


async def test_a_switch_interval_that_is_shorter_already_stays() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS / 5)
    try:
        async with bench_with(ThreadHost):
            assert sys.getswitchinterval() < SWITCH_SECONDS / 2
        assert sys.getswitchinterval() < SWITCH_SECONDS / 2
    finally:
        sys.setswitchinterval(before)


PROCESS = """
    import asyncio, logging, sys, threading, time
    from jupyter_ai_personas import BasePersona, PersonaDefaults
    from jupyter_ai_personas.chat import Message
    from jupyter_ai_personas.hosts import HostConfig, HostEnvironment, ThreadHost
    from jupyter_ai_personas.personas import TurnSpec

    begun = threading.Event()

    def work():
        begun.set()
        time.sleep(1000)

    class Persona(BasePersona):
        defaults = PersonaDefaults(name="Persona")
        async def process_message(self, message):
            {act}

    async def main():
        environment = HostEnvironment(HostConfig(), log=logging.getLogger())
        host = ThreadHost("Persona", environment)
        await host.open()
        host.start(TurnSpec("t", "p", "__main__:Persona", "Persona", "c", "c.chat",
                            Message("m", "ada", "hi"), "Ada"))
        assert begun.wait(60)
        {leave}

    asyncio.run(main())
    print("left")
"""


@pytest.mark.parametrize("end", ["await host.close()", "host.abandon()"])
def test_trace_functions_are_called_where_hosts_have_ended(end: str) -> None:
    # An interrupt that never arrives makes CPython 3.11 wait for it at each function under trace.
    leave = f"{end}; await asyncio.to_thread(host._thread.join); sys.settrace(lambda *_: None)"
    script = dedent(PROCESS).replace("{act}", "begun.set()").replace("{leave}", leave)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=180, check=False
    )
    assert (done.stdout, done.returncode) == ("left\n", 0), done.stderr


@pytest.mark.parametrize(
    "act",
    [
        "work()",
        "begun.set(); await asyncio.Event().wait()",
        "await asyncio.to_thread(work)",
        "import anyio; await anyio.to_thread.run_sync(work)",
    ],
)
@pytest.mark.parametrize("leave", ["pass", "host.abandon()"])
def test_a_process_ends_though_a_persona_does_not(act: str, leave: str) -> None:
    script = dedent(PROCESS).replace("{act}", act).replace("{leave}", leave)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.stdout == "left\n", done.stderr
    assert done.returncode == 0
