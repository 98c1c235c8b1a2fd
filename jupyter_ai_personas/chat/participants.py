"""The people, attachments and settings of a chat document, and the typing status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from jupyter_ai_personas.chat.messages import (
    METADATA_KEY,
    PERSONA_PREFIX,
    Attachment,
    OpenTurn,
    User,
    decode_attachment,
    decode_user,
    encode_user,
)
from jupyter_ai_personas.chat.shared_types import plain

__all__ = ["MAX_ANNOUNCED", "Participants"]

MAX_ANNOUNCED = 50
"""How many open turns a chat announces, the oldest first: each change sends all of them."""


class Participants:
    """The part of :class:`~jupyter_ai_personas.chat.protocol.Chat` that concerns no messages."""

    def __init__(self, ychat: Any, connections: Callable[[], int]) -> None:
        self._ychat = ychat
        self._connections = connections
        self._clients_changed: Callable[[], None] = lambda: None
        self._newcomers: str | None = None
        self._status: dict[str, str] = {}
        self._turns: tuple[OpenTurn, ...] = ()

    def user(self, username: str) -> User | None:
        """See :meth:`Chat.user`."""
        raw = self._ychat.yusers.get(username)
        return None if raw is None else decode_user(username, plain(raw))

    def people(self) -> set[str]:
        """See :meth:`Chat.people`."""
        yusers = self._ychat.yusers
        names = {name for name in list(yusers.keys()) if not name.startswith(PERSONA_PREFIX)}
        # Other extensions' bots.
        names = {name for name in names if decode_user(name, plain(yusers.get(name))).offered}
        names |= self._present().keys()
        return {name for name in names if not name.startswith(PERSONA_PREFIX)}

    def _present(self) -> dict[str, User]:
        """Return the users that the clients announce, by username."""
        awareness = self._ychat.awareness
        present = {}
        for state in list(awareness.states.values()) if awareness is not None else ():
            raw = state.get("user") if isinstance(state, Mapping) else None
            username = raw.get("username") if isinstance(raw, Mapping) else None
            if isinstance(username, str):
                present[username] = decode_user(username, raw)
        return present

    @property
    def shows_live(self) -> bool:
        """See :attr:`Chat.shows_live`: every client announces it in its awareness state.

        A connection without a state counts as a client that does not. Without any client nobody
        needs strings.
        """
        awareness = self._ychat.awareness
        if awareness is None:
            return False
        ours = awareness.client_id
        states = [state for id_, state in list(awareness.states.items()) if id_ != ours]
        return self._connections() <= len(states) and all(map(_announces_live, states))

    def watch_clients(self, listener: Callable[[], None]) -> None:
        """See :meth:`Chat.watch_clients`."""
        self._clients_changed = listener

    def attachments(self, ids: Iterable[str]) -> list[Attachment]:
        """See :meth:`Chat.attachments`."""
        found = []
        for id_ in ids:
            attachment = decode_attachment(id_, plain(self._ychat.yattachments.get(id_)))
            if attachment is not None:
                found.append(attachment)
        return found

    def setting(self, name: str) -> Any:
        """See :meth:`Chat.setting`."""
        ours = plain(self._ychat.ymetadata.get(METADATA_KEY))
        return ours.get(name) if isinstance(ours, Mapping) else None

    def register(self, users: Sequence[User], *, owned_prefix: str) -> None:
        """See :meth:`Chat.register`."""
        yusers = self._ychat.yusers
        wanted = {user.username: encode_user(user) for user in users}
        there = set(yusers.keys())
        for username in there:
            if username.startswith(owned_prefix) and username not in wanted:
                entry = plain(yusers.get(username))
                if isinstance(entry, Mapping) and entry.get("bot") is not True:
                    # The front end keeps the name beside old messages, and offers no bots.
                    wanted[username] = {**entry, "bot": True}
        changed = {
            username: entry
            for username, entry in wanted.items()
            if username not in there or plain(yusers.get(username)) != entry
        }
        if changed:
            with self._ychat.ydoc.transaction():
                yusers.update(changed)

    def set_setting(self, name: str, value: Any) -> None:
        """See :meth:`Chat.set_setting`."""
        ours = plain(self._ychat.ymetadata.get(METADATA_KEY))
        settings = dict(ours) if isinstance(ours, Mapping) else {}
        settings.pop(name, None)
        if value is not None:
            settings[name] = value
        self._ychat.ymetadata[METADATA_KEY] = settings

    def metadata(self) -> dict[str, Any]:
        """See :meth:`Chat.metadata`."""
        found = plain(self._ychat.ymetadata)
        return {k: v for k, v in found.items() if k != METADATA_KEY}

    def set_metadata(self, name: str, value: Any) -> None:
        """See :meth:`Chat.set_metadata`."""
        if name == METADATA_KEY:
            raise ValueError(f"`{METADATA_KEY}` is written by `set_setting`.")
        if value is None:
            self._ychat.ymetadata.pop(name, None)
        else:
            self._ychat.ymetadata[name] = value

    def set_status(self, user: User, text: str | None, turns: Iterable[OpenTurn] = ()) -> None:
        """See :meth:`Chat.set_status`."""
        announced = tuple(islice(turns, MAX_ANNOUNCED))
        if announced != self._turns:
            self._turns = announced
            self._put_turns()
        elif self._status.get(user.username) == text:
            return
        if text is None:
            self._status.pop(user.username, None)
        else:
            self._status[user.username] = text
        from jupyterlab_chat import models

        chat_user: Any = models.User

        self._ychat.broadcast_writing_status(
            chat_user(
                username=user.username,
                name=user.name,
                display_name=user.display_name,
                initials=user.initials,
                avatar_url=user.avatar_url,
                color=user.color,
            ),
            None if text is None else {"typingIndicator": text},
        )

    def _put_turns(self) -> None:
        """Put the open turns into our awareness state, which is sent with the next status."""
        state = self._ychat.awareness and self._ychat.awareness.get_local_state()
        if state is not None:
            turns = [asdict(one) | self._named(one.person) for one in self._turns]
            state[METADATA_KEY] = {"turns": turns}

    def _named(self, username: str) -> dict[str, str]:
        """Return the name that people see, if it is known.

        A client that has just joined does not know people who have not written.
        """
        user = self.user(username) or self._present().get(username)
        return {} if user is None else {"name": user.display_name or user.name}

    def watch_newcomers(self) -> None:
        """Announce the writing status again to each client that joins."""
        if self._ychat.awareness is not None:
            self._newcomers = self._ychat.awareness.observe(self._on_awareness)

    def unwatch_newcomers(self) -> None:
        """End :meth:`watch_newcomers`."""
        if self._newcomers is not None:
            self._ychat.awareness.unobserve(self._newcomers)
            self._newcomers = None

    def _on_awareness(self, topic: str, change: tuple[Mapping[str, Any], Any]) -> None:
        what, origin = change
        if topic == "change" and origin != "local" and what["added"] and self._status:
            # Otherwise a new client waits up to fifteen seconds for the next renewal.
            awareness = self._ychat.awareness
            awareness.set_local_state(awareness.get_local_state())
        if topic == "change" and origin != "local":
            self._clients_changed()


def _announces_live(state: Any) -> bool:
    ours = state.get(METADATA_KEY) if isinstance(state, Mapping) else None
    return isinstance(ours, Mapping) and ours.get("live") == 1
