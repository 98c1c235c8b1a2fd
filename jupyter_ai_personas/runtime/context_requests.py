"""Requests of turns for the context of their message: its attachments, and the workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_ai_personas.context import MAX_HITS
from jupyter_ai_personas.context.gathering import Gathering
from jupyter_ai_personas.context.plain import as_plain
from jupyter_ai_personas.errors import AttachmentError, RequestRefusedError
from jupyter_ai_personas.runtime.requests import RequestContext, RequestHandler
from jupyter_ai_personas.runtime.settings import RuntimeSettings

__all__ = ["context_handlers"]


def context_handlers(gathering: Gathering, settings: RuntimeSettings) -> dict[str, RequestHandler]:
    """Return the handlers of these requests; attachments lie below the server's root directory."""

    async def list_attachments(
        context: RequestContext, arguments: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        attachments = context.attachments
        if attachments and not settings.has_files:
            raise AttachmentError(
                "The attachments cannot be read: this server does not keep its contents as "
                "files. Paste the relevant parts into the message."
            )
        paths = [attachment.path for attachment in attachments]
        outside = await asyncio.to_thread(_first_outside, settings.root_dir, paths)
        if outside is not None:
            name = outside.replace("\\", "/").rpartition("/")[2]
            raise AttachmentError(
                f"The attachment `{name[:80]}` cannot be read: it does not lie below the "
                "server's root directory. Attach a file that does."
            )
        return [asdict(attachment) for attachment in attachments]

    async def message(context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        chars = arguments.get("chars")
        parts = await gathering.message(
            context.message.body,
            context.attachments,
            chat_path=context.chat_path,
            person=context.person,
            chars=chars if isinstance(chars, int) else None,
            earlier=context.earlier if arguments.get("earlier") else (),
        )
        return [part.as_json() for part in parts]

    async def read(context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        path = arguments.get("path")
        if not isinstance(path, str):
            raise RequestRefusedError("`path` must be a string, relative to the server's root.")
        try:
            return await gathering.workspace.read(path, as_plain)
        except AttachmentError as error:
            raise RequestRefusedError(f"`{path[:200]}` cannot be read: {error}") from None

    async def search(context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        query, limit = arguments.get("query"), arguments.get("limit")
        if not isinstance(query, str) or not isinstance(limit, int) or limit < 1:
            raise RequestRefusedError("`query` must be a string, and `limit` a number from 1.")
        hits = await gathering.workspace.search(query, min(limit, MAX_HITS))
        return [asdict(hit) for hit in hits]

    async def beside(context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        if not gathering.uses_beside:
            raise RequestRefusedError(
                "The notebook beside the chat is not used here. The operator can set "
                "`c.AiExtension.notebook_beside_chat = True`."
            )
        return asdict(await gathering.workspace.beside(context.chat_path, context.person))

    return {
        "attachments.list": list_attachments,
        "context.message": message,
        "workspace.read": read,
        "workspace.search": search,
        "workspace.beside": beside,
    }


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
