"""A save that a crash cut off: the file is empty or half written, and a copy lies beside it.

Jupyter's file managers empty a file before they write it, having copied it to ``.~<name>``
(``jupyter_server.services.contents.fileio.atomic_writing``), and nobody looks at that copy again.
A server that is killed in between leaves a chat that opens empty, and deletes in every tab that
stayed open what was there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["undo_cut_off_save"]


def undo_cut_off_save(file: Path) -> Mapping[str, Any] | None:
    """Put the copy in the place of ``file`` and return what it holds, if a save was cut off.

    ``None`` with nothing changed: it was not, or the copy is no better. The time of the last
    change stays as it was, so that who has opened the file does not take this for a change.

    Raises:
        OSError: A file cannot be read or replaced.
    """
    file = file.resolve()
    copy = file.with_name(f".~{file.name}")
    if not copy.exists() or _chat_in(file) is not None:
        return None
    content = _chat_in(copy)
    if content is not None:
        times = file.stat()
        os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
        copy.replace(file)
    return content


def _chat_in(file: Path) -> Mapping[str, Any] | None:
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, Mapping) else None
