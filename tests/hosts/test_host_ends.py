"""What is left of a host that has ended: foreign code runs nowhere else, and never again."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from support.bench import WAIT, bench_with

from jupyter_ai_personas import BasePersona
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.hosts import ThreadHost
from jupyter_ai_personas.personas.wire import MessageSent, StatusChanged


async def test_a_turn_that_swallows_its_end_never_runs_in_the_thread_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("thread", "runner"):
        monkeypatch.setattr(f"jupyter_ai_personas.hosts.{module}.SHUTDOWN_SECONDS", 0.05)
    here = threading.get_ident()
    ran_here: list[BaseException] = []

    async def swallow(persona: BasePersona, message: Message) -> None:
        persona.send_message("begun")
        while len(ran_here) < 100:
            try:
                await asyncio.sleep(WAIT)
            except BaseException as error:
                # Once it is collected, `sleep` fails at once: a loop without a way out.
                if threading.get_ident() == here:
                    ran_here.append(error)

    async with bench_with(ThreadHost) as bench:
        await bench.until(bench.start(swallow), MessageSent)
        await bench.host.close()
    del bench
    gc.collect()
    assert ran_here == []


def test_a_loop_that_is_given_up_ends_though_the_loop_of_the_server_has_ended() -> None:
    def spin(persona: BasePersona, message: Message) -> None:
        persona.set_status("spinning")
        while True:
            pass

    async def give_up() -> threading.Thread:
        async with bench_with(ThreadHost) as bench:
            await bench.until(bench.start(spin), StatusChanged)
            bench.host.abandon()
            thread: threading.Thread = bench.host._thread  # type: ignore[attr-defined]
            return thread

    thread = asyncio.run(give_up())
    thread.join(WAIT)
    assert not thread.is_alive()
