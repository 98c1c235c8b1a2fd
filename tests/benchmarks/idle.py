"""What an open chat costs that nobody addresses, and what a burst of turns leaves behind."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import anyio
import psutil
from support.server import CHAT_EXTENSIONS, DEFAULT_EXTENSIONS, JupyterServer

from .options import Goal, Options, Result, Table
from .packages import HASTY, make_personas, make_probe
from .sides import drained
from .watcher import Watcher

PERSONAS = 50


async def run(options: Options) -> Result:
    chats, turns = (8, 40) if options.quick else (100, 1000)
    runs = []
    for _ in range(1 if options.quick else options.repeat):
        pair = {}
        for what, extensions in (("without", CHAT_EXTENSIONS), ("with", DEFAULT_EXTENSIONS)):
            with options.directory() as directory:
                pair[what] = await _open_chats(directory, extensions, chats)
        runs.append(pair)
    more = {
        key: median(pair["with"][key] - pair["without"][key] for pair in runs)
        for key in ("cpu_ms", "wall_ms", "rss_kb", "tasks", "timers", "threads")
    }
    rows: list[dict[str, Any]] = [
        {"server": what, **{k: median(pair[what][k] for pair in runs) for k in runs[0]["with"]}}
        for what in ("without", "with")
    ]
    opening = Table(
        f"Opening {chats} chats, {PERSONAS} personas installed",
        "Per chat: server CPU and time until a client is synchronised, resident memory; then "
        "tasks, timers and threads per chat, and persona objects in all.",
        [*rows, {"server": "added", **more, "personas": rows[1]["personas"]}],
    )
    sides = {"without": CHAT_EXTENSIONS, "threads": DEFAULT_EXTENSIONS, "lean": DEFAULT_EXTENSIONS}
    resident: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    with options.directory() as compiled:
        for number in range(2 if options.quick else options.repeat + 1):
            for side, extensions in sides.items():
                with options.directory() as directory:
                    measured = await _resident(directory, side, extensions, compiled)
                if number:  # the first round compiles
                    resident[side].append(measured)
    at_rest = {
        side: {key: median(one[key] for one in some) for key in some[0]}
        for side, some in resident.items()
    }
    without = at_rest["without"]
    memory = Table(
        "Memory at rest",
        "MB of the server's process with no chat and the index off, once all plug-ins are known: "
        "resident, proportional (shared pages divided) and unique; and the resident MB of the "
        'processes beside it. *lean*: `hosts = "processes"` with one worker.',
        [
            {
                "server": side,
                **{key: value / 1e6 for key, value in one.items()},
                "added": (one["rss"] - without["rss"]) / 1e6,
                "added unique": (one["uss"] - without["uss"]) / 1e6,
            }
            for side, one in at_rest.items()
        ],
    )
    bursts = []
    for what, extensions in (("without", CHAT_EXTENSIONS), ("with", DEFAULT_EXTENSIONS)):
        with options.directory() as directory:
            before, first, again, personas = await _bursts(directory, extensions, turns)
        bursts.append(
            {
                "server": what,
                "before": before / 1e6,
                "after": first / 1e6,
                "after / before": first / before,
                "after as many again": again / 1e6,
                "again / after": again / first,
                "persona objects": personas,
            }
        )
    burst = Table(
        f"Memory after {turns:,} turns",
        "Resident MB of the server; 20 people ask, each in a new chat, as fast as they are "
        "answered, and leave; it is read once the actors have retired and the rooms are gone. The "
        "server without the extension gets the same messages and replies from a client.",
        bursts,
    )
    theirs = bursts[0]["after"] - bursts[0]["before"]
    ratio = (bursts[1]["after"] - theirs) / bursts[1]["before"]
    kept = bursts[1]["again / after"]
    lean = (at_rest["lean"]["rss"] - without["rss"]) / 1e6
    goals = [
        Goal("memory at rest that a lean server adds", 15.0, lean, "MB"),
        Goal("CPU of opening a chat, added", 5.0, more["cpu_ms"], "ms"),
        Goal("memory of an open chat, added", 200.0, more["rss_kb"], "kB"),
        Goal(f"tasks of an open chat with {PERSONAS} personas, added", 3.0, more["tasks"], "tasks"),
        Goal("persona objects in chats that nobody addresses", 0.0, rows[1]["personas"], "objects"),
        Goal("timers of an open chat, added", 0.0, round(more["timers"], 1) + 0.0, "timers"),
        Goal(f"memory after {turns:,} turns, less what it is without us", 1.10, ratio, "times"),
        Goal(f"memory after {turns:,} turns more, against after the first", 1.10, kept, "times"),
    ]
    return Result("idle", [opening, memory, burst], goals)


async def _resident(
    directory: Path, side: str, extensions: tuple[str, ...], compiled: Path
) -> dict[str, float]:
    """Bytes of a server at rest, and of the processes that it has started."""
    lean = {"AiExtension.hosts": "processes", "AiExtension.host_processes": 1}
    server = JupyterServer(
        directory / "server",
        config=lean if side == "lean" else {},
        extensions=extensions,
        pythonpath=[make_personas(directory / "personas", PERSONAS, 'self.send_message("here")')],
        env={"PYTHONDONTWRITEBYTECODE": None, "PYTHONPYCACHEPREFIX": str(compiled)},
    )
    async with server:
        if side != "without":
            await server.get("/api/ai/personas")
        if side == "lean":
            await server.wait_for_log("is ready for personas")
        await drained(server)
        process = psutil.Process(server.pid)
        memory = process.memory_full_info()
        beside = sum(one.memory_info().rss for one in process.children(recursive=True))
    return {"rss": memory.rss, "pss": memory.pss, "uss": memory.uss, "beside": beside}


async def _open_chats(directory: Path, extensions: tuple[str, ...], chats: int) -> dict[str, float]:
    server = JupyterServer(
        directory / "server",
        extensions=(*extensions, "bench_probe"),
        pythonpath=[
            make_personas(directory / "personas", PERSONAS, 'self.send_message("here")'),
            make_probe(directory / "probe"),
        ],
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server)

        async def open_chat(name: str) -> None:
            await stack.enter_async_context(Watcher(server, f"{name}.chat", user="Ada"))

        for number in range(5):
            await open_chat(f"warm-{number}")
        await drained(server)
        await server.get("/bench/census")
        _, before = await server.get("/bench/census")
        cpu, rss, began = server.cpu_seconds(), server.rss(), anyio.current_time()
        for number in range(chats):
            await open_chat(str(number))
        wall = anyio.current_time() - began
        await drained(server)
        cpu, rss = server.cpu_seconds() - cpu, server.rss() - rss
        _, after = await server.get("/bench/census")
    return {
        "cpu_ms": 1000 * cpu / chats,
        "wall_ms": 1000 * wall / chats,
        "rss_kb": rss / 1000 / chats,
        "tasks": (after["tasks"] - before["tasks"]) / chats,
        "timers": (after["timers"] - before["timers"]) / chats,
        "threads": (after["threads"] - before["threads"]) / chats,
        "personas": after["personas"],
    }


async def _bursts(
    directory: Path, extensions: tuple[str, ...], turns: int
) -> tuple[int, int, int, int]:
    """Resident bytes before ``turns`` turns, after them, and after as many again."""
    chats = 20
    server = JupyterServer(
        directory / "server",
        config={
            **HASTY,
            "AiExtension.actor_idle": 1.0,
            "YDocExtension.document_cleanup_delay": 1.0,
        },
        extensions=(*extensions, "bench_probe"),
        pythonpath=[
            make_personas(directory / "personas", 2, 'self.send_message("here " * 20)'),
            make_probe(directory / "probe"),
        ],
    )

    async def ask(client: Watcher, count: int) -> None:
        for _ in range(count):
            asked = client.post("@P0 are you there?")
            if extensions == CHAT_EXTENSIONS:
                about = {"reply_to": asked, "turn": str(uuid4()), "state": "done"}
                client.post(
                    "here " * 20,
                    sender="jupyter-ai-personas::bench_many::P0",
                    raw_time=False,
                    metadata={"jupyter_ai_personas": about},
                )
            await client.wait_for(
                lambda me, asked=asked: any(g.reply_to == asked for g in me.replies_seen.values()),
                timeout=60,
            )

    async def burst(name: str, count: int) -> int:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(Watcher(server, f"{name}-{n}.chat", user="Ada"))
                for n in range(chats)
            ]
            async with anyio.create_task_group() as group:
                for client in clients:
                    group.start_soon(ask, client, count)
            # A room whose store is behind is gone later.
            await drained(server)
        census: dict[str, int] = {}
        with anyio.move_on_after(60):
            while not census or census["personas"] or census["chats"]:
                await anyio.sleep(0.5)
                _, census = await server.get("/bench/census")
        await drained(server)
        assert not census["chats"], f"{census['chats']} chats are still there."
        return census["personas"]

    async with server:
        await burst("warm", 3)
        before = server.rss()
        await burst("first", turns // chats)
        first = server.rss()
        personas = await burst("again", turns // chats)
        return before, first, server.rss(), personas
