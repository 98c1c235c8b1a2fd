"""The tools of personas' own classes, as people and REST are shown them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.tools import Toolset

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime.services import Services

__all__ = ["own_toolset"]


async def own_toolset(services: Services, persona: Persona) -> Toolset | None:
    """Return the tools of a persona's class, under its mention name; ``None`` if it has none.

    They are those that its host announced, else those of an object that is made to list them.
    """
    announced = services.announced.get(persona.id)
    if announced is not None:
        return Toolset(persona.mention_name, persona.source, announced)
    found = await services.plugins.tools_of(persona)
    if found is None:
        return None
    permitted = tuple(tool for tool in found.tools if services.tools.permits(tool.name))
    return Toolset(found.name, found.source, permitted, found.status, found.problem)
