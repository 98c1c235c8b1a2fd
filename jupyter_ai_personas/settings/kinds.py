"""Kinds of setting values; each validates a value or describes its error.

``read(value, at)`` converts a value from Python or JSON configuration to its normal form; it is
idempotent. ``at`` is the path of the value, such as
``c.AiExtension.endpoints["vllm"].base_url``. ``parse(text)`` converts a command-line value for
``read``. Messages never show the value of a setting that may be a secret.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.redaction import looks_like_a_secret, remember

__all__ = [
    "EntryNames",
    "File",
    "Flag",
    "Kind",
    "Names",
    "OneOf",
    "Parameters",
    "Seconds",
    "Table",
    "Text",
    "Url",
    "Variable",
    "Whole",
]

_MOST_SHOWN = 40
_PASSWORD = re.compile(r"(?=.*[a-z])(?=.*[0-9])[A-Za-z0-9]*")  # such as `hunter2pass`
_NAMES = {
    str: "text",
    dict: "a dictionary",
    list: "a list",
    tuple: "a tuple",
    set: "a set",
    type(None): "None",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


class Kind(Protocol):
    """The kind of a setting."""

    @property
    def example(self) -> Any:
        """A valid value."""

    def read(self, value: Any, at: str) -> Any:
        """Return ``value`` in its normal form. Raises :class:`ConfigurationError`."""

    def parse(self, text: str) -> Any:
        """Return what ``text`` on a command line stands for; :meth:`read` checks it."""


def wrong(
    at: str, wanted: str, example: Any, value: Any, *, show: bool = False
) -> ConfigurationError:
    """Return the error that says what is ``wanted``; ``show`` lets it quote ``value``."""
    what = _NAMES.get(type(value), f"of type `{type(value).__name__}`")
    if show and isinstance(value, str) and looks_like_a_secret(value):
        remember([value])
        what = "what looks like a secret"
    elif show and isinstance(value, bool | int | float | str):
        text = repr(value)
        what = f"`{text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 2] + '…'}`"
    return ConfigurationError(f"`{at}` must be {wanted}, such as `{example!r}`; it is {what}.")


def literal(text: str) -> Any:
    """Return the list or dictionary that ``text`` is, in JSON or Python, or ``text`` itself."""
    if _begins_one(text):
        for load in (json.loads, ast.literal_eval):
            try:
                return load(text.strip())
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                continue
    return text


def _begins_one(text: str) -> bool:
    return text.strip()[:1] in ("[", "{", "(")


@dataclass(frozen=True, slots=True)
class Text:
    """Text. ``optional``: ``None`` and empty text mean that there is none."""

    example: str
    optional: bool = False
    secret: bool = False
    wanted: str = "text"

    def read(self, value: Any, at: str) -> str | None:
        """See :meth:`Kind.read`."""
        if self.optional and (value is None or value == ""):
            return None
        if not isinstance(value, str) or not value.strip():
            raise wrong(at, self.wanted, self.example, value, show=not self.secret)
        return value.strip()

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return None if self.optional and text == "None" else text


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    words: Sequence[str]

    @property
    def example(self) -> str:
        """See :attr:`Kind.example`."""
        return self.words[-1]

    def read(self, value: Any, at: str) -> str:
        """See :meth:`Kind.read`."""
        if not isinstance(value, str) or value.strip().casefold() not in self.words:
            wanted = f"one of {', '.join(f'`{word}`' for word in self.words)}"
            raise wrong(at, wanted, self.example, value, show=True)
        return value.strip().casefold()

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return text


@dataclass(frozen=True, slots=True)
class File:
    """A path in the server's file system; ``~`` is expanded. Empty: none."""

    example: str

    def read(self, value: Any, at: str) -> Path | None:
        """See :meth:`Kind.read`."""
        if value is None or value == "":
            return None
        if not isinstance(value, str | Path) or "\0" in str(value):
            raise wrong(at, "the path of a file", self.example, value)
        return Path(value).expanduser()

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return None if text == "None" else text


@dataclass(frozen=True, slots=True)
class Url:
    """An address that begins with ``http://`` or ``https://``, without the slash at its end."""

    example: str

    def read(self, value: Any, at: str) -> str:
        """See :meth:`Kind.read`."""
        text = value.strip().rstrip("/") if isinstance(value, str) else ""
        if not re.fullmatch(r"https?://[^\s/]\S*", text, re.IGNORECASE):
            # A URL may hold a password.
            raise wrong(at, "a URL that begins with `http://` or `https://`", self.example, value)
        return text

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return text


@dataclass(frozen=True, slots=True)
class Variable:
    """The name of an environment variable, or ``None``. Any other text may be a secret."""

    example: str

    def read(self, value: Any, at: str) -> str | None:
        """See :meth:`Kind.read`."""
        if value is None:
            return None
        name = value.strip() if isinstance(value, str) else ""
        is_name = re.fullmatch(r"[A-Za-z_]\w{0,99}", name) and not _PASSWORD.fullmatch(name)
        if not is_name or looks_like_a_secret(name):
            remember([name])
            raise ConfigurationError(
                f"`{at}` must be the name of the environment variable that holds the secret, such "
                f"as `{self.example!r}`; what is there may be the secret itself. Set that variable "
                "to the secret in the server's environment or in the secrets file."
            )
        return name

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return text


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number, at least ``minimum``."""

    example: int
    minimum: int = 0

    def read(self, value: Any, at: str) -> int:
        """See :meth:`Kind.read`."""
        if isinstance(value, bool) or not isinstance(value, int) or value < self.minimum:
            wanted = f"a whole number of at least {self.minimum}"
            raise wrong(at, wanted, self.example, value, show=True)
        return value

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        try:
            return int(text)
        except ValueError:
            return text


@dataclass(frozen=True, slots=True)
class Seconds:
    """A time in seconds, not negative."""

    example: float

    def read(self, value: Any, at: str) -> float:
        """See :meth:`Kind.read`."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or math.isnan(value) or value < 0:
            raise wrong(at, "a number of seconds", self.example, value, show=True)
        return float(value)

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        try:
            return float(text)
        except ValueError:
            return text


@dataclass(frozen=True, slots=True)
class Flag:
    """``True`` or ``False``."""

    example: bool = True

    def read(self, value: Any, at: str) -> bool:
        """See :meth:`Kind.read`."""
        if not isinstance(value, bool):
            raise wrong(at, "`True` or `False`", self.example, value, show=True)
        return value

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)


@dataclass(frozen=True, slots=True)
class Names:
    """A list of names. Text is read as names with commas in between.

    ``optional``: ``None`` means that there is no list, which is not the same as an empty one.
    """

    example: Sequence[str]
    optional: bool = False

    def read(self, value: Any, at: str) -> list[str] | None:
        """See :meth:`Kind.read`."""
        if value is None and self.optional:
            return None
        items = self.parse(value) if isinstance(value, str) else value
        if isinstance(items, Set):
            items = sorted(items, key=str)
        if not isinstance(items, Sequence) or isinstance(items, str | bytes):
            raise wrong(at, "a list of names", list(self.example), items)
        return [self._name(item, f"{at}[{index}]") for index, item in enumerate(items)]

    def _name(self, item: Any, at: str) -> str:
        if not isinstance(item, str) or not item.strip():
            raise wrong(at, "a name", self.example[0], item, show=True)
        return item.strip()

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        if self.optional and text == "None":
            return None
        if _begins_one(text):
            return literal(text)
        return [item for item in text.split(",") if item.strip()] or [""]


@dataclass(frozen=True, slots=True)
class EntryNames(Names):
    """A list of providers and models: ``provider_id`` or ``provider_id:model_id``, with ``*``."""

    def _name(self, item: Any, at: str) -> str:
        # No zero-argument `super`: `slots` creates the class again.
        name = Names._name(self, item, at)
        provider, colon, model = (part.strip() for part in name.partition(":"))
        if (
            not provider
            or (colon and not model)
            or re.search(r"[\s,;'\"\[\]{}()]", provider + model)
        ):
            wanted = "`provider_id` or `provider_id:model_id`"
            raise wrong(at, wanted, self.example[0], item, show=True)
        return f"{provider}{colon}{model}"


@dataclass(frozen=True, slots=True)
class Parameters:
    """A dictionary of keyword arguments with unchecked values."""

    example: Mapping[str, Any]

    def read(self, value: Any, at: str) -> dict[str, Any]:
        """See :meth:`Kind.read`."""
        value = literal(value) if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            raise wrong(at, "a dictionary", dict(self.example), value)
        for key in value:
            if not isinstance(key, str) or not key.strip():
                raise wrong(f"the name in {at}", "text", next(iter(self.example)), key)
        return {key.strip(): inner for key, inner in value.items()}

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return text


@dataclass(frozen=True, slots=True)
class Table:
    """A dictionary whose values are all of one kind; ``key`` is an example of its keys.

    ``wanted_key`` and ``keys`` describe keys that must have a certain form.
    """

    key: str
    values: Kind
    keys: re.Pattern[str] = field(default=re.compile(r"(?s).+"))
    wanted_key: str = "a name"

    @property
    def example(self) -> dict[str, Any]:
        """See :meth:`Kind.example`."""
        return {self.key: self.values.example}

    def read(self, value: Any, at: str) -> dict[str, Any]:
        """See :meth:`Kind.read`."""
        if isinstance(value, str):
            value = self._items(value)
        if not isinstance(value, Mapping):
            raise wrong(at, "a dictionary", self.example, value)
        read: dict[str, Any] = {}
        for key, inner in value.items():
            secret = isinstance(key, str) and looks_like_a_secret(key)
            if secret or not isinstance(key, str) or not self.keys.fullmatch(key.strip()):
                raise wrong(f"the name in {at}", self.wanted_key, self.key, key, show=True)
            read[key.strip()] = self.values.read(inner, f'{at}["{key.strip()}"]')
        return read

    def _items(self, text: str) -> Any:
        """Return the dictionary that ``text`` is, or that it gives as ``key=value``."""
        if _begins_one(text) or "=" not in text:
            return literal(text)
        items = [text]
        if isinstance(self.values, Text) and all("=" in part for part in text.split(",")):
            items = text.split(",")
        pairs = (item.partition("=") for item in items)
        return {key: self.values.parse(inner) for key, _, inner in pairs}

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`."""
        return self._items(text)
