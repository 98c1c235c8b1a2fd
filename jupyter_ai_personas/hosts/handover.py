"""Passing the interpreter to a thread that has just been given something to do."""

from __future__ import annotations

import time

__all__ = ["hand_over"]

HANDOVER_SECONDS = 0.00005


def hand_over() -> None:
    """Let a thread that was just woken begin, before the event loop goes on.

    Otherwise it waits for the interpreter until the loop has nothing to do, or for as long as one
    thread may keep another waiting: ten times as long as this takes, which is a hundredth of what
    a message costs the server.
    """
    time.sleep(HANDOVER_SECONDS)
