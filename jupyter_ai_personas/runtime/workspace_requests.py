"""Requests of turns for files of the workspace, and for the context of their message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jupyter_ai_personas.context import MAX_HITS
from jupyter_ai_personas.context.gathering import Gathering
from jupyter_ai_personas.context.plain import as_plain
from jupyter_ai_personas.errors import AttachmentError, RequestRefusedError
from jupyter_ai_personas.runtime.requests import RequestContext, RequestHandler

__all__ = ["workspace_handlers"]


def workspace_handlers(gathering: Gathering) -> dict[str, RequestHandler]:
    """Return the handlers of ``context.message`` and of the requests below ``workspace.``."""

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
        "context.message": message,
        "workspace.read": read,
        "workspace.search": search,
        "workspace.beside": beside,
    }
