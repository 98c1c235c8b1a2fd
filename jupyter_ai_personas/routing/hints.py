"""Names that were probably meant as a mention of a persona."""

from __future__ import annotations

import re
from collections.abc import Iterable

import regex

from jupyter_ai_personas.errors import near_matches
from jupyter_ai_personas.routing.mentions import Sign, find_signs
from jupyter_ai_personas.routing.names import NameIndex, ends_word

__all__ = ["meant_names"]

_MOST = 5

MOST_COMPARED = 20
"""Unknown names that are compared with the known ones; each comparison reads all known names."""

# Letters, digits, emoji, and the punctuation that names have.
_TYPED = regex.compile(r"(?V1)[\w+#\u200d\p{So}[\p{Sk}--[\x00-\x7f]]-]{3,64}")
_SPACES = re.compile(r"[^\S\r\n]+")
_DOMAIN = re.compile(r"\.\w|@")


def meant_names(body: str, names: NameIndex, others: Iterable[str]) -> dict[str, list[str]]:
    """Return ``{text after the sign: mention names that it may stand for}`` for ``body``.

    Those are misspelt names (``@Giude``), names with more behind them (``@Guide-please``), with
    spaces for hyphens (``@Data Analyst``), after a space (``@ Guide``) or after a word
    (``hello@Guide``); in the last two cases the text is a known name. ``others`` are the names of
    people, which are right as they are. A name that resembles nothing is left out.
    """
    search = _Search(names, others)
    found: dict[str, list[str]] = {}
    for sign in find_signs(body, names):
        if len(found) == _MOST or search.compared == MOST_COMPARED:
            break
        if sign.id is None:
            found |= search.meant(sign)
    return found


class _Search:
    """The state of one :func:`meant_names`."""

    def __init__(self, names: NameIndex, others: Iterable[str]) -> None:
        self.compared = 0
        self._names = names
        self._name_of = names.by_id
        spaced = {id_: name.replace("-", " ") for id_, name in names.by_id.items() if "-" in name}
        self._spaced = NameIndex(spaced)
        self._right = {other.casefold() for other in others}
        self._seen: set[str] = set()

    def meant(self, sign: Sign) -> dict[str, list[str]]:
        text, start = sign.text, sign.at + 1
        if sign.follows == "word":
            return self._exactly(text, start) if not self._is_address(text, start) else {}
        if sign.follows != "nothing":
            return {}
        if spaces := _SPACES.match(text, start):
            return self._exactly(text, spaces.end())
        if spaced := self._spaced.longest_at(text, start):
            id_, end = spaced
            return {text[start:end]: [self._name_of[id_]]}
        typed = _TYPED.match(text, start)
        if typed is None or not ends_word(text, typed.end()):
            return {}
        return self._near(typed.group().rstrip("-_+#"), text, start)

    def _exactly(self, text: str, start: int) -> dict[str, list[str]]:
        found = self._names.longest_at(text, start)
        name = self._name_of[found[0]] if found else ""
        return {name: [name]} if name else {}

    def _is_address(self, text: str, start: int) -> bool:
        found = self._names.longest_at(text, start)
        return found is None or _DOMAIN.match(text, found[1]) is not None

    def _near(self, typed: str, text: str, start: int) -> dict[str, list[str]]:
        fold = typed.casefold()
        if fold in self._right or fold in self._seen:
            return {}
        self._seen.add(fold)
        self.compared += 1
        near = near_matches(typed, self._names.names)
        if not near:
            begun = [
                self._name_of[id_]
                for id_, end in self._names.begun_at(text, start)
                if text[end : end + 1] in ("-", "_")
            ]
            near = begun[-1:]
        return {typed: near} if near else {}
