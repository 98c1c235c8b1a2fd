"""The setting `hosts`: where each persona's turns run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from jupyter_ai_personas.settings.kinds import literal, wrong

__all__ = [
    "EVERYBODY",
    "PROCESSES",
    "THREADS",
    "Places",
    "dask_address",
    "missing_extras",
    "nobody_here",
]

THREADS = "threads"
PROCESSES = "processes"

EVERYBODY = "*"
"""The key of the personas that the setting does not name."""

_DASK = re.compile(r"dask(\+tls)?://([^\s/:@\[\]]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})/?")


@dataclass(frozen=True, slots=True)
class Places:
    """A place, or a table of personas and their places; ``*`` stands for all others.

    The normal form is a table with ``*``.
    """

    example: str = PROCESSES

    def read(self, value: Any, at: str) -> dict[str, str]:
        """See :meth:`Kind.read`."""
        value = self.parse(value) if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            return {EVERYBODY: _place(value, at)}
        read = {EVERYBODY: THREADS}
        for key, place in value.items():
            if not isinstance(key, str) or not key.strip():
                raise wrong(f"the name in {at}", "a persona or `*`", "Guide", key)
            read[key.strip()] = _place(place, f'{at}["{key.strip()}"]')
        return read

    def parse(self, text: str) -> Any:
        """See :meth:`Kind.parse`: a place, a dictionary, or ``Guide=threads,*=processes``."""
        if text.strip()[:1] == "{":
            return literal(text)
        if "=" not in text:
            return text
        pairs = (part.partition("=") for part in text.split(","))
        return {key: place for key, _, place in pairs}


def _place(value: Any, at: str) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if text in (THREADS, PROCESSES):
        return text
    match = _DASK.fullmatch(text)
    if match is not None and 0 < int(match[3]) < 65536:
        return text.rstrip("/")
    wanted = f'"{THREADS}", "{PROCESSES}", "dask://host:port" or "dask+tls://host:port"'
    raise wrong(at, wanted, PROCESSES, value, show="@" not in text)


def dask_address(place: str) -> str | None:
    """Return the scheduler's address as Dask writes it, ``None`` for a place of another kind."""
    match = _DASK.fullmatch(place)
    if match is None:
        return None
    return f"{'tls' if match[1] else 'tcp'}://{match[2]}:{match[3]}"


def nobody_here(places: Mapping[str, str]) -> bool:
    """Return whether no persona runs in the server's process, which then imports no plug-ins."""
    return THREADS not in places.values()


def missing_extras(places: Iterable[str]) -> list[str]:
    """Return what must be installed for these places, a sentence each."""
    remote = sorted({place for place in places if dask_address(place)})
    if not remote or find_spec("distributed") is not None:
        return []
    return [
        f"`c.AiExtension.hosts` names `{remote[0]}`, and Dask is not installed. Run `pip install "
        "'jupyter_ai_personas[dask]'`."
    ]
