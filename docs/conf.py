"""Sphinx: MyST pages; `generated.py` makes the reference from the code."""

from __future__ import annotations

import sys
from pathlib import Path

import jupyter_ai_personas

sys.path.insert(0, str(Path(__file__).parent))

project = "jupyter_ai_personas"
author = "the jupyter_ai_personas contributors"
version = release = jupyter_ai_personas.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "benchmarks/raw"]
nitpicky = False

autodoc_typehints = "none"
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
# All pages by their captions, in place of one section of them.
html_sidebars: dict[str, list[str]] = {"index": [], "**": ["all-pages.html"]}
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "navbar_center": [],
    "secondary_sidebar_items": ["page-toc"],
}
