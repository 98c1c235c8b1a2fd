"""Draws what the streaming suite measured: bytes on a client's wire against a reply's length."""

from __future__ import annotations

import json
from pathlib import Path

from .packages import CHUNK_CHARS

_SIDES = {
    "peer": ("the published alternative", "#c0392b", "s"),
    "ours": ("this project", "#1f6feb", "o"),
    "floor": ("floor: a growing Text", "#6e7781", "^"),
}


def draw(results: Path, file: Path) -> None:
    """Write the plot of the results in ``results`` to ``file`` (SVG)."""
    import matplotlib

    matplotlib.use("svg")
    # The same numbers make the same file.
    matplotlib.rcParams["svg.hashsalt"] = "benchmarks"
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    rows = json.loads(results.read_text(encoding="utf-8"))["tables"][0]["rows"]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    for axis, rate, title in zip(
        axes, (100, 0), ("100 chunks a second", "as fast as they can be made"), strict=True
    ):
        for side, (label, colour, marker) in _SIDES.items():
            points = sorted(
                (row["chunks"] * CHUNK_CHARS, row["wire_bytes_per_byte"])
                for row in rows
                if row["side"] == side and row["rate"] == rate and row["clients"] == 1
            )
            lengths = [length / 1000 for length, _ in points]
            sizes = [length * ratio / 1000 for length, ratio in points]
            axis.plot(lengths, sizes, marker=marker, color=colour, label=label)
        axis.set(xscale="log", yscale="log", title=title, xlabel="length of the reply, kB")
        lengths = sorted(
            {row["chunks"] * CHUNK_CHARS / 1000 for row in rows if row["side"] == "ours"}
        )
        axis.set_xticks(lengths, [f"{length:g}" for length in lengths])
        axis.minorticks_off()
        axis.grid(visible=True, alpha=0.3)
    axes[0].set_ylabel("on one client's wire, kB")
    axes[0].yaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
    axes[0].legend()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
