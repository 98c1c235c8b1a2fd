"""A persona as packages for Jupyter AI 3 write it, for workers to import."""

from __future__ import annotations

from typing import Any

from jupyterlab_chat.models import Message, NewMessage

from jupyter_ai_personas.compat.persona_manager import BasePersona, PersonaDefaults


class Adapted(BasePersona):
    """Writes through the chat's own methods, and keeps something in the chat's metadata."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    @property
    def defaults(self) -> PersonaDefaults:
        return PersonaDefaults(
            name="Adapted",
            description="Of another package.",
            avatar_path="/api/ai/static/adapted.svg",
            system_prompt="You are of another package.",
        )

    async def process_message(self, message: Message) -> None:
        before = self.ychat.get_metadata().get("asked", 0)
        self.ychat.set_metadata("asked", before + 1)
        said = [m.body for m in self.ychat.get_messages() if m.sender != self.id]
        id_ = self.ychat.add_message(NewMessage(body="", sender=self.id))
        for chunk in (f"asked {before} times before; ", f"last: {said[-1]}; ", self.get_chat_dir()):
            more = Message(id=id_, body=chunk, time=1.0, sender=self.id, raw_time=False)
            self.ychat.update_message(more, append=True)


class OfServer(Adapted):
    """Reads what an extension of the server keeps in its process."""

    async def process_message(self, message: Message) -> None:
        self.send_message(self.parent.parent.serverapp.web_app.settings["other_package.model"])
