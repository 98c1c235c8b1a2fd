"""Sphinx: MyST pages; the configuration reference is made from the traits themselves."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import jupyter_ai_personas

project = "jupyter_ai_personas"
author = "the jupyter_ai_personas contributors"
version = release = jupyter_ai_personas.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "benchmarks/raw"]
nitpicky = False

autodoc_typehints = "none"
autodoc_member_order = "bysource"

html_theme = "pydata_sphinx_theme"
html_title = project
html_sidebars: dict[str, list[str]] = {"**": []}
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
}


class Traits(SphinxDirective):
    """Lists the configurable traits of a class, given as ``module:Class``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a definition list: a trait with its kind and default, and its help."""
        module, _, name = self.arguments[0].partition(":")
        cls = getattr(import_module(module), name)
        defaults = cls()
        entries = [
            _entry(f"{name}.{key}", trait, getattr(defaults, key))
            for key, trait in cls.class_own_traits(config=True).items()
        ]
        return self.parse_text_to_nodes("\n".join(entries))


def _entry(name: str, trait: Any, default: Any) -> str:
    about = " ".join(trait.help.split())
    return f"`c.{name}` ({type(trait).__name__}, default `{default!r}`)\n: {about}\n"


def setup(app: Sphinx) -> None:
    """Register the directive ``traits``."""
    app.add_directive("traits", Traits)
