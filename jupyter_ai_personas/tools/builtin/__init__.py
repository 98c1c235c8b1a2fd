"""The built-in toolsets as plain data. ``server/tools`` runs them."""

from jupyter_ai_personas.tools.builtin.arguments import checked_arguments
from jupyter_ai_personas.tools.builtin.descriptions import BUILTIN, kernel, notebook, workspace

__all__ = ["BUILTIN", "checked_arguments", "kernel", "notebook", "workspace"]
