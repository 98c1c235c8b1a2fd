"""Where the foreign code of a persona runs, behind one narrow protocol.

Above the wall is our code, on the server's event loop; below it run a persona, its provider and
their libraries. Only plain data crosses: a :class:`TurnSpec`, cancellations and answers go down,
batches of :data:`HostEvent` come up (see :mod:`jupyter_ai_personas.personas.wire`).
"""

from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.failures import in_words
from jupyter_ai_personas.hosts.inline import InlineHost
from jupyter_ai_personas.hosts.protocol import Host, HostConfig, HostHealth
from jupyter_ai_personas.hosts.thread import ThreadHost

__all__ = [
    "Host",
    "HostConfig",
    "HostEnvironment",
    "HostHealth",
    "InlineHost",
    "ThreadHost",
    "in_words",
]
