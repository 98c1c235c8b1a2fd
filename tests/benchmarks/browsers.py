"""What a reply that grows costs a browser: strings in the stock front end, and live text."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from uuid import uuid4

import anyio
from playwright.async_api import Browser, expect
from support.browser import ChatPage, chromium
from support.server import DEFAULT_EXTENSIONS, JupyterServer

from .options import Goal, Options, Result, Table
from .packages import CHUNK_CHARS, LONG_CHARS, make_stream
from .streaming import SETTLE
from .watcher import Watcher

SIDES = ("strings", "live")
CHEAPER = 0.7
"""What live text may cost, as a share of strings."""
EVEN = 1.5
"""How many times the first third of a long reply its last third may cost."""
RATE = 100
"""Chunks a second, as the goals say: at a higher rate strings are written less often."""
REST = 2.0
"""Seconds after the end that count: what is left to be done then."""


async def run(options: Options) -> Result:
    replies = [(300, CHUNK_CHARS)] if options.quick else [(2000, CHUNK_CHARS), (2000, LONG_CHARS)]
    table = Table(
        "Browser",
        "Processor seconds of the main thread of a tab that shows a reply of Markdown while it "
        "grows, from the question until two seconds after the tab shows its end. `strings` is the "
        "stock front end, `live` is ours. Medians; thirds are of the text.",
    )
    goals: list[Goal] = []
    with options.directory() as directory:
        packages = [make_stream(directory / "packages", peer=False)]
        server = JupyterServer(
            directory / "server", extensions=DEFAULT_EXTENSIONS, lab=True, pythonpath=packages
        )
        async with server, chromium() as browser:
            for count, width in replies:
                found: dict[str, list[list[float]]] = {side: [] for side in SIDES}
                for _ in range(options.repeat):
                    for side in SIDES:
                        found[side].append(await _measure(server, browser, side, count, width))
                        print(f"  {count} of {width}, {side}: {found[side][-1]}", flush=True)
                totals = {side: median(map(sum, found[side])) for side in SIDES}
                for side in SIDES:
                    thirds = [median(each) for each in zip(*found[side], strict=True)]
                    table.rows.append(
                        {
                            "characters": count * width,
                            "chunks a second": RATE,
                            "side": side,
                            "runs": len(found[side]),
                            "main thread s": totals[side],
                            **dict(zip(_THIRDS, thirds, strict=True)),
                        }
                    )
                where = f"{count * width:,} characters"
                share = totals["live"] / totals["strings"]
                goals.append(Goal(f"main thread, {where}", CHEAPER, share, "of strings"))
                if width == LONG_CHARS:
                    first, _, last, _ = (median(e) for e in zip(*found["live"], strict=True))
                    goals.append(Goal(f"last third, {where}", EVEN, last / first, "of the first"))
    return Result("browsers", [table], goals)


_THIRDS = ("first third s", "second third s", "last third s", "end s")


async def _measure(
    server: JupyterServer, browser: Browser, side: str, count: int, width: int
) -> list[float]:
    """Processor seconds of the tab in each third of a reply, and after its last character."""
    path = f"{side}-{uuid4()}.chat"
    async with (
        ChatPage(browser, server, path, "Ada", stock=side == "strings") as ada,
        Watcher(server, path, "Watcher", live=side == "live") as watcher,
    ):
        await anyio.sleep(SETTLE)
        marks = [await ada.main_thread_seconds()]
        kind = "long chunks" if width == LONG_CHARS else "chunks"
        watcher.post(f"@Stream {count} {kind} at {RATE} a second, of Markdown")
        for third in (1, 2, 3):
            wanted = count * width * third // 3
            await watcher.wait_for(lambda me, wanted=wanted: _length(me) >= wanted, timeout=480)
            marks.append(await ada.main_thread_seconds())
        await expect(ada.page.locator(".jp-AiPersonas-live")).to_have_count(0)
        await anyio.sleep(REST)
        marks.append(await ada.main_thread_seconds())
    return [after - before for before, after in pairwise(marks)]


def _length(watcher: Watcher) -> int:
    lengths = [growth.seen[-1][1] for growth in watcher.replies_seen.values() if growth.seen]
    return max(lengths, default=0)
