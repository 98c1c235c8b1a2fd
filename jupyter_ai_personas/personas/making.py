"""Makes objects of personas' classes, whichever contract a class follows."""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter

from jupyter_ai_personas import stand_ins
from jupyter_ai_personas.errors import PersonaCodeError
from jupyter_ai_personas.personas.adapted import AdaptedPersona, is_adapted
from jupyter_ai_personas.personas.base import BasePersona, PersonaContext

__all__ = ["import_class", "make_persona"]


def import_class(path: str) -> type:
    """Return the class ``module:Class``. Foreign: importing a module may raise anything."""
    stand_ins.install()
    module, _, name = path.partition(":")
    found: type = attrgetter(name)(import_module(module))
    return found


def make_persona(cls: type, context: PersonaContext) -> BasePersona:
    """Make an object of a persona's class, which may raise anything.

    Raises:
        PersonaCodeError: its ``__init__`` does not call that of its base.
    """
    if is_adapted(cls):
        return AdaptedPersona(cls, context)
    persona: BasePersona = cls(context)
    if not hasattr(persona, "_turns"):
        advice = "call `super().__init__(context)` in its `__init__(self, context)`"
        raise PersonaCodeError(cls.__name__, advice)
    return persona
