"""Server extensions that need the import names of Jupyter AI, and were imported before these."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from jupyter_ai_personas import stand_ins

__all__ = ["add_late_extensions"]

_NAMES = ("jupyter_ai", "jupyter_ai_magics", "jupyter_ai_persona_manager")


def add_late_extensions(server: Any) -> None:
    """Make the names importable, and add the enabled extensions that failed for want of them.

    The server imports extensions in alphabetical order, so those of personas' packages come first.
    """
    stand_ins.install()
    manager = getattr(server, "extension_manager", None)
    if manager is None:  # the command line has none
        return
    for name, enabled in list(server.jpserver_extensions.items()):
        if enabled and name not in manager.extensions and _imports_a_stand_in(name):
            server.log.info("%s is added after all: it finds what it imports now.", name)
            if manager.add_extension(name, enabled=True):
                manager.link_extension(name)


def _imports_a_stand_in(name: str) -> bool:
    """Return whether an extension can be imported now, which imported a stand-in."""
    try:
        import_module(name)
    except Exception:
        return False  # the server has told why
    return any(stand_ins.is_stand_in(stand_in) for stand_in in _NAMES)
