"""``doctor`` about the setting `hosts`: engines answer, and their workers have the packages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import importlib_metadata

from jupyter_ai_personas.cli.findings import Finding
from jupyter_ai_personas.errors import HostUnavailableError
from jupyter_ai_personas.hosts.places import PROCESSES, THREADS, dask_address

if TYPE_CHECKING:
    from jupyter_ai_personas.personas import Persona
    from jupyter_ai_personas.runtime import Runtime

__all__ = ["places_of"]

_SECTION = "Hosts"
_OWN = "jupyter_ai_personas"


def places_of(runtime: Runtime) -> Iterator[Finding]:
    """Yield what is known of each place where personas run, but for the server's threads."""
    for place, personas in runtime.placement.places(runtime.personas.values()).items():
        names = ", ".join(persona.name for persona in personas)
        if place == PROCESSES:
            yield Finding(_SECTION, "ok", f"{names} run in processes beside the server")
        elif place != THREADS:
            yield from _cluster(place, names, personas)
        if place != THREADS:
            for persona in filter(lambda one: one.is_adapted, personas):
                yield from _server_uses(runtime, persona, place)


def _server_uses(runtime: Runtime, persona: Persona, place: str) -> Iterator[Finding]:
    from jupyter_ai_personas.personas.adapted.missing import server_uses

    cls = runtime.personas.class_of(persona.class_path)
    if cls is None or not (uses := server_uses(cls)):
        return
    text = (
        f"{persona.name} does not run in the server's process, and its code reads objects of that: "
        f"{', '.join(f'`{use}`' for use in uses)}"
    )
    fix = f'Set `c.AiExtension.hosts = {{"{persona.name}": "threads", "*": "{place}"}}`'
    yield Finding(_SECTION, "note", text, fix)


def _cluster(place: str, names: str, personas: Sequence[Persona]) -> Iterator[Finding]:
    address = dask_address(place)
    assert address is not None
    from jupyter_ai_personas.hosts.dask import installed_versions

    wanted = {_OWN: importlib_metadata.version(_OWN)}
    wanted |= {one.source: importlib_metadata.version(one.source) for one in personas}
    try:
        workers = asyncio.run(installed_versions(address, wanted))
    except HostUnavailableError as error:
        text, _, fix = str(error).partition("). ")
        yield Finding(_SECTION, "broken", f"{text})", fix or "Start the scheduler")
        return
    if not workers:
        text = f"{names} run on the Dask cluster {place}, which has no workers"
        yield Finding(_SECTION, "broken", text, f"Start one: `dask worker {address}`")
        return
    for worker, installed in workers.items():
        wrong = {name: installed[name] for name, here in wanted.items() if installed[name] != here}
        for name, there in wrong.items():
            has = f"has {name} {there}" if there else f"lacks {name}"
            yield Finding(
                _SECTION,
                "broken",
                f"the Dask worker {worker} {has}; the server has {name} {wanted[name]}",
                f"Run `pip install {name}=={wanted[name]}` where the worker runs; restart it",
            )
        if not wrong:
            text = f"{names}: the Dask worker {worker} has the packages in the same versions"
            yield Finding(_SECTION, "ok", text)
