"""Names that a new package can have, and the names of its parts."""

from __future__ import annotations

import keyword
import re
import sys
import unicodedata
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

import importlib_metadata

from jupyter_ai_personas.discovery import MODEL_PROVIDERS_GROUP, PERSONAS_GROUP, TOOLSETS_GROUP
from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.personas.facts import wrong_with_name

__all__ = ["KINDS", "Kind", "Names", "check_name"]

Kind = Literal["persona", "provider", "toolset", "markdown"]
KINDS: tuple[Kind, ...] = get_args(Kind)

GROUPS: dict[str, str] = {
    "persona": PERSONAS_GROUP,
    "provider": MODEL_PROVIDERS_GROUP,
    "toolset": TOOLSETS_GROUP,
}
MAX_NAME = 30
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Names:
    """The names that the parts of something new have.

    ``package`` is the distribution's or the file's, ``module`` the import's and the entry point's,
    ``cls`` the class's, ``title`` what people read.
    """

    package: str
    module: str
    cls: str
    title: str


def check_name(kind: Kind, name: str) -> Names:
    """Return the names that follow from ``name``.

    Raises:
        ConfigurationError: nothing can have that name; the message offers another.
    """
    return _markdown(name) if kind == "markdown" else _package(kind, name)


def _package(kind: Kind, name: str) -> Names:
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise ConfigurationError(
            f"`{name}` cannot be the name of a package: use letters a-z, digits and hyphens, a "
            f"letter first, {MAX_NAME} characters at most{_offer(name)}."
        )
    package = name.lower().replace("_", "-")
    module = package.replace("-", "_")
    words = [word.capitalize() for word in module.split("_")]
    names = Names(package, module, "".join(words), " ".join(words))
    if problem := _taken(kind, names):
        raise ConfigurationError(f"`{name}` cannot be used: {problem}. Choose another name.")
    return names


def _offer(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    offered = "-".join(words).lstrip("0123456789-")[:MAX_NAME].rstrip("-")
    return f", such as `{offered}`" if offered else ""


def _taken(kind: Kind, names: Names) -> str:
    """Return why the names cannot be used here, or nothing."""
    if any(
        keyword.iskeyword(one) or keyword.issoftkeyword(one) for one in (names.module, names.cls)
    ):
        return "it is a keyword of Python"
    if names.module in sys.stdlib_module_names:
        return f"Python has a module `{names.module}`"
    if names.module == "tests":
        return "its tests have that name"
    for entry in importlib_metadata.entry_points(group=GROUPS[kind]):
        if entry.name.lower().replace("-", "_") == names.module:
            whose = getattr(entry.dist, "name", None) or "another package"
            return f"`{whose}` has a {kind} `{entry.name}`"
    try:
        importlib_metadata.distribution(names.package)
    except importlib_metadata.PackageNotFoundError:
        pass
    else:
        return f"a package `{names.package}` is installed"
    if find_spec(names.module) is not None:
        return f"a module `{names.module}` can be imported already"
    return ""


def _markdown(name: str) -> Names:
    title = name if name != name.lower() else " ".join(w.capitalize() for w in name.split("-"))
    if (problem := wrong_with_name(title)) or "/" in name or name.startswith((".", "~", "#")):
        problem = problem or "the name has a `/`, or begins with a character of hidden files"
        raise ConfigurationError(f"`{name}` cannot be the name of a persona: {problem}.")
    stem = re.sub(r"\s+", "-", name.strip().lower())
    if stem == "readme":
        raise ConfigurationError("`README.md` is read as no persona. Choose another name.")
    return Names(stem, stem, "", title)
