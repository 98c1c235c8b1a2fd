"""``/refresh``: which local personas are new, changed, removed or faulty."""

from __future__ import annotations

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.hosts import in_words
from jupyter_ai_personas.runtime import CommandContext

__all__ = ["refresh"]


async def refresh(context: CommandContext, message: Message, rest: str) -> str:
    """Answer ``/refresh``, in Markdown."""
    if not context.personas.has_files:
        return (
            "Files define no personas here: the operator has set "
            "`c.AiExtension.local_personas = 'off'`, or the server keeps no files on a disk."
        )
    here = {persona.file: persona for persona in context.personas.values() if persona.file}
    lines = []
    for file, change in context.personas.changes():
        name = f" (`@{here[file].mention_name}`)" if file in here else ""
        lines.append(f"- {code(file)}{name}: {in_words(change)}")
    if lines:
        return "\n".join(lines)
    names = ", ".join(f"`@{persona.mention_name}`" for persona in here.values())
    return f"Nothing has changed. Local personas here: {names or 'none'}."
