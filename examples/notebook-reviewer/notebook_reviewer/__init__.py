"""A persona that reviews the notebook which its reader has open beside the chat."""

from __future__ import annotations

from langchain_core.messages import HumanMessage, SystemMessage

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import RequestRefusedError

__all__ = ["Reviewer"]

WHERE = "Open a notebook beside this chat, or attach one, and ask again."


class Reviewer(BasePersona):
    """Reads every code cell, asks its model about it, and names the cell with a link."""

    defaults = PersonaDefaults(
        name="Reviewer",
        description="Reviews the notebook beside the chat, cell by cell.",
        system_prompt=(
            "You review code cells of a notebook. Name the most important problem in one "
            "sentence, or say 'Fine.'"
        ),
    )

    async def process_message(self, message: Message) -> None:
        """Review the code cells of one notebook."""
        path = await self._notebook()
        if path is None:
            self.send_message(WHERE)
            return
        try:
            notebook = (await self.turn.workspace.read(path))["notebook"]
        except RequestRefusedError as error:
            self.send_message(str(error))
            return
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        await self.stream_message(self._reviews(path, cells))

    async def _notebook(self) -> str | None:
        for attachment in self.attachments():
            if attachment.path.endswith(".ipynb"):
                return attachment.path
        beside = await self.turn.workspace.beside()
        return beside.path

    async def _reviews(self, path, cells):
        if not cells:
            yield f"`{path}` has no code cells."
        for number, cell in enumerate(cells, start=1):
            self.set_status(f"is reading cell {number} of {len(cells)}")
            link = self.turn.link(path, cell=cell.get("id"))
            yield f"**[Cell {number}]({link})**: "
            source = "".join(cell["source"])
            prompt = [
                SystemMessage(self.defaults.system_prompt),
                HumanMessage(f"```python\n{source}\n```"),
            ]
            async for piece in self.ask_model(prompt, tools=False):
                yield piece
            yield "\n\n"
