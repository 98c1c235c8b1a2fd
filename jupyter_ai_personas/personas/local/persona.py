"""The class of all personas that files define."""

from __future__ import annotations

from jupyter_ai_personas.personas.base import BasePersona, PersonaDefaults

__all__ = ["MarkdownPersona"]


class MarkdownPersona(BasePersona):
    """Answers with the model, the system prompt and the tools that its file names."""

    defaults = PersonaDefaults(name="Markdown persona")
