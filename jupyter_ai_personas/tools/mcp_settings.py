"""MCP servers in a configuration: both shapes that exist, and ``${NAME}`` in their values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_ai_personas.errors import ConfigurationError, near_matches
from jupyter_ai_personas.redaction import remember
from jupyter_ai_personas.settings.kinds import literal, wrong

__all__ = ["McpServerSettings", "McpServersTable", "read_servers"]

_EXAMPLE = {"weather": {"command": "uvx", "args": ["weather-server"], "env": {"KEY": "${MY_KEY}"}}}
_NAME = re.compile(r"[\w-]{1,64}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_KNOWN = ("command", "args", "env", "url", "headers", "type", "transport", "disabled", "name")


@dataclass(frozen=True, slots=True)
class McpServerSettings:
    """How a server is reached: a ``command`` that speaks over stdio, or the ``url`` of an HTTP one.

    Values may hold ``${NAME}``: see :meth:`connection`.
    """

    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def connection(self, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return what LangChain's adapters connect with; ``${NAME}`` is read from the environment.

        Values from it count as secrets: no log, chat or prompt shows them.

        Raises:
            ConfigurationError: a variable is not set.
        """
        found = os.environ if environment is None else environment

        def filled(text: str) -> str:
            return _VARIABLE.sub(lambda match: _value(match[1], found), text)

        if self.url:
            headers = {key: filled(value) for key, value in self.headers.items()}
            return {"transport": "streamable_http", "url": filled(self.url), "headers": headers}
        return {
            "transport": "stdio",
            "command": filled(self.command),
            "args": [filled(arg) for arg in self.args],
            "env": {key: filled(value) for key, value in self.env.items()},
        }


def _value(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name)
    if value is None:
        raise ConfigurationError(
            f"The variable `{name}` is not set. Set it in the environment that Jupyter starts in."
        )
    remember([value])
    return value


def read_servers(value: Any, at: str) -> dict[str, McpServerSettings]:
    """Return the servers that ``value`` describes, by name.

    It is a dictionary of them by name, a list of them with a ``name`` each, or a dictionary that
    has one of these as ``mcpServers`` or ``mcp_servers``.

    Raises:
        ConfigurationError: it is none of these, or a server in it is not described well.
    """
    if isinstance(value, str):
        value = literal(value)
    if isinstance(value, Mapping) and len(value) == 1:
        for key in ("mcpServers", "mcp_servers"):
            if key in value:
                return read_servers(value[key], f"{at}.{key}")
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        named = {}
        for index, one in enumerate(value):
            if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
                raise wrong(f"{at}[{index}]", "a server with a `name`", {"name": "weather"}, one)
            named[one["name"]] = one
        value = named
    if not isinstance(value, Mapping):
        raise wrong(at, "a dictionary of servers by name", _EXAMPLE, value)
    servers = {}
    for name, one in value.items():
        here = f'{at}["{name}"]'
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(f"`{here}`: name a server with letters, digits, `_` and `-`.")
        if isinstance(one, McpServerSettings):
            servers[name] = one
        elif not (isinstance(one, Mapping) and one.get("disabled") is True):
            servers[name] = _server(one, here)
    return servers


def _server(one: Any, at: str) -> McpServerSettings:
    if not isinstance(one, Mapping):
        raise wrong(at, "a dictionary", _EXAMPLE["weather"], one)
    for key in one:
        if key not in _KNOWN:
            near = near_matches(str(key), _KNOWN)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known are: {', '.join(_KNOWN)}."
            raise ConfigurationError(f"`{at}` has no `{key}`. {hint}")
    command, url = one.get("command") or "", one.get("url") or ""
    if not (isinstance(command, str) and isinstance(url, str)) or bool(command) == bool(url):
        raise ConfigurationError(
            f"`{at}` needs either a `command` or a `url`, as text, such as "
            f"`{_EXAMPLE['weather']!r}`."
        )
    if url and not re.match(r"https?://|\$\{", url):
        raise ConfigurationError(f"The `url` of `{at}` must begin with `http://` or `https://`.")
    kind = one.get("type") or one.get("transport") or ("http" if url else "stdio")
    if kind not in (("http", "streamable_http", "streamable-http") if url else ("stdio",)):
        raise ConfigurationError(f"`{at}`: `{kind}` is not offered; use stdio or streamable HTTP.")
    args = one.get("args") or ()
    if isinstance(args, str) or not all(isinstance(arg, str) for arg in args):
        raise wrong(f"{at}.args", "a list of texts", ["--verbose"], args)
    env, headers = (_texts(one.get(key), f"{at}.{key}") for key in ("env", "headers"))
    return McpServerSettings(command, tuple(args), env, url, headers)


def _texts(value: Any, at: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise wrong(at, "a dictionary of texts", {"KEY": "${MY_KEY}"}, value)
    for key, inner in value.items():
        if not isinstance(key, str):
            raise wrong(f"the name in {at}", "text", "KEY", key)
        if not isinstance(inner, str):
            raise wrong(f'{at}["{key}"]', "text", "${MY_KEY}", inner)
    # Literal values are secrets, too.
    remember([inner for inner in value.values() if not _VARIABLE.search(inner)])
    return dict(value)


@dataclass(frozen=True, slots=True)
class McpServersTable:
    """A dictionary of MCP servers: see :func:`read_servers`."""

    @property
    def example(self) -> dict[str, Any]:
        """See :meth:`Kind.example`."""
        return _EXAMPLE

    def read(self, value: Any, at: str) -> dict[str, McpServerSettings]:
        """See :meth:`Kind.read`."""
        return read_servers(value, at)

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return text
