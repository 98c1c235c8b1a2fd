"""Engines run hosts: threads of this process, worker processes, or workers of a cluster."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Protocol

from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.places import THREADS, dask_address
from jupyter_ai_personas.hosts.protocol import Host
from jupyter_ai_personas.hosts.thread import ThreadHost

__all__ = ["Engine", "ThreadEngine", "make_engine"]


class Engine(Protocol):
    """Makes the hosts of personas, one each."""

    def host(self, name: str, environment: HostEnvironment) -> Host:
        """Return a host, not open, for the persona called ``name``."""

    def preload(self, class_paths: Iterable[str]) -> None:
        """Begin to prepare for turns of these classes (``module:Class``)."""

    def status(self) -> str:
        """Return its status as a line for people; empty if there is nothing to report."""

    async def aclose(self) -> None:
        """End the engine within a bound, after all hosts are closed."""


class ThreadEngine:
    """Threads of this process."""

    def host(self, name: str, environment: HostEnvironment) -> ThreadHost:
        """See :meth:`Engine.host`."""
        return ThreadHost(name, environment)

    def preload(self, class_paths: Iterable[str]) -> None:
        """See :meth:`Engine.preload`. The server has imported them."""

    def status(self) -> str:
        """See :meth:`Engine.status`."""
        return ""

    async def aclose(self) -> None:
        """See :meth:`Engine.aclose`."""


def make_engine(
    place: str,
    environment: HostEnvironment,
    *,
    processes: int,
    variables: Collection[str],
    log: logging.Logger,
) -> Engine:
    """Return the engine of a place. Imports the libraries of the engine."""
    if place == THREADS:
        return ThreadEngine()
    address = dask_address(place)
    if address is not None:
        from jupyter_ai_personas.hosts.dask import DaskEngine

        return DaskEngine(address, environment, log=log)
    from jupyter_ai_personas.hosts.process import ProcessEngine

    return ProcessEngine(environment, log=log, count=processes, passed_on=variables)
