"""Recognises secret-like files: no model, index or quotation gets their content.

Paths here are relative to the server's root, with ``/`` between their parts. All code that reads
files for people or models checks :func:`is_secret` and opens the path that :func:`confined`
returns.
"""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path, PurePosixPath

__all__ = ["SECRET_NAMES", "confined", "holds_private_key", "is_secret"]

SECRET_NAMES = (
    ".env*",
    "*.pem",
    "*.key",
    "id_*",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    "credentials*",
    "secrets*",
    ".git",
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
)
"""Patterns of the names of secret-like files and folders, compared without regard to case."""

_SECRET = re.compile("|".join(fnmatch.translate(name) for name in SECRET_NAMES), re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")


def is_secret(path: str | PurePosixPath) -> bool:
    """Return whether a path is secret-like: its own name, or that of a folder that it is in."""
    # A backslash separates folders on Windows, where it is in no name.
    parts = str(path).replace("\\", "/").split("/")
    return any(_SECRET.match(part.rstrip(" .")) for part in parts)


def holds_private_key(text: str) -> bool:
    """Return whether a text contains a private key, regardless of the file's name."""
    return _PRIVATE_KEY.search(text) is not None


def confined(root: Path, path: str) -> Path | None:
    """Return the file or folder at ``path`` below ``root``, all links resolved.

    ``None`` where a link or ``..`` leads out of the root, where the path or what it leads to is
    secret-like, and where no such path can be. The path need not exist.
    """
    try:
        top = Path(os.path.realpath(root))
        real = Path(os.path.realpath(top / path.lstrip("/")))
        inside = real.relative_to(top).as_posix()
    except (ValueError, OSError):  # outside of the root; a null byte; a loop of links
        return None
    return None if is_secret(path) or is_secret(inside) else real
