"""Runs `bench_pure.py` (pytest-benchmark): how each thing grows; and the flush policy's table."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from . import policy
from .options import Options, Result, Table


async def run(options: Options) -> Result:
    with options.directory() as directory:
        found = _measure(directory / "micro.json", quick=options.quick)
    table = Table(
        "Micro-benchmarks",
        "Median microseconds; the last column is the largest growth from one input to the next, "
        "ten times larger.",
    )
    for group, each in groupby(found, key=lambda one: one["group"]):
        medians = {next(iter(one["params"].values())): 1e6 * one["stats"]["median"] for one in each}
        sizes = sorted(medians)
        row: dict[str, object] = {"what": group}
        for name, size in zip(("small", "×10", "×100"), sizes, strict=True):
            row[name] = f"{medians[size]:,.2f} ({size:,})"
        row["growth"] = max(medians[b] / medians[a] for a, b in pairwise(sizes))
        table.rows.append(row)
    return Result("micro", [table, policy.table()])


def _measure(file: Path, *, quick: bool) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pytest", "-q", str(Path(__file__).with_name("bench_pure.py"))]
    command += ["-o", "python_functions=bench_*", "--benchmark-enable", f"--benchmark-json={file}"]
    command += ["--benchmark-max-time=0.02"] if quick else []
    subprocess.run(command, check=True, timeout=300, stdout=subprocess.PIPE)
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
    return found
