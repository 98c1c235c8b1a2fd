"""Processes that do not outlive the one that started them, however that ends.

A program should end when its standard input does; some do not, or leave children. So commands are
started through this file, as a script that imports nothing but small modules. It becomes the
command, and leaves a child in its process group. Once nobody can write to the standard input any
more, that child waits a few seconds for the command to end, and kills the group.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time
from collections.abc import Sequence

__all__ = ["guarded"]

GRACE_SECONDS = 5.0
"""How long a command may take to end by itself: more than those take who end it in order."""


def guarded(
    command: Sequence[str], *, path: str | None, cwd: str = "", reads: bool = True
) -> list[str]:
    """Return the command that runs ``command`` under a guard.

    It must be started in a session of its own, with a pipe as its standard input, which ``command``
    gets if it ``reads`` any. ``path`` is where programs are searched, ``cwd`` where it will run.

    Raises:
        OSError: there is no such program.
    """
    if not hasattr(os, "fork"):
        return list(command)
    import shutil  # not in the script, which is to start quickly
    from pathlib import Path

    program = command[0]
    place = str(Path(cwd, program)) if os.sep in program else program
    if shutil.which(place, path=path) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    # Without the site's packages, which would take longer to find than all else.
    start = [sys.executable, "-I", "-S", __file__]
    return [*start, str(GRACE_SECONDS), "input" if reads else "", *command]


def _watch(leader: int, grace: float) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):  # whose other ends must see that the command closes them
        os.dup2(null, stream)
    hangup = select.poll()
    hangup.register(0, 0)
    hangup.poll()
    end = time.monotonic() + grace
    while os.getppid() == leader and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _run(grace: str, reads: str, *command: str) -> None:
    leader, guard = os.getpid(), -1
    # Of a group that is not the command's own, it would kill others.
    if os.getpgrp() == leader and (guard := os.fork()) == 0:
        _watch(leader, float(grace))
    if not reads:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and so by what it starts
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        if guard > 0:
            os.kill(guard, signal.SIGKILL)
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _run(*sys.argv[1:])
