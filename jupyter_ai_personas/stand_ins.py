"""Import names of Jupyter AI, for packages written for it, where it is not installed.

Such packages say ``from jupyter_ai_magics import BaseProvider``. :func:`install` makes the names of
:data:`STAND_INS` importable, from the loading of plug-ins on: methods import late. An installed
package of the same name always wins, with all of its submodules.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["STAND_INS", "install", "is_stand_in"]

_COMPAT = f"{__package__}.compat"

STAND_INS: dict[str, str] = {
    "jupyter_ai": f"{_COMPAT}.magics",
    "jupyter_ai_magics": f"{_COMPAT}.magics",
    "jupyter_ai_magics.base_provider": f"{_COMPAT}.magics",
    "jupyter_ai_magics.models": f"{_COMPAT}.magics",
    "jupyter_ai_magics.models.persona": f"{_COMPAT}.magics",
    "jupyter_ai_magics.providers": f"{_COMPAT}.magics",
}
"""Import name → our module; the import name has the names in that module's ``__all__``.

Each parent of a dotted name needs a row too. A module is imported when a name of it is first used.
"""

_lock = threading.Lock()


class _Loader(Loader):
    """Makes a module whose names are those of one of ours."""

    def __init__(self, ours: str) -> None:
        self.ours = ours

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python create the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Define the names, each looked up on first use: most of ours import LangChain."""
        stands_in_for, ours = module.__name__, self.ours

        def names() -> list[str]:
            return list(import_module(ours).__all__)

        def look_up(name: str) -> Any:
            if name == "__all__":
                return names()
            if not (name.startswith("__") and name.endswith("__")) and name in names():
                return getattr(import_module(ours), name)
            raise AttributeError(f"module {stands_in_for!r} has no attribute {name!r}")

        vars(module).update(__getattr__=look_up, __dir__=names)


class _Finder(MetaPathFinder):
    """Finds the stand-ins; the last finder, so that it is asked for nothing that is installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a stand-in, ``None`` for any other name."""
        if fullname not in STAND_INS:
            return None
        parent = fullname.rpartition(".")[0]
        if parent and not is_stand_in(parent):
            return None
        is_package = any(name.startswith(f"{fullname}.") for name in STAND_INS)
        return ModuleSpec(fullname, _Loader(STAND_INS[fullname]), is_package=is_package)


def install() -> None:
    """Make the names importable in this process; calling it again does nothing.

    Whatever imports a plug-in calls this first.
    """
    with _lock:
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.append(_Finder())


def is_stand_in(name: str) -> bool:
    """Return whether the imported module ``name`` is one of ours, not an installed package's."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return isinstance(getattr(spec, "loader", None), _Loader)
