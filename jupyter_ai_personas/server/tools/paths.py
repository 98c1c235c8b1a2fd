"""Checks paths that tools may read and write: below the root, not hidden, not secret-like."""

from __future__ import annotations

from pathlib import Path

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.context.local import checked_path, confined_path, in_thread
from jupyter_ai_personas.errors import AttachmentError, ToolCallError

__all__ = ["tool_path", "unusable"]


async def tool_path(path: str, root: Path | None) -> str:
    """Return ``path`` in the one form that it has everywhere, if tools may use it.

    A folder may be the root: an empty string, ``.`` or ``/``.

    Raises:
        ToolCallError: they may not.
    """
    if path.strip() in ("", ".", "/", "./"):
        return ""
    try:
        path = "/".join(part for part in checked_path(path).split("/") if part not in ("", "."))
        shown = path.replace("\\", "/")
        if root is not None:
            real = await in_thread(confined_path, root, path)
            shown = f"{shown}/{await in_thread(_inside, root, real)}"
    except AttachmentError as error:
        raise unusable(path, error) from None
    if any(part.startswith(".") for part in shown.split("/")):
        raise unusable(path, "it is hidden, and personas neither read nor write hidden files.")
    return path


def _inside(root: Path, real: Path) -> str:
    return real.relative_to(root.resolve()).as_posix()


def unusable(path: str, reason: object) -> ToolCallError:
    """Return the error that says why nothing is done with ``path``."""
    return ToolCallError(f"{code(path[:200])} is not available: {reason}")
