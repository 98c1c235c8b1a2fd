"""Packages that are slow to import and hardly used, loaded when they are used.

The modules beside this one are found by the names of those packages.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = str(Path(__file__).parent)


def install() -> None:
    """Let this process, and those that it starts from here on, find the modules beside this one."""
    if FOLDER in sys.path:  # as in a process of pytest-xdist
        return
    sys.path.insert(0, FOLDER)
    kept = filter(None, [os.environ.get("PYTHONPATH")])
    os.environ["PYTHONPATH"] = os.pathsep.join([FOLDER, *kept])
