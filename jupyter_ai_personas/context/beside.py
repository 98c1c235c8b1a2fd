"""Finds the notebook and cell that a person means, from their browsers' awareness states."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Beside", "means_notebook", "notebook_beside"]

# Words for which "the" means "this", as in "the error".
_AT_HAND = r"notebook|cells?|error|exception|traceback|stack\s?trace"
# Words for which "the" means nothing.
_SHOWN = (
    r"outputs?|plots?|figures?|graph|charts?|code|results?|warnings?|data\s?frame|variables?"
    r"|function|loop|line|query"
)
_MEANS = re.compile(
    rf"\b(?:the|this|that|these|those|my|our|current|last|previous|next|selected|active|failing)\s+"
    rf"(?:\w+\s+)?(?:{_AT_HAND})\b"
    rf"|\b(?:this|that|these|those|my|current|selected|active)\s+(?:\w+\s+)?(?:{_SHOWN})\b"
    r"|\bcells?\s+(?:above|below|#?\d+)\b"
    r"|\bwhy\s+(?:does|did|is)\s+(?:this|it|that)\s+(?:fail|crash|rais|error|break|wrong|slow)"
    # German, French, Spanish, Italian, Portuguese, and languages without spaces.
    r"|\b(?:diese[rsmn]?|der|die|das)\s+(?:zellen?|fehler|notebook|code)\b"
    r"|\b(?:cette|ce|cet|la|le|ces|l['’])\s*(?:cellules?|erreur|notebook)\b"
    r"|\b(?:esta|este|la|el|quest[ao]|esse|essa|a|o)\s+(?:celda|cella|célula|error|errore|erro"
    r"|cuaderno|notebook)\b"
    r"|(?:この|その)(?:セル|エラー|ノートブック)|这个?(?:单元格|错误|笔记本)|이\s?(?:셀|오류|노트북)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Beside:
    """The notebook that a person has open beside the chat, and the active cell.

    ``candidates`` are several that it may be, where it cannot be told.
    """

    path: str | None = None
    cell: str | None = None
    candidates: tuple[str, ...] = ()


def means_notebook(body: str) -> bool:
    """Return whether a message refers to the open notebook, its cell, error or similar."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", " ", body, flags=re.DOTALL)
    return _MEANS.search(prose) is not None


def notebook_beside(
    person: str,
    *,
    here: Iterable[Any] = (),
    everywhere: Iterable[Any] = (),
) -> Beside:
    """Return the notebook that ``person``, a username, has beside the chat; total.

    ``here`` are the awareness states of the chat's document, where our front end announces notebook
    and cell. ``everywhere`` are those of ``JupyterLab:globalAwareness``: ``current`` is
    the document in front, ``documents`` are those open. The first answers alone; else the current
    document, if it is a notebook; else the only open notebook.
    """
    announced = dict.fromkeys(_announced(state) for state in here if _is_of(state, person))
    told = [(path, cell) for path, cell in announced if path]
    if len({path for path, _ in told}) == 1:
        # Two tabs on one notebook: the cell is known if they agree.
        cells = {cell for _, cell in told if cell}
        return Beside(told[0][0], cells.pop() if len(cells) == 1 else None)
    if told:
        return Beside(candidates=tuple(sorted({path for path, _ in told})))
    states = [state for state in everywhere if _is_of(state, person)]
    current = {path for state in states if (path := _current(state))}
    opened = {path for state in states for path in _documents(state)}
    for found in (current, opened):
        if len(found) == 1:
            return Beside(found.pop())
        if found:
            return Beside(candidates=tuple(sorted(found)))
    return Beside()


def _is_of(state: Any, person: str) -> bool:
    user = state.get("user") if isinstance(state, Mapping) else None
    return isinstance(user, Mapping) and user.get("username") == person


def _announced(state: Mapping[str, Any]) -> tuple[str, str | None]:
    ours = state.get("jupyter_ai_personas")
    if not isinstance(ours, Mapping):
        return "", None
    path, cell = _notebook(ours.get("notebook")), ours.get("cell")
    return path, cell if isinstance(cell, str) and cell else None


def _current(state: Mapping[str, Any]) -> str:
    current = state.get("current")
    # `editor:a.ipynb` would be the same file as text.
    if not isinstance(current, str) or not current.startswith("notebook:"):
        return ""
    return _notebook(current.removeprefix("notebook:"))


def _documents(state: Mapping[str, Any]) -> Iterable[str]:
    documents = state.get("documents")
    listed = documents if isinstance(documents, list) else []
    return filter(None, map(_notebook, listed))


def _notebook(value: Any) -> str:
    """Return the path of a notebook, without the drive that some versions put before it."""
    if not isinstance(value, str) or not value.endswith(".ipynb") or len(value) > 4096:
        return ""
    return value.removeprefix("RTC:").lstrip("/")
