"""Votes on replies: one a person, kept in the reply's metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jupyter_ai_personas.chat import Chat, Update
from jupyter_ai_personas.chat.messages import FINAL_STATES
from jupyter_ai_personas.errors import FeedbackError, UnknownReplyError

__all__ = ["Feedback", "Vote", "VoteReport", "cast_vote"]

Vote = Literal[1, 0, -1]

FEEDBACK = "feedback"
"""The key in a reply's metadata: ``{"up": number, "down": number, "votes": {username: ±1}}``."""

MOST_VOTES = 1000
"""How many people may vote on one reply."""


@dataclass(frozen=True, slots=True)
class VoteReport:
    """A vote, for metrics and events; ``vote`` 0 takes an earlier one back."""

    turn_id: str
    persona_id: str
    model: str
    person: str
    vote: Vote


@dataclass(frozen=True, slots=True)
class Feedback:
    """How many people voted for and against a reply."""

    up: int
    down: int


def cast_vote(
    chat: Chat, message_id: str, vote: Vote, *, person: str
) -> tuple[Feedback, VoteReport | None]:
    """Record a person's vote on a reply, in place of an earlier one.

    Returns the new counts, and a report if the person's vote has changed.

    Raises:
        UnknownReplyError: the chat has no such reply of a persona.
        FeedbackError: the reply is not finished, or has the maximum number of votes.
    """
    reply = chat.get(message_id)
    if reply is None or reply.deleted or not reply.by_persona:
        raise UnknownReplyError
    if reply.state not in FINAL_STATES:
        raise FeedbackError("This reply is not finished. Vote when it is.")
    votes = _votes(reply.metadata)
    before = votes.pop(person, 0)
    if vote:
        if len(votes) >= MOST_VOTES:
            raise FeedbackError(f"{MOST_VOTES:,} people have voted on this reply; no more can.")
        votes[person] = vote
    count = Counter(votes.values())
    now = Feedback(count[1], count[-1])
    if vote == before:
        return now, None
    stored = {"up": now.up, "down": now.down, "votes": votes}
    chat.apply([Update(message_id, metadata={**reply.metadata, FEEDBACK: stored})])
    usage = reply.metadata.get("usage")
    model = usage.get("model") if isinstance(usage, Mapping) else None
    turn_id = str(reply.metadata.get("turn") or "")
    return now, VoteReport(turn_id, reply.sender, str(model or ""), person, vote)


def _votes(metadata: Mapping[str, Any]) -> dict[str, int]:
    """Return username → 1 or -1; clients can write anything there."""
    feedback = metadata.get(FEEDBACK)
    votes = feedback.get("votes") if isinstance(feedback, Mapping) else None
    if not isinstance(votes, Mapping):
        return {}
    return {
        str(name): int(vote)
        for name, vote in votes.items()
        if isinstance(vote, int | float) and vote in (1, -1)
    }
