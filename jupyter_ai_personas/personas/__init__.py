"""Personas: what authors write, and the registry of what is installed."""

from jupyter_ai_personas.personas.base import BasePersona as BasePersona
from jupyter_ai_personas.personas.base import PersonaContext as PersonaContext
from jupyter_ai_personas.personas.base import PersonaDefaults as PersonaDefaults
from jupyter_ai_personas.personas.registry import Persona as Persona
from jupyter_ai_personas.personas.registry import PersonaRegistry as PersonaRegistry
from jupyter_ai_personas.personas.registry import persona_id as persona_id
from jupyter_ai_personas.personas.turn import Turn as Turn
from jupyter_ai_personas.personas.wire import TurnSpec as TurnSpec

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
