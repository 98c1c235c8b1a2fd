"""Makes objects of personas' classes, whichever contract a class follows."""

from __future__ import annotations

from jupyter_ai_personas.errors import PersonaCodeError
from jupyter_ai_personas.personas.adapted import AdaptedPersona, is_adapted
from jupyter_ai_personas.personas.base import BasePersona, PersonaContext

__all__ = ["make_persona"]


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
