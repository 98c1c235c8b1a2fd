"""A server process as far as a ledger can tell, and the rows that its tests use.

``python ledger_worker.py <what> <ledger>`` opens the ledger, prints ``ready`` and does ``what``,
taking commands from its standard input and reporting on its standard output, line by line.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

import anyio.lowlevel

from jupyter_ai_personas.runtime.ledger import Ledger, ReplySnapshot, TurnRecord, failover

LOG = logging.getLogger("test_ledger")
PATIENCE = {"schema._BUSY_S": 60.0, "failover._EXCLUSIVE_S": 60.0, "sqlite._CLOSE_S": 60.0}
"""How long a ledger waits in the tests, in seconds, by module and name."""
QUICK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where files are that are written thousands of times, and survive no crash of the machine."""


def make_row(
    turn_id: str, *, message_id: str | None = None, chat: str = "chat", persona: str = "p::A"
) -> TurnRecord:
    message_id = message_id or f"message of {turn_id}"
    return TurnRecord(
        turn_id=turn_id,
        chat_id=chat,
        path="folder/été.chat",
        message={"id": message_id, "body": "@A why?", "sender": "ann", "raw_time": False},
        persona_id=persona,
        person="ann",
        accepted_at=time.time(),
        root=message_id,
        hops=1,
    )


def reply(body: str, state: str = "streaming") -> ReplySnapshot:
    return ReplySnapshot("reply", body, state, {"jupyter_ai_personas": {"state": state}})


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def listen() -> str:
    return (await asyncio.to_thread(sys.stdin.readline)).strip()


async def busy(ledger: Ledger) -> None:
    """Turns come, stream and end, as fast as they can, until somebody kills this."""
    numbers = iter(range(sys.maxsize))

    async def person() -> None:
        while True:
            turn_id = f"{os.getpid()}-{next(numbers)}"
            assert await ledger.accept([make_row(turn_id)]) == [True]
            say("accepted", turn_id)
            for n in range(3):
                ledger.checkpoint(turn_id, [reply("x" * 1000 * n)])
                await anyio.lowlevel.checkpoint()
            ledger.finish(turn_id, "done", [reply("y" * 5000, "done")])

    await asyncio.gather(*(person() for _ in range(8)))


async def race(ledger: Ledger) -> None:
    """Accept the same messages as others do."""
    await listen()
    for start in range(0, 300, 3):
        numbers = range(start, start + 3)
        rows = [make_row(f"{os.getpid()}-{n}", message_id=f"m{n}") for n in numbers]
        for n, accepted in zip(numbers, await ledger.accept(rows), strict=True):
            if accepted:
                say("accepted", n)
    say("end")
    await listen()


async def claim(ledger: Ledger) -> None:
    """Recover a chat at the same time as others do."""
    await listen()
    for row in await ledger.open_turns("chat"):
        say("claimed", row.turn_id)
    say("end")
    await listen()


async def hold(ledger: Ledger) -> None:
    """Accept a turn, leave a forked child behind, and wait to be killed."""
    await ledger.accept([make_row("t1")])
    if (child := os.fork()) == 0:
        os.closerange(0, 3)
        signal.pause()
    say("child", child)
    await listen()


async def neglect(ledger: Ledger) -> None:
    """Record the end of a turn and return without closing anything."""
    await ledger.accept([make_row("t1")])
    ledger.finish("t1", "done", [reply("all", "done")])
    say("durable", ledger.recorded)


async def full_disk(ledger: Ledger) -> None:
    """Write when the file cannot grow any more, and again when it can."""
    await ledger.accept([make_row("before")])
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ledger.path.stat().st_size, hard))
    say("accepted", *await ledger.accept([make_row("t1"), make_row("again", message_id="m")]))
    say("accepted", *await ledger.accept([make_row("t2", message_id="m")]))
    ledger.finish("t1", "done", [reply("all", "done")])
    ledger.saved("chat", ["t1"])
    await ledger.flush()
    say("durable", ledger.recorded)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    say("accepted", *await ledger.accept([make_row("after")]))
    say("durable", ledger.recorded)
    await ledger.aclose()


async def no_rights(ledger: Ledger) -> None:
    """Use a ledger in a folder that this process may only read."""
    say("accepted", *await ledger.accept([make_row("t1"), make_row("t2", message_id="m")]))
    say("accepted", *await ledger.accept([make_row("t3", message_id="m")]))
    say("durable", ledger.recorded)
    await ledger.aclose()


async def main(what: str, path: str) -> None:
    for name, seconds in PATIENCE.items():
        module, _, constant = name.partition(".")
        vars(import_module(f"jupyter_ai_personas.runtime.ledger.{module}"))[constant] = seconds
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    if what == "no_rights" and os.getuid() == 0:
        os.setuid(65534)
    failover.RETRY_S = 0.0
    ledger = Ledger(Path(path), log=LOG)
    await ledger.open()
    say("ready")
    await globals()[what](ledger)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
