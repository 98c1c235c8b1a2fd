"""The interpreter's switch interval while hosts are threads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

__all__ = ["SWITCH_SECONDS", "quick_switching"]

SWITCH_SECONDS = 0.0001
"""How long a thread may keep the interpreter from a waiting one.

Python's default is fifty times longer. The server's loop releases the interpreter with each read
and write, a dozen times a request, and waits this long each time while a persona computes. With a
shorter interval, the threads interrupt each other too often.
"""

_before: dict[object, float] = {}


def quick_switching() -> Callable[[], None]:
    """Shorten the interpreter's switch interval; return an idempotent function that ends this.

    The last call of such a function restores the interval.
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
