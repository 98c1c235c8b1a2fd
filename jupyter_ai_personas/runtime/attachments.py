"""Requests for a message's attachments, confined to the server's root directory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_ai_personas.errors import AttachmentError
from jupyter_ai_personas.runtime.requests import RequestContext, RequestHandler

__all__ = ["attachments_handler"]


def attachments_handler(root_dir: str | None, *, has_files: bool) -> RequestHandler:
    """Return the handler of ``attachments.list``.

    ``root_dir`` is the server's root directory, if it has one in the file system. ``has_files``
    says whether attachments are files at all.
    """

    async def list_attachments(
        context: RequestContext, arguments: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        attachments = context.attachments
        if attachments and not has_files:
            raise AttachmentError(
                "The attachments cannot be read: this server does not keep its contents as "
                "files. Paste the relevant parts into the message."
            )
        paths = [attachment.path for attachment in attachments]
        outside = await asyncio.to_thread(_first_outside, root_dir, paths)
        if outside is not None:
            name = outside.replace("\\", "/").rpartition("/")[2]
            raise AttachmentError(
                f"The attachment `{name[:80]}` cannot be read: it does not lie below the "
                "server's root directory. Attach a file that does."
            )
        return [asdict(attachment) for attachment in attachments]

    return list_attachments


def _first_outside(root_dir: str | None, paths: list[str]) -> str | None:
    root = None if root_dir is None else Path(root_dir).resolve()
    return next((path for path in paths if not _is_inside(root, path)), None)


def _is_inside(root: Path | None, path: str) -> bool:
    # A client can write any path, and a symbolic link can lead anywhere.
    parts = path.replace("\\", "/").split("/")
    if not path or parts[0] == "" or ".." in parts or "\0" in path:
        return False
    if root is None:
        return True
    try:
        return (root / path).resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):
        return False
