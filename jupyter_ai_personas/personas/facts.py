"""The declarations of a persona's class, read once, and their faults."""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

from jupyter_ai_personas.chat.messages import PERSONA_PREFIX
from jupyter_ai_personas.personas.adapted import is_adapted
from jupyter_ai_personas.personas.base import BasePersona, PersonaDefaults
from jupyter_ai_personas.text import well_formed

__all__ = [
    "Facts",
    "avatar_of",
    "check_class",
    "facts_of",
    "link_of",
    "persona_id",
    "wrong_with_name",
]

MAX_NAME = 64
_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def persona_id(cls: type) -> str:
    """Return the id ``jupyter-ai-personas::<top package>::<Class>``."""
    return f"{PERSONA_PREFIX}{cls.__module__.partition('.')[0]}::{cls.__name__}"


def _defaults_of(cls: type[BasePersona]) -> Any:
    defaults = inspect.getattr_static(cls, "defaults", None)
    if isinstance(defaults, property) and defaults.fget is not None:
        # Authors of Jupyter AI write it as a property. It describes the class, so it needs no
        # finished object.
        return defaults.fget(object.__new__(cls))
    return getattr(cls, "defaults", None)


@dataclass(frozen=True, slots=True)
class Facts:
    """The declarations of a class, read once: reading may run the author's code."""

    defaults: PersonaDefaults
    is_adapted: bool
    answers_itself: bool
    has_tools: bool = False
    allows_concurrency: bool = True
    searched_chars: int = 0
    commands: Mapping[str, str] = field(default_factory=dict)


def facts_of(cls: type[BasePersona]) -> Facts | str:
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
            facts = Facts(defaults, is_adapted=True, answers_itself=True)
        else:
            facts = Facts(
                defaults,
                is_adapted=False,
                answers_itself=cls.process_message is not BasePersona.process_message,
                has_tools=cls.tools is not BasePersona.tools and callable(cls.tools),
                allows_concurrency=bool(cls.allows_concurrency),
                searched_chars=int(cls.searched_chars),
                commands={str(k).casefold(): str(v) for k, v in dict(cls.commands).items()},
            )
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


def check_class(obj: Any) -> str | None:
    """Say why a class is no persona."""
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


def avatar_of(cls: type, avatar_path: Any) -> tuple[Path | None, str | None]:
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


def link_of(avatar_path: Any) -> str | None:
    """Return an avatar that is a URL: an absolute one, or a path of the server's."""
    text = str(avatar_path or "")
    is_link = re.match(r"https?://|data:image/|/(?:api|static|files|extensions)/", text)
    return text if is_link and not Path(text).is_file() else None
