"""Where each persona runs, by the setting ``hosts``: engines, and the hosts that they make."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from jupyter_ai_personas.hosts import Host, HostEnvironment
from jupyter_ai_personas.hosts.engines import Engine, make_engine
from jupyter_ai_personas.hosts.places import EVERYBODY
from jupyter_ai_personas.personas import Persona, PersonaRegistry
from jupyter_ai_personas.routing import said_of
from jupyter_ai_personas.runtime.settings import RuntimeSettings

__all__ = ["MakeHost", "Placement"]

MakeHost = Callable[[str, HostEnvironment], Host]


class Placement:
    """The engines of a server, each made when a persona first needs it.

    ``make_host`` makes the hosts of all personas instead of the engines (tests).
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        environment: HostEnvironment,
        personas: PersonaRegistry,
        *,
        log: logging.Logger,
        make_host: MakeHost | None = None,
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._personas = personas
        self._log = log
        self._make_host = make_host
        self._engines: dict[str, Engine] = {}

    def place_of(self, persona: Persona) -> str:
        """Return where a persona runs."""
        hosts = self._settings.hosts
        return said_of(persona.names, hosts) or hosts[EVERYBODY]

    def host(self, persona: Persona) -> Host:
        """Return a new host for a persona, not open."""
        if self._make_host is not None:
            return self._make_host(persona.name, self._environment)
        return self._engine(self.place_of(persona)).host(persona.name, self._environment)

    def _engine(self, place: str) -> Engine:
        if place not in self._engines:
            self._engines[place] = make_engine(
                place,
                self._environment,
                processes=self._settings.host_processes,
                variables=self._settings.host_variables,
                log=self._log,
            )
        return self._engines[place]

    def preload(self) -> None:
        """Let workers start and import the personas that run there, before the first mention."""
        if self._make_host is not None:
            return
        for place, personas in self.places(self._personas.values()).items():
            self._engine(place).preload(persona.class_path for persona in personas)

    def places(self, personas: Iterable[Persona]) -> Mapping[str, list[Persona]]:
        """Return the personas by the place where they run."""
        found: dict[str, list[Persona]] = {}
        for persona in personas:
            found.setdefault(self.place_of(persona), []).append(persona)
        return found

    def status(self) -> list[str]:
        """Return how the engines are, as lines for people."""
        return [line for engine in self._engines.values() if (line := engine.status())]

    async def aclose(self) -> None:
        """End all engines."""
        await asyncio.gather(*(engine.aclose() for engine in self._engines.values()))
