"""How a change of a text is shown to people."""

from __future__ import annotations

import difflib

__all__ = ["unified_diff"]


def unified_diff(old: str, new: str, name: str) -> str:
    """Return the lines that differ, in the form of ``diff -u``."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{name} (now)", f"{name} (then)", lineterm=""
    )
    text = "\n".join(lines)
    return text or "(only the ends of lines differ)" if old != new else "(nothing changes)"
