"""The tools of a server: all toolsets, which of them a persona has, and under which policy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from jupyter_ai_personas.errors import ConfigurationError, RequestRefusedError
from jupyter_ai_personas.tools.descriptions import ToolBounds, ToolInfo, Toolset
from jupyter_ai_personas.tools.executors import ToolExecutor
from jupyter_ai_personas.tools.grants import Grant, grant, is_permitted, wanted_toolsets
from jupyter_ai_personas.tools.mcp import McpExecutor, McpServers
from jupyter_ai_personas.tools.packages import PackageToolsets
from jupyter_ai_personas.tools.policy import Policy, decide, matches, stricter
from jupyter_ai_personas.tools.prompts import Prompt, command_parts, prompt_arguments
from jupyter_ai_personas.tools.settings import ToolSettings

__all__ = ["HasTools", "ToolRegistry"]


class HasTools(Protocol):
    """A persona, as far as its tools go."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def mention_name(self) -> str:
        """Its name in mentions."""

    @property
    def tools(self) -> tuple[str, ...]:
        """The toolsets that its author names."""

    @property
    def file(self) -> str:
        """The file of the workspace that defines it, empty for one of a package."""

    @property
    def reads_only(self) -> bool:
        """Whether it has only tools that read, and no MCP servers."""


class ToolRegistry:
    """All tools of a server but those of personas' own classes.

    ``executors`` run tools on the server's side, by the tools' names. A tool that a package only
    describes (see :class:`ToolInfo`) is offered if it has an executor, or if there are no executors
    at all (``None``).
    """

    def __init__(
        self,
        settings: ToolSettings,
        packages: PackageToolsets,
        *,
        executors: Mapping[str, ToolExecutor] | None = None,
        mcp: McpServers | None = None,
    ) -> None:
        self.settings = settings
        self.packages = packages
        self._mcp = mcp
        self._executors = executors

    def load(self) -> None:
        """Import and call what packages provide. Blocking: call it in a worker thread."""
        self.packages.load()

    async def aclose(self) -> None:
        """End the MCP servers, within a bound."""
        if self._mcp is not None:
            await self._mcp.aclose()

    def toolsets(self) -> list[Toolset]:
        """Return all toolsets, the broken ones too."""
        broken = [
            Toolset(one.name, one.distribution, (), "broken", f"{one.error}. {one.fix}.")
            for one in self.packages.broken
        ]
        return [*self._of_packages(), *broken, *(self._mcp.toolsets() if self._mcp else ())]

    async def tried_out(self) -> list[Toolset]:
        """Return all toolsets as they are when every MCP server was started; then end those."""
        try:
            if self._mcp is not None:
                await self._mcp.ready(["mcp:*"], "")
            return self.toolsets()
        finally:
            await self.aclose()

    def _of_packages(self) -> list[Toolset]:
        return [self._runnable(toolset) for toolset in self.packages.toolsets.values()]

    def _runnable(self, toolset: Toolset) -> Toolset:
        executors = self._executors
        if executors is None:
            return toolset
        tools = tuple(
            (tool.name in executors and executors[tool.name].info) or tool
            for tool in toolset.tools
            if tool.name in executors or tool.name in self.packages.runnable
        )
        return toolset if tools == toolset.tools else replace(toolset, tools=tools)

    async def ready(self, persona: HasTools, chat_path: str) -> None:
        """Start what a persona's tools need, and wait for it within a bound."""
        if self._mcp is not None and not persona.reads_only:
            await self._mcp.ready(self.wanted(persona), chat_path)

    def granted(self, persona: HasTools, chat_path: str) -> Sequence[ToolInfo]:
        """Return the tools that a persona has in a chat, but for those of its own class."""
        return self.grant(persona, chat_path).tools

    def grant(self, persona: HasTools, chat_path: str) -> Grant:
        """Return the tools of a persona, and the names that are none."""
        settings = self.settings
        servers = self._mcp.toolsets(chat_path) if self._mcp is not None else []
        found = grant(
            self.wanted(persona),
            [*self._of_packages(), *servers],
            allowed=settings.allowed_tools,
            blocked=settings.blocked_tools,
        )
        return found.reading() if persona.reads_only else found

    def withheld(self, persona: HasTools, chat_path: str) -> Sequence[str]:
        """Return what a persona of a file names and does not have, since it may only read."""
        if not persona.reads_only:
            return ()
        servers = [name for name in self.wanted(persona) if name.startswith("mcp:")]
        return [*(tool.name for tool in self.grant(persona, chat_path).withheld), *servers]

    def unknown(self, persona: HasTools, chat_path: str) -> Sequence[str]:
        """Return the names that a persona wants and no toolset or tool here has."""
        missing = self.grant(persona, chat_path).missing
        mcp = self._mcp
        return [n for n in missing if "*" not in n and (mcp is None or not mcp.may_have(n))]

    # -- prompts of MCP servers -------------------------------------------------------------

    def prompts(self, persona: HasTools, chat_path: str) -> list[Prompt]:
        """Return the prompts that a persona can be asked with, of servers that have started."""
        if self._mcp is None:
            return []
        known = self._mcp.prompts(chat_path)
        return [prompt for prompt in known if self._may_be_asked(persona, prompt)]

    def is_prompt(self, persona: HasTools, body: str, chat_path: str) -> bool:
        """Return whether a message asks a persona with a prompt of a server that it has.

        The server need not have started, so the prompt may turn out not to exist.
        """
        parts = command_parts(body)
        return (
            parts is not None
            and self._mcp is not None
            and self._mcp.has(parts[0], chat_path)
            and self._may_be_asked(persona, Prompt(parts[0], parts[1]))
        )

    async def expanded(self, persona: HasTools, body: str, chat_path: str) -> str:
        """Return what a message asks: the text of the prompt that it names, else itself.

        Raises:
            RequestRefusedError: there is no such prompt, or its arguments are wrong.
        """
        parts = command_parts(body)
        if parts is None or self._mcp is None or not self.is_prompt(persona, body, chat_path):
            return body
        server, name, rest = parts
        known = {p.name: p for p in self.prompts(persona, chat_path) if p.server == server}
        if name not in known:
            self._mcp.check(server, chat_path)
            names = ", ".join(f"`{one.command}`" for one in known.values()) or "none"
            raise RequestRefusedError(
                f"The MCP server `{server}` has no prompt `{name[:100]}`. There are: {names}."
            )
        arguments = prompt_arguments(known[name], rest, mentions=[f"@{persona.mention_name}"])
        return await self._mcp.prompt(known[name], arguments, chat_path)

    def _may_be_asked(self, persona: HasTools, prompt: Prompt) -> bool:
        described = ToolInfo(prompt.tool, effect="read")
        return (
            not persona.reads_only
            and any(matches(wanted, prompt.tool) for wanted in self.wanted(persona))
            and self.policy(described, persona) != "deny"
        )

    @property
    def persona_names(self) -> Collection[str]:
        """The names of personas whose tools the operator chose."""
        return self.settings.persona_tools.keys()

    def missing(self, personas: Iterable[HasTools]) -> Iterable[tuple[str, str]]:
        """Return personas' names with what the operator gives them and nothing offers."""
        for persona in personas:
            chosen = wanted_toolsets(_names(persona), (), self.settings.persona_tools)
            for name in self.grant(persona, "").missing if chosen else ():
                if self._mcp is None or not self._mcp.may_have(name):
                    yield persona.name, name

    def wanted(self, persona: HasTools) -> tuple[str, ...]:
        """Return the toolsets, tools and patterns that a persona is to have."""
        return wanted_toolsets(_names(persona), persona.tools, self.settings.persona_tools)

    @property
    def bounds(self) -> ToolBounds:
        """How much one turn may do with tools."""
        settings = self.settings
        return ToolBounds(
            settings.max_tool_calls, settings.tool_timeout, settings.tool_result_chars
        )

    def permits(self, tool: str) -> bool:
        """Return whether ``allowed_tools`` and ``blocked_tools`` permit a tool."""
        return is_permitted(tool, self.settings.allowed_tools, self.settings.blocked_tools)

    def executor(self, tool: str) -> ToolExecutor | None:
        """Return what runs a tool on the server's side, ``None`` if the persona's host does."""
        if self._mcp is not None and tool.startswith("mcp:"):
            return McpExecutor(self._mcp, tool)
        return (self._executors or {}).get(tool)

    def connections(self, persona: HasTools) -> list[dict[str, Any]]:
        """Return the connections of the MCP servers that a persona may call by itself.

        Nobody is asked about such calls. So these are only the operator's servers that the persona
        has, and whose tools are all allowed.
        """
        found: list[dict[str, Any]] = []
        servers = self._mcp.configured if self._mcp is not None and not persona.reads_only else {}
        for name, settings in servers.items():
            toolset = f"mcp:{name}"
            if toolset in self.wanted(persona) and self._allows_all(toolset, persona):
                try:
                    found.append({"name": name, **settings.connection()})
                except ConfigurationError:
                    continue  # a variable is not set; the toolset says so
        return found

    def _allows_all(self, toolset: str, persona: HasTools) -> bool:
        anything = ToolInfo(f"{toolset}.anything")
        if self.policy(anything, persona) != "allow":
            return False
        given: list[tuple[str, Any]] = [(name, "deny") for name in self.settings.blocked_tools]
        for key, value in self.settings.tool_policy.items():
            # Those of other personas count too: a stricter one is not looked past.
            given += value.items() if isinstance(value, Mapping) else [(key, value)]
        return all(value == "allow" for key, value in given if key.startswith(f"{toolset}."))

    def policy(self, tool: ToolInfo, persona: HasTools | None = None) -> Policy:
        """Return what becomes of a call of ``tool``, by a persona or by any."""
        if not self.permits(tool.name):
            return "deny"
        if persona is None:
            return decide(self.settings.tool_policy, (), tool.name, tool.effect)
        named = decide(self.settings.tool_policy, _names(persona), tool.name, tool.effect)
        if not persona.file:
            return named
        # A file may define a persona with the name of one that the operator trusts.
        by_id = decide(self.settings.tool_policy, (persona.id,), tool.name, tool.effect)
        return stricter(named, by_id)


def _names(persona: HasTools) -> tuple[str, str, str]:
    return persona.id, persona.name, persona.mention_name
