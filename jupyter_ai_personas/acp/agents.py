"""The personas that ``acp_agents`` configures."""

from __future__ import annotations

import asyncio
import logging
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from jupyter_ai_personas.acp.persona import AcpPersona
from jupyter_ai_personas.acp.settings import AgentSettings, start_of
from jupyter_ai_personas.chat.messages import PERSONA_PREFIX
from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.personas.local.emoji import is_emoji
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.routing import mention_name

__all__ = ["AGENTS_SOURCE", "agent_personas", "try_out", "why_not_startable"]

AGENTS_SOURCE = "c.AiExtension.acp_agents"
_ID = f"{PERSONA_PREFIX}acp::"
LIBRARY = "agent-client-protocol"
TRY_SECONDS = 20.0
"""How long an agent that is tried out may take to begin."""

_DOCS = "https://agentclientprotocol.com"


def agent_personas(agents: Mapping[str, AgentSettings]) -> list[Persona]:
    """Return the personas of ``agents``, by name."""
    return [_persona(name, agent) for name, agent in agents.items()]


def _persona(name: str, agent: AgentSettings) -> Persona:
    is_link = agent.avatar.startswith(("http://", "https://", "data:image/", "/api/", "/static/"))
    is_file = bool(agent.avatar) and not is_link and not is_emoji(agent.avatar)
    return Persona(
        id=f"{_ID}{name}",
        name=name,
        mention_name=mention_name(name),
        description=agent.description,
        system_prompt="",
        model=None,
        avatar=Path(agent.avatar).expanduser() if is_file else None,
        avatar_link=agent.avatar if is_link else None,
        emoji=agent.avatar if is_emoji(agent.avatar) else "",
        source=AGENTS_SOURCE,
        class_path=f"{AcpPersona.__module__}:{AcpPersona.__qualname__}",
        answers_itself=True,
        tools=agent.tools,
        is_agent=True,
        own_config=agent.as_config(),
    )


def why_not_startable(persona: Persona) -> tuple[str, str] | None:
    """Return why an agent cannot be started here and the fix, ``None`` if it can."""
    if find_spec("acp") is None:
        fix = "Run `pip install 'jupyter_ai_personas[acp]'`"
        return f"the package `{LIBRARY}` is not installed", fix
    try:
        (program, *_), env, _ = start_of(persona.own_config)
    except ConfigurationError as error:
        return "its configuration is incomplete", str(error).rstrip(".")
    if shutil.which(program, path=env.get("PATH")) is not None:
        return None
    if Path(program).is_file():
        return f"`{program}` is not executable", f"Run `chmod +x {shlex.quote(program)}`"
    fix = f"Install it, or give its full path in `{AGENTS_SOURCE}`"
    return f"there is no command `{program}`", fix


async def try_out(persona: Persona, log: logging.Logger) -> tuple[str, str] | None:
    """Start an agent in an empty folder, with a session; return what is wrong and the fix."""
    from jupyter_ai_personas.acp.agent import Agent, UnknownChoiceError
    from jupyter_ai_personas.acp.login import LoginNeededError
    from jupyter_ai_personas.acp.process import ProcessBroken

    command, env, mode = start_of(persona.own_config)
    with tempfile.TemporaryDirectory() as folder:
        try:
            agent = await Agent.start(command, env=env, cwd=folder, log=log)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            return f"it cannot be started: {reason}", f"Correct `{AGENTS_SOURCE}`"
        try:
            async with asyncio.timeout(TRY_SECONDS):
                await agent.initialize()
                await agent.open_session("", cwd=folder, mcp=())
                await agent.choose(None, mode)
        except ProcessBroken as error:
            said = f". It wrote: {agent.said}" if agent.said else ""
            shown = shlex.join([command[0], *command[1:]])
            return f"it {error}{said}", f"Run `{for_people(shown)}` in a terminal, and correct it"
        except UnknownChoiceError as error:
            return f"it {error}".rstrip("."), f"Correct its `mode` in `{AGENTS_SOURCE}`"
        except LoginNeededError as error:
            said, _, fix = str(error).partition(". ")
            return f"it wants a login first: {said}", fix.rstrip(".")
        except TimeoutError:
            return (
                f"it does not answer within {TRY_SECONDS:g} s",
                f"Look whether it speaks the protocol: {_DOCS}",
            )
        finally:
            await agent.end()
    return None
