"""Definitions in source code: exact in Python, by the look of a line elsewhere."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from jupyter_ai_personas.context.passage import MAX_LINE, Heading, Passage, between

__all__ = ["CODE_SUFFIXES", "python", "source"]

_SUFFIXES = """
.bash .c .cc .cpp .cs .cu .cuh .cxx .dart .ex .exs .f .f90 .f95 .go .groovy .h .hh .hpp .hs .java
.jl .js .jsx .kt .kts .lua .m .mjs .ml .nim .php .pl .pm .proto .ps1 .pxd .pyx .r .rb .rs .scala
.sh .sql .swift .ts .tsx .v .vb .vue .zig
"""
CODE_SUFFIXES = frozenset(_SUFFIXES.split())
"""Suffixes of languages whose definitions are recognised by the form of a line."""

_MODIFIERS = (
    "abstract|async|data|declare|default|export|extern|final|inline|internal|open|override|private"
    r"|protected|pub(?:\([a-z]+\))?|public|sealed|static|unsafe|virtual"
)
_KEYWORDS = (
    r"class|def|enum|fn|fun|func|function\*?|impl|interface|macro|module|namespace|object|package"
    "|proc|procedure|protocol|record|struct|sub|subroutine|trait|type"
)
_DEFINITION = re.compile(
    rf"\s{{0,8}}(?:(?:{_MODIFIERS})\s+){{0,5}}(?:{_KEYWORDS})\s+(?:\([^)]{{0,80}}\)\s*)?([\w$][\w$.:]*)"
    r"|\s{0,4}(?:export\s+)?(?:const|let|var)\s+([\w$]+)\s*=\s*(?:async\s*)?(?:function|\()"
    r"|([A-Za-z.][\w.]*)\s*(?:<-|=)\s*function\s*\("
    r"|create\s+(?:or\s+replace\s+)?(?:function|procedure|table|view)\s+([\w.\"`]+)",
    re.IGNORECASE,
)


def python(text: str) -> Iterator[Passage]:
    """Yield definitions of a Python module, and the code between them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in somebody's string
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield from source(text)
        return
    yield from between(text, _definitions(tree.body, ""))


def _definitions(body: list[ast.stmt], above: str) -> Iterator[Heading]:
    """Yield where definitions begin, and where the code goes on after one, in order."""
    is_after = False
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            name = f"{above}.{node.name}" if above else node.name
            # One depth for all: the dotted name says what is above.
            yield start, 1, name
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node.body, name)
            is_after = True
        elif is_after:
            yield node.lineno, 1, above
            is_after = False


def source(text: str) -> Iterator[Passage]:
    """Yield passages that begin at lines which look like definitions, in any language."""
    found: list[Heading] = []
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) <= MAX_LINE and (match := _DEFINITION.match(line)):
            found.append((number, 1, next(name for name in match.groups() if name)))
    yield from between(text, found)
