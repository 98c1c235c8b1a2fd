"""Whose AnyIO's worker threads are, in an event loop that nobody's task is the root of."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any

import anyio
import anyio.to_thread
import pytest

from jupyter_ai_personas.server.worker_threads import own_worker_threads

PATIENCE = 60.0  # seconds


def forever(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run as Jupyter's loop is run: by ``run_forever``, in which ``main`` is a task like others."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    task.add_done_callback(lambda _: loop.stop())
    try:
        loop.run_forever()
        task.result()
    finally:
        loop.close()


async def asked_by_a_task() -> threading.Thread:
    """The thread that works for a task, which is over when this returns."""
    return await asyncio.create_task(anyio.to_thread.run_sync(threading.current_thread))


@pytest.mark.parametrize("own", [True, False])
def test_a_thread_serves_one_task_after_the_other_and_ends_with_the_owner(own: bool) -> None:
    threads: list[threading.Thread] = []

    async def owner() -> None:
        with own_worker_threads() if own else nullcontext():
            for _ in range(3):
                threads.append(await asked_by_a_task())

    async def main() -> None:
        await asyncio.create_task(owner())

    forever(main)
    # Without an owner each thread ends with the task that asked: what this module is for.
    assert len({id(thread) for thread in threads}) == (1 if own else 3)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_root_that_anyio_knows_stays_the_root() -> None:
    threads: list[threading.Thread] = []

    async def owner() -> None:
        with own_worker_threads():
            threads.append(await asked_by_a_task())

    async def main() -> None:
        threads.append(await anyio.to_thread.run_sync(threading.current_thread))
        await asyncio.create_task(owner())
        threads.append(await asked_by_a_task())

    asyncio.run(main())
    assert len({id(thread) for thread in threads}) == 1


def test_after_the_owner_threads_are_found_as_before() -> None:
    async def owner() -> None:
        with own_worker_threads():
            await asked_by_a_task()

    async def main() -> None:
        await asyncio.create_task(owner())
        with anyio.fail_after(PATIENCE):
            assert (await asked_by_a_task()).name == "AnyIO worker thread"

    forever(main)
