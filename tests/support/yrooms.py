"""A person's open notebook, and a person's JupyterLab, as the rooms of the server see them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from jupyter_ydoc import YNotebook

from support.users import User

from .server import JupyterServer
from .yclient import ChatClient


class Client(ChatClient):
    """Somebody in a room: `announce` what the front end would."""

    async def announce(self, **fields: Any) -> None:
        """Add ``fields`` to this person's awareness state; returns once the server has them."""
        self._present |= fields
        self.awareness.set_local_state(self._present)
        await self.flush()


class OpenNotebook(Client):
    """A notebook that is open: ``async with OpenNotebook(server, "a.ipynb", "Ada") as tab``.

    Its file must be there. ``notebook`` is the shared notebook.
    """

    def __init__(self, server: JupyterServer, path: str, user: User | str = "Ada") -> None:
        super().__init__(server, path, user)
        self.notebook = YNotebook(self.doc)

    async def _open_session(self) -> str:
        status, session = await self.server.put(
            f"/api/collaboration/session/{quote(self.path)}",
            json={"format": "json", "type": "notebook"},
        )
        assert status in (200, 201), f"No session for {self.path}: {status} {session}"
        address = self.server.url.replace("http", "ws", 1)
        room = f"json:notebook:{session['fileId']}"
        return f"{address}/api/collaboration/room/{room}?sessionId={session['sessionId']}"

    async def go_to(self, index: int) -> None:
        """Put the cursor at the end of a cell, as a click into it does."""
        text = self.notebook.ycells[index]["source"]
        at = {**text.sticky_index(0, -1).to_json(), "tname": None, "item": None, "assoc": 0}
        cursor = {"anchor": at, "head": at, "primary": True, "empty": True}
        await self.announce(cursors=[cursor])


class Lab(Client):
    """A person's JupyterLab, which tells everybody what it has open."""

    def __init__(self, server: JupyterServer, user: User | str = "Ada") -> None:
        super().__init__(server, "", user)

    async def _open_session(self) -> str:
        address = self.server.url.replace("http", "ws", 1)
        return f"{address}/api/collaboration/room/JupyterLab:globalAwareness"
