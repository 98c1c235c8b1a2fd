"""Imports of jsonschema that do not compile a grammar of IRIs, which takes more than a second.

jsonschema imports ``rfc3987_syntax``, if it is there, for the format ``iri`` of strings.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

__all__ = ["deferred_iri_grammar"]

_NAME = "rfc3987_syntax"


@contextmanager
def deferred_iri_grammar() -> Iterator[None]:
    """Let what is imported meanwhile compile the grammar when it checks the first IRI."""
    if _NAME in sys.modules or find_spec(_NAME) is None:
        yield
        return

    def is_valid_syntax(term: str, value: str) -> bool:
        return bool(import_module(_NAME).is_valid_syntax(term, value))

    late = ModuleType(_NAME)
    late.is_valid_syntax = is_valid_syntax  # type: ignore[attr-defined]
    sys.modules[_NAME] = late
    try:
        yield
    finally:
        del sys.modules[_NAME]
