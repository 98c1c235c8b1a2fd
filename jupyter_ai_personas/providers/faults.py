"""What foreign code raises that would end more than its own call."""

from __future__ import annotations

import asyncio
import threading

__all__ = ["as_fault"]


def as_fault(error: BaseException) -> Exception | None:
    """Return what foreign code raised as an error of that call, or ``None`` if it is none.

    Code that exits the process, or raises a cancellation that nobody asked for, has failed. A
    person's interrupt comes in the main thread only; a task that is cancelled stays so.
    """
    if isinstance(error, Exception):
        return error
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        is_fault = task is not None and not task.cancelling()
    elif isinstance(error, KeyboardInterrupt):
        is_fault = threading.current_thread() is not threading.main_thread()
    else:
        is_fault = isinstance(error, SystemExit)
    return RuntimeError(f"{type(error).__name__}: {error}".rstrip(": ")) if is_fault else None
