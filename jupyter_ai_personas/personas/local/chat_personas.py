"""The personas of one chat: from packages, and from files in its folders."""

from __future__ import annotations

import asyncio
import operator
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jupyter_ai_personas.context.stamps import Stamps
from jupyter_ai_personas.discovery import Broken
from jupyter_ai_personas.errors import UnknownPersonaError
from jupyter_ai_personas.personas.local.definition import Fault
from jupyter_ai_personas.personas.local.files import LocalFile, LocalPersonas, LocalProblem
from jupyter_ai_personas.personas.persona import Persona
from jupyter_ai_personas.personas.registry import PersonaRegistry
from jupyter_ai_personas.routing import NameIndex, mention_name

__all__ = ["ChatPersonas", "Personas"]

LOOK_SECONDS = 1.0
"""How long a chat waits for its files. A slow disk delays nobody for longer."""

_RESERVED = ("Personas",)
"""The name that signs notices of the system."""


class Personas(Protocol):
    """Personas by id, of packages or of a chat."""

    @property
    def names(self) -> NameIndex:
        """Their mention names."""

    @property
    def broken(self) -> Sequence[Broken]:
        """The entry points that cannot be used."""

    @property
    def problems(self) -> Sequence[LocalProblem]:
        """The problems of local files."""

    def find(self, name: str) -> Persona:
        """Return the persona of that name, mention name or id.

        Raises:
            UnknownPersonaError: there is none; the message offers near matches.
        """

    def get(self, id_: str, /) -> Persona | None:
        """Return the persona with that id."""

    def values(self) -> Collection[Persona]:
        """Return all of them."""

    def __getitem__(self, id_: str, /) -> Persona: ...

    def __contains__(self, id_: object, /) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Reading:
    """The files that serve a chat at ``path``. ``stamps`` are of their folders and of them."""

    path: str
    files: Sequence[LocalFile]
    stamps: tuple[Stamps, Stamps]

    def is_current(self, path: str) -> bool:
        """Return whether reading would find the same; takes microseconds."""
        # A fault may be mended elsewhere, as by an image that was missing.
        return (
            path == self.path
            and not any(file.faults for file in self.files)
            and all(one.hold() for one in self.stamps)
        )


class ChatPersonas(Mapping[str, Persona]):
    """The personas that serve the chat at ``path()``, as :meth:`look` found them last."""

    def __init__(
        self, packages: PersonaRegistry, local: LocalPersonas | None, path: Callable[[], str]
    ) -> None:
        self._packages = packages
        self._local = local
        self._path = path
        self._last: _Reading | None = None
        self._files: dict[str, Persona] = {}
        self._names: NameIndex | None = None
        self._reading: asyncio.Future[_Reading] | None = None
        self._told: dict[str, str] = {}
        self.problems: list[LocalProblem] = []
        """Problems of the files of the chat's folders."""

    def __getitem__(self, id_: str) -> Persona:
        return self._files[id_] if id_ in self._files else self._packages[id_]

    def __iter__(self) -> Iterator[str]:
        yield from self._packages
        yield from self._files

    def __len__(self) -> int:
        return len(self._packages) + len(self._files)

    @property
    def names(self) -> NameIndex:
        """See :attr:`PersonaRegistry.names`."""
        return self._names if self._names is not None else self._packages.names

    @property
    def broken(self) -> list[Broken]:
        """See :attr:`PersonaRegistry.broken`."""
        return self._packages.broken

    @property
    def path(self) -> str:
        """The path of the chat at the last :meth:`look`."""
        return self._last.path if self._last is not None else self._path()

    @property
    def has_files(self) -> bool:
        """Whether files may define personas here."""
        return self._local is not None

    def find(self, name: str) -> Persona:
        """See :meth:`PersonaRegistry.find`."""
        id_ = name if name in self else self.names.id_of(mention_name(name))
        if id_ is None:
            raise UnknownPersonaError(name.removeprefix("@"), self.names.names)
        return self[id_]

    async def look(self) -> bool:
        """Read the files that have changed; return whether other personas are here than before.

        A read that takes longer than ``LOOK_SECONDS`` is taken at the next call.
        """
        if self._local is None or (self._last and self._last.is_current(self._path())):
            return False
        # One thread a chat, however often it looks while a disk is slow.
        if self._reading is None or self._reading.done():
            reading = asyncio.to_thread(self._read, self._local, self._path())
            self._reading = asyncio.ensure_future(reading)
        await asyncio.wait([self._reading], timeout=LOOK_SECONDS)
        return self._reading.done() and self._take(self._reading.result())

    def look_now(self) -> bool:
        """Do what :meth:`look` does, in this thread, however long it takes."""
        if self._local is None:
            return False
        return self._take(self._read(self._local, self._path()))

    @staticmethod
    def _read(local: LocalPersonas, path: str) -> _Reading:
        # The folders before, the files after: a change meanwhile shows in one of them.
        folders = Stamps(local.places(path))
        files = local.serving(path)
        return _Reading(path, files, (folders, Stamps(local.root / file.path for file in files)))

    def _take(self, reading: _Reading) -> bool:
        last, self._last, files = self._last, reading, reading.files
        if last is not None and _are_same(files, last.files):
            return False
        found, self.problems = _combine(self._packages, files)
        is_other = found != self._files or self._names is None
        if is_other:
            self._files = found
            self._names = NameIndex({id_: one.mention_name for id_, one in self.items()})
        return is_other

    def changes(self) -> list[tuple[str, str]]:
        """Return each file that is new, changed, gone or faulty since this was called last.

        As pairs of the file and ``new``, ``changed``, ``removed`` or what is wrong.
        """
        now = {one.file: repr(one) for one in self._files.values()}
        faulty = {problem.file: problem.reason for problem in self.problems}
        before, self._told = self._told, {**now, **faulty}
        told: list[tuple[str, str]] = []
        for file, state in self._told.items():
            if before.get(file) != state:
                change = "changed" if file in before else "new"
                told.append((file, faulty.get(file, change)))
        told += [(file, "removed") for file in before if file not in self._told]
        return told


def _combine(
    packages: PersonaRegistry, files: Sequence[LocalFile]
) -> tuple[dict[str, Persona], list[LocalProblem]]:
    """Return the personas of the files, and what is wrong with files.

    The nearest folder comes first and wins; a name of a package's persona is not free.
    """
    taken = NameIndex(
        [
            *((id_, persona.mention_name) for id_, persona in packages.items()),
            *((entry.value, mention_name(entry.name)) for entry in packages.broken),
            *((name, name) for name in _RESERVED),
        ]
    )
    found: dict[str, Persona] = {}
    problems: list[LocalProblem] = []
    for file in files:
        persona, faults = file.persona, file.faults
        if persona is not None:
            id_ = taken.id_of(persona.mention_name) or taken.id_of(_seen_as(persona.mention_name))
            here = NameIndex({one.id: one.mention_name for one in found.values()})
            other = here.id_of(persona.mention_name)
            if id_ is not None:
                whose = f"of `{packages[id_].source}`" if id_ in packages else "of a package"
                text = f"the name `{persona.name}` is taken by a persona {whose}; choose another"
                faults, persona = (*faults, Fault(0, text)), None
            elif other is not None and found[other].file.startswith(_folder(file.path)):
                text = (
                    f"`{found[other].file}` has the name `{persona.name}` already; choose another"
                )
                faults, persona = (*faults, Fault(0, text)), None
            elif other is not None:
                persona = None  # a nearer folder has one of that name
            else:
                found[persona.id] = persona
        if faults:
            name = file.name or (file.persona.name if file.persona is not None else "")
            kept = persona.id if persona is not None else None
            problems.append(LocalProblem(file.path, name, faults, kept))
    return found, problems


# Letters of other scripts that people take for Latin ones.
_LATIN = str.maketrans(
    "АВЕКМНОРСТУХІЈЅаеорсухіјѕһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαορν",
    "ABEKMHOPCTYXIJSaeopcyxijshdqwABEZHIKMNOPTYXaopv",
)


def _seen_as(name: str) -> str:
    """Return what a name looks like in Latin letters."""
    return unicodedata.normalize("NFKC", name).translate(_LATIN)


def _are_same(files: Sequence[LocalFile], others: Sequence[LocalFile]) -> bool:
    return len(files) == len(others) and all(map(operator.is_, files, others))


def _folder(path: str) -> str:
    return f"{path.rpartition('/')[0]}/"
