"""A person in a chat: writes as the stock front end does, reads, and waits for what comes."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any
from uuid import uuid4

from pycrdt import Map, Text

from .room_client import METADATA_KEY, WAIT, RoomClient, RoomRefusedError

__all__ = ["METADATA_KEY", "WAIT", "ChatClient", "RoomRefusedError"]


class ChatClient(RoomClient):
    """One person's open chat: ``async with ChatClient(server, "a.chat", user="Ada") as ada``.

    Writing is immediate in the client's own document and goes out in the background, as in a
    browser; `flush` waits until the server has it. While disconnected the document stays and may
    be written to; `reconnect` synchronises it, as a tab that stayed open does. An error in the
    background ends the block it was opened in.

    Args:
        server: A running server.
        path: The chat, relative to the server's root; its file is created when missing.
        user: A `User`, or a display name.
        live: It shows live bodies, and announces so, as our front end does.
    """

    # -- writing ---------------------------------------------------------------------------------

    def announce_live(self, live: bool) -> None:
        """Announce from now on that live bodies are shown, or no longer."""
        self._present = {**self._present, METADATA_KEY: {"live": 1} if live else {}}
        self.awareness.set_local_state(self._present)

    def post(self, body: str, mentions: Collection[str] | None = None, **extra: Any) -> str:
        """Send a message and return its id.

        Args:
            body: Its text.
            mentions: Usernames that the front end's completion chose; ``None`` leaves the key out,
                as the front end does.
            extra: Further keys of the message, or others for ``id``, ``time``, ``sender`` …
        """
        message = {
            "type": "msg",
            "id": str(uuid4()),
            "body": body,
            "time": time.time(),
            "sender": self.user.username,
            "raw_time": True,
        }
        if mentions:
            message["mentions"] = list(mentions)
        message |= extra
        self._introduce()
        self._messages.append(Map(message))
        return str(message["id"])

    def edit(self, message_id: str, body: str, **extra: Any) -> None:
        """Change a message's text (and other keys, such as ``mentions``) as the front end does."""
        self._introduce()
        kept = self._existing(message_id)
        self._update(message_id, {**kept, "body": body, "edited": True, **extra})

    def delete(self, message_id: str) -> None:
        """Delete a message as the front end does: it stays, empty and marked."""
        self._update(message_id, {**self._existing(message_id), "body": "", "deleted": True})

    # -- reading ---------------------------------------------------------------------------------

    def bodies(self) -> list[str]:
        """The texts of all messages, in the order of the document."""
        return [message["body"] for message in self.messages()]

    def is_live(self, message_id: str) -> bool:
        """Whether the body of a message is a shared text."""
        return any(
            isinstance(each.get("body"), Text)
            for each in self._messages
            if isinstance(each, Map) and each.get("id") == message_id
        )

    def message(self, message_id: str) -> dict[str, Any] | None:
        """One message, or ``None``."""
        return next((each for each in self.messages() if each["id"] == message_id), None)

    def users(self) -> dict[str, dict[str, Any]]:
        """The document's users by username, personas among them."""
        return dict(self._users.to_py() or {})

    @property
    def metadata(self) -> dict[str, Any]:
        """The document's metadata, such as the chat's ``id``."""
        return dict(self._metadata.to_py() or {})

    @property
    def dirty(self) -> bool | None:
        """What the document says about unsaved changes; ``None`` until the server has said so."""
        return self._state.get("dirty")

    def present(self) -> dict[str, dict[str, Any]]:
        """The awareness states of everybody who announces a user, by username."""
        states = [state for state in self.awareness.states.values() if state and "user" in state]
        return {state["user"]["username"]: state for state in states}

    def replies(
        self,
        to: str,
        persona: str | None = None,
        state: str | None = None,
    ) -> list[dict[str, Any]]:
        """Messages that answer ``to``, oldest first.

        Args:
            to: The id of the message that was answered.
            persona: A persona's id, or its name in the chat; ``None`` for any.
            state: The state they are in; ``None`` for any.
        """
        users = self.users()
        found = []
        for message in self.messages():
            about = (message.get("metadata") or {}).get(METADATA_KEY) or {}
            sender = message["sender"]
            user = users.get(sender, {})
            names = {sender, user.get("name"), user.get("display_name"), user.get("mention_name")}
            if (
                about.get("reply_to") == to
                and persona in (None, *names)
                and state in (None, about.get("state"))
            ):
                found.append(message)
        return found

    # -- waiting ---------------------------------------------------------------------------------

    async def wait_for_body(self, body: str, timeout: float = WAIT) -> dict[str, Any]:
        """Return the first message with exactly this text."""
        return (
            await self.wait_for(
                lambda me: [each for each in me.messages() if each["body"] == body], timeout
            )
        )[0]

    async def wait_for_reply(
        self,
        to: str,
        persona: str | None = None,
        state: str | None = "done",
        timeout: float = WAIT,
    ) -> dict[str, Any]:
        """Return the first reply to ``to`` in ``state``; arguments as for `replies`."""
        return (await self.wait_for(lambda me: me.replies(to, persona, state), timeout))[0]

    # -- inside ----------------------------------------------------------------------------------

    def _introduce(self) -> None:
        if self.user.username not in self._users:
            self._users[self.user.username] = self.user.entry()

    def _existing(self, message_id: str) -> dict[str, Any]:
        message = self.message(message_id)
        if message is None:
            raise KeyError(f"There is no message {message_id}.")
        return message

    def _update(self, message_id: str, changes: dict[str, Any]) -> None:
        for element in self._messages:
            if element["id"] == message_id:
                if not isinstance(element, Map):
                    raise TypeError(
                        f"Message {message_id} is no shared map any more: no front end can edit it."
                    )
                with self.doc.transaction():
                    for key, value in changes.items():
                        # The front end compares by identity, so it writes objects always.
                        if isinstance(value, (list, dict)) or element.get(key) != value:
                            element[key] = value
