"""The thread that watches folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_no_thread_watches_when_the_interpreter_ends(tmp_path: Path) -> None:
    """It would abort the process: its exit status would be that of a crash."""
    script = """
import atexit, sys, threading
from pathlib import Path
from jupyter_ai_personas.context.watching import Watcher
atexit.register(lambda: print(threading.active_count()))  # called after those that come later
for stop in (False, True):
    watcher = Watcher([Path(sys.argv[1])])
    if stop:
        watcher.stop()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"]
