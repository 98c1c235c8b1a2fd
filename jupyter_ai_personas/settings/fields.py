"""Dataclass fields as settings, with kind, default and help in one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from jupyter_ai_personas.errors import ConfigurationError, near_matches
from jupyter_ai_personas.settings.kinds import Kind, literal, wrong

__all__ = ["Record", "Setting", "setting", "settings_of"]

_KEY = "jupyter_ai_personas"


@dataclass(frozen=True, slots=True)
class Setting:
    """Description of a setting.

    ``trait`` is its name in the configuration. ``limit``: it restricts something, and allows
    everything while unset. ``in_notebooks``: the magics have it too. ``secret``: its values may be
    secrets and stay in the server's process.
    """

    kind: Kind
    default: Any
    help: str
    trait: str
    limit: bool = False
    in_notebooks: bool = True
    secret: bool = False

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is MISSING


def setting(
    default: Any,
    kind: Kind,
    help: str,
    *,
    trait: str = "",
    limit: bool = False,
    in_notebooks: bool = True,
    secret: bool = False,
) -> Any:
    """Return a field; ``default`` may be ``MISSING``, and is copied if it can be changed.

    The rest is as in :class:`Setting`; ``trait`` is the field's own name unless it is given.
    """
    metadata = {_KEY: (kind, help, trait, limit, in_notebooks, secret)}
    if default is MISSING:
        return field(metadata=metadata)
    if isinstance(default, list | dict):
        return field(
            default_factory=lambda: type(default)(default), repr=not secret, metadata=metadata
        )
    return field(default=default, repr=not secret, metadata=metadata)


def settings_of(cls: type[Any]) -> Mapping[str, Setting]:
    """Return the settings among the fields of a dataclass, by the fields' names."""
    found = {}
    for one in fields(cls):
        if _KEY not in one.metadata:
            continue
        kind, help, trait, *flags = one.metadata[_KEY]
        factory = one.default_factory
        default = one.default if factory is MISSING else factory()
        found[one.name] = Setting(kind, default, help, trait or one.name, *flags)
    return found


@dataclass(frozen=True, slots=True)
class Record:
    """A dataclass of settings, given as a dictionary with its fields' names as keys."""

    cls: type[Any]

    @property
    def example(self) -> dict[str, Any]:
        """See :meth:`Kind.example`."""
        return {
            name: one.kind.example for name, one in settings_of(self.cls).items() if one.required
        }

    def read(self, value: Any, at: str) -> Any:
        """See :meth:`Kind.read`."""
        if isinstance(value, self.cls):
            return value
        value = literal(value) if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            raise wrong(at, "a dictionary", self.example, value)
        known = settings_of(self.cls)
        for key in value:
            if key not in known:
                raise ConfigurationError(f"`{at}` has no setting `{key}`. {_hint(key, known)}")
        given = {}
        for name, one in known.items():
            if name in value:
                given[name] = one.kind.read(value[name], f"{at}.{name}")
            elif one.default is MISSING:
                needed = f"such as `{one.kind.example!r}`"
                raise ConfigurationError(f"`{at}` needs a `{name}`, {needed}.")
        return self.cls(**given)

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return text


def _hint(name: object, known: Iterable[str]) -> str:
    near = near_matches(str(name), known)
    return f"Did you mean `{near[0]}`?" if near else f"Known are: {', '.join(known)}."
