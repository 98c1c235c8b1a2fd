"""A notebook as text for a model: all of it, or the cells that somebody attached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from jupyter_ai_personas.chat.messages import Selection
from jupyter_ai_personas.context.bounds import ContextLimits, fence, first_lines
from jupyter_ai_personas.context.outputs import render_output, source_text
from jupyter_ai_personas.context.rendered import Image, Rendered

__all__ = ["cells_of", "has_error", "language_of_notebook", "outputs_of", "render_notebook"]


def cells_of(notebook: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the cells of a notebook of any version in the form of nbformat 4; total."""
    major = notebook.get("nbformat")
    if "worksheets" in notebook or (isinstance(major, int) and major < 4):
        # Imported here: few notebooks are that old.
        import nbformat

        convert: Any = nbformat.convert
        read: Any = nbformat.from_dict
        try:
            notebook = convert(read(dict(notebook)), 4)
        except Exception:  # the converter raises anything for a malformed notebook
            return []
    cells = notebook.get("cells")
    return [cell for cell in cells if isinstance(cell, Mapping)] if isinstance(cells, list) else []


def language_of_notebook(notebook: Mapping[str, Any]) -> str:
    """Return the language of the notebook's code cells, ``python`` unless it says another."""
    metadata = notebook.get("metadata")
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        entry = metadata.get(key) if isinstance(metadata, Mapping) else None
        language = entry.get(name) if isinstance(entry, Mapping) else None
        if isinstance(language, str) and language:
            return language
    return "python"


def has_error(cell: Mapping[str, Any]) -> bool:
    """Return whether running the cell raised an error."""
    return any(output.get("output_type") == "error" for output in outputs_of(cell))


def outputs_of(cell: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the outputs of a cell; pieces of one stream that follow each other are one."""
    listed = cell.get("outputs")
    outputs = listed if isinstance(listed, list) else []
    found: list[Mapping[str, Any]] = []
    mappings = (output for output in outputs if isinstance(output, Mapping))
    for (kind, name), group in groupby(mappings, key=_stream):
        if kind != "stream":
            found += group
            continue
        text = [piece for output in group for piece in _pieces(output)]
        found.append({"output_type": kind, "name": name, "text": text})
    return found


def _stream(output: Mapping[str, Any]) -> tuple[Any, Any]:
    return output.get("output_type"), output.get("name")


def _pieces(output: Mapping[str, Any]) -> list[Any]:
    text = output.get("text")
    return text if isinstance(text, list) else [text]


@dataclass(frozen=True, slots=True)
class _Block:
    index: int
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    notebook: Mapping[str, Any]
    title: str
    limits: ContextLimits
    focus: str | None = None
    selections: Mapping[str, Selection] = field(default_factory=dict)

    def block(self, index: int, cell: Mapping[str, Any]) -> _Block:
        id_ = source_text(cell.get("id"))
        kind = source_text(cell.get("cell_type")) or "code"
        parts = [f"cell {index + 1}", kind]
        if id_:
            parts.append(f"id {id_}")
        if isinstance(cell.get("execution_count"), int):
            parts.append(f"executed as [{cell['execution_count']}]")
        if id_ and id_ == self.focus:
            parts.append("the person's cursor is here")
        source = source_text(cell.get("source"))
        kept, cut = first_lines(source, lines=self.limits.lines, chars=self.limits.cell_chars)
        parts += [cut] if cut else []
        language = {"code": language_of_notebook(self.notebook), "markdown": "markdown"}
        lines = [f"[{', '.join(parts)}]", fence(kept, language.get(kind, ""))]
        selection = self.selections.get(id_)
        if selection is not None and selection.content.strip():
            chosen, _ = first_lines(selection.content, lines=200, chars=self.limits.cell_chars)
            first, last = selection.start[0] + 1, selection.end[0] + 1
            lines.append(f"selected in it, lines {first}–{last}:\n{fence(chosen)}")
        images: list[Image] = []
        outputs = outputs_of(cell)
        for number, output in enumerate(outputs[:_MOST_OUTPUTS]):
            name = f"{self.title}, cell {index + 1}, image {len(images) + 1}"
            text, found = render_output(output, name=name, limits=self.limits)
            images += found
            if text:
                lines.append(text)
            if sum(map(len, lines)) > self.limits.chars // 2 and number + 1 < len(outputs):
                lines.append(f"[… first {number + 1} of {len(outputs)} outputs]")
                break
        else:
            if len(outputs) > _MOST_OUTPUTS:
                lines.append(f"[… first {_MOST_OUTPUTS} of {len(outputs):,} outputs]")
        return _Block(index, "\n".join(lines), tuple(images))


_MOST_OUTPUTS = 50


def render_notebook(
    notebook: Mapping[str, Any],
    *,
    title: str,
    limits: ContextLimits,
    cells: Sequence[str] = (),
    selections: Mapping[str, Selection] | None = None,
    focus: str | None = None,
    notes: str = "",
) -> Rendered:
    """Return a notebook for a model, with outputs and errors.

    ``cells`` are the ids of those to give, in any order; without any, all. Where not all fit, the
    cell ``focus``, cells with errors and those near the focus are kept; what is left out is named.
    """
    every = cells_of(notebook)
    if not every:
        return Rendered(title, f"{title} has no cells.")
    ids = [source_text(cell.get("id")) for cell in every]
    wanted = [i for i, id_ in enumerate(ids) if id_ and id_ in cells]
    missing = [id_ for id_ in cells if id_ not in ids]
    about = [f"{len(every)} cells", language_of_notebook(notebook), notes]
    if missing and not any(ids):
        about.append("its format keeps no ids of cells, so all of it is given")
    elif missing and not wanted:
        what = "the attached cells are" if len(missing) > 1 else "the attached cell is"
        about.append(f"{what} not in it any more, so all of it is given")
    elif missing:
        about.append(f"{len(missing)} of the attached cells are not in it any more")
    elif wanted:
        one = len(wanted) == 1
        which = "attached cell is" if one else f"{len(wanted)} attached cells are"
        about.append(f"only the {which} given")
    centre = ids.index(focus) if focus in ids else 0
    maker = _Cells(
        notebook=notebook,
        title=title,
        limits=limits,
        focus=focus if focus in ids else None,
        selections=selections or {},
    )

    def rank(index: int) -> int:
        if ids[index] == maker.focus:
            return -1
        return abs(index - centre) - (len(every) if has_error(every[index]) else 0)

    indexes = wanted or range(len(every))
    blocks = _fitting(sorted(indexes, key=rank), every, maker)
    blocks.sort(key=lambda block: block.index)
    images = [image for block in blocks for image in block.images]
    if len(images) > limits.images:
        about.append(f"first {limits.images} of {len(images)} images are shown")
    head = f"{title} ({', '.join(filter(None, about))}):"
    text = "\n\n".join([head, *_in_order(blocks, list(indexes))])
    return Rendered(title, text, tuple(images[: limits.images]))


def _fitting(ranked: list[int], every: list[Mapping[str, Any]], maker: _Cells) -> list[_Block]:
    """Render cells from the most wanted on, until they fill the space."""
    blocks: list[_Block] = []
    room = maker.limits.chars
    for index in ranked:
        block = maker.block(index, every[index])
        room -= len(block.text)
        if room < 0 and blocks:
            break
        blocks.append(block)
    return blocks


def _in_order(blocks: list[_Block], indexes: list[int]) -> Iterable[str]:
    shown = {block.index: block for block in blocks}
    left: list[int] = []
    for index in [*indexes, -1]:
        if index in shown or index == -1:
            if left:
                which = f"cell {left[0] + 1}" if len(left) == 1 else f"{len(left)} cells"
                span = "" if len(left) == 1 else f" ({left[0] + 1} to {left[-1] + 1})"
                yield f"[… {which}{span} left out, since there is no more room …]"
                left = []
            if index in shown:
                yield shown[index].text
        else:
            left.append(index)
