"""The plug-in process: ``python -m jupyter_ai_personas.hosts.plugin_worker``.

It imports plug-ins for a server that does not: it discovers them, lists the tools of personas'
classes, tries models, and holds the clients of MCP servers.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from jupyter_ai_personas.discovery import Broken, Entry, one_line
from jupyter_ai_personas.errors import ModelError, PersonasError
from jupyter_ai_personas.hosts.executor import DaemonExecutor
from jupyter_ai_personas.hosts.frames import Logged, hello
from jupyter_ai_personas.hosts.framing import read_frames, write_frame
from jupyter_ai_personas.hosts.plugin_frames import (
    CODEC,
    Ask,
    Began,
    CallMcp,
    Done,
    EndMcp,
    FindPersonas,
    FindProviders,
    FindToolsets,
    FoundPersonas,
    GetPrompt,
    ListTools,
    Order,
    Refused,
    Reply,
    Request,
    Setup,
    StartMcp,
    TryModel,
    Withdraw,
)
from jupyter_ai_personas.hosts.plugin_mcp import RunningClients
from jupyter_ai_personas.hosts.worker import ReportingHandler
from jupyter_ai_personas.hosts.worker_process import serve_parent
from jupyter_ai_personas.personas import PersonaRegistry
from jupyter_ai_personas.providers.registry import ModelRegistry
from jupyter_ai_personas.providers.settings import ProviderSettings
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.tools.packages import PackageToolsets

__all__ = ["PluginWorker", "main"]

_OWN = "jupyter_ai_personas.plugins"


class PluginWorker:
    """Carries out what the server orders.

    ``send`` sends a reply up, and may be called on this event loop only; ``room`` returns once it
    is written. Foreign code runs in threads.
    """

    def __init__(self, send: Callable[[Reply], None], room: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._log = logging.getLogger(_OWN)
        self._log.propagate = False
        self._kept: dict[Entry, Broken] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._personas = PersonaRegistry(log=self._log)
        self._models: ModelRegistry | None = None
        self._clients = RunningClients(send, log=self._log)

    def take(self, order: Order) -> None:
        """Begin to carry out an order."""
        match order:
            case Setup(log_level, kept):
                self._set_up(log_level)
                self._kept = dict(kept)
            case Ask(number, request):
                task = self._tasks[number] = self._loop.create_task(self._answer(number, request))
                task.add_done_callback(lambda _: self._tasks.pop(number, None))
            case Withdraw(number):
                if (known := self._tasks.get(number)) is not None:
                    known.cancel()

    def _set_up(self, log_level: int) -> None:
        self._log.setLevel(log_level)
        handler = ReportingHandler(_OWN, self._report)
        for logger in (self._log, logging.getLogger()):
            logger.addHandler(handler)

    def _report(self, line: Logged) -> None:
        with suppress(RuntimeError):  # the process ends
            self._loop.call_soon_threadsafe(self._send, line)

    async def close(self) -> None:
        """End all MCP servers, within a bound."""
        await self._clients.aclose()

    async def _answer(self, number: int, request: Request) -> None:
        try:
            answer: Reply = Done(number, await self._do(request))
        except asyncio.CancelledError:
            return
        except PersonasError as error:
            answer = Refused(number, str(error))
        except BaseException as error:
            self._log.exception("The plug-in process failed at %s", type(request).__name__)
            answer = Refused(number, redact(one_line(error)))
        self._send(answer)

    async def _do(self, request: Request) -> Any:
        match request:
            case FindPersonas():
                return await asyncio.to_thread(self._find_personas, request)
            case FindProviders(settings):
                return (await asyncio.to_thread(self._loaded_models, settings)).found
            case FindToolsets():
                return await asyncio.to_thread(self._find_toolsets)
            case TryModel():
                return await asyncio.to_thread(self._try_model, request)
            case ListTools(persona):
                return await asyncio.to_thread(self._personas.tools_of, persona)
            case StartMcp() | CallMcp() | GetPrompt() | EndMcp():
                return await self._clients.do(request)

    # -- in threads -------------------------------------------------------------------------

    def _watch(self, entry: Entry) -> Broken | None:
        """Tell the server which code runs before it runs: it may end this process."""
        if (kept := self._kept.get(entry)) is not None:
            return kept

        async def tell() -> None:
            self._send(Began(entry))
            await self._room()

        asyncio.run_coroutine_threadsafe(tell(), self._loop).result()
        return None

    def _find_personas(self, request: FindPersonas) -> FoundPersonas:
        self._personas = PersonaRegistry(
            log=self._log,
            left_to=request.left_to,
            configured=request.configured,
            watch=self._watch,
        )
        self._personas.load()
        return FoundPersonas(dict(self._personas), tuple(self._personas.broken))

    def _loaded_models(self, settings: ProviderSettings) -> ModelRegistry:
        if self._models is None:
            self._models = ModelRegistry(settings, log=self._log, watch=self._watch)
            self._models.load(try_default=False)
        return self._models

    def _find_toolsets(self) -> Any:
        packages = PackageToolsets(log=self._log, watch=self._watch)
        packages.load()
        return packages.found

    def _try_model(self, request: TryModel) -> str:
        models = self._loaded_models(request.settings)
        models.use(request.settings)
        try:
            models.build(models.resolve(request.reference))
        except ModelError as error:
            return str(error)
        return ""


async def _serve(connection: socket.socket) -> None:
    # A thread of foreign code that hangs must not keep the process.
    asyncio.get_running_loop().set_default_executor(DaemonExecutor())
    reader, writer = await asyncio.open_connection(sock=connection)

    def send(reply: Reply) -> None:
        write_frame(writer, CODEC.pack(reply))

    async def room() -> None:
        with suppress(ConnectionError):  # the server is gone, and so is this process soon
            await writer.drain()

    write_frame(writer, hello(CODEC.schema))
    worker = PluginWorker(send, room)
    async for frame in read_frames(reader):
        # The process trusts its server.
        worker.take(pickle.loads(frame))
    await worker.close()


def main() -> None:
    """Serve until the server ends the connection."""
    serve_parent(_serve)


if __name__ == "__main__":
    main()
