"""``GET personas``: the personas, including broken ones."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_ai_personas.discovery import Broken
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.server.handlers.base import BaseHandler

__all__ = ["PersonasHandler"]


class PersonasHandler(BaseHandler):
    """Lists personas."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"personas": […]}``."""
        runtime = await self.loaded()
        ready = [self._ready(persona) for persona in runtime.personas.values()]
        broken = [_broken(entry) for entry in runtime.personas.broken]
        self.finish(json.dumps({"personas": [*ready, *broken]}))

    def _ready(self, persona: Persona) -> dict[str, Any]:
        model, problem = self.runtime.model_of(persona)
        return {
            "id": persona.id,
            "name": persona.name,
            "mention_name": persona.mention_name,
            "description": persona.description,
            "avatar_url": self.runtime.avatar_url(persona),
            "model": model,
            "tools": self.runtime.tools.wanted(persona),
            "source": persona.source,
            "status": "ready",
            "problem": for_people(problem) or None,
        }


def _broken(entry: Broken) -> dict[str, Any]:
    return {
        "id": None,
        "name": entry.name,
        "mention_name": None,
        "description": "",
        "avatar_url": None,
        "model": None,
        "tools": [],
        "source": entry.distribution,
        "status": "broken",
        "problem": for_people(f"{entry.error}. {entry.fix}."),
    }
