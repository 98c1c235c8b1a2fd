"""Composes findings as Markdown: quoted passages with links, names, notebooks, folders; pure.

Without a model the text is the answer; with one it is part of the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from jupyter_ai_personas.chat.markdown import code, inert
from jupyter_ai_personas.context.answers import notebook_facts
from jupyter_ai_personas.context.answers.names import Occurrences
from jupyter_ai_personas.context.answers.notebook_facts import Cell, CellError
from jupyter_ai_personas.context.answers.questions import content_words
from jupyter_ai_personas.context.answers.quoting import (
    Link,
    Size,
    code_block,
    excerpt,
    link,
    passage_text,
    prose,
)
from jupyter_ai_personas.context.index import Hit
from jupyter_ai_personas.context.notebooks import language_of_notebook
from jupyter_ai_personas.context.passages import cut
from jupyter_ai_personas.context.texts import language_of
from jupyter_ai_personas.redaction import redact

__all__ = [
    "about_file",
    "about_folder",
    "about_name",
    "about_notebook",
    "beginning",
    "describe",
    "passages",
]

MOST_LINES = 12
"""Headings, uses, names of files and the like that are listed."""

_KINDS = {
    "Notebooks": {".ipynb"},
    "Chats": {".chat"},
    "Text": {".md", ".markdown", ".rst", ".txt", ".pdf", ".qmd", ".tex"},
    "Data": {".csv", ".tsv", ".parquet", ".pq", ".json", ".xlsx", ".h5", ".nc", ".db", ".sqlite"},
    "Images": {".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"},
}


def passages(question: str, hits: Sequence[Hit], lab: Link, size: Size) -> str:
    """Return the passages that answer a question best, or an empty string if there are none."""
    words = content_words(question)
    chosen = [hit for hit in hits[: size.passages] if hit.score >= size.least * hits[0].score]
    parts = []
    if chosen and words and max(_coverage(hit, words) for hit in chosen) < 0.5:
        parts.append("No passage has most of the words of the question. The nearest are:")
    for hit in chosen:
        text = hit.text
        first, _, rest = text.partition("\n")
        # The label has the heading.
        if rest.strip() and first.lstrip("# ").strip() == hit.heading.rpartition(" › ")[2]:
            text = rest.strip("\n")
        text = excerpt(text, words, chars=size.chars, lines=size.lines)
        parts.append(f"**{_label(hit, lab)}**\n\n{passage_text(hit.path, text)}")
    return "\n\n".join(parts)


def _label(hit: Hit, lab: Link) -> str:
    label = " › ".join(filter(None, [hit.path, hit.heading]))
    return link(label, lab(hit.path, line=hit.line, cell=hit.cell))


def _coverage(hit: Hit, words: Sequence[str]) -> float:
    """Return which part of the words stands in a passage, its headings or its path."""
    text = f"{hit.path} {hit.heading} {hit.text}".casefold()
    return sum(word[: max(4, len(word) - 2)] in text for word in words) / len(words)


def about_name(occurrences: Occurrences, lab: Link, size: Size) -> str:
    """Return where a name is defined, with its code, and where it is used."""
    name = code(occurrences.name)
    parts = []
    for one, text in occurrences.definitions[:3]:
        where = link(
            _where(one.path, one.line),
            lab(one.path, line=one.line, cell=one.cell),
        )
        body = excerpt(text, (), chars=2 * size.chars, lines=size.lines)
        parts.append(
            f"{name} is defined in **{where}**:\n\n{code_block(body, _language(one.path))}"
        )
    if not parts:
        parts.append(f"No definition of {name} was found in the workspace.")
    rows = []
    for path, group in groupby(occurrences.uses, key=lambda one: one.path):
        for one in group:
            url = lab(path, line=one.line, cell=one.cell)
            rows.append(f"- {link(_where(path, one.line), url)}: {code(one.code[:100])}")
    if rows:
        further = len(rows) - MOST_LINES
        more = [f"- … and {further} more"] if further > 0 else []
        parts.append("\n".join(["It is used in:", "", *rows[:MOST_LINES], *more]))
    elif occurrences.definitions:
        parts.append("No use of it was found.")
    return "\n\n".join(parts)


def _where(path: str, line: int) -> str:
    return f"{path}, line {line}" if not path.endswith(".ipynb") else path


def _language(path: str) -> str:
    return "python" if path.endswith(".ipynb") else language_of(path)


def about_notebook(
    path: str,
    notebook: Mapping[str, Any],
    wants: Sequence[str],
    lab: Link,
    *,
    focus: Sequence[str] = (),
) -> str:
    """Return what a notebook has of ``wants``: ``errors``, ``imports``, ``outline``.

    ``focus`` are the ids of the cells that are asked about: their errors come alone.
    """
    whole = link(path, lab(path))
    every = notebook_facts.cells(notebook)
    if not every:
        return f"{whole} has no cells."
    parts = []
    if "errors" in wants:
        found = notebook_facts.errors(notebook)
        here = [error for error in found if error.cell.id in focus]
        shown = here or found
        if not shown:
            parts.append(f"No output of {whole} as it is now holds an error.")
        elif focus and not here:
            parts.append(f"The cell itself shows no error; {whole} does:")
        language = language_of_notebook(notebook)
        parts += [_error(path, error, lab, language) for error in shown[:5]]
        if len(shown) > 5:
            parts.append(f"{len(shown) - 5} more cells show errors.")
    if "imports" in wants:
        parts.append(_imports(path, whole, notebook, lab))
    if "outline" in wants or not parts:
        parts.append(_outline(path, whole, notebook, every, lab))
    return "\n\n".join(parts)


def _at(path: str, cell: Cell, lab: Link, label: str = "") -> str:
    url = lab(path, cell=cell.id or f"index-{cell.number - 1}")
    return link(label or f"cell {cell.number}", url)


def _error(path: str, error: CellError, lab: Link, language: str) -> str:
    what = code(redact(f"{error.name}: {error.value}".strip(": "))[:300])
    where = _at(path, error.cell, lab, f"{path}, cell {error.cell.number}")
    if not error.line:
        lines = error.cell.source.strip("\n").split("\n")
        body = code_block(redact("\n".join(lines[:12])), language)
        said = f"**{where}** raised {what}:\n\n{body}"
    else:
        body = code_block(redact(error.code), language)
        said = f"**{where}** raised {what} in its line {error.line}:\n\n{body}"
    if error.deeper:
        said += f"\n\nThe traceback ends in {code(error.deeper)}, which this line called."
    if error.name == "NameError" and error.defined_in:
        cells = ", ".join(_at(path, cell, lab) for cell in error.defined_in[:3])
        said += f"\n\nThe name is defined in {cells}: run that first."
    elif error.name == "NameError":
        said += "\n\nNo cell of the notebook defines that name."
    elif error.name in ("ModuleNotFoundError", "ImportError"):
        said += "\n\nThe kernel's environment has no such module, or another version of it."
    return said


def _imports(path: str, whole: str, notebook: Mapping[str, Any], lab: Link) -> str:
    found = notebook_facts.imports(notebook)
    if not found:
        return f"No cell of {whole} imports anything."
    rows = [f"- {code(name)}, in {_at(path, cell, lab)}" for name, cell in found]
    return "\n".join([f"{whole} imports:", "", *rows[: 2 * MOST_LINES]])


def _outline(
    path: str, whole: str, notebook: Mapping[str, Any], every: Sequence[Cell], lab: Link
) -> str:
    number = len(every)
    failed = sum(1 for _ in notebook_facts.errors(notebook))
    said = f"{whole} has {number} cell{'' if number == 1 else 's'}"
    said += f", {failed} of which show{'s' if failed == 1 else ''} an error" if failed else ""
    rows = [
        f"{'  ' * (depth - 1)}- {_at(path, cell, lab, title)}"
        for cell, depth, title in _from_the_left(notebook_facts.headings(notebook))
    ]
    if not rows:  # the first words of its cells say what there is
        rows = [
            f"- {_at(path, c, lab)}: {code(redact(first))}" for c in every if (first := _first(c))
        ]
    more = [f"- … and {len(rows) - 2 * MOST_LINES} more"] if len(rows) > 2 * MOST_LINES else []
    outline = "\n".join([f"{said}:", "", *rows[: 2 * MOST_LINES], *more])
    text = next((cell for cell in every if cell.kind == "markdown" and _body(cell)), None)
    return f"{outline}\n\n{prose(redact(_body(text)[:400]))}" if text is not None else outline


def _from_the_left(
    headings: Sequence[tuple[Cell, int, str]],
) -> list[tuple[Cell, int, str]]:
    """Return headings such that each is at most one deeper than the one before."""
    found: list[tuple[Cell, int, str]] = []
    above: list[int] = []
    for cell, depth, title in headings:
        above = [one for one in above if one < depth] + [depth]
        found.append((cell, len(above), title))
    return found


def _first(cell: Cell) -> str:
    lines = (line.strip() for line in cell.source.split("\n"))
    return next((line[:80] for line in lines if line), "")


def _body(cell: Cell) -> str:
    """Return the text of a Markdown cell below its headings."""
    lines = [line for line in cell.source.split("\n") if not line.startswith("#")]
    return "\n".join(lines).strip()


def about_file(path: str, text: str, lab: Link, size: Size) -> str:
    """Return the outline of a text file, and its beginning."""
    # Of each section once, where it begins.
    sections: dict[str, int] = {}
    for passage in cut(path, text):
        if passage.heading:
            sections.setdefault(passage.heading, passage.line)
    rows = [
        f"- {link(heading, lab(path, line=line))}"
        for heading, line in list(sections.items())[: 2 * MOST_LINES]
    ]
    parts = [beginning(path, text, lab, size)]
    if len(rows) > 1:
        parts.append("\n".join(["It has:", "", *rows]))
    return "\n\n".join(parts)


def beginning(path: str, text: str, lab: Link, size: Size) -> str:
    """Return the beginning of a text file, below a link to it."""
    begin = excerpt(redact(text), (), chars=size.chars, lines=size.lines)
    return f"**{link(path, lab(path, line=1))}** begins with:\n\n{passage_text(path, begin)}"


def describe(path: str, plain: Mapping[str, Any]) -> str:
    """Return in a few words what a file is, as it says itself; empty where it says nothing."""
    if (notebook := plain.get("notebook")) is not None:
        titles = notebook_facts.headings(notebook)
        number = len(notebook_facts.cells(notebook))
        failed = len(notebook_facts.errors(notebook))
        about = [titles[0][2]] if titles else []
        about.append(f"{number} cell{'' if number == 1 else 's'}")
        about += [f"{failed} with an error"] if failed else []
        return inert(redact(", ".join(about)).replace("@", ""), most=100)
    suffix = PurePosixPath(path).suffix.lower()
    lines = [line.strip() for line in str(plain.get("text") or "").split("\n") if line.strip()]
    if not lines:
        return ""
    if suffix in (".csv", ".tsv"):
        return f"columns {code(redact(lines[0])[:80])}"
    if suffix in (".md", ".markdown", ".txt", ".rst"):
        return inert(redact(lines[0].lstrip("# ")).replace("@", ""), most=80)
    if suffix == ".py" and lines[0].startswith(('"""', "'''")):
        return inert(redact(lines[0].strip("\"'")).replace("@", ""), most=80)
    return ""


def about_folder(
    folder: str,
    names: Sequence[str],
    described: Mapping[str, str],
    lab: Link,
    *,
    is_here: bool = False,
) -> str:
    """Return what is in a folder, by kind; ``described`` says of some names what they are.

    ``is_here``: it is the folder of the chat.
    """
    where = "This folder" if is_here else link(f"{folder}/", lab(folder))
    if not names:
        return f"{where} is empty."
    kinds: dict[str, list[str]] = {}
    for name in names:
        suffix = PurePosixPath(name).suffix.lower()
        kind = next((kind for kind, suffixes in _KINDS.items() if suffix in suffixes), "")
        kind = kind or ("Code" if _is_code(suffix) else "Folders and other files")
        kinds.setdefault(kind, []).append(name)
    parts = [f"{where} holds:"]
    order = [*_KINDS, "Code", "Folders and other files"]
    for kind in sorted(kinds, key=order.index):
        rows = []
        for name in kinds[kind][:MOST_LINES]:
            path = name if folder in ("", ".") else f"{folder}/{name}"
            what = f": {described[name]}" if described.get(name) else ""
            rows.append(f"- {link(name, lab(path))}{what}")
        further = len(kinds[kind]) - len(rows)
        rows += [f"- … and {further} more"] if further else []
        parts.append("\n".join([f"**{kind}**", "", *rows]))
    return "\n\n".join(parts)


def _is_code(suffix: str) -> bool:
    return suffix == ".py" or (bool(suffix) and bool(language_of(f"x{suffix}")))
