"""One message to a persona, through a running server or in this process."""

from __future__ import annotations

import getpass
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from jupyter_core.paths import jupyter_runtime_dir

from ..errors import TurnError
from .background import Emit
from .models import Models, Part
from .servers import NotServedError, Server, ask_server, running_servers

if TYPE_CHECKING:
    from ..chat import User
    from ..personas import PersonaRegistry

__all__ = ["Personas"]


class Personas:
    """The available personas. All methods run in one event loop."""

    def __init__(self, models: Models, *, log: logging.Logger) -> None:
        self._models = models
        self._log = log
        self._registry: PersonaRegistry | None = None

    async def ask(self, name: str, message: str, *, emit: Emit[Part]) -> None:
        """Emit a note of persona and server, then the reply; ``name`` may begin with ``@``.

        Raises :class:`UnknownPersonaError` and :class:`TurnError`.
        """
        name = name.removeprefix("@")
        parent = os.environ.get("JPY_PARENT_PID", "")
        servers = running_servers(
            Path(jupyter_runtime_dir()),
            parent=int(parent) if parent.isdecimal() else None,
            user=os.geteuid() if os.name == "posix" else None,
        )
        why = "no Jupyter server of yours runs here"
        for server in servers:
            try:
                await self._ask_server(server, name, message, emit)
            except NotServedError as reason:
                why = f"{server.url}: {reason}"
                self._log.info("Asked no persona through %s", why)
            else:
                return
        await self._ask_here(name, message, why, emit)

    async def _ask_server(self, server: Server, name: str, message: str, emit: Emit[Part]) -> None:
        note = Part(note=f"{name} answers through the server {server.url}")
        metadata = {"persona": name, "through": "server"}
        await ask_server(
            server,
            name,
            message,
            accepted=lambda: emit(note),
            grew=lambda text: emit(Part(text, metadata)),
        )

    async def _ask_here(self, name: str, message: str, why: str, emit: Emit[Part]) -> None:
        from ..chat import WatchedChat
        from ..runtime import Runtime, RuntimeSettings

        registry = await anyio.to_thread.run_sync(self._load, abandon_on_cancel=True)
        persona = registry.find(name)
        emit(Part(note=f"{persona.name} answers in this process ({why})"))
        metadata = {"persona": persona.name, "through": "process"}
        chat = WatchedChat(lambda text: emit(Part(text, metadata)))
        runtime = Runtime(
            RuntimeSettings(root_dir=str(Path.cwd())),
            personas=registry,
            models=await self._models.registry(),
            log=self._log,
        )
        async with anyio.create_task_group() as group:
            await group.start(runtime.run)
            await runtime.one_shot(persona.id, message, sender=_who_asks(), chat=chat)
            group.cancel_scope.cancel()
        if chat.failure:
            raise TurnError(chat.failure)

    def _load(self) -> PersonaRegistry:
        from ..personas import PersonaRegistry

        if self._registry is None:
            registry = PersonaRegistry(log=self._log)
            registry.load()
            self._registry = registry
        return self._registry


def _who_asks() -> User:
    from ..chat import User

    try:
        name = getpass.getuser()
    except (ImportError, KeyError, OSError):
        name = "person"  # A container may have a user id without a name.
    return User(name, name)
