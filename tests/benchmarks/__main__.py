"""The command: ``python -m benchmarks [--quick] [--only streaming,latency] [--repeat 3]``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

import anyio

from . import report
from .options import REPOSITORY, Options
from .plot import draw

SUITES = [
    "streaming",
    "browsers",
    "latency",
    "event_loop",
    "startup",
    "idle",
    "throughput",
    "hosts",
    "long_chat",
    "micro",
    "tools",
    "tuning",
    "search",
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test of all, in two minutes")
    parser.add_argument("--only", default=",".join(SUITES), help=f"of {', '.join(SUITES)}")
    parser.add_argument("--repeat", type=int, default=3, help="runs that medians are taken of")
    arguments = parser.parse_args()
    options = Options(quick=arguments.quick, repeat=1 if arguments.quick else arguments.repeat)
    results = REPOSITORY / "docs" / "benchmarks"
    failed = []
    for name in arguments.only.split(","):
        suite = importlib.import_module(f"benchmarks.{name}")
        print(f"# {name}", flush=True)
        load = os.getloadavg()[0]
        try:
            result = anyio.run(suite.run, options)
        except Exception as error:
            # One suite that fails must not hide what the others measured.
            print(f"{name} failed: {error!r:.600}", file=sys.stderr, flush=True)
            failed.append(name)
            continue
        report.show(result)
        directory = results / "raw" if options.quick else results
        report.write(result, directory, quick=options.quick, load=load)
    if not options.quick:
        report.page(results, REPOSITORY / "docs" / "benchmarks.md", SUITES)
        if (results / "streaming.json").exists():
            draw(results / "streaming.json", results / "bytes.svg")
            report.readme(results / "streaming.json", REPOSITORY / "README.md")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
