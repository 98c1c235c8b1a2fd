"""Pure functions that say which personas a message addresses."""

from jupyter_ai_personas.routing.addressing import Chain as Chain
from jupyter_ai_personas.routing.addressing import Limits as Limits
from jupyter_ai_personas.routing.addressing import address as address
from jupyter_ai_personas.routing.hints import meant_names as meant_names
from jupyter_ai_personas.routing.mentions import MAX_SCANNED as MAX_SCANNED
from jupyter_ai_personas.routing.mentions import NameIndex as NameIndex
from jupyter_ai_personas.routing.mentions import find_mentions as find_mentions
from jupyter_ai_personas.routing.mentions import mention_name as mention_name

__all__ = [
    "MAX_SCANNED",
    "Chain",
    "Limits",
    "NameIndex",
    "address",
    "find_mentions",
    "meant_names",
    "mention_name",
]
