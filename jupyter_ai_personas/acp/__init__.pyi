from .agents import (
    AGENTS_SOURCE,
    agent_personas,
    try_out,
    why_not_startable,
)
from .persona import AcpPersona
from .settings import AgentSettings, AgentsTable

__all__ = [
    "AGENTS_SOURCE",
    "AcpPersona",
    "AgentSettings",
    "AgentsTable",
    "agent_personas",
    "try_out",
    "why_not_startable",
]
