"""The environment of an agent's process: what a program needs to run, and no secret of the server.

An agent runs commands of its own, which inherit it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["minimal_environment"]

_KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TZ"),
    *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"),
    *("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"),
    # Windows.
    *("APPDATA", "COMSPEC", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROGRAMDATA"),
    *("PROGRAMFILES", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE"),
)


def minimal_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return what is kept of this process's environment, with ``own`` over it."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, **own}
