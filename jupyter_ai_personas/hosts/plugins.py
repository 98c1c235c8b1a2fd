"""Plug-ins of packages, imported into this process or a separate one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

import anyio
import anyio.to_thread

from jupyter_ai_personas.discovery import Broken
from jupyter_ai_personas.errors import HostUnavailableError, ModelError, PersonasError
from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.plugin_frames import (
    FindPersonas,
    FindProviders,
    FindToolsets,
    FoundPersonas,
    ListTools,
    Request,
    TryModel,
)
from jupyter_ai_personas.hosts.plugin_process import PluginProcess
from jupyter_ai_personas.hosts.protocol import HostConfig
from jupyter_ai_personas.hosts.workers import ConnectionLostError
from jupyter_ai_personas.personas import Persona, PersonaRegistry
from jupyter_ai_personas.providers.registry import ModelRegistry
from jupyter_ai_personas.providers.sharing import shared_settings
from jupyter_ai_personas.tools import PackageToolsets, Toolset

__all__ = ["ImportedPlugins", "Plugins", "RemotePlugins"]

LIST_SECONDS = 5.0
"""How long a persona may take to list its tools."""

ENTRY_SECONDS = 60.0
"""How long code of one entry point may run while it is discovered elsewhere."""

MOST_LOST = 3
"""How often the process may end with no entry point as the reason, before discovery gives up."""


class Plugins(Protocol):
    """Fills the registries of a server."""

    async def load(self, personas_loaded: Callable[[], None]) -> None:
        """Discover what is installed; ``personas_loaded`` is called once personas are known."""

    async def tools_of(self, persona: Persona) -> Toolset | None:
        """Return the tools of a persona's class as a toolset, ``None`` if it has none.

        It is ``starting`` if the class does not list them within ``LIST_SECONDS``.
        """

    async def aclose(self) -> None:
        """End what was started, within a bound."""


class ImportedPlugins:
    """Imports plug-ins into this process, in worker threads."""

    def __init__(
        self, personas: PersonaRegistry, models: ModelRegistry, load_tools: Callable[[], None]
    ) -> None:
        self._personas = personas
        self._models = models
        self._load_tools = load_tools

    async def load(self, personas_loaded: Callable[[], None]) -> None:
        """See :meth:`Plugins.load`."""
        # First, so that packages that log while they are imported log no secret.
        await anyio.to_thread.run_sync(self._models.read_secrets)
        await anyio.to_thread.run_sync(self._personas.load)
        personas_loaded()
        await anyio.to_thread.run_sync(self._models.load)
        await anyio.to_thread.run_sync(self._load_tools)

    async def tools_of(self, persona: Persona) -> Toolset | None:
        """See :meth:`Plugins.tools_of`."""
        found: Toolset | None = _starting(persona)
        with anyio.move_on_after(LIST_SECONDS):
            found = await anyio.to_thread.run_sync(
                self._personas.tools_of, persona, abandon_on_cancel=True
            )
        return found

    async def aclose(self) -> None:
        """See :meth:`Plugins.aclose`."""


class RemotePlugins:
    """Imports plug-ins into another process; this process gets descriptions only.

    An entry point that ends that process, or does not return, is not run in the next one.
    """

    def __init__(
        self,
        personas: PersonaRegistry,
        models: ModelRegistry,
        packages: PackageToolsets,
        *,
        configured: Sequence[Persona] = (),
        left_to: str = "",
        passed_on: Collection[str] = (),
        entry_seconds: float = ENTRY_SECONDS,
        log: logging.Logger,
    ) -> None:
        self._personas = personas
        self._models = models
        self._packages = packages
        # Their configuration may hold secrets.
        self._configured = tuple(replace(persona, own_config={}) for persona in configured)
        self._left_to = left_to
        self._entry_seconds = entry_seconds
        self._log = log
        environment = HostEnvironment(HostConfig(models.settings), log=log, models=models)
        self.process = PluginProcess(environment, log=log, passed_on=passed_on)
        """The process, which has other work as well."""
        self._tools: dict[str, Toolset | None] = {}

    async def load(self, personas_loaded: Callable[[], None]) -> None:
        """See :meth:`Plugins.load`."""
        await anyio.to_thread.run_sync(self._models.read_secrets)
        try:
            found: FoundPersonas = await self._found(FindPersonas(self._configured, self._left_to))
            self._personas.adopt(found.personas, found.broken)
            personas_loaded()
            settings = shared_settings(self._models, ())
            self._models.adopt(await self._found(FindProviders(settings)))
            await self._try_default()
            self._packages.adopt(await self._found(FindToolsets()))
        except (PersonasError, ConnectionLostError) as error:
            self._log.error("Plug-ins of packages are missing until a restart. %s", error)
            if not self._personas:
                self._personas.adopt({}, ())
        personas_loaded()

    async def _found(self, request: Request) -> Any:
        """Return what is discovered, with another process after each loss."""
        lost = 0
        while True:
            self.process.began = None
            self.process.held = []
            try:
                found = await self._watched(request)
            except ConnectionLostError as error:
                how = error.how
                if not self._keep_out(f"the process that ran it {how}" if how else error.reason):
                    lost += 1
                    how = how or "was lost"
                    if lost == MOST_LOST:
                        raise HostUnavailableError(
                            f"The plug-in process {how}. It ended {lost} times, and no entry "
                            "point is the reason."
                        ) from None
                    self._log.warning("The plug-in process %s and is started again.", how)
                continue
            finally:
                held, self.process.held = self.process.held, None
            # Only of the last process: each process logs the same lines again.
            for line in held:
                self.process.log(line)
            return found

    async def _watched(self, request: Request) -> Any:
        """Return the answer to a request; the time limit restarts with each entry point."""
        loop = asyncio.get_running_loop()
        asking = asyncio.ensure_future(self.process.ask(request))

        def postpone() -> None:
            if not bound.expired():
                bound.reschedule(loop.time() + self._entry_seconds)

        try:
            async with asyncio.timeout(self._entry_seconds) as bound:
                self.process.on_begin = postpone
                return await asyncio.shield(asking)
        except TimeoutError:
            self.process.kill()
            with suppress(ConnectionLostError):
                await asking
            raise ConnectionLostError(
                f"it did not return within {self._entry_seconds:g} s."
            ) from None
        finally:
            self.process.on_begin = lambda: None
            asking.cancel()

    def _keep_out(self, reason: str) -> bool:
        """Do not run the current entry point again; return whether there is one."""
        entry = self.process.began
        if entry is None or entry in self.process.kept:
            return False
        self.process.kept[entry] = Broken(
            entry.name,
            entry.distribution,
            entry.value,
            "import",
            reason.rstrip("."),
            f"Fix, upgrade or uninstall `{entry.distribution}`",
        )
        return True

    async def _try_default(self) -> None:
        """Try the model that ``auto`` picks, as a registry with the classes does."""
        tried = set()
        while (reference := self._models.untried()) is not None and reference not in tried:
            tried.add(reference)
            settings = shared_settings(self._models, {reference.provider_id})
            try:
                async with asyncio.timeout(self._entry_seconds):
                    problem = await self.process.ask(TryModel(str(reference), settings))
            except TimeoutError:
                self.process.kill()
                problem = f"It was not built within {self._entry_seconds:g} s."
            except (PersonasError, ConnectionLostError) as error:
                problem = str(error)
            if problem:
                self._models.give_up(reference.provider_id, ModelError(problem))

    async def tools_of(self, persona: Persona) -> Toolset | None:
        """See :meth:`Plugins.tools_of`."""
        if not persona.has_tools:
            return None
        if persona.id not in self._tools:
            found = await self._listed(persona)
            if found is not None and found.status != "ok":
                return found
            self._tools[persona.id] = found
        return self._tools[persona.id]

    async def _listed(self, persona: Persona) -> Toolset | None:
        asked = replace(persona, own_config={})
        try:
            await self.process.open()
            async with asyncio.timeout(LIST_SECONDS):
                found: Toolset | None = await self.process.ask(ListTools(asked))
                return found
        except TimeoutError:
            return _starting(persona)
        except (PersonasError, ConnectionLostError) as error:
            problem = f"they cannot be listed before it has answered ({error})"
            return replace(_starting(persona), status="broken", problem=problem)

    async def aclose(self) -> None:
        """See :meth:`Plugins.aclose`."""
        await self.process.aclose()


def _starting(persona: Persona) -> Toolset:
    return Toolset(persona.mention_name, persona.source, (), "starting")
