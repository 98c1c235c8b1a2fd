from .base import BasePersona, PersonaContext, PersonaDefaults
from .facts import persona_id
from .local import (
    ChatPersonas,
    LocalPersonas,
    LocalProblem,
    Personas,
)
from .persona import Persona
from .registry import PersonaRegistry
from .turn import Turn
from .wire import TurnSpec

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
