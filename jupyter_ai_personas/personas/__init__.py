"""Personas: the base class for authors, and the registry of installed ones."""

from jupyter_ai_personas.personas.base import BasePersona, PersonaContext, PersonaDefaults
from jupyter_ai_personas.personas.facts import persona_id
from jupyter_ai_personas.personas.local import (
    ChatPersonas,
    LocalPersonas,
    LocalProblem,
    Personas,
)
from jupyter_ai_personas.personas.persona import Persona
from jupyter_ai_personas.personas.registry import PersonaRegistry
from jupyter_ai_personas.personas.turn import Turn
from jupyter_ai_personas.personas.wire import TurnSpec

__all__ = [
    "BasePersona",
    "ChatPersonas",
    "LocalPersonas",
    "LocalProblem",
    "Persona",
    "PersonaContext",
    "PersonaDefaults",
    "PersonaRegistry",
    "Personas",
    "Turn",
    "TurnSpec",
    "persona_id",
]
