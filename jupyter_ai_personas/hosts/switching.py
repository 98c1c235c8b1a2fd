"""How often threads hand the interpreter to each other while hosts are threads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

__all__ = ["SWITCH_SECONDS", "quick_switching"]

SWITCH_SECONDS = 0.0001
"""How long one thread may keep the interpreter from another that waits for it.

Python's default is fifty times as long. The server's loop releases the interpreter with each read
and write, a dozen times a request, and waits that long each time while a persona computes. With a
shorter interval, the two threads interrupt each other too often.
"""

_before: dict[object, float] = {}


def quick_switching() -> Callable[[], None]:
    """Shorten the interpreter's switch interval; return what ends that, idempotent.

    The last one that ends restores the interval.
    """
    holder = object()
    interval = next(iter(_before.values()), sys.getswitchinterval())
    _before[holder] = interval
    sys.setswitchinterval(min(interval, SWITCH_SECONDS))
    return partial(_end, holder)


def _end(holder: object) -> None:
    interval = _before.pop(holder, None)
    if interval is not None and not _before:
        sys.setswitchinterval(interval)
