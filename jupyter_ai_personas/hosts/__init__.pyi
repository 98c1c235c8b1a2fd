from .environment import HostEnvironment
from .failures import in_words
from .inline import InlineHost
from .protocol import Host, HostConfig, HostHealth
from .thread import ThreadHost

__all__ = [
    "Host",
    "HostConfig",
    "HostEnvironment",
    "HostHealth",
    "InlineHost",
    "ThreadHost",
    "in_words",
]
