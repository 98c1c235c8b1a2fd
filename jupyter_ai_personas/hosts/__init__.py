"""Hosts run the foreign code of a persona behind a narrow protocol.

Above the wall, our code runs on the server's event loop. Below it run a persona, its provider and
their libraries. Only plain data crosses: a :class:`TurnSpec`, cancellations and answers go down,
batches of :data:`HostEvent` come up (:mod:`jupyter_ai_personas.personas.wire`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
