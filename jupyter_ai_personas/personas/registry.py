"""The personas that are installed: found, described, or broken with the way to mend them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jupyter_ai_personas.discovery import (
    PERSONAS_GROUP,
    Broken,
    Found,
    Stage,
    Watch,
    discover,
    one_line,
    unwatched,
)
from jupyter_ai_personas.errors import UnknownPersonaError
from jupyter_ai_personas.personas.adapted import is_of_jupyter_ai
from jupyter_ai_personas.personas.base import BasePersona, PersonaContext
from jupyter_ai_personas.personas.facts import (
    avatar_of,
    check_class,
    facts_of,
    link_of,
    persona_id,
)
from jupyter_ai_personas.personas.making import import_class, make_persona
from jupyter_ai_personas.personas.persona import Persona
from jupyter_ai_personas.routing import NameIndex, mention_name
from jupyter_ai_personas.tools import Toolset

__all__ = ["PersonaRegistry"]


def _broken(entry: Found, stage: Stage, problem: str, fix: str) -> Broken:
    return Broken(entry.name, entry.distribution, entry.value, stage, problem, fix)


class PersonaRegistry(Mapping[str, Persona]):
    """The personas of this environment by id. :meth:`load` blocks; the rest only reads."""

    def __init__(
        self,
        *,
        log: logging.Logger,
        entry_points: Iterable[Any] | None = None,
        left_to: str = "",
        configured: Sequence[Persona] = (),
        watch: Watch = unwatched,
    ) -> None:
        """``entry_points`` stand in for the installed ones (tests).

        ``configured`` are personas that the operator configured; they get the names they ask for.
        ``left_to`` is the server extension that runs the personas of Jupyter AI, if one does.
        ``watch`` is called before code of an entry point runs.
        """
        self._log = log
        self._left_to = left_to
        self._entry_points = entry_points
        self._configured = configured
        self.watch = watch
        self._classes: dict[str, type[BasePersona]] = {}
        self._lock = threading.Lock()
        self._loaded = False
        self._personas: dict[str, Persona] = {}
        self._broken: list[Broken] = []
        self.names = NameIndex()

    def load(self) -> None:
        """Import what is installed, once. Blocking: call it in a worker thread."""
        with self._lock:
            if self._loaded:
                return
            found, broken = discover(
                PERSONAS_GROUP,
                check=check_class,
                entry_points=self._entry_points,
                watch=self.watch,
            )
            for persona in self._configured:
                self._personas[persona.id] = persona
                self._log.info("Registered persona `%s`.", persona.name)
            for entry in found:
                self.watch(entry.entry)
                self._add(entry, broken)
            for problem in broken:
                level = logging.WARNING if problem.is_fault else logging.INFO
                self._log.log(level, "Persona %s", problem)
            self.adopt(self._personas, broken)
            self._loaded = True

    def adopt(self, personas: Mapping[str, Persona], broken: Iterable[Broken]) -> None:
        """Take over what another process with the same settings has found, and logged."""
        # Configured ones may hold secrets, which that process need not know.
        self._personas = {**personas, **{persona.id: persona for persona in self._configured}}
        self._broken = list(broken)
        self.names = NameIndex({p.id: p.mention_name for p in self._personas.values()})

    def _add(self, entry: Found, broken: list[Broken]) -> None:
        cls = entry.obj
        id_ = persona_id(cls)
        if self._left_to and is_of_jupyter_ai(cls):
            problem = f"it is left to {self._left_to}, which runs on this server"
            fix = f"To run it here, run `jupyter server extension disable {self._left_to}`"
            broken.append(_broken(entry, "elsewhere", problem, fix))
            return
        facts = facts_of(cls)
        if isinstance(facts, str):
            fix = f"Fix, upgrade or uninstall `{entry.distribution}`"
            broken.append(_broken(entry, "class", facts, fix))
            return
        if id_ in self._personas:
            other = self._personas[id_].source
            problem = f"a persona with the id `{id_}` comes from {other} already"
            fix = f"Rename the class, or uninstall `{entry.distribution}` or `{other}`"
            broken.append(_broken(entry, "duplicate", problem, fix))
            return
        defaults = facts.defaults
        link = link_of(defaults.avatar_path)
        avatar, wrong = avatar_of(cls, None if link else defaults.avatar_path)
        if wrong:
            self._log.warning("Persona %s (from %s): %s", defaults.name, entry.distribution, wrong)
        name = self._free_name(defaults.name.strip(), entry.distribution)
        self._personas[id_] = Persona(
            id=id_,
            name=name,
            mention_name=mention_name(name),
            description=" ".join(defaults.description.split()),
            system_prompt=defaults.system_prompt,
            model=defaults.model,
            avatar=avatar,
            source=entry.distribution,
            class_path=f"{cls.__module__}:{cls.__qualname__}",
            allows_concurrency=facts.allows_concurrency,
            commands=facts.commands,
            tools=tuple(defaults.tools),
            is_adapted=facts.is_adapted,
            avatar_link=link,
            answers_itself=facts.answers_itself,
            has_tools=facts.has_tools,
            searched_chars=facts.searched_chars,
        )
        self._classes[id_] = cls
        self._log.info("Registered persona `%s`.", name)

    def _free_name(self, name: str, source: str) -> str:
        """Return ``name``, or with a number if another persona is mentioned by it already."""
        # Two packages may choose one name; both must stay reachable, and the same one must keep
        # the plain name at every start (discovery is in a fixed order). The name that is shown
        # differs too: the chat's front end makes of it what it offers for mentioning.
        taken = NameIndex({p.id: p.mention_name for p in self._personas.values()})
        first = taken.id_of(mention_name(name))
        if first is None:
            return name
        number = 2
        while taken.id_of(mention_name(free := f"{name} {number}")) is not None:
            number += 1
        self._log.warning(
            "The persona `%s` of %s is named `%s` here, also in the configuration: `%s` of %s has "
            "that name.",
            name,
            source,
            free,
            self._personas[first].name,
            self._personas[first].source,
        )
        return free

    def __getitem__(self, id_: str) -> Persona:
        return self._personas[id_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._personas)

    def __len__(self) -> int:
        return len(self._personas)

    @property
    def broken(self) -> list[Broken]:
        """The entry points that cannot be used."""
        return list(self._broken)

    @property
    def problems(self) -> tuple[()]:
        """None: these are of packages, not of files."""
        return ()

    def find(self, name: str) -> Persona:
        """Return the persona of that name, mention name or id.

        Raises:
            UnknownPersonaError: there is none; the message offers near matches.
        """
        id_ = name if name in self._personas else self.names.id_of(mention_name(name))
        if id_ is None:
            raise UnknownPersonaError(name.removeprefix("@"), self.names.names)
        return self._personas[id_]

    def class_of(self, class_path: str) -> type[BasePersona] | None:
        """Return the class ``module:Class`` if :meth:`load` found it, else ``None``."""
        for id_, cls in self._classes.items():
            if self._personas[id_].class_path == class_path:
                return cls
        return None

    def tools_of(self, persona: Persona) -> Toolset | None:
        """Return the tools of a persona's class as a toolset, ``None`` if it has none.

        Blocking, and the author's code: call it in a worker thread.
        """
        if not persona.has_tools:
            return None
        context = PersonaContext(persona.id, self._log, name=persona.name)
        name, source = persona.mention_name, persona.source
        try:
            found = asyncio.run(make_persona(self._class(persona), context).own_tools())
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # Objects that `prepare` makes may be missing here.
            problem = f"they cannot be listed before it has answered ({one_line(error)})"
            return Toolset(name, source, (), "broken", problem)
        return Toolset(name, source, tuple(info for info, _ in found.values())) if found else None

    def _class(self, persona: Persona) -> type:
        return self._classes.get(persona.id) or import_class(persona.class_path)

    def try_out(self, persona: Persona) -> Broken | None:
        """Make an object of the persona's class; return what is wrong if that fails."""
        context = PersonaContext(persona.id, self._log, name=persona.name)
        try:
            make_persona(self._class(persona), context)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return Broken(
                persona.name,
                persona.source,
                persona.class_path,
                "instantiate",
                f"{type(error).__name__}: {error}".rstrip("."),
                f"Fix, upgrade or uninstall `{persona.source}`",
            )
        return None
