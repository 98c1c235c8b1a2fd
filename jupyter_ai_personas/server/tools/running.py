"""``notebook.run_cell``: runs a cell in the notebook's kernel, and writes outputs as they come.

jupyter_client talks to the kernel. jupyter-server-nbmodel, which also runs cells on the server,
offers this to browsers by REST only: its runs have no time limit, and a run that waits in its
queue cannot be taken back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from queue import Empty
from typing import Any

import anyio

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.chat.pacing import Pacing
from jupyter_ai_personas.errors import ToolCallError
from jupyter_ai_personas.server.tools.cells import Cells, Head
from jupyter_ai_personas.server.tools.documents import Notebooks
from jupyter_ai_personas.server.tools.executor import Recorder, Tool
from jupyter_ai_personas.server.tools.kernels import (
    BUSY_SECONDS,
    START_SECONDS,
    Kernel,
    KernelLife,
    Kernels,
)
from jupyter_ai_personas.server.tools.notebooks import UPGRADE, shown_outputs
from jupyter_ai_personas.server.tools.operations import find_cell
from jupyter_ai_personas.server.tools.outputs import Outputs, OutputWriter
from jupyter_ai_personas.tools import CallContext, Preview, ToolInfo, ToolSettings
from jupyter_ai_personas.tools.builtin import BUILTIN
from jupyter_ai_personas.tools.changes import Change
from jupyter_ai_personas.tools.pictures import with_images

__all__ = ["RunTools"]

PACING = Pacing()
"""How often a cell that runs is written at most: as a reply that grows."""

STOP_SECONDS = 3.0
"""How long a call that is stopped waits for its cell to end."""

INTERRUPT_SECONDS = 10.0
"""How long a cell may take to end after its interrupt."""

LOOK_SECONDS = 1.0
"""How often a run looks whether its kernel still lives."""

_REMEMBERED = 1000


class RunTools:
    """``notebook.run_cell``."""

    def __init__(
        self,
        notebooks: Notebooks,
        kernels: Kernels,
        recorder: Recorder,
        *,
        bounds: ToolSettings,
        log: logging.Logger,
    ) -> None:
        self._notebooks = notebooks
        self._kernels = kernels
        self._recorder = recorder
        self._info = _bounded(BUILTIN["notebook.run_cell"], bounds)
        self._log = log
        self._runs: set[asyncio.Task[None]] = set()
        # Source that people approved: turn and call → source.
        self._shown: dict[tuple[str, str], str] = {}

    def tools(self) -> list[Tool]:
        """Return what runs the tool."""
        # The longest run, and what may pass before it begins and after it is interrupted.
        most = self._info.parameters["properties"]["timeout"]["maximum"]
        seconds = most + START_SECONDS + BUSY_SECONDS + INTERRUPT_SECONDS
        return [Tool(self._info, self._run, self._preview, seconds=seconds)]

    async def _preview(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        path = await self._notebooks.path(arguments["path"])
        index, head, wanted, has_ids = await self._notebooks.look(
            path, lambda cells: _look(cells, arguments["cell"], path)
        )
        kernel = await self._kernels.of_notebook(path)
        if kernel is None:
            note = f"This starts the kernel {code(await self._kernels.chosen(path, wanted))}."
        elif await self._kernels.is_busy(kernel):
            note = "The kernel is busy. The cell runs when it is free."
        else:
            note = ""
        bound = f"The run is interrupted after {arguments['timeout']:,} seconds."
        while len(self._shown) >= _REMEMBERED:
            del self._shown[next(iter(self._shown))]
        self._shown[context.turn_id, context.call_id] = head.source
        spec = (await self._kernels.specs()).get(kernel.name if kernel else wanted, {})
        return Preview(
            target=f"{path}, cell {index + 1}",
            code=head.source,
            language=str(spec.get("spec", {}).get("language", "python")),
            note=" ".join(filter(None, [note, bound, "" if has_ids else UPGRADE])),
            covers=("path", "cell", "timeout"),
        )

    async def _run(self, context: CallContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        path = await self._notebooks.path(arguments["path"])
        shown = self._shown.pop((context.turn_id, context.call_id), None)
        _, head, wanted, _ = await self._notebooks.look(
            path, lambda cells: _look(cells, arguments["cell"], path)
        )
        if shown not in (None, head.source):
            raise ToolCallError(
                "Somebody changed the cell after the run was approved, so it was not run. Read it "
                "and ask again.",
                current=head.source,
            )
        kernel = await self._kernels.started(path, wanted)
        index, cell = await self._notebooks.change(
            path, lambda cells: _begin(cells, arguments["cell"], path)
        )
        change = Change(kind="run", path=path, cell=cell, index=index)
        await self._recorder.note(context, change)
        run = _Run(self._notebooks, self._kernels, kernel, path, cell, head.source)
        run.on_busy = lambda: context.show(f"is waiting for the kernel of {path}")
        run.on_begin = lambda: context.show(f"is running a cell of {path}")
        run.timeout = arguments["timeout"]
        # A separate task: a run that is stopped before it begins is interrupted once it begins.
        task = asyncio.create_task(run.whole(), name=f"run_cell {context.turn_id}")
        self._runs.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_SECONDS):
                if not run.sent:
                    task.cancel()
                await run.stop("stopped")
                await asyncio.wait([task])
            raise
        texts, images = await asyncio.to_thread(
            partial(shown_outputs, list(run.outputs.items), cell=cell)
        )
        result = {"cell": cell, "status": run.status, "outputs": texts}
        return with_images(result, images) if context.images else result

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._runs.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ToolCallError):
            self._log.error("A run of a cell failed", exc_info=error)


def _look(cells: Cells, cell: str | int, path: str) -> tuple[int, Head, str, bool]:
    index = find_cell(cells, cell, path)
    head = cells.head(index)
    if head.type != "code":
        raise ToolCallError(f"Cell {index + 1} of {code(path)} is no code cell.")
    return index, head, cells.wanted_kernel(), cells.has_ids


def _begin(cells: Cells, cell: str | int, path: str) -> tuple[int, str]:
    index = find_cell(cells, cell, path)
    if not cells.has_ids:
        cells.upgrade()
    id_ = str(cells.head(index).id)
    if cells.is_shared:
        OutputWriter(id_).begin(cells)
    return index, id_


def _bounded(tool: ToolInfo, bounds: ToolSettings) -> ToolInfo:
    """Return the tool with the operator's bounds of ``timeout``, which is in whole seconds."""
    properties = tool.parameters["properties"]
    most = max(1, int(bounds.cell_timeout))
    default = min(most, max(1, int(bounds.tool_timeout)))
    timeout = {**properties["timeout"], "maximum": most, "default": default}
    return replace(
        tool, parameters={**tool.parameters, "properties": {**properties, "timeout": timeout}}
    )


class _Run:
    """One run of a cell: ``status`` is ``ok``, ``error``, ``timeout``, ``stopped`` or ``died``."""

    timeout: float
    on_busy: Callable[[], None]
    on_begin: Callable[[], None]

    def __init__(
        self,
        notebooks: Notebooks,
        kernels: Kernels,
        kernel: Kernel,
        path: str,
        cell: str,
        source: str,
    ) -> None:
        self.outputs = Outputs()
        self.status = ""
        self._notebooks = notebooks
        self._kernels = kernels
        self._kernel = kernel
        self._path = path
        self._source = source
        self._writer = OutputWriter(cell)
        self.sent = self._began = self._is_waiting = False
        self._deadline = float("inf")
        self._stopping: asyncio.Event = asyncio.Event()

    async def stop(self, status: str) -> None:
        """End the run: now if it has begun, else as soon as it does."""
        if not self.status:
            self.status = status
            self._stopping.set()
            if self._began:
                await self._interrupt()

    async def _interrupt(self) -> None:
        self._deadline = time.monotonic() + INTERRUPT_SECONDS
        await self._kernels.interrupt(self._kernel)

    async def whole(self) -> None:
        """Run the cell to its end, and write what it puts out.

        Raises:
            ToolCallError: it was not run.
        """
        try:
            async with self._kernels.client(self._kernel, on_busy=self._wait) as (client, life):
                if not self._stopping.is_set():
                    await self._execute(client, life)
        finally:
            await self._finish()

    async def _execute(self, client: Any, life: KernelLife) -> None:
        # `stop_on_error` would also drop what other people have asked this kernel to run.
        self.sent = True
        asked = client.execute(self._source, allow_stdin=False, stop_on_error=False)
        next_flush, is_new, is_over, next_look = 0.0, False, False, time.monotonic() + LOOK_SECONDS
        while True:
            now = time.monotonic()
            if is_new and now >= next_flush:
                await self._flush()
                next_flush = time.monotonic() + PACING.pause(chars=self.outputs.chars)
                is_new = False
            if now > self._deadline:
                if self.status:
                    return  # it does not heed the interrupt
                await self.stop("timeout")
            if now >= next_look and not is_over:
                # Look also while messages come: they may be from the next process.
                is_over, next_look = await life.is_over(), time.monotonic() + LOOK_SECONDS
                if not self._began:
                    self._wait()  # somebody's cell came first
            wait = min(next_look - now, self._deadline - now, next_flush - now if is_new else 1.0)
            try:
                message = await client.get_iopub_msg(timeout=0.1 if is_over else max(wait, 0.01))
            except Empty:
                if is_over:  # and all that it said is read
                    self.status = "died"
                    return
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != asked:
                if kind == "status" and content["execution_state"] in ("starting", "restarting"):
                    self.status = "died"
                    return
                continue
            if kind == "status":
                if content["execution_state"] == "idle":
                    break
                await self._begin()
            elif self.outputs.add(kind, content):
                is_new = True
        if not self.status:
            failed = any(one["output_type"] == "error" for one in self.outputs.items)
            self.status = "error" if failed else "ok"

    def _wait(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self.on_busy()

    async def _begin(self) -> None:
        if self._began:
            return
        self._began = True
        self._deadline = time.monotonic() + self.timeout
        self.on_begin()
        if self._stopping.is_set():
            await self._interrupt()

    async def _flush(self) -> None:
        try:
            shared = await self._notebooks.shared(self._path)
        except ToolCallError:
            return  # it is just being opened: the next time
        if shared is not None:
            with shared.transaction():
                self._writer.write(shared, self.outputs, running=True)

    async def _finish(self) -> None:
        def write(cells: Cells) -> None:
            self._writer.write(cells, self.outputs, running=False)

        if self._began or await self._notebooks.shared(self._path) is not None:
            await self._notebooks.change(self._path, write)
