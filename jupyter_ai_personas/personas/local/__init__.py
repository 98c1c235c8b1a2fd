"""Personas that Markdown files in the workspace define.

``<folder>/.jupyter/personas/<file>.md`` serves the chats in ``<folder>`` and below it. No code of
the workspace runs: a file chooses a name, a prompt, a model and tools.
"""

from jupyter_ai_personas.personas.local.chat_personas import ChatPersonas, Personas
from jupyter_ai_personas.personas.local.emoji import emoji_image
from jupyter_ai_personas.personas.local.files import (
    LOCAL_PREFIX,
    SOURCE,
    LocalPersonas,
    LocalProblem,
)

__all__ = [
    "LOCAL_PREFIX",
    "SOURCE",
    "ChatPersonas",
    "LocalPersonas",
    "LocalProblem",
    "Personas",
    "emoji_image",
]
