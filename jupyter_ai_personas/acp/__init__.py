"""Agents of the Agent Client Protocol as personas: ``c.AiExtension.acp_agents``.

An agent is a command that speaks JSON-RPC over its standard input and output. One process serves
one chat, with one session that all people of the chat share: its death, or its end after a stop,
touches no other chat, and it knows what was said to others. It is started with the first message
and ends when the persona leaves the chat's memory; the session is loaded again if the agent can.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
