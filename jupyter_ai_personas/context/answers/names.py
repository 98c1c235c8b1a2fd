"""Finds definitions and uses of a name in the passages of a search; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_ai_personas.context.index import Hit
from jupyter_ai_personas.context.words import identifier_parts

__all__ = ["Occurrence", "Occurrences", "find_name"]

_KEYWORDS = (
    "class|def|enum|fn|fun|func|function|impl|interface|macro|module|namespace|object|proc"
    "|procedure|protocol|record|struct|sub|trait|type|const|let|var|val"
)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One line: ``line`` counts from 1, in the cell ``cell`` if there is one."""

    path: str
    line: int
    cell: str | None
    code: str


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Definitions and other uses of a name. ``name`` is spelled as in the source."""

    name: str
    definitions: tuple[tuple[Occurrence, str], ...]
    """Each with the passage from there on."""
    uses: tuple[Occurrence, ...]


def find_name(name: str, hits: Sequence[Hit]) -> Occurrences | None:
    """Return where ``name``, of which the last part counts, is in ``hits``; ``None``: nowhere.

    Where it is nowhere as it is written, ``readCSV`` and ``read_csv`` are the same.
    """
    wanted = name.rpartition(".")[2]
    parts = "_?".join(map(re.escape, identifier_parts(wanted)))
    for pattern in (re.escape(wanted), rf"(?i:{parts})"):
        if parts and (occurrences := _find(pattern, hits)) is not None:
            return occurrences
    return None


def _find(name: str, hits: Sequence[Hit]) -> Occurrences | None:
    word = re.compile(rf"(?<!\w){name}(?!\w)")
    defining = re.compile(
        rf"\s*(?:(?:\w+\s+){{0,4}}(?:{_KEYWORDS})\s+(?:\([^)]*\)\s*)?{name}(?!\w)"
        rf"|{name}\s*(?::[^=]+)?(?:<-|=(?!=)))"
    )
    definitions: dict[tuple[str, str | None, int], tuple[Occurrence, str]] = {}
    uses: dict[tuple[str, str | None, int], Occurrence] = {}
    written = ""
    for hit in hits:
        # Chats are not code.
        if hit.path.endswith(".chat"):
            continue
        lines = hit.text.split("\n")
        for offset, line in enumerate(lines):
            found = word.search(line)
            if found is None:
                continue
            written = written or found[0]
            occurrence = Occurrence(hit.path, hit.line + offset, hit.cell, line.strip())
            key = (hit.path, hit.cell, occurrence.line)
            if defining.match(line):
                definitions.setdefault(key, (occurrence, "\n".join(lines[offset:])))
            else:
                uses.setdefault(key, occurrence)
    if not definitions and not uses:
        return None
    return Occurrences(written, tuple(definitions.values()), tuple(uses.values()))
