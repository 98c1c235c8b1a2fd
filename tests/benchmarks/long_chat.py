"""A turn in a long chat: the runtime's own share, and the whole with the chat library's."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import Any
from uuid import uuid4

import anyio
from jupyterlab_chat.ychat import YChat
from pycrdt import Map
from support.server import JupyterServer

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat.document import DocumentChat
from jupyter_ai_personas.runtime import RuntimeSettings, TurnReport
from jupyter_ai_personas.runtime.metrics import Metrics
from jupyter_ai_personas.testing.fakes import make_runtime

from .options import Goal, Options, Result, Table
from .packages import HASTY, make_personas
from .sides import drained
from .watcher import Watcher

WHOLE_MOST = 5_000
"""Messages up to which a real server is asked: with more, opening the room alone takes the
library longer than a client waits."""


class Short(BasePersona):
    """Answers in three chunks."""

    defaults = PersonaDefaults(name="Short")

    async def process_message(self, message: Any) -> None:
        await self.stream_message(["one ", "two ", "three"])


async def run(options: Options) -> Result:
    sizes = (100, 1000) if options.quick else (100, 20_000)
    turns = 10 if options.quick else 100
    table = Table(
        "A long chat",
        "Milliseconds of processor time that a turn costs the runtime beyond what the same writes "
        "cost the chat library, with a host on the same event loop; once for opening the chat; "
        "then with a real server, from posting a message to the finished reply at the client "
        "(there the library converts all messages when it stamps and saves them).",
    )
    measured = await _shares(sizes, turns)
    shares = [mine for _, mine, _ in measured]
    for size, (opening, mine, library) in zip(sizes, measured, strict=True):
        table.rows.append(
            {
                "messages": size,
                "runtime's share of a turn": mine,
                "the library's of the same writes": library,
                "opening the chat, once": opening,
                "message to reply, real server": await _whole(
                    options, size, 3 if options.quick else 20
                ),
            }
        )
    goals = [
        Goal(f"runtime's share of a turn, {size:,} messages", 5.0, share, "ms")
        for size, share in zip(sizes, shares, strict=True)
    ]
    ratio = shares[1] / shares[0]
    what = f"runtime's share of a turn, {sizes[1]:,} messages against {sizes[0]}"
    return Result("long_chat", [table], [*goals, Goal(what, 1.2, ratio, "times")])


def _fields(sender: str, body: str, **more: Any) -> dict[str, Any]:
    fields = {"id": str(uuid4()), "type": "msg", "sender": sender, "body": body}
    return {**fields, "time": time.time(), "raw_time": False, **more}


def _filled(size: int, name: str = "") -> YChat:
    chat = YChat()
    name = name or f"long-{size}"
    chat.initial_path = f"{name}.chat"
    chat.set_id(name)
    with chat.ydoc.transaction():
        chat.yusers["ada"] = {"username": "ada", "name": "Ada", "display_name": "Ada"}
        chat.ymessages.extend(
            [Map(_fields("ada", f"Message {number} " * 5)) for number in range(size)]
        )
    return chat


async def _shares(sizes: Sequence[int], turns: int) -> list[tuple[float, float, float]]:
    """For each size: opening, the runtime's share, the library's; milliseconds.

    What a library's write costs is taken from the same document before the runtime has it: how
    long it walks through thousands of messages depends on where they lie in memory. And before
    each write, and each turn, there is one in a small chat: what was done before decides as well
    how much of a document the processor still has in its cache.
    """
    log = logging.getLogger("bench")
    settings = RuntimeSettings(max_messages_per_minute=1_000_000)
    chats = {size: _filled(size) for size in sizes}
    whole: dict[int, list[float]] = {size: [] for size in sizes}
    library: dict[int, list[float]] = {size: [] for size in sizes}
    ended = asyncio.Event()

    class Ends(Metrics):
        def ended(self, report: TurnReport) -> None:
            ended.set()

    async with make_runtime([Short], settings=settings, log=log, metrics=Ends()) as runtime:

        async def turn(chat: YChat) -> float:
            ended.clear()
            began = time.thread_time()
            chat.ymessages.append(Map(_fields("ada", "@Short how many?")))
            with anyio.fail_after(10):
                await ended.wait()
            await asyncio.sleep(0)
            return time.thread_time() - began

        async def open_chat(chat: YChat) -> float:
            began = time.thread_time()
            await runtime.open_chat(DocumentChat(chat, log=log)).ready.wait()
            return time.thread_time() - began

        small = _filled(100, "small")
        await open_chat(small)
        gc.collect()
        gc.disable()  # what is collected is of all earlier turns, and of the chats
        try:
            for _ in range(turns):
                for size, chat in chats.items():
                    await turn(small)
                    library[size].append(_library(chat))
            opening = {size: await open_chat(chat) for size, chat in chats.items()}
            for _ in range(turns):
                for size, chat in chats.items():
                    await turn(small)
                    whole[size].append(await turn(chat))
        finally:
            gc.enable()
    return [
        (
            1000 * opening[size],
            1000 * (median(whole[size]) - median(library[size])),
            1000 * median(library[size]),
        )
        for size in sizes
    ]


def _library(chat: YChat) -> float:
    """What the writes of such a turn cost without a runtime."""
    about = {"jupyter_ai_personas": {"reply_to": "x" * 36, "turn": "y" * 36, "state": "done"}}
    began = time.thread_time()
    chat.ymessages.append(Map(_fields("ada", "Short, how many?")))
    reply: Map[Any] = Map(_fields("a::b::Short", "one ", metadata=about))
    chat.ymessages.append(reply)
    with chat.ydoc.transaction():
        reply["body"] = "one two three"
        reply["metadata"] = about
    return time.thread_time() - began


async def _whole(options: Options, size: int, turns: int) -> float | str:
    if size > WHOLE_MOST:
        return "the library opens it too slowly"
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(options.directory())
        source = 'await self.stream_message(["one ", "two ", "three"])'
        server = JupyterServer(
            directory / "server",
            config=HASTY,
            pythonpath=[make_personas(directory / "personas", 1, source)],
        )
        await stack.enter_async_context(server)
        messages = [_fields("ada", f"Message {number} " * 5) for number in range(size)]
        server.create_chat(
            "long.chat",
            {"messages": messages, "users": {}, "attachments": {}, "metadata": {"id": "long"}},
        )
        ada = await stack.enter_async_context(Watcher(server, "long.chat", user="Ada"))
        await drained(server)
        times = []
        for number in range(turns + 1):
            began = time.perf_counter()
            asked = ada.post("@P0 how many?")
            await ada.wait_for(
                lambda me, asked=asked: any(
                    g.reply_to == asked and g.body == "one two three"
                    for g in me.replies_seen.values()
                ),
                timeout=30,
            )
            if number:
                times.append(time.perf_counter() - began)
        return 1000 * median(times)
