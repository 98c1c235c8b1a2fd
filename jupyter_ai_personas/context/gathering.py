"""Collects a message's context for a model: attachments, the open notebook, instructions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.chat.messages import Attachment
from jupyter_ai_personas.context.access import WorkspaceAccess
from jupyter_ai_personas.context.attached import redacted, render_attachment
from jupyter_ai_personas.context.beside import means_notebook
from jupyter_ai_personas.context.bounds import ContextLimits
from jupyter_ai_personas.context.instructions import instruction_paths, render_instructions
from jupyter_ai_personas.context.rendered import Rendered, bounded_images
from jupyter_ai_personas.errors import AttachmentError

__all__ = ["Gathering"]

MAX_ATTACHMENTS = 20
"""Maximum attachments read for one message."""

MAX_EARLIER = 8
"""Maximum attachments of earlier messages given again; the newest are kept."""

MIN_CHARS = 400
"""With less room for each, attachments of earlier messages are left out."""

EARLIER_SHARE = 2
"""Attachments of earlier messages get at most this part (1/n) of the room for a message."""


class Gathering:
    """Collects the context of messages beside the chat.

    ``beside``: include the open notebook with messages that refer to it.
    """

    def __init__(
        self,
        workspace: WorkspaceAccess,
        *,
        limits: ContextLimits,
        beside: bool,
        log: logging.Logger,
    ) -> None:
        self.workspace = workspace
        self.limits = limits
        self.uses_beside = beside
        self._log = log

    async def instructions(self, chat_path: str) -> str:
        """Return the part of the system prompt that the workspace adds, or an empty string."""
        try:
            files = await self.workspace.texts(instruction_paths(chat_path))
        except Exception:
            # A turn continues without them.
            self._log.exception("The instructions for chat %s could not be read", chat_path)
            return ""
        text = render_instructions(files)
        return redacted(Rendered("instructions", text)).text if text else ""

    async def message(
        self,
        body: str,
        attachments: Sequence[Attachment],
        *,
        chat_path: str,
        person: str,
        chars: int | None = None,
        earlier: Sequence[Attachment] = (),
    ) -> list[Rendered]:
        """Return what goes with a message of ``person``, a username; see :meth:`attached`.

        ``earlier`` are attachments of earlier messages, the newest first. They get what the others
        leave of the room, at most half of it.
        """
        parts = await self.attached(attachments, chars=chars)
        if self.uses_beside and not any(a.path.endswith(".ipynb") for a in attachments):
            parts += await self.notebook(body, chat_path=chat_path, person=person, chars=chars)
        if earlier:
            used = sum(len(part.text) for part in parts)
            parts += await self.attached_earlier(earlier, chars=chars, used=used)
        return bounded_images(parts, self.limits)

    async def attached_earlier(
        self, attachments: Sequence[Attachment], *, chars: int | None = None, used: int = 0
    ) -> list[Rendered]:
        """Return attachments of earlier messages, the newest first, as they are now.

        ``used`` characters of the room for a message are taken by what is its own. An attachment
        that cannot be read any more is a line for the model: people were told at its time.
        """
        read = attachments[:MAX_EARLIER]
        room = self._room(chars)
        left = min(room - used, room // EARLIER_SHARE)
        if not read or left // len(read) < MIN_CHARS:
            return []
        limits = self.limits.within(left // len(read))
        parts = []
        for attachment in read:
            part = await self._attachment(attachment, limits)
            title = f"{part.title}, attached to an earlier message"
            text = f"Attached to an earlier message: {part.shown}"
            parts.append(Rendered(title, text, part.images))
        return parts

    async def attached(
        self, attachments: Sequence[Attachment], *, chars: int | None = None
    ) -> list[Rendered]:
        """Return attachments as a model is given them.

        At most ``chars`` characters in all, of which each gets an equal share.
        """
        if not attachments:
            return []
        read = attachments[:MAX_ATTACHMENTS]
        limits = self._within(chars, len(read))
        parts = [await self._attachment(attachment, limits) for attachment in read]
        if left := len(attachments) - len(read):
            problem = f"one message may have {MAX_ATTACHMENTS} that are read."
            parts.append(Rendered(f"The rest of the attachments ({left})", problem=problem))
        return parts

    def _within(self, chars: int | None, shares: int) -> ContextLimits:
        return self.limits.within(self._room(chars) // shares)

    def _room(self, chars: int | None) -> int:
        total = self.limits.total_chars
        return total if chars is None else min(total, chars)

    async def _attachment(self, attachment: Attachment, limits: ContextLimits) -> Rendered:
        render = partial(render_attachment, attachment=attachment, limits=limits)
        try:
            return await self.workspace.read(attachment.path, render)
        except AttachmentError as error:
            return _unread(attachment.path, error)

    async def notebook(
        self, body: str, *, chat_path: str, person: str, chars: int | None = None
    ) -> list[Rendered]:
        """Return the notebook beside the chat, if ``body`` speaks of one and there is one."""
        return await self.beside(chat_path, person, chars=chars) if means_notebook(body) else []

    async def beside(
        self, chat_path: str, person: str, *, chars: int | None = None
    ) -> list[Rendered]:
        """Return the notebook that ``person``, a username, has open beside the chat, if any."""
        beside = await self.workspace.beside(chat_path, person)
        if beside.candidates:
            names = ", ".join(code(path) for path in beside.candidates[:5])
            problem = f"several are open ({names}). Click into the one that you mean, or attach it."
            return [Rendered("The notebook", problem=problem)]
        if beside.path is None:
            return []
        render = partial(
            render_attachment,
            attachment=Attachment("", beside.path, "notebook"),
            limits=self._within(chars, 1),
            focus=beside.cell,
        )
        try:
            part = await self.workspace.read(beside.path, render)
        except AttachmentError as error:
            return [_unread(beside.path, error)]
        return [replace(part, text=f"The person has this notebook open. {part.text}")]


def _unread(path: str, error: AttachmentError) -> Rendered:
    # Show only the name of a path that leads elsewhere.
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return Rendered(code(name[:80]), problem=str(error))
