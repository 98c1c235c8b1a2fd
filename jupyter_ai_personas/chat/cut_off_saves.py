"""Repairs a save that a crash interrupted: the file is empty or half written, next to a copy.

Jupyter's file managers empty a file before they write it, having copied it to ``.~<name>``
(``jupyter_server.services.contents.fileio.atomic_writing``), and nothing reads that copy again.
If the server is killed in between, the chat opens empty, and every open tab loses its content.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from jupyter_ai_personas.chat.file_format import ChatFile, parse_chat

__all__ = ["made_at", "undo_cut_off_save"]


def undo_cut_off_save(file: Path) -> ChatFile | None:
    """Restore ``file`` from its copy if a save was cut off; return the restored chat.

    Returns ``None`` and changes nothing if no save was cut off, or if the copy is no chat either.
    The modification time stays, so that readers do not see a change. The copy stays until the next
    save: its time is that of the save before, see :func:`made_at`.

    Raises:
        OSError: A file cannot be read or written.
    """
    copy = _copy_of(file)
    if not copy.exists() or parse_chat(file.read_bytes()) is not None:
        return None
    chat = parse_chat(copy.read_bytes())
    if chat is not None:
        file = file.resolve()
        times, whole = file.stat(), copy.with_name(f"{copy.name}.whole")
        shutil.copy(copy, whole)
        os.utime(whole, ns=(times.st_atime_ns, times.st_mtime_ns))
        whole.replace(file)
    return chat


def made_at(file: Path) -> float:
    """Return when the content of ``file`` was written, in seconds since the epoch.

    Raises:
        OSError: There is no such file.
    """
    try:
        return min(file.stat().st_mtime, _copy_of(file).stat().st_mtime)
    except FileNotFoundError:
        return file.stat().st_mtime


def _copy_of(file: Path) -> Path:
    file = file.resolve()
    return file.with_name(f".~{file.name}")
