"""Tools and toolsets as plain data, for the wall, REST and people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

__all__ = ["EFFECTS", "Effect", "ToolBounds", "ToolInfo", "Toolset", "ToolsetStatus"]

Effect = Literal["read", "write", "run"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)
ToolsetStatus = Literal["ok", "starting", "broken"]


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A tool. ``name`` is ``<toolset>.<tool>``, ``parameters`` the JSON schema of its arguments.

    ``source`` says where it comes from: ``builtin``, a package, a persona's id, an MCP server.
    """

    name: str
    description: str = ""
    effect: Effect = "run"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    @property
    def toolset(self) -> str:
        """The name of its toolset."""
        return self.name.partition(".")[0]

    @property
    def is_read_only(self) -> bool:
        """Whether it changes nothing, so that it may run twice."""
        return self.effect == "read"

    def with_defaults(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``arguments`` with the defaults of its schema for what is left out.

        Models send ``null`` for what they leave out.
        """
        properties = self.parameters.get("properties")
        found = dict(arguments)
        for name, schema in properties.items() if isinstance(properties, Mapping) else ():
            if not isinstance(schema, Mapping) or "default" not in schema:
                continue
            default, left_out = schema["default"], name not in found
            null = "null" in _kinds(schema)
            if (left_out and (null or default is not None)) or (
                not left_out and found[name] is None and not null and default is not None
            ):
                found[name] = default
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data; :meth:`from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ToolInfo:
        """Return the tool that ``data`` describes. An effect that is not known counts as ``run``.

        Raises:
            ValueError: the name is not ``<toolset>.<tool>``, or another part has a wrong type.
        """
        match data:
            case {"name": str(name)} if all(name.partition(".")):
                pass
            case _:
                raise ValueError("A tool is described with a name such as `mytools.plot`.")
        effect = data.get("effect")
        description, source = data.get("description") or "", data.get("source") or ""
        parameters = data.get("parameters") or {}
        if not (isinstance(description, str) and isinstance(source, str)):
            raise ValueError(f"The description and the source of {name!r} must be strings.")
        if not isinstance(parameters, Mapping):
            raise ValueError(f"The parameters of {name!r} must be a JSON schema.")
        known: Effect = next((each for each in EFFECTS if each == effect), "run")
        return cls(name, description, known, dict(parameters), source)


@dataclass(frozen=True, slots=True)
class Toolset:
    """A named group of tools. ``problem`` says why it is ``broken`` and what to do."""

    name: str
    source: str = ""
    tools: tuple[ToolInfo, ...] = ()
    status: ToolsetStatus = "ok"
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ToolBounds:
    """How much a turn may do with tools.

    ``calls`` are those of one turn, ``seconds`` may one take that runs in the persona's host, and
    ``chars`` is a model given of one result.
    """

    calls: int = 50
    seconds: float = 120.0
    chars: int = 30_000


def _kinds(schema: Mapping[str, Any]) -> list[Any]:
    """Return the types that a JSON schema allows, as far as it names them at its top."""
    kinds = schema.get("type") or [
        each.get("type") for each in schema.get("anyOf") or () if isinstance(each, Mapping)
    ]
    return list(kinds) if isinstance(kinds, list | tuple) else [kinds]
