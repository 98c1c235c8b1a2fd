"""A server that was told to stop ends, whatever threads are left.

The interpreter waits at its end for every thread that is no daemon: for one that a persona
started, and for AnyIO's worker threads, which end with the task that first asked for one. Where
that was the handler of a WebSocket that is still open, nobody ends it, and the process hangs after
the last line of its log.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Any

__all__ = ["guard_exit"]

GRACE_SECONDS = 1.5
"""How long threads may go on after the main thread has ended."""


def guard_exit(server: Any, log: logging.Logger) -> None:
    """Let the process of ``server`` end when it is told to; call it in the main thread.

    Without a terminal, Jupyter leaves SIGINT to Python, which ends the event loop without stopping
    anything: it is made an orderly stop. A process that is not the server's own, such as that of
    tests, is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.SIG_IGN, None):
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, frame: server.stop(from_signal=True))
    threading.Thread(target=_guard, args=(log,), name="ai-personas-exit", daemon=True).start()


def _guard(log: logging.Logger) -> None:
    main = threading.main_thread()
    main.join()
    time.sleep(GRACE_SECONDS)
    left = [t.name for t in threading.enumerate() if not t.daemon and t is not main]
    log.info("The server has stopped; these threads are not waited for: %s", ", ".join(left))
    os._exit(0)
