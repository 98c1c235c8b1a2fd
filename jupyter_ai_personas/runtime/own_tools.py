"""The tools of personas' own classes, for people and REST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jupyter_ai_personas.errors import RequestRefusedError
from jupyter_ai_personas.hosts.plugins import Plugins
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.tools import ToolInfo, ToolRegistry, Toolset

__all__ = ["OwnTools"]

MAX_ANNOUNCED = 100
"""How many tools a persona's class may have."""


class OwnTools:
    """The tools of personas' own classes, by persona."""

    def __init__(self, plugins: Plugins, tools: ToolRegistry) -> None:
        self._plugins = plugins
        self._tools = tools
        self._announced: dict[str, Sequence[ToolInfo]] = {}

    def announce(self, persona: Persona, given: object) -> None:
        """Note the tools, as JSON, that the host of a persona found; they replace earlier ones.

        Raises:
            RequestRefusedError: they cannot be tools of its class.
        """
        if not isinstance(given, list) or len(given) > MAX_ANNOUNCED:
            raise RequestRefusedError(f"`tool.announce` takes up to {MAX_ANNOUNCED} `tools`.")
        prefix = f"{persona.mention_name}."
        tools = []
        for each in given:
            try:
                tool = ToolInfo.from_json(each if isinstance(each, Mapping) else {})
            except ValueError as error:
                raise RequestRefusedError(str(error)) from None
            if not tool.name.startswith(prefix) or self._tools.executor(tool.name) is not None:
                raise RequestRefusedError(f"The name of a tool of its own begins with `{prefix}`.")
            if self._tools.permits(tool.name):
                tools.append(tool)
        self._announced[persona.id] = tools

    def announced(self, persona: Persona) -> Sequence[ToolInfo]:
        """Return the tools that the host of a persona found last."""
        return self._announced.get(persona.id, ())

    async def toolset(self, persona: Persona) -> Toolset | None:
        """Return the tools of a persona under its mention name; ``None`` if it has none.

        Its host announced them, or an object is created to list them.
        """
        announced = self._announced.get(persona.id)
        if announced is not None:
            return Toolset(persona.mention_name, persona.source, tuple(announced))
        found = await self._plugins.tools_of(persona)
        if found is None:
            return None
        permitted = tuple(tool for tool in found.tools if self._tools.permits(tool.name))
        return Toolset(found.name, found.source, permitted, found.status, found.problem)
