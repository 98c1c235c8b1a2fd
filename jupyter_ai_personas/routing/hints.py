"""Names that were probably meant as a persona's."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_ai_personas.errors import near_matches
from jupyter_ai_personas.routing.mentions import NameIndex, typed_names

__all__ = ["meant_names"]

_MOST = 5

MOST_COMPARED = 20
"""How many unknown names are compared with the known ones: each costs as much as all of those."""


def meant_names(body: str, names: NameIndex, others: Iterable[str]) -> dict[str, list[str]]:
    """Return ``{typed name: mention names that it may stand for}`` for what ``body`` mentions.

    ``others`` are names that are right as they are: people's. A name that resembles nothing is
    left out: it may be somebody who is not here, or a decorator.
    """
    right = {other.casefold() for other in others}
    known, compared = names.names, 0
    found: dict[str, list[str]] = {}
    for typed in dict.fromkeys(typed_names(body)):
        if names.id_of(typed) is not None or typed.casefold() in right:
            continue
        if len(found) == _MOST or compared == MOST_COMPARED:
            break
        compared += 1
        if near := near_matches(typed, known):
            found[typed] = near
    return found
