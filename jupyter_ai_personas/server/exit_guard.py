"""Ends a stopped server in spite of remaining threads, with its own exit status.

At exit the interpreter waits for all non-daemon threads: those started by personas, and AnyIO's
worker threads, which end with the task that first requested one. If this task handles a WebSocket
that is still open, it never ends, and the process hangs after the last line of its log. This module
bounds the wait. Exit handlers still run, and the exit status is unchanged.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["guard_exit"]

GRACE_SECONDS = 1.5
"""How long threads may run after the main thread has ended."""

LEDGER_THREAD = "ai-personas-ledger"
LEDGER_SECONDS = 2.5
"""How long the thread that writes the ledger may run."""


def guard_exit(server: Any, log: logging.Logger) -> None:
    """Make the process of ``server`` end when it is stopped; call it in the main thread.

    Without a terminal, Jupyter leaves SIGINT to Python, which ends the event loop without an
    orderly stop; this makes it orderly. A process that is not the server's own, as in tests, is
    not changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.SIG_IGN, None):
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, frame: server.stop(from_signal=True))
    bound_the_last_wait(log)


def bound_the_last_wait(log: logging.Logger) -> None:
    """Bound the interpreter's wait for threads at exit; not on Windows.

    The interpreter calls `threading._shutdown` by name; gevent relies on this too. Only a signal
    ends a wait of the main thread.
    """
    if not hasattr(signal, "setitimer"):
        return
    wait: Callable[[], None] = threading._shutdown  # type: ignore[attr-defined]

    def bounded() -> None:
        hook, sys.unraisablehook = sys.unraisablehook, _without(_TooLongError, sys.unraisablehook)
        signal.signal(signal.SIGALRM, _raise)
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        with suppress(_TooLongError):
            wait()
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook
        main = threading.main_thread()
        left = [t for t in threading.enumerate() if t is not main and not t.daemon]
        for thread in left:
            if thread.name == LEDGER_THREAD:
                thread.join(LEDGER_SECONDS - GRACE_SECONDS)
        if names := ", ".join(thread.name for thread in left if thread.is_alive()):
            log.info("The server has stopped; not waiting for these threads: %s", names)

    threading._shutdown = bounded  # type: ignore[attr-defined]


class _TooLongError(Exception):
    """Ends the wait."""


def _raise(number: int, frame: object) -> None:
    raise _TooLongError


def _without(kind: type[BaseException], hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    # Python 3.13 waits in C, where an exception ends the wait and is reported.
    return lambda raised: None if issubclass(raised.exc_type, kind) else hook(raised)
