"""Personas: what authors write, and the registry of what is installed."""

from jupyter_ai_personas.personas.base import BasePersona, PersonaContext, PersonaDefaults
from jupyter_ai_personas.personas.registry import Persona, PersonaRegistry, persona_id
from jupyter_ai_personas.personas.turn import Turn
from jupyter_ai_personas.personas.wire import TurnSpec

__all__ = [
    "BasePersona",
    "Persona",
    "PersonaContext",
    "PersonaDefaults",
    "PersonaRegistry",
    "Turn",
    "TurnSpec",
    "persona_id",
]
