"""The setting ``acp_agents``: agents by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_ai_personas.errors import ConfigurationError, near_matches
from jupyter_ai_personas.redaction import remember
from jupyter_ai_personas.settings.kinds import literal, wrong
from jupyter_ai_personas.tools.mcp_settings import McpServerSettings

__all__ = ["AgentSettings", "AgentsTable", "start_of"]

_EXAMPLE = {"command": ["claude-agent-acp"], "env": {"ANTHROPIC_API_KEY": "${ANTHROPIC_API_KEY}"}}
_KNOWN = ("command", "args", "env", "avatar", "description", "tools", "mode")
TOOLS = ("workspace", "notebook.read")
"""What an agent has of the server unless the operator says otherwise: its files."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How an agent is started and shown. Values of ``command`` and ``env`` may hold ``${NAME}``."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    avatar: str = ""
    description: str = ""
    tools: tuple[str, ...] = TOOLS
    mode: str = ""

    def as_config(self) -> dict[str, Any]:
        """Return what the persona gets to start it, as plain data; see :func:`start_of`.

        The operator's variables are read here: a worker does not have them.
        """
        try:
            command, env = self.filled()
        except ConfigurationError as error:
            return {"agent": {"problem": str(error)}}
        return {"agent": {"command": command, "env": env, "mode": self.mode}}

    def filled(self) -> tuple[list[str], dict[str, str]]:
        """Return command and environment with the values of the operator's variables.

        Raises:
            ConfigurationError: a variable is not set.
        """
        program, *args = self.command
        found = McpServerSettings(program, tuple(args), self.env).connection()
        return [found["command"], *found["args"]], found["env"]


def start_of(config: Mapping[str, Any]) -> tuple[list[str], dict[str, str], str]:
    """Return command, environment and mode of an agent from :meth:`AgentSettings.as_config`.

    Raises:
        ConfigurationError: a variable of the operator is not set.
    """
    told = config["agent"]
    if "problem" in told:
        raise ConfigurationError(told["problem"])
    # Also in a worker, what is a secret is in no log and no reply.
    remember(told["env"].values())
    return told["command"], told["env"], told["mode"]


@dataclass(frozen=True, slots=True)
class AgentsTable:
    """The kind of the setting ``acp_agents``: name → how the agent is started and shown."""

    @property
    def example(self) -> dict[str, Any]:
        """See :meth:`Kind.example`."""
        return {"Claude": _EXAMPLE}

    def read(self, value: Any, at: str) -> dict[str, AgentSettings]:
        """See :meth:`Kind.read`."""
        if isinstance(value, str):
            value = literal(value)
        if not isinstance(value, Mapping):
            raise wrong(at, "a dictionary of agents by name", self.example, value)
        if not value:
            return {}
        # Each server reads this setting as it starts, and few have agents.
        from jupyter_ai_personas.personas.facts import wrong_with_name
        from jupyter_ai_personas.routing import mention_name

        agents: dict[str, AgentSettings] = {}
        names: dict[str, str] = {}
        for name, one in value.items():
            if problem := wrong_with_name(name):
                raise ConfigurationError(f"A key of `{at}` is the name of a persona: {problem}.")
            name = name.strip()
            if (other := names.setdefault(mention_name(name).casefold(), name)) != name:
                raise ConfigurationError(
                    f"`{other}` and `{name}` in `{at}` are mentioned by the same name; rename one."
                )
            agents[name] = _agent(one, f'{at}["{name}"]')
        return agents

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return text


def _agent(one: Any, at: str) -> AgentSettings:
    if isinstance(one, AgentSettings):
        return one
    if not isinstance(one, Mapping):
        raise wrong(at, "a dictionary", _EXAMPLE, one)
    for key in one:
        if key not in _KNOWN:
            near = near_matches(str(key), _KNOWN)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known are: {', '.join(_KNOWN)}."
            raise ConfigurationError(f"`{at}` has no `{key}`. {hint}")
    command = one.get("command")
    command = [command] if isinstance(command, str) else command
    command = _texts(command, f"{at}.command", _EXAMPLE["command"])
    if not command or not command[0].strip():
        raise wrong(f"{at}.command", "a command", _EXAMPLE["command"], one.get("command"))
    args = _texts(one.get("args", ()), f"{at}.args", ["--verbose"])
    for key, example in (("avatar", "🤖"), ("description", "writes code"), ("mode", "plan")):
        if not isinstance(one.get(key, ""), str):
            raise wrong(f"{at}.{key}", "text", example, one[key])
    return AgentSettings(
        command=(*command, *args),
        env=_environment(one.get("env") or {}, f"{at}.env"),
        avatar=one.get("avatar", "").strip(),
        description=" ".join(one.get("description", "").split()),
        tools=_texts(one.get("tools", TOOLS), f"{at}.tools", list(TOOLS)),
        mode=one.get("mode", "").strip(),
    )


def _texts(value: Any, at: str, example: Any) -> tuple[str, ...]:
    is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    # A NUL cannot be part of a command's arguments.
    if not is_list or not all(isinstance(each, str) and "\0" not in each for each in value):
        raise wrong(at, "a list of texts", example, value)
    return tuple(value)


def _environment(value: Any, at: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise wrong(at, "a dictionary of texts", {"KEY": "${MY_KEY}"}, value)
    for key, inner in value.items():
        if not isinstance(key, str) or not key or "=" in key or "\0" in key:
            raise wrong(f"a name in {at}", "the name of a variable", "KEY", key)
        if not isinstance(inner, str) or "\0" in inner:
            raise wrong(f'{at}["{key}"]', "text", "${MY_KEY}", inner)
    # What is written out here is a secret as much as what a variable holds.
    remember([inner for inner in value.values() if "${" not in inner])
    return dict(value)
