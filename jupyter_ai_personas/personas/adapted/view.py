"""The chat as a persona of Jupyter AI sees it: ``self.chat`` and ``self.ychat``.

It has the server's state at the beginning of the turn, and the persona's writes since. Nothing
reaches
the document but through the turn: new messages are its replies, the rest are requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

from jupyter_ai_personas.chat.messages import Attachment, Message
from jupyter_ai_personas.context.rendered import message_content
from jupyter_ai_personas.errors import ChatError, RequestRefusedError, TurnEndedError
from jupyter_ai_personas.personas.adapted.awareness import Awareness
from jupyter_ai_personas.personas.adapted.models import attachment_model, message_model, user_model
from jupyter_ai_personas.personas.turn import SentId, Turn
from jupyter_ai_personas.redaction import redact_json

__all__ = ["ChatView"]


class ChatView:
    """A chat's model as packages for Jupyter AI use it, in one chat and for one persona.

    Methods are called by the persona's code, on its event loop or in a thread of its own; writes
    outside of a turn are not shown, and logged. ``redact`` is applied to texts while
    :attr:`is_failing`.
    """

    def __init__(
        self,
        persona_id: str,
        *,
        chat_id: str,
        path: Callable[[], str],
        log: logging.Logger,
        redact: Callable[[str], str],
    ) -> None:
        self._persona_id = persona_id
        self._chat_id = chat_id
        self._path = path
        self._log = log
        self._redact = redact
        self._turn: Turn | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._messages: dict[str, Any] = {}
        self._users: dict[str, Any] = {}
        self._attachments: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}
        self._wanted: deque[tuple[str, dict[str, Any]]] = deque()
        self._sending = asyncio.Lock()
        self._flushes: set[asyncio.Task[None]] = set()
        self.show_metadata: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
        """Returns what is shown of a message's metadata."""
        self.connections: list[dict[str, Any]] = []
        """How the MCP servers of the persona are reached."""
        self.attached_text = ""
        """What is attached to the message of the turn, for a model."""
        self.is_failing = False
        """Whether the persona tells people of an error of its own: paths and secrets are cut."""
        self.awareness = Awareness(self.show_status)

    # -- the turn -----------------------------------------------------------------------------

    async def begin(self, turn: Turn) -> None:
        """Read the chat for a turn, and write to it from now on."""
        found = await turn.request("chat.read")
        self._messages = {raw["id"]: message_model(raw) for raw in found["messages"]}
        self._users = {name: user_model(raw) for name, raw in found["users"].items()}
        attachments = [Attachment.from_json(raw) for raw in found["attachments"]]
        self._attachments = {one.id: attachment_model(one) for one in attachments}
        self.connections = found["mcp"]
        kept = dict(self._metadata) if self._wanted else {}
        self._metadata = {**found["metadata"], **kept}
        self.attached_text = await _attached_text(turn) if turn.message.attachments else ""
        # Tasks that outlive a turn have the path of that turn, and the chat may move.
        self._path = lambda: turn.chat_path
        self._turn, self._loop = turn, asyncio.get_running_loop()
        self.is_failing = False

    def message(self, message: Message) -> Any:
        """Return the message to answer as jupyterlab-chat's own."""
        known = self._messages.get(message.id)
        if known is None:
            known = message_model({"id": message.id, "sender": message.sender, "body": ""})
        found = replace(known, body=message.body, mentions=list(message.mentions))
        self._messages[message.id] = found
        return replace(found)

    async def finish(self) -> None:
        """Close the replies of the turn, when what else was written has arrived."""
        await self._send()
        if self._turn is not None:
            self._turn.growing.close()

    def end(self) -> None:
        """Write to the turn no more."""
        self._turn = None

    # -- reading ------------------------------------------------------------------------------

    def get_id(self) -> str:
        """Return the stable id of the chat."""
        return self._chat_id

    def get_path(self) -> str:
        """Return the path of its file, relative to the server's root."""
        return self._path()

    @property
    def path(self) -> str:
        """The path of its file, relative to the server's root."""
        return self._path()

    def get_messages(self) -> list[Any]:
        """Return the newest messages in order, up to 200, with those of the turn."""
        return [replace(message) for message in self._messages.values()]

    def get_message(self, id: str) -> Any:
        """Return one of :meth:`get_messages`, or ``None``."""
        found = self._messages.get(id)
        return None if found is None else replace(found)

    def get_users(self) -> dict[str, Any]:
        """Return the people and personas of the chat by username."""
        return dict(self._users)

    def get_user(self, username: str) -> Any:
        """Return a user, or ``None``."""
        return self._users.get(username)

    def get_user_by_name(self, name: str) -> Any:
        """Return the first user with that name, or ``None``."""
        return next((user for user in self._users.values() if user.name == name), None)

    def get_attachments(self) -> dict[str, Any]:
        """Return what is attached to these messages and may be read, by id."""
        return dict(self._attachments)

    def get_metadata(self) -> dict[str, Any]:
        """Return the chat's metadata by key."""
        return dict(self._metadata)

    # -- writing ------------------------------------------------------------------------------

    def add_message(self, new_message: Any, trigger_actions: Any = None, **_: Any) -> str:
        """Begin a reply, and return its id; it may grow until the turn ends."""
        return self._add(_body_of(new_message))

    def _add(self, body: str) -> str:
        turn = self._turn
        if turn is None or turn.ended:
            self._not_shown()
            return str(uuid4())
        try:
            message_id = turn.growing.begin()
        except TurnEndedError:
            return str(uuid4())
        raw = {"id": message_id, "sender": self._persona_id, "body": ""}
        self._messages[message_id] = message_model(raw)
        self._set_body(turn, message_id, body, append=True)
        return message_id

    def send(self, body: str) -> SentId:
        """Write a complete message and return its id, which may be awaited."""
        if self.is_failing or (turn := self._turn) is None or turn.ended:
            # A message about an error stays open: the turn fails with it.
            message_id = self._add(body)
        else:
            message_id = turn.send(body)
            raw = {"id": message_id, "sender": self._persona_id, "body": body}
            self._messages[message_id] = message_model(raw)
        return SentId(message_id)

    async def stream(self, chunks: Any) -> str | None:
        """Write a message that grows with each chunk."""
        if self._turn is None:
            self._not_shown()
            return None
        return await self._turn.stream(chunks)

    def update_message(
        self, update: Any, append: bool = False, trigger_actions: Any = None, **_: Any
    ) -> None:
        """Change a message of the persona's own: its text, or the end of it, and its metadata."""
        turn, known = self._turn, self._messages.get(update.id)
        if turn is None or turn.ended or known is None:
            self._not_shown()
            return
        metadata = getattr(update, "metadata", None) or {}
        told = known.metadata or {}
        changed = {key: value for key, value in metadata.items() if told.get(key) != value}
        body = "" if getattr(update, "deleted", None) else _body_of(update)
        if update.id not in turn.growing:
            self._update_earlier(known, body, changed, append=append)
            return
        if append or body != known.body:
            self._set_body(turn, update.id, body, append=append)
        if changed:
            with suppress(TurnEndedError):
                turn.growing.describe(update.id, redact_json(self.show_metadata(changed)))
            # A copy: the caller goes on to change what it gave.
            self._messages[update.id].metadata = {**told, **metadata}

    def _set_body(self, turn: Turn, message_id: str, body: str, *, append: bool) -> None:
        body = self._redact(body) if self.is_failing else body
        known = self._messages[message_id]
        with suppress(TurnEndedError):
            if not append:
                turn.growing.rewrite(message_id, body)
                known.body = body
            elif body:
                turn.growing.add(message_id, body)
                known.body += body

    def _update_earlier(
        self, known: Any, body: str, changed: Mapping[str, Any], *, append: bool
    ) -> None:
        if known.sender != self._persona_id:
            self._log.warning("A message of %s is not changed: it is not its own", known.sender)
            return
        new = None if body == known.body and not append else body
        if new is None and not changed:
            return
        known.body = known.body + body if append else body
        known.metadata = {**(known.metadata or {}), **changed}
        update = {"id": known.id, "body": new, "append": append, "metadata": dict(changed)}
        self._ask("chat.update", update)

    def set_metadata(self, name: str, metadata: Any) -> None:
        """Store metadata of the chat, which is JSON."""
        self._metadata[name] = metadata
        self._ask("chat.set_metadata", {"name": name, "value": metadata})

    def set_user(self, user: Any) -> None:
        """Nothing: the server registers personas as users of the chat."""

    def set_attachment(self, attachment: Any) -> str:
        """Personas attach nothing here.

        Raises:
            ChatError: always; the message says what to do.
        """
        raise ChatError("Personas cannot attach files here. Write a link to the file.")

    def broadcast_writing_status(self, user: Any, status: Mapping[str, Any] | None = None) -> None:
        """Show what the persona does, beside its name."""
        self.show_status(None if status is None else status.get("typingIndicator") or None)

    def observe_messages(self, callback: Any) -> object:
        """Return a handle; turns bring the messages, so ``callback`` is never called."""
        self._log.warning("`observe_messages` calls nothing here: a turn brings each message")
        return object()

    def unobserve_messages(self, observer: object) -> None:
        """Nothing."""

    def show_status(self, text: str | None) -> None:
        """Show what the persona does in the turn; ``None``: the usual text."""
        if self._turn is not None:
            self._turn.set_status(text if text is None else str(text))

    # -- requests -----------------------------------------------------------------------------

    def report(self, parts: Mapping[str, Any]) -> None:
        """Tell the server what the persona says of itself."""
        self._ask("chat.report", dict(parts))

    def _ask(self, kind: str, arguments: dict[str, Any]) -> None:
        """Ask the server in order and soon, from any thread; in the next turn if none runs."""
        self._wanted.append((kind, arguments))
        if self._turn is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._send_soon)

    def _send_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self._send())
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _send(self) -> None:
        async with self._sending:
            while self._wanted and (turn := self._turn) is not None:
                kind, arguments = self._wanted[0]
                try:
                    await turn.request(kind, arguments)
                except TurnEndedError:
                    return
                except (RequestRefusedError, TypeError) as error:
                    self._log.warning("`%s` was refused: %s", kind, error)
                self._wanted.popleft()

    def _not_shown(self) -> None:
        self._log.warning("Text that is written outside of a turn is not shown in the chat")


async def _attached_text(turn: Turn) -> str:
    try:
        parts = await turn.workspace.context()
    except RequestRefusedError as error:
        return str(error)
    return str(message_content("", parts, takes_images=False)).strip()


def _body_of(message: Any) -> str:
    """Return the text of a message, also of one that has only a MIME bundle."""
    body = message.body
    data = getattr(getattr(message, "mime_model", None), "data", None)
    if not body and isinstance(data, Mapping):
        body = data.get("text/markdown") or data.get("text/plain") or ""
    return body if isinstance(body, str) else str(body)
