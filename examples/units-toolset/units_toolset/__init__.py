"""A toolset: a persona has it if its author, or the operator, names ``units``."""

from __future__ import annotations

from langchain_core.tools import BaseTool, tool

__all__ = ["convert", "units"]

METRES = {
    "mm": 0.001,
    "cm": 0.01,
    "m": 1.0,
    "km": 1000.0,
    "in": 0.0254,
    "ft": 0.3048,
    "mi": 1609.344,
}


@tool
def convert(value: float, unit: str, to: str) -> dict:
    """Convert a length. Units: mm, cm, m, km, in, ft, mi."""
    for name in (unit, to):
        if name not in METRES:
            raise ValueError(f"There is no unit {name!r}. There are: {', '.join(METRES)}.")
    return {"value": value * METRES[unit] / METRES[to], "unit": to}


# It changes nothing, so nobody is asked before it runs.
convert.metadata = {"effect": "read"}


def units() -> list[BaseTool]:
    """Return the tools; this is the entry point."""
    return [convert]
