"""The command: ``python -m chaos [--rounds 30] [--seed N] [--directory D] [--tools]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import anyio

from chaos.play import play
from chaos.tools import play_tools
from chaos.victims import VICTIMS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="how often the server is killed")
    parser.add_argument("--seed", type=int, default=None, help="plays the same people again")
    parser.add_argument("--directory", type=Path, default=None, help="kept, with the server's log")
    parser.add_argument("--tools", action="store_true", help="the game of tools and approvals")
    parser.add_argument(
        "--hosts", choices=VICTIMS, default="threads", help="where personas run, and are killed"
    )
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time())
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        directory = arguments.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        say = partial(print, flush=True)
        if arguments.tools:
            tools = anyio.run(play_tools, arguments.rounds, seed, directory, say)
            print(tools)
            return 1 if tools.faults else 0
        tally = anyio.run(play, arguments.rounds, seed, directory, say, arguments.hosts)
    print(tally.table())
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
