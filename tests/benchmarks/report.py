"""Prints results, and writes them as JSON and as a page of the documentation."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .options import REPOSITORY, Result

_VERSIONS = (
    "jupyter_ai_personas",
    "jupyter_server",
    "jupyter-collaboration",
    "jupyterlab-chat",
    "pycrdt",
    "pycrdt-websocket",
)


def show(result: Result) -> None:
    """Print a result as tables."""
    for table in result.tables:
        print(f"\n## {table.title}\n")
        print("\n".join(_markdown(table.rows)))
    if result.goals:
        print(
            "\n"
            + "\n".join(_markdown([_goal_row(asdict(g) | {"met": g.met}) for g in result.goals]))
        )
    print(flush=True)


def write(result: Result, directory: Path, *, quick: bool, load: float) -> None:
    """Write ``<suite>.json`` into ``directory``; ``load`` is the machine's before it began."""
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "suite": result.suite,
        "quick": quick,
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "machine": {
            "processors": os.cpu_count(),
            "machine": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
            "load_before": round(load, 1),
            "real_time": _is_real_time(),
        },
        "versions": {name: version(name) for name in _VERSIONS},
        "goals": [asdict(goal) | {"met": goal.met} for goal in result.goals],
        "tables": [asdict(table) for table in result.tables],
    }
    text = json.dumps(content, indent=1, default=str)
    (directory / f"{result.suite}.json").write_text(text + "\n", encoding="utf-8")


def _commit() -> str:
    """What was measured, in short; with a ``+`` if it is not committed."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        told = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return told.stdout.strip()


def _is_real_time() -> bool:
    """Whether these processes go before all others, as ``chrt`` lets them."""
    return hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER


def page(directory: Path, file: Path, order: list[str]) -> None:
    """Write the results in ``directory`` into ``file``, below the line that says so."""
    marker = "<!-- written by `make bench` below this line -->"
    head = file.read_text(encoding="utf-8").partition(marker)[0] if file.exists() else ""
    results = [json.loads(p.read_text("utf-8")) for p in directory.glob("*.json")]
    results.sort(key=lambda each: order.index(each["suite"]) if each["suite"] in order else 99)
    lines = [head.rstrip(), "", marker, ""]
    if results:
        machine = results[0]["machine"]
        versions = ", ".join(f"{k} {v}" for k, v in results[0]["versions"].items())
        lines += [
            f"Measured on {machine['processors']} processors ({machine['machine']}, "
            f"{machine['system']}, Python {machine['python']}), with {versions}.",
            "",
            *_markdown([_circumstances(each) for each in results]),
            "",
            "## Goals",
            "",
        ]
        goals = [_goal_row(goal) for each in results for goal in each["goals"]]
        lines += [*_markdown(goals), ""]
    for each in results:
        for table in each["tables"]:
            lines += [f"## {table['title']}", "", table["note"], ""]
            lines += [*_markdown(table["rows"]), ""]
    file.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


README_ROWS = (
    ("bytes on a client's wire for each byte", "wire_bytes_per_byte", 100, 5),
    ("the same, as fast as they come", "wire_bytes_per_byte", 0, 5),
    ("rows in the update store", "store_rows", 100, 5),
    ("server's processor seconds, 1 client", "cpu_drained_s", 100, 1),
    ("the same, 5 clients", "cpu_drained_s", 100, 5),
    ("the same, 5 clients, as fast as they come", "cpu_drained_s", 0, 5),
    ("longest stall of another request in ms, as fast as they come", "status_worst_ms", 0, 5),
)
"""What the README shows of a reply of 2,000 chunks: what, measure, chunks a second, clients."""


def readme(streaming: Path, file: Path) -> None:
    """Write the short table into ``file``, between the lines that say so."""
    head, begin, rest = file.read_text("utf-8").partition("<!-- `make bench` writes this -->\n")
    _, end, tail = rest.partition("<!-- to here -->\n")
    table = json.loads(streaming.read_text("utf-8"))["tables"][0]["rows"]

    def found(side: str, key: str, rate: int, clients: int) -> float:
        cell = (2000, rate, clients, side)
        return next(
            float(row[key])
            for row in table
            if (row["chunks"], row["rate"], row["clients"], row["side"]) == cell
        )

    rows = [
        {"": what, **{side: _shown(found(side, *where)) for side in ("peer", "ours", "floor")}}
        for what, *where in README_ROWS
    ]
    lines = ["", *_markdown(rows), ""]
    file.write_text(head + begin + "\n".join(lines) + "\n" + end + tail, encoding="utf-8")


def _circumstances(result: dict[str, Any]) -> dict[str, Any]:
    machine = result["machine"]
    return {
        "suite": result["suite"],
        "measured": result["measured_at"].replace("T", " ").removesuffix("Z"),
        "commit": result.get("commit"),
        "load of other programs": machine.get("load_before"),
        "in real time": {True: "yes", False: "no"}.get(machine.get("real_time", False)),
    }


def _goal_row(goal: dict[str, Any]) -> dict[str, Any]:
    sign = "≥" if goal["at_least"] else "≤"
    return {
        "goal": goal["what"],
        "bound": f"{sign} {_shown(goal['bound'])} {goal['unit']}",
        "measured": f"{_shown(goal['measured'])} {goal['unit']}",
        "met": "yes" if goal["met"] else "**no**",
    }


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _markdown(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    head = list(rows[0])
    lines = [[key.replace("_", " ") for key in head]]
    lines += [[_shown(row.get(key)) for key in head] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    out = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    return [out[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *out[1:]]
