"""Commands that are typed in the chat."""

from jupyter_ai_personas.commands.table import ChatCommands

__all__ = ["ChatCommands"]
