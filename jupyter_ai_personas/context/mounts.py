"""Tells which file systems are local."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["are_local", "remote_file_system"]

MOUNTS = Path("/proc/self/mounts")
_REMOTE = ("9p", "afs", "beegfs", "ceph", "cifs", "drvfs", "fuse", "gluster", "gpfs", "lustre",
           "ncpfs", "nfs", "pvfs", "smb", "virtiofs", "vboxsf", "webdav")  # fmt: skip


def remote_file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the file system of ``folder`` if others can change it unseen.

    Known on Linux only; elsewhere ``None``.
    """
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    real = os.path.realpath(folder)
    length, found = 0, ""
    for line in lines:
        _, mount, kind, *_ = line.split(" ")
        mount = mount.replace("\\040", " ").rstrip("/")
        # Of two mounts at one mount, the later one is seen.
        if len(mount) >= length and (real == mount or real.startswith(f"{mount}/")):
            length, found = len(mount), kind
    return found if found.startswith(_REMOTE) else None


def are_local(folders: Iterable[Path], mounts: Path = MOUNTS) -> bool:
    """Return whether folders are known to be on local file systems. Known on Linux only."""
    return mounts.exists() and all(remote_file_system(one, mounts) is None for one in folders)
