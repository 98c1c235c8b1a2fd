"""Two personas that argue: a persona that mentions another one is answered by it.

The server ends a debate: after `max_hops` replies of personas to personas in a row.
"""

from __future__ import annotations

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message

__all__ = ["Optimist", "Sceptic"]


class Debater(BasePersona):
    """Answers, and hands over to the other one."""

    other = ""

    async def process_message(self, message: Message) -> None:
        """Answer, and mention the other one at the end."""
        await self.stream_message(self._argument())

    async def _argument(self):
        async for piece in self.ask_model(await self.prompt()):
            yield piece
        yield f"\n\n@{self.other} what do you say?"


class Optimist(Debater):
    """Sees what speaks for an idea."""

    other = "Sceptic"
    defaults = PersonaDefaults(
        name="Optimist",
        description="Argues for an idea, and asks Sceptic.",
        system_prompt="You argue for the idea in two sentences. Answer what Sceptic said.",
    )


class Sceptic(Debater):
    """Sees what speaks against it."""

    other = "Optimist"
    defaults = PersonaDefaults(
        name="Sceptic",
        description="Argues against an idea, and asks Optimist.",
        system_prompt="You argue against the idea in two sentences. Answer what Optimist said.",
    )
