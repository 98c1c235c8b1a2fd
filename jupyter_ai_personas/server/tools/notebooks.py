"""The toolset ``notebook``, but for running cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import anyio

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.context.attached import Content
from jupyter_ai_personas.context.bounds import ContextLimits
from jupyter_ai_personas.context.notebooks import cells_of, outputs_of
from jupyter_ai_personas.context.outputs import render_output, source_text
from jupyter_ai_personas.context.privacy import holds_private_key
from jupyter_ai_personas.context.rendered import Image
from jupyter_ai_personas.errors import AttachmentError, ToolCallError
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.server.tools.cells import Cells
from jupyter_ai_personas.server.tools.documents import Notebooks
from jupyter_ai_personas.server.tools.executor import Recorder, Tool, attribution
from jupyter_ai_personas.server.tools.folders import Folders
from jupyter_ai_personas.server.tools.operations import (
    check_expected,
    delete_cell,
    edit_cell,
    find_cell,
    insert_cell,
    move_cell,
    new_source,
)
from jupyter_ai_personas.server.tools.paths import unusable
from jupyter_ai_personas.tools import CallContext, Preview
from jupyter_ai_personas.tools.changes import Change
from jupyter_ai_personas.tools.differences import unified_diff
from jupyter_ai_personas.tools.pictures import with_images

__all__ = ["NotebookTools", "read_cells", "shown_outputs"]

MAX_CHARS = 60_000
"""Characters of cells and outputs that one call reads."""

UPGRADE = (
    "The notebook's format (before nbformat 4.5) keeps no ids of cells. This change upgrades it."
)
UPGRADED = "The notebook's format keeps ids of cells now: address cells by id from here on."

Operation = Callable[[Cells, str, Mapping[str, Any], Mapping[str, Any]], Change]


class NotebookTools:
    """``notebook.list``, ``read``, ``create``, ``insert_cell``, ``edit_cell``, and so on.

    ``kernels`` returns the names of kernels → their specifications, as the server lists them.
    """

    def __init__(
        self,
        notebooks: Notebooks,
        folders: Folders,
        recorder: Recorder,
        *,
        kernels: Callable[[], Any],
    ) -> None:
        self._notebooks = notebooks
        self._folders = folders
        self._recorder = recorder
        self._kernels = kernels

    def tools(self) -> list[Tool]:
        """Return what runs each tool."""
        return [
            Tool("notebook.list", self._list, _about_folder),
            Tool("notebook.read", self._read, _about_path),
            Tool("notebook.create", self._create, self._about_new),
            *(
                Tool(f"notebook.{name}", self._changing(operation), preview)
                for name, operation, preview in (
                    ("insert_cell", insert_cell, self._about_insertion),
                    ("edit_cell", edit_cell, self._about_edit),
                    ("move_cell", move_cell, self._about_move),
                    ("delete_cell", delete_cell, self._about_deletion),
                )
            ),
        ]

    async def _list(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        found = await self._folders.below(arguments["folder"], ".ipynb")
        for one in found["files"]:
            live = self._notebooks.workspace.live
            one["open"] = await live.document(one["path"], "notebook", "json") is not None
        return found

    async def _read(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        path = await self._notebooks.path(arguments["path"])
        wanted = arguments.get("cells")

        def use(content: Content) -> dict[str, Any]:
            found, images = read_cells(
                content.notebook or {}, path, wanted, outputs=arguments["outputs"]
            )
            return with_images(found, images) if context.images else found

        try:
            return await self._notebooks.workspace.read(path, use)
        except AttachmentError as error:
            raise unusable(path, error) from None

    async def _create(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        path, kernel = await self._new(arguments)
        cell: dict[str, Any] = {
            "id": str(uuid4()),
            "cell_type": "code",
            "execution_count": None,
            "metadata": {"trusted": True},
            "outputs": [],
            "source": "",
        }
        notebook = {
            "cells": [cell],
            "metadata": kernel,
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        text = json.dumps(notebook, indent=1) + "\n"
        await self._folders.create(path, text)
        await self._recorder.note(context, Change(kind="create", path=path))
        return {"path": path}

    async def _new(self, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        path = await self._notebooks.path(arguments["path"])
        specs = await self._kernels()
        name = arguments.get("kernel")
        if not name:
            return path, {}
        if name not in specs:
            known = ", ".join(code(each) for each in sorted(specs)) or "none"
            raise ToolCallError(f"There is no kernel {code(name[:80])}; there are {known}.")
        spec = specs[name]["spec"]
        kernel = {key: spec.get(key, "") for key in ("display_name", "language")}
        return path, {"kernelspec": {**kernel, "name": name}}

    def _changing(self, operation: Operation) -> Any:
        async def run(context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
            path = await self._notebooks.path(arguments["path"])

            def change(cells: Cells) -> tuple[Change, bool]:
                had_ids = cells.has_ids
                return operation(cells, path, arguments, attribution(context)), had_ids

            # Shielded, so that each change is recorded.
            with anyio.CancelScope(shield=True):
                done, had_ids = await self._notebooks.change(path, change)
                await self._recorder.note(context, done)
            return {"cell": done.cell, **({} if had_ids else {"note": UPGRADED})}

        return run

    async def _about_new(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        path, kernel = await self._new(arguments)
        name = kernel.get("kernelspec", {}).get("display_name", "")
        return Preview(target=path, note=f"Its kernel is {name}." if name else "")

    async def _about_insertion(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        path = await self._notebooks.path(arguments["path"])
        after = arguments["after"]

        def use(cells: Cells) -> tuple[str, bool]:
            if after is None:
                where = "at the end"
            elif after == "start":
                where = "at the start"
            else:
                where = f"after cell {find_cell(cells, after, path) + 1}"
            return where, cells.has_ids

        where, has_ids = await self._notebooks.look(path, use)
        kind = arguments["cell_type"]
        return Preview(
            target=f"{path}, {where}",
            code=arguments["source"],
            language={"code": "python", "markdown": "markdown"}.get(kind, ""),
            note=" ".join(
                filter(None, ["" if kind == "code" else f"A {kind} cell.", UPGRADE * (not has_ids)])
            ),
            covers=("path", "source", "after", "cell_type"),
        )

    async def _about_edit(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        path = await self._notebooks.path(arguments["path"])

        def use(cells: Cells) -> Preview:
            index = find_cell(cells, arguments["cell"], path)
            head = cells.head(index)
            new = new_source(head, arguments, path)
            return Preview(
                target=f"{path}, cell {index + 1}",
                diff=unified_diff(head.source, new, path),
                note="" if cells.has_ids else UPGRADE,
                covers=("path", "cell", "source", "expected", "old", "new"),
            )

        return await self._notebooks.look(path, use)

    async def _about_move(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        path = await self._notebooks.path(arguments["path"])
        after = arguments["after"]

        def use(cells: Cells) -> Preview:
            index = find_cell(cells, arguments["cell"], path)
            if after is None:
                where = "to the end"
            elif after == "start":
                where = "to the start"
            else:
                where = f"behind cell {find_cell(cells, after, path) + 1}"
            return Preview(
                target=f"{path}, cell {index + 1}, {where}",
                code=cells.head(index).source,
                note="" if cells.has_ids else UPGRADE,
                covers=("path", "cell", "after"),
            )

        return await self._notebooks.look(path, use)

    async def _about_deletion(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        path = await self._notebooks.path(arguments["path"])

        def use(cells: Cells) -> Preview:
            index = find_cell(cells, arguments["cell"], path)
            head = cells.head(index)
            check_expected(head, arguments["expected"], path)
            return Preview(
                target=f"{path}, cell {index + 1}",
                diff=unified_diff(head.source, "", path),
                note="" if cells.has_ids else UPGRADE,
                covers=("path", "cell", "expected"),
            )

        return await self._notebooks.look(path, use)


async def _about_folder(context: CallContext, arguments: Mapping[str, Any]) -> Preview:
    return Preview(target=arguments["folder"] or "the server's root", covers=("folder",))


async def _about_path(context: CallContext, arguments: Mapping[str, Any]) -> Preview:
    return Preview(target=arguments["path"], covers=("path",))


def read_cells(
    notebook: Mapping[str, Any],
    path: str,
    wanted: Sequence[str | int] | None = None,
    *,
    outputs: bool = True,
) -> tuple[dict[str, Any], list[Image]]:
    """Return cells of a notebook for a model, bounded, and the images in their outputs.

    May take long: call it in a thread.

    Raises:
        ToolCallError: it has no such cells, or contains a private key.
    """
    cells = cells_of(notebook)
    version = (notebook.get("nbformat", 4), notebook.get("nbformat_minor", 5))
    has_ids = version >= (4, 5)
    names = [source_text(c.get("id")) if has_ids else str(i) for i, c in enumerate(cells)]
    chosen = (
        range(len(cells)) if not wanted else _chosen([str(each) for each in wanted], names, path)
    )
    if any(holds_private_key(source_text(cell.get("source"))) for cell in cells):
        raise ToolCallError(f"{code(path)} contains a private key, so personas do not read it.")
    found: list[dict[str, Any]] = []
    images: list[Image] = []
    room = MAX_CHARS
    for index in chosen:
        one, shown = _cell(cells[index], names[index] if has_ids else index, outputs=outputs)
        size = len(one["source"]) + sum(map(len, one.get("outputs", ())))
        if size > room and found:
            left = [names[index] for index in chosen][len(found) :]
            note = (
                f"{len(left)} of {len(cells)} cells are left out, from `{left[0]}` to "
                f'`{left[-1]}`. Read them with `cells`, such as ["{left[0]}..{left[-1]}"].'
            )
            return {"cells": found, "left_out": note}, images
        room -= size
        found.append(one)
        images += shown
    return {"cells": found}, images


def _chosen(wanted: Sequence[str], names: Sequence[str], path: str) -> list[int]:
    chosen: dict[int, None] = {}
    for name in wanted:
        first, dots, last = name.partition("..")
        ends = [first, last] if dots and name not in names else [name, name]
        if missing := [end for end in ends if end not in names]:
            raise ToolCallError(
                f"There is no cell {code(missing[0][:80])} in {code(path)}. Read it without "
                "`cells` for the ids that it has."
            )
        start, end = names.index(ends[0]), names.index(ends[1])
        chosen |= dict.fromkeys(range(start, end + 1))
    return sorted(chosen)


_LIMITS = ContextLimits()


def _cell(
    cell: Mapping[str, Any], name: str | int, *, outputs: bool
) -> tuple[dict[str, Any], list[Image]]:
    source = redact(source_text(cell.get("source")))
    found: dict[str, Any] = {
        "cell": name,
        "type": source_text(cell.get("cell_type")) or "code",
        "source": source[:MAX_CHARS],
    }
    if len(source) > MAX_CHARS:
        found["cut"] = f"the first {MAX_CHARS:,} of {len(source):,} characters are shown"
    if isinstance(cell.get("execution_count"), int):
        found["execution_count"] = cell["execution_count"]
    images: list[Image] = []
    if outputs:
        found["outputs"], images = shown_outputs(outputs_of(cell), cell=name)
    return found, images


MAX_OUTPUTS = 50


def shown_outputs(
    outputs: Sequence[Mapping[str, Any]], *, cell: str | int
) -> tuple[list[str], list[Image]]:
    """Return a cell's outputs as texts without secrets, which name images; and these images."""
    texts, images = [], []
    for number, output in enumerate(outputs[:MAX_OUTPUTS]):
        name = f"output {number + 1}"
        text, shown = render_output(output, name=name, limits=_LIMITS)
        images += [replace(image, name=f"cell {cell}, {image.name}") for image in shown]
        if text:
            texts.append(redact(text))
    if (more := len(outputs) - MAX_OUTPUTS) > 0:
        texts.append(f"[… {more} more outputs]")
    return texts, images
