"""Agents of the Agent Client Protocol as personas: ``c.AiExtension.acp_agents``.

An agent is a command that speaks JSON-RPC over its standard input and output. One process serves
one chat, with one session that all people of the chat share: its death, or its end after a stop,
touches no other chat, and it knows what was said to others. It is started with the first message
and ends when the persona leaves the chat's memory; the session is loaded again if the agent can.
"""

from jupyter_ai_personas.acp.agents import (
    AGENTS_SOURCE,
    agent_personas,
    try_out,
    why_not_startable,
)
from jupyter_ai_personas.acp.persona import AcpPersona
from jupyter_ai_personas.acp.settings import AgentSettings, AgentsTable

__all__ = [
    "AGENTS_SOURCE",
    "AcpPersona",
    "AgentSettings",
    "AgentsTable",
    "agent_personas",
    "try_out",
    "why_not_startable",
]
