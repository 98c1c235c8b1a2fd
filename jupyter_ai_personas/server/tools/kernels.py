"""The kernels of notebooks: their sessions, as the server has them, and clients of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from queue import Empty
from typing import Any, NamedTuple
from uuid import uuid4
from weakref import WeakValueDictionary

import anyio
from jupyter_server.utils import ensure_async

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.errors import ToolCallError

__all__ = ["Kernel", "Kernels"]

START_SECONDS = 60.0
"""How long a kernel may take to answer after it was started."""

BUSY_SECONDS = 300.0
"""How long a call waits for a kernel that runs something else."""


class Kernel(NamedTuple):
    """A kernel that runs: its id, and the name of its specification."""

    id: str
    name: str


class Kernels:
    """Finds and starts the kernels of notebooks."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def manager(self) -> Any:
        """The server's manager of kernels."""
        return self._settings["kernel_manager"]

    async def specs(self) -> Mapping[str, Any]:
        """Return the name of a kernel → its specification, as the server lists them."""
        found: Mapping[str, Any] = await ensure_async(
            self._settings["kernel_spec_manager"].get_all_specs()
        )
        return found

    async def of_notebook(self, path: str) -> Kernel | None:
        """Return the kernel of a notebook's session, ``None`` if it has none."""
        for session in await ensure_async(self._settings["session_manager"].list_sessions()):
            kernel = session.get("kernel")
            # Browsers with an older collaboration extension name the drive.
            if kernel and str(session["path"]).removeprefix("RTC:") == path:
                return Kernel(kernel["id"], kernel["name"])
        return None

    async def chosen(self, path: str, wanted: str) -> str:
        """Return the name of the kernel to start for a notebook that wants ``wanted``.

        Raises:
            ToolCallError: the server has no such kernel.
        """
        specs = await self.specs()
        name = wanted or str(self.manager.default_kernel_name)
        if name not in specs:
            known = ", ".join(code(each) for each in sorted(specs)) or "none"
            raise ToolCallError(
                f"{code(path)} wants the kernel {code(name[:80])}, which is not installed; there "
                f"are {known}. Ask the person to choose one in JupyterLab."
            )
        return name

    async def started(self, path: str, wanted: str) -> Kernel:
        """Return the kernel of a notebook; one is started, with a session, if it has none."""
        lock = self._locks.setdefault(path, asyncio.Lock())
        async with lock:
            if (kernel := await self.of_notebook(path)) is not None:
                return kernel
            name = await self.chosen(path, wanted)
            session = await ensure_async(
                self._settings["session_manager"].create_session(
                    path=path,
                    name=path.rpartition("/")[2],
                    type="notebook",
                    kernel_name=name,
                )
            )
            return Kernel(session["kernel"]["id"], name)

    def state(self, kernel: Kernel) -> str:
        """Return ``idle``, ``busy``, ``starting``, …; ``dead`` where it is gone."""
        if kernel.id not in self.manager:
            return "dead"
        return str(getattr(self.manager.get_kernel(kernel.id), "execution_state", "idle"))

    async def interrupt(self, kernel: Kernel) -> None:
        """Interrupt whatever the kernel runs."""
        if kernel.id in self.manager:
            await ensure_async(self.manager.interrupt_kernel(kernel.id))

    @asynccontextmanager
    async def client(
        self, kernel: Kernel, *, on_busy: Callable[[], None] = lambda: None
    ) -> AsyncIterator[Any]:
        """Give a client (jupyter_client) that hears what the kernel sends, once that is free.

        ``on_busy`` is called if the kernel runs something else.

        Raises:
            ToolCallError: it is gone, or not free within a bound.
        """
        if kernel.id not in self.manager:
            raise ToolCallError("The kernel has been shut down meanwhile. Try again.")
        manager = self.manager.get_kernel(kernel.id)
        # An identity of its own: the kernel tells its clients apart by that of their session.
        session = manager.session.clone()
        session.session = uuid4().hex
        client = manager.client(session=session)
        client.start_channels(hb=False, stdin=False)
        try:
            await self._ready(client, kernel, on_busy)
            yield client
        finally:
            client.stop_channels()

    async def _ready(self, client: Any, kernel: Kernel, on_busy: Callable[[], None]) -> None:
        begin, told = time.monotonic(), False
        while (state := self.state(kernel)) != "dead":
            waited = time.monotonic() - begin
            if state == "busy":
                if not told:
                    told = True
                    on_busy()
                if waited > BUSY_SECONDS:
                    raise ToolCallError(
                        f"The kernel has been busy for {BUSY_SECONDS:g} seconds, so nothing was "
                        "run. Ask the person whether to interrupt it."
                    )
                await anyio.sleep(0.1)
            elif await _hears(client):
                return
            elif waited > START_SECONDS and not told:
                break
        raise ToolCallError("The kernel does not answer. Ask the person to restart it.")


async def _hears(client: Any) -> bool:
    """Return whether the kernel says something about a request within half a second."""
    asked = client.kernel_info()
    with anyio.move_on_after(0.5):
        while True:
            try:
                message = await client.get_iopub_msg(timeout=0.5)
            except Empty:
                return False
            if message["parent_header"].get("msg_id") == asked and _is_idle(message):
                return True
    return False


def _is_idle(message: Mapping[str, Any]) -> bool:
    return bool(message["content"].get("execution_state") == "idle")
