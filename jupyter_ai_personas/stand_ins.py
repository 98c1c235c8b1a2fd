"""Import names of Jupyter AI, for packages written for it, where it is not installed.

Such packages say ``from jupyter_ai_magics import BaseProvider``. :func:`install` makes the names of
:data:`STAND_INS` importable, from the loading of plug-ins on: methods import late. An installed
package of the same name always wins, with all of its submodules.

They also import from ``langchain`` what LangChain 1 has moved to ``langchain_classic``. Where that
package is installed, its modules are found by the old names too.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["STAND_INS", "install", "is_stand_in"]

_COMPAT = f"{__package__}.compat"
_MAGICS = f"{_COMPAT}.magics"
_PARTNERS = f"{_COMPAT}.partner_providers"
_PERSONAS = f"{_COMPAT}.persona_manager"

STAND_INS: dict[str, str] = {
    "jupyter_ai": _MAGICS,
    "jupyter_ai.personas": _PERSONAS,
    "jupyter_ai.personas.base_persona": f"{_PERSONAS}.base_persona",
    "jupyter_ai.personas.persona_manager": f"{_PERSONAS}.persona_manager",
    "jupyter_ai_persona_manager": _PERSONAS,
    "jupyter_ai_persona_manager.auth_manager": f"{_PERSONAS}.auth_manager",
    "jupyter_ai_persona_manager.awareness_models": f"{_PERSONAS}.awareness_models",
    "jupyter_ai_persona_manager.base_persona": f"{_PERSONAS}.base_persona",
    "jupyter_ai_persona_manager.mcp_server_models": f"{_PERSONAS}.mcp_server_models",
    "jupyter_ai_persona_manager.persona_manager": f"{_PERSONAS}.persona_manager",
    "jupyter_ai_magics": _MAGICS,
    "jupyter_ai_magics.base_provider": _MAGICS,
    "jupyter_ai_magics.embedding_providers": _MAGICS,
    "jupyter_ai_magics.embeddings": _MAGICS,
    "jupyter_ai_magics.models": _MAGICS,
    "jupyter_ai_magics.models.completion": f"{_COMPAT}.completion",
    "jupyter_ai_magics.models.persona": _MAGICS,
    "jupyter_ai_magics.partner_providers": _PARTNERS,
    "jupyter_ai_magics.partner_providers.anthropic": f"{_PARTNERS}:anthropic",
    "jupyter_ai_magics.partner_providers.aws": f"{_PARTNERS}:aws",
    "jupyter_ai_magics.partner_providers.cohere": f"{_PARTNERS}:cohere",
    "jupyter_ai_magics.partner_providers.gemini": f"{_PARTNERS}:gemini",
    "jupyter_ai_magics.partner_providers.mistralai": f"{_PARTNERS}:mistralai",
    "jupyter_ai_magics.partner_providers.nvidia": f"{_PARTNERS}:nvidia",
    "jupyter_ai_magics.partner_providers.ollama": f"{_PARTNERS}:ollama",
    "jupyter_ai_magics.partner_providers.openai": f"{_PARTNERS}:openai",
    "jupyter_ai_magics.partner_providers.openrouter": f"{_PARTNERS}:openrouter",
    "jupyter_ai_magics.partner_providers.vertexai": f"{_PARTNERS}:vertexai",
    "jupyter_ai_magics.providers": _MAGICS,
}
"""Import name → our module, or ``module:object``; the import name has the names in its ``__all__``.

Each parent of a dotted name needs a row too. A module is imported when a name of it is first used.
"""

_OLD, _NEW = "langchain", "langchain_classic"

_lock = threading.Lock()


class _Loader(Loader):
    """Makes a module whose names are those of another one."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python create the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Define the names, each looked up on first use: most modules are expensive to import."""
        stands_in_for = module.__name__

        def names() -> list[str]:
            target = self._target()
            return list(getattr(target, "__all__", None) or dir(target))

        def look_up(name: str) -> Any:
            if name == "__all__":
                return names()
            is_special = name.startswith("__") and name != "__version__"
            if not is_special and (self._has_any_name or name in names()):
                return getattr(self._target(), name)
            raise AttributeError(f"module {stands_in_for!r} has no attribute {name!r}")

        vars(module).update(__getattr__=look_up, __dir__=names)

    def _target(self) -> Any:
        module, _, attribute = self.target.partition(":")
        target = import_module(module)
        return getattr(target, attribute) if attribute else target

    @property
    def _has_any_name(self) -> bool:
        # LangChain's modules look names up too, and do not list all of them.
        return self.target.startswith(_NEW)


class _Finder(MetaPathFinder):
    """Finds the stand-ins; the last finder, so that it is asked for nothing that is installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a stand-in, ``None`` for any other name."""
        if fullname in STAND_INS:
            parent = fullname.rpartition(".")[0]
            if parent and not is_stand_in(parent):
                return None
            is_package = any(name.startswith(f"{fullname}.") for name in STAND_INS)
            return ModuleSpec(fullname, _Loader(STAND_INS[fullname]), is_package=is_package)
        if fullname.partition(".")[0] == _OLD:
            return _moved(fullname)
        return None


def _moved(fullname: str) -> ModuleSpec | None:
    """Return the spec of a module of ``langchain`` that is in ``langchain_classic`` now."""
    name = _NEW + fullname.removeprefix(_OLD)
    try:
        found = find_spec(name)
    except ModuleNotFoundError:
        return None
    if found is None:
        return None
    is_package = found.submodule_search_locations is not None
    return ModuleSpec(fullname, _Loader(name), is_package=is_package)


def install() -> None:
    """Make the names importable in this process; calling it again does nothing.

    Call this before a plug-in is imported.
    """
    with _lock:
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.append(_Finder())


def is_stand_in(name: str) -> bool:
    """Return whether the imported module ``name`` is one of ours, not an installed package's."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return isinstance(getattr(spec, "loader", None), _Loader)
