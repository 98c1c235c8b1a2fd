"""The personas that are installed: found, described, or broken with the way to mend them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

from jupyter_ai_personas.chat.messages import PERSONA_PREFIX, User
from jupyter_ai_personas.discovery import PERSONAS_GROUP, Broken, Found, Stage, discover, one_line
from jupyter_ai_personas.errors import UnknownPersonaError
from jupyter_ai_personas.personas.adapted import is_adapted, is_of_jupyter_ai
from jupyter_ai_personas.personas.base import (
    BasePersona,
    PersonaContext,
    PersonaDefaults,
)
from jupyter_ai_personas.personas.making import make_persona
from jupyter_ai_personas.routing import NameIndex, mention_name
from jupyter_ai_personas.text import well_formed
from jupyter_ai_personas.tools import Toolset

__all__ = ["Persona", "PersonaRegistry", "persona_id", "wrong_with_name"]

MAX_NAME = 64
_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def persona_id(cls: type) -> str:
    """Return the id ``jupyter-ai-personas::<top package>::<Class>``."""
    return f"{PERSONA_PREFIX}{cls.__module__.partition('.')[0]}::{cls.__name__}"


@dataclass(frozen=True, slots=True)
class Persona:
    """A persona that can be addressed; plain data but for its class."""

    id: str
    name: str
    mention_name: str
    description: str
    system_prompt: str
    model: str | None
    avatar: Path | None
    source: str
    cls: type[BasePersona]
    allows_concurrency: bool = True
    commands: Mapping[str, str] = field(default_factory=dict, hash=False)
    tools: tuple[str, ...] = ()
    model_parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    max_hops: int | None = None
    """How often it may pass a message on, if that is less than the operator allows."""
    emoji: str = ""
    """Its avatar, if that is no file."""
    file: str = ""
    """The file that defines it, relative to the server's root; empty for one of a package."""
    reads_only: bool = False
    """Whether it has only tools that read, and no MCP servers, whatever it names."""
    is_adapted: bool = False
    """Whether its class is one of Jupyter AI 3: it has models of its own, and one turn at a time in
    each chat."""
    avatar_link: str | None = None
    """The URL of its image, if its package names one and no file."""
    is_agent: bool = False
    """Whether it is an agent that the operator configured."""
    own_config: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    """Configuration of its own, which nothing overrides."""

    @property
    def has_own_models(self) -> bool:
        """Whether it has models of its own, and one turn at a time in each chat."""
        return self.is_adapted or self.is_agent

    @property
    def class_path(self) -> str:
        """Its class as ``module:Class``."""
        return f"{self.cls.__module__}:{self.cls.__qualname__}"

    def user(self, avatar_url: str | None = None) -> User:
        """Return the user that it is in a chat."""
        words = [word for word in self.name.replace("-", " ").split() if word[0].isalnum()]
        return User(
            username=self.id,
            name=self.name,
            display_name=self.name,
            mention_name=self.mention_name,
            initials="".join(word[0] for word in words[:2]).upper(),
            avatar_url=avatar_url,
        )


def _defaults_of(cls: type[BasePersona]) -> Any:
    defaults = inspect.getattr_static(cls, "defaults", None)
    if isinstance(defaults, property) and defaults.fget is not None:
        # Authors of Jupyter AI write it as a property. It describes the class, so it needs no
        # finished object.
        return defaults.fget(object.__new__(cls))
    return getattr(cls, "defaults", None)


@dataclass(frozen=True, slots=True)
class _Facts:
    """The declarations of a class, read once: reading may run the author's code."""

    defaults: PersonaDefaults
    allows_concurrency: bool
    commands: Mapping[str, str]


def _facts_of(cls: type[BasePersona]) -> _Facts | str:
    """Return the class's facts, or what is wrong with them."""
    try:
        theirs = _defaults_of(cls)
        if theirs is None:
            return f"`{cls.__qualname__}` has no `defaults`; give it a `PersonaDefaults`"
        if not hasattr(theirs, "name"):
            return f"its `defaults` must be a `PersonaDefaults`, not a `{type(theirs).__name__}`"
        defaults = PersonaDefaults(
            name=getattr(theirs, "name", None) or "",
            description=getattr(theirs, "description", ""),
            avatar_path=getattr(theirs, "avatar_path", None),
            system_prompt=getattr(theirs, "system_prompt", ""),
            # `model_uid` is what Jupyter AI's own PersonaDefaults call it.
            model=getattr(theirs, "model", None) or getattr(theirs, "model_uid", None),
            tools=getattr(theirs, "tools", None) or (),
        )
        if is_adapted(cls):
            facts = _Facts(defaults, True, {})
        else:
            commands = {str(k).casefold(): str(v) for k, v in dict(cls.commands).items()}
            facts = _Facts(defaults, bool(cls.allows_concurrency), commands)
        if problem := _wrong_with_method(cls):
            return problem
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"reading its attributes raised {type(error).__name__}: {error}"
    if persona_id(cls) != well_formed(persona_id(cls)):
        return "the name of its class or package is not valid Unicode"
    for command in facts.commands:
        if not re.fullmatch(r"/\w[\w-]*", command):
            return f"its command `{command}` is not a slash and a word"
    return _wrong_with(defaults) or facts


def _yields(function: FunctionType) -> bool:
    # `types.coroutine` makes of a generator what can be awaited.
    is_generator = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)
    return is_generator and not function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE


def _wrong_with_method(cls: type[BasePersona]) -> str | None:
    """Say why ``process_message`` cannot be called, or would be called for nothing."""
    method = inspect.getattr_static(cls, "process_message")
    if not isinstance(method, FunctionType | staticmethod | classmethod):
        return None
    if hasattr(method, "__signature__"):
        return None  # a decorator says what it is, which may be what it wraps
    if isinstance(method, FunctionType) and _yields(method):
        return (
            "its `process_message` contains `yield`, whose values are not shown; move that to "
            "a method of its own, and pass what it returns to `await self.stream_message(...)`"
        )
    # Of an object that is not finished: one of the class would have `self` as an argument.
    bound = object.__new__(cls).process_message
    try:
        # A decorator may well add arguments to those of what it wraps.
        inspect.signature(bound, follow_wrapped=False).bind(None)
    except TypeError:
        return "its `process_message` must take the message: `process_message(self, message)`"
    return None


def _check(obj: Any) -> str | None:
    if not issubclass(obj, BasePersona) and not is_adapted(obj):
        return f"`{obj.__qualname__}` does not inherit `jupyter_ai_personas.BasePersona`"
    return None


def wrong_with_name(name: object, where: str = "") -> str | None:
    """Return why a persona cannot have that name; ``where`` says where it is given."""
    if not isinstance(name, str) or not name.strip():
        return f"the name{where} is empty"
    if name != well_formed(name):
        return f"the name{where} is not valid Unicode"
    # Control and direction characters make one name look like another. Joiners stay: emoji and
    # several scripts need them.
    unseen = any(unicodedata.category(c) == "Cc" or c in _DIRECTIONS for c in name)
    if len(name) > MAX_NAME or unseen or any(c in name for c in "@`<>[]()\\"):
        return (
            f"the name{where} is longer than {MAX_NAME}, or has one of @`<>[]()\\ or a "
            "character that cannot be seen"
        )
    return None


def _wrong_with(defaults: PersonaDefaults) -> str | None:
    name = defaults.name
    # A document that is given half of a surrogate pair takes the whole server with it.
    texts = (name, defaults.description, defaults.system_prompt, defaults.model)
    if any(isinstance(text, str) and text != well_formed(text) for text in texts):
        return "a text in its `defaults` is not valid Unicode"
    if problem := wrong_with_name(name, " in its `defaults`"):
        return problem
    for key in ("description", "system_prompt"):
        if not isinstance(getattr(defaults, key), str):
            return f"the {key} in its `defaults` is no string"
    names = defaults.tools
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n for n in names):
        return 'the tools in its `defaults` are no list of names, such as `["workspace"]`'
    if not isinstance(defaults.model, str | None):
        return "the model in its `defaults` is no reference `provider_id:model_id`"
    return None


def _avatar(cls: type, avatar_path: Any) -> tuple[Path | None, str | None]:
    """Return the avatar's file, or what is wrong with it; it must lie in the class's package."""
    if not avatar_path:
        return None, None
    try:
        module_file = Path(inspect.getfile(cls)).resolve()
        depth = cls.__module__.count(".")
        top = module_file.parent
        for _ in range(depth if module_file.name == "__init__.py" else max(0, depth - 1)):
            top = top.parent
        file = (module_file.parent / str(avatar_path)).resolve(strict=True)
    except (OSError, RuntimeError, TypeError, ValueError):
        return None, f"its avatar `{Path(str(avatar_path)).name}` does not exist"
    if not file.is_relative_to(top) or not file.is_file():
        return None, f"its avatar `{file.name}` lies outside of its package"
    return file, None


def _link(avatar_path: Any) -> str | None:
    """Return an avatar that is a URL: an absolute one, or a path of the server's."""
    text = str(avatar_path or "")
    is_link = re.match(r"https?://|data:image/|/(?:api|static|files|extensions)/", text)
    return text if is_link and not Path(text).is_file() else None


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
    ) -> None:
        """``entry_points`` stand in for the installed ones (tests).

        ``configured`` are personas that the operator configured; they get the names they ask for.
        ``left_to`` is the server extension that runs the personas of Jupyter AI, if one does.
        """
        self._log = log
        self._left_to = left_to
        self._entry_points = entry_points
        self._configured = configured
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
            found, broken = discover(PERSONAS_GROUP, check=_check, entry_points=self._entry_points)
            for persona in self._configured:
                self._personas[persona.id] = persona
                self._log.info("Registered persona `%s`.", persona.name)
            for entry in found:
                self._add(entry, broken)
            for problem in broken:
                level = logging.WARNING if problem.is_fault else logging.INFO
                self._log.log(level, "Persona %s", problem)
            self._broken = broken
            self.names = NameIndex({p.id: p.mention_name for p in self._personas.values()})
            self._loaded = True

    def _add(self, entry: Found, broken: list[Broken]) -> None:
        cls = entry.obj
        id_ = persona_id(cls)
        if self._left_to and is_of_jupyter_ai(cls):
            problem = f"it is left to {self._left_to}, which runs on this server"
            fix = f"To run it here, run `jupyter server extension disable {self._left_to}`"
            broken.append(_broken(entry, "elsewhere", problem, fix))
            return
        facts = _facts_of(cls)
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
        link = _link(defaults.avatar_path)
        avatar, wrong = _avatar(cls, None if link else defaults.avatar_path)
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
            cls=cls,
            allows_concurrency=facts.allows_concurrency,
            commands=facts.commands,
            tools=tuple(defaults.tools),
            is_adapted=is_adapted(cls),
            avatar_link=link,
        )
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

    def tools_of(self, persona: Persona) -> Toolset | None:
        """Return the tools of a persona's class as a toolset, ``None`` if it has none.

        Blocking, and the author's code: call it in a worker thread.
        """
        if persona.cls.tools is BasePersona.tools or not callable(persona.cls.tools):
            return None
        context = PersonaContext(persona.id, self._log, name=persona.name)
        name, source = persona.mention_name, persona.source
        try:
            found = asyncio.run(make_persona(persona.cls, context).own_tools())
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # Objects that `prepare` makes may be missing here.
            problem = f"they cannot be listed before it has answered ({one_line(error)})"
            return Toolset(name, source, (), "broken", problem)
        return Toolset(name, source, tuple(info for info, _ in found.values())) if found else None

    def try_out(self, persona: Persona) -> Broken | None:
        """Make an object of the persona's class; return what is wrong if that fails."""
        context = PersonaContext(persona.id, self._log, name=persona.name)
        try:
            make_persona(persona.cls, context)
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
