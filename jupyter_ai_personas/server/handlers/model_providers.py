"""``GET model_providers``: the providers, their models and problems."""

from __future__ import annotations

import json
from typing import Any

import anyio.to_thread
from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.server.handlers.base import WORK_SECONDS, BaseHandler

__all__ = ["ModelProvidersHandler"]


class ModelProvidersHandler(BaseHandler):
    """Lists model providers."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"model_providers": […]}``."""
        runtime = await self.loaded()
        # Whether a package can be imported is looked up on the disk.
        with self.within(WORK_SECONDS, "The packages of the providers cannot be read in time."):
            infos = await anyio.to_thread.run_sync(runtime.models.infos, abandon_on_cancel=True)
        providers: list[dict[str, Any]] = [
            {
                "id": info.id,
                "name": info.name,
                "models": list(info.models),
                "chat": info.chat,
                "registry": info.registry,
                "available": info.available,
                "problem": info.problem and for_people(info.problem),
            }
            for info in infos
        ]
        providers += [
            {
                "id": entry.name,
                "name": entry.name,
                "models": [],
                "chat": False,
                "registry": False,
                "available": False,
                "problem": for_people(f"{entry.error}. {entry.fix}."),
            }
            for entry in runtime.models.broken
        ]
        self.finish(json.dumps({"model_providers": providers}))
