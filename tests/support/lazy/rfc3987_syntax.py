"""The package of this name, loaded when it is used.

It compiles its grammars when it is imported, which takes more than a second of processor time, and
`jsonschema` imports it in every Jupyter server and every MCP server for a format that none of them
asks about.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_HERE = Path(__file__).parent
_SPEC = PathFinder.find_spec(__name__, [path for path in sys.path if Path(path) != _HERE])

if _SPEC is None:
    raise ModuleNotFoundError(f"No module named {__name__!r}", name=__name__)


@cache
def _package() -> ModuleType:
    assert _SPEC is not None
    assert _SPEC.loader is not None
    # By this name it imports its own modules.
    package = sys.modules[__name__] = module_from_spec(_SPEC)
    _SPEC.loader.exec_module(package)
    return package


def is_valid_syntax(term: str, value: str) -> bool:
    """See the package."""
    return bool(_package().is_valid_syntax(term, value))


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_package(), name)
