"""Decides which personas a message addresses, and how far they may address each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from jupyter_ai_personas.routing.mentions import MAX_SCANNED, find_mentions
from jupyter_ai_personas.routing.names import NameIndex
from jupyter_ai_personas.routing.visible import SIGNS

__all__ = ["Chain", "Limits", "address"]


def address(
    body: str,
    mentions: Iterable[str],
    names: NameIndex,
    *,
    default: str | None = None,
) -> list[str]:
    """Return the ids of the personas that a person's message addresses, in order of mention.

    ``mentions`` are the usernames that the client put into the message. One of them counts even
    if the body does not name it, since a client may leave the name out. It does not count if the
    body has the name only where it is no mention: clients fill the field by a pattern that takes
    e-mail addresses and code for mentions. A message that mentions nobody, no person either, goes
    to ``default``; pass it only where one person takes part in the chat.
    """
    addressed = dict.fromkeys(find_mentions(body, names))
    mentions = list(dict.fromkeys(mentions))
    unnamed = [id_ for id_ in mentions if id_ in names and id_ not in addressed]
    if unnamed:
        named = _named_anywhere(body[:MAX_SCANNED], names)
        addressed.update(dict.fromkeys(id_ for id_ in unnamed if id_ not in named))
    if addressed:
        return list(addressed)
    people = [id_ for id_ in mentions if id_ not in names]
    if default is not None and default in names and not people and body.strip():
        return [default]
    return []


def _named_anywhere(text: str, names: NameIndex) -> set[str]:
    ats = (at for at, char in enumerate(text) if char in SIGNS)
    return {id_ for at in ats for id_, _ in names.begun_at(text, at + 1)}


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one message of a person is passed on among personas.

    ``max_hops`` bounds the length of a chain (0: personas never address each other);
    ``max_turns`` bounds the turns of all chains that one message starts, including its own.
    """

    max_hops: int = 4
    max_turns: int = 12


@dataclass(frozen=True, slots=True)
class Chain:
    """The position of a turn among those that one message of a person started.

    ``root`` is the id of that message, ``hops`` the number of personas between it and this turn.
    """

    root: str
    hops: int = 0

    def next(
        self,
        speaker: str,
        addressed: Iterable[str],
        limits: Limits,
        *,
        turns_so_far: int,
    ) -> tuple[list[str], Chain, str | None]:
        """Return the personas that a finished reply may address, their chain, and the bound hit.

        ``speaker`` is the persona that replied; it never addresses itself. ``turns_so_far`` counts
        the turns of all chains from :attr:`root`. The bound is ``None``, ``"hops"`` or
        ``"turns"``.
        """
        wanted = [id_ for id_ in dict.fromkeys(addressed) if id_ != speaker]
        if not wanted:
            return [], self, None
        if self.hops >= limits.max_hops:
            return [], self, "hops"
        left = max(0, limits.max_turns - turns_so_far)
        chain = replace(self, hops=self.hops + 1)
        return wanted[:left], chain, "turns" if len(wanted) > left else None
