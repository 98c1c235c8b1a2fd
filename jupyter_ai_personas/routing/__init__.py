"""Pure functions that decide which personas a message addresses."""

from jupyter_ai_personas.routing.addressing import Chain, Limits, address
from jupyter_ai_personas.routing.hints import meant_names
from jupyter_ai_personas.routing.mentions import MAX_SCANNED, find_mentions, may_mention
from jupyter_ai_personas.routing.names import NameIndex, mention_name

__all__ = [
    "MAX_SCANNED",
    "Chain",
    "Limits",
    "NameIndex",
    "address",
    "find_mentions",
    "may_mention",
    "meant_names",
    "mention_name",
]
