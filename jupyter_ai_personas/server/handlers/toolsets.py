"""``GET toolsets``: the tools with their policies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.server.handlers.base import BaseHandler

if TYPE_CHECKING:
    from jupyter_ai_personas.personas import Persona
    from jupyter_ai_personas.tools import Toolset

__all__ = ["ToolsetsHandler"]


class ToolsetsHandler(BaseHandler):
    """Lists toolsets."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"toolsets": […]}``."""
        runtime = await self.loaded()
        found = [self._shown(*one) for one in await runtime.toolsets()]
        self.finish(json.dumps({"toolsets": found}))

    def _shown(self, toolset: Toolset, persona: Persona | None) -> dict[str, Any]:
        return {
            "name": toolset.name,
            "source": toolset.source,
            "tools": [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "effect": tool.effect,
                    "policy": self.runtime.tools.policy(tool, persona),
                }
                for tool in toolset.tools
            ],
            "status": toolset.status,
            "problem": for_people(toolset.problem) or None,
        }
