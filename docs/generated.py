"""Sphinx directives that make the reference from the code: every public name, every setting."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from jupyter_ai_personas.settings.fields import settings_of

INTERNAL = {
    "Turn": ("end", "is_silent", "drop_forgotten", "growing"),
}
"""Documented members that are not for authors, by the name of their class."""

_ERRORS = "jupyter_ai_personas.errors"
_PYDANTIC = ("model_config", "model_fields", "model_computed_fields", "model_post_init")


def public_names(module: str) -> list[str]:
    """Return the names of ``__all__``, classes and functions only, in its order."""
    there = import_module(module)
    found = ((name, getattr(there, name)) for name in there.__all__)
    return [name for name, value in found if inspect.isclass(value) or inspect.isroutine(value)]


def reference(module: str) -> Iterator[str]:
    """Yield autodoc's directives for the public names of a module."""
    there = import_module(module)
    errors = import_module(_ERRORS).__all__
    for name in public_names(module):
        value = getattr(there, name)
        if not inspect.isclass(value):
            yield f".. autofunction:: {module}.{name}\n"
        elif issubclass(value, Exception):
            # One page has the entry of an error; others show it as well.
            again = "   :no-index:\n" if module != _ERRORS and name in errors else ""
            yield f".. autoexception:: {module}.{name}\n   :show-inheritance:\n{again}"
        else:
            hidden = ", ".join((*_PYDANTIC, *INTERNAL.get(name, ())))
            yield f".. autoclass:: {module}.{name}\n   :members:\n   :exclude-members: {hidden}\n"


def entry(name: str, trait: Any) -> str:
    """Return the Markdown of one setting: kind, default and help, from its trait."""
    about = " ".join(trait.help.split())
    kind = re.split("[.,:;]", inspect.getdoc(trait.kind) or "")[0]
    default = trait.default()
    shown = f"{default:g}" if isinstance(default, float) else repr(default)
    return f"````{{confval}} {name}\n:type: {kind}\n:default: `{shown}`\n\n{about}\n````\n"


class PublicNames(SphinxDirective):
    """Documents each public name of a module."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what autodoc says of each name."""
        text = "\n".join(reference(self.arguments[0]))
        return self.parse_text_to_nodes(f"```{{eval-rst}}\n{text}\n```")


class Settings(SphinxDirective):
    """Lists the traits of a class, as ``module:Class``, that come from the settings ``:of:``."""

    required_arguments = 1
    option_spec: ClassVar = {"of": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return an entry for each trait."""
        cls, group = _named(self.arguments[0]), _named(self.options["of"])
        traits = cls.class_own_traits(config=True)
        names = sorted(setting.trait for setting in settings_of(group).values())
        text = "\n".join(entry(name, traits[name]) for name in names)
        return self.parse_text_to_nodes(text)


def _named(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives ``public-names`` and ``settings``."""
    app.add_directive("public-names", PublicNames)
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True}
