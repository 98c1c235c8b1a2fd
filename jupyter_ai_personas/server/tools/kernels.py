"""The kernels of notebooks: their sessions, as the server has them, and clients of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from queue import Empty
from typing import Any, NamedTuple
from uuid import uuid4
from weakref import WeakValueDictionary

import anyio
from jupyter_server.utils import ensure_async

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.errors import ToolCallError

__all__ = ["Kernel", "KernelLife", "Kernels"]

START_SECONDS = 60.0
"""Time limit for the restart of a kernel that died."""

BUSY_SECONDS = 300.0
"""Time limit for a kernel that starts or is busy."""

REPLY_SECONDS = 1.0
"""A kernel that takes longer to answer is busy."""


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

    async def interrupt(self, kernel: Kernel) -> None:
        """Interrupt whatever the kernel runs."""
        if kernel.id in self.manager:
            await ensure_async(self.manager.interrupt_kernel(kernel.id))

    async def is_busy(self, kernel: Kernel) -> bool:
        """Return whether the kernel runs something: it does not answer at once."""
        try:
            async with self._connected(kernel) as (client, _):
                return not await _replied(client, client.kernel_info(), within=REPLY_SECONDS)
        except ToolCallError:
            return False

    @asynccontextmanager
    async def client(
        self,
        kernel: Kernel,
        *,
        on_busy: Callable[[], None] = lambda: None,
        busy_seconds: float = BUSY_SECONDS,
    ) -> AsyncIterator[tuple[Any, KernelLife]]:
        """Yield a client (jupyter_client) once the kernel is free, and its :class:`KernelLife`.

        ``on_busy`` is called if the kernel runs something else; this waits until that ends.

        Raises:
            ToolCallError: it has ended, or is not free within ``busy_seconds``.
        """
        async with self._connected(kernel) as (client, life):
            await self._ready(client, life, on_busy, busy_seconds)
            yield client, life

    @asynccontextmanager
    async def _connected(self, kernel: Kernel) -> AsyncIterator[tuple[Any, KernelLife]]:
        manager = await self._alive(kernel)
        with KernelLife(self.manager, kernel.id) as life:
            # An identity of its own: the kernel tells its clients apart by that of their session.
            session = manager.session.clone()
            session.session = uuid4().hex
            client = manager.client(session=session)
            client.start_channels(hb=False, stdin=False)
            try:
                yield client, life
            finally:
                client.stop_channels()

    async def _alive(self, kernel: Kernel) -> Any:
        """Return the manager of a kernel once its process runs: the server may just restart it."""
        with anyio.move_on_after(START_SECONDS):
            while kernel.id in self.manager:
                manager = self.manager.get_kernel(kernel.id)
                if await ensure_async(manager.is_alive()):
                    return manager
                await anyio.sleep(0.1)
            raise ToolCallError("The kernel has been shut down meanwhile. Try again.")
        raise ToolCallError("The kernel has died. Ask the person to restart it.")

    async def _ready(
        self, client: Any, life: KernelLife, on_busy: Callable[[], None], busy_seconds: float
    ) -> None:
        """Return when the kernel has answered a request, and the client has heard of it."""
        begin, told, wait = time.monotonic(), False, 0.1
        while True:
            # The kernel itself is asked: the server's view of its state lags, misses the first
            # messages of a kernel, and is lost with a restart on other ports. One request at a
            # time, so that few wait in a busy kernel.
            asked = client.kernel_info()
            while not await _replied(client, asked, within=REPLY_SECONDS):
                if await life.is_over():
                    raise ToolCallError(
                        "The kernel ended while it was waited for, so nothing was run. Try again."
                    )
                if not told:
                    told = True
                    on_busy()
                if time.monotonic() - begin > busy_seconds:
                    raise ToolCallError(
                        f"The kernel has been busy for {busy_seconds:g} seconds, so nothing was "
                        "run. Ask the person whether to interrupt or restart it, or try again when "
                        "it is idle."
                    )
            # Its subscription may have come too late for this answer.
            if await _heard(client, asked, within=wait):
                return
            wait = min(2 * wait, 1.0)


class KernelLife:
    """Tells whether the process of a kernel has ended since this object was made."""

    def __init__(self, manager: Any, kernel_id: str) -> None:
        self._manager = manager
        self._id = kernel_id
        self._kernel = manager.get_kernel(kernel_id)
        self._process = self._of_process()
        self._has_ended = False

    def __enter__(self) -> KernelLife:
        for event in ("restart", "dead"):
            self._kernel.add_restart_callback(self._ended, event)
        return self

    def __exit__(self, *args: object) -> None:
        for event in ("restart", "dead"):
            self._kernel.remove_restart_callback(self._ended, event)

    async def is_over(self) -> bool:
        """Return whether the process has ended, a new one may have taken its place."""
        # The restarter reports deaths that it sees; people's restarts show in the process only.
        if (
            self._has_ended
            or self._id not in self._manager
            or self._manager.get_kernel(self._id) is not self._kernel
            or self._of_process() != self._process
        ):
            return True
        return not await ensure_async(self._kernel.is_alive())

    def _ended(self) -> None:
        self._has_ended = True

    def _of_process(self) -> object:
        """Return what names the process; ``None`` where it runs elsewhere."""
        return getattr(getattr(self._kernel, "provisioner", None), "pid", None)


async def _replied(client: Any, asked: str, *, within: float) -> bool:
    """Return whether the kernel replies to a request, as it does when it is free."""
    return await _comes(client.get_shell_msg, asked, lambda message: True, within=within)


async def _heard(client: Any, asked: str, *, within: float) -> bool:
    """Return whether the client hears what the kernel publishes about a request."""
    return await _comes(client.get_iopub_msg, asked, _is_idle, within=within)


async def _comes(
    get: Callable[..., Awaitable[Mapping[str, Any]]],
    asked: str,
    is_it: Callable[[Mapping[str, Any]], bool],
    *,
    within: float,
) -> bool:
    end = time.monotonic() + within
    while (left := end - time.monotonic()) > 0:
        try:
            message = await get(timeout=left)
        except Empty:
            return False
        if message["parent_header"].get("msg_id") == asked and is_it(message):
            return True
    return False


def _is_idle(message: Mapping[str, Any]) -> bool:
    return bool(message["content"].get("execution_state") == "idle")
