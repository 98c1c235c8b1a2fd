"""Where the foreign code of a persona runs, behind one narrow seam.

Above the wall is our code, on the server's event loop; below it a persona, its provider, and
whatever they do. Plain data crosses: a :class:`~jupyter_ai_personas.personas.TurnSpec` and
cancellations down, :class:`HostEvent` batches up.
"""

from jupyter_ai_personas.hosts.inline import InlineHost as InlineHost
from jupyter_ai_personas.hosts.seam import Failure as Failure
from jupyter_ai_personas.hosts.seam import Host as Host
from jupyter_ai_personas.hosts.seam import HostEvent as HostEvent
from jupyter_ai_personas.hosts.seam import HostServices as HostServices
from jupyter_ai_personas.hosts.seam import in_words as in_words
from jupyter_ai_personas.hosts.thread import ThreadHost as ThreadHost

__all__ = ["Failure", "Host", "HostEvent", "HostServices", "InlineHost", "ThreadHost", "in_words"]
