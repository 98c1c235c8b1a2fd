"""``new``: writes a package, or a Markdown persona, that works as it is."""

from jupyter_ai_personas.cli.scaffold.names import KINDS, Kind, check_name
from jupyter_ai_personas.cli.scaffold.writing import new

__all__ = ["KINDS", "Kind", "check_name", "new"]
