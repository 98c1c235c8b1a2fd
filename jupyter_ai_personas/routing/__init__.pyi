from .addressing import Chain, Limits, address
from .hints import meant_names
from .mentions import MAX_SCANNED, find_mentions, may_mention
from .names import NameIndex, folded_name, mention_name, said_of

__all__ = [
    "MAX_SCANNED",
    "Chain",
    "Limits",
    "NameIndex",
    "address",
    "find_mentions",
    "folded_name",
    "may_mention",
    "meant_names",
    "mention_name",
    "said_of",
]
