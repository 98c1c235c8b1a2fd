"""Votes on replies, in a chat in memory."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_ai_personas.chat import Insert, MemoryChat
from jupyter_ai_personas.chat.feedback import MOST_VOTES, Feedback, cast_vote
from jupyter_ai_personas.errors import FeedbackError, UnknownReplyError

PERSONA = "jupyter-ai-personas::tests::Bot"


def chat_with(**metadata: Any) -> MemoryChat:
    chat = MemoryChat("a.chat")
    about = {"reply_to": "m", "turn": "t", "state": "done", **metadata}
    chat.apply([Insert("r", PERSONA, "Hello.", about), Insert("m", "ada", "hi")])
    return chat


def test_a_vote_is_reported_with_persona_and_model_and_keeps_the_rest() -> None:
    chat = chat_with(usage={"model": "fake:model"})
    feedback, report = cast_vote(chat, "r", 1, person="ada")
    assert feedback == Feedback(1, 0)
    assert report is not None
    assert (report.turn_id, report.persona_id, report.model) == ("t", PERSONA, "fake:model")
    assert (report.person, report.vote) == ("ada", 1)
    message = chat.get("r")
    assert message is not None
    assert (message.body, message.state, message.reply_to) == ("Hello.", "done", "m")
    # The same again changes nothing.
    assert cast_vote(chat, "r", 1, person="ada") == (Feedback(1, 0), None)
    assert cast_vote(chat, "r", 0, person="bob") == (Feedback(1, 0), None)


@pytest.mark.parametrize("state", ["streaming", "waiting"])
def test_a_reply_that_grows_is_not_voted_on(state: str) -> None:
    with pytest.raises(FeedbackError):
        cast_vote(chat_with(state=state), "r", 1, person="ada")


@pytest.mark.parametrize("message_id", ["m", "none"])
def test_only_a_reply_is_voted_on(message_id: str) -> None:
    with pytest.raises(UnknownReplyError):
        cast_vote(chat_with(), message_id, 1, person="ada")


@pytest.mark.parametrize(
    "feedback",
    [None, 3, "x", [], {}, {"votes": 3}, {"votes": {"eve": 1000, "bob": "1", "cy": None}}],
)
def test_what_clients_wrote_there_counts_only_if_it_is_a_vote(feedback: Any) -> None:
    assert cast_vote(chat_with(feedback=feedback), "r", -1, person="ada")[0] == Feedback(0, 1)


def test_votes_are_bounded_and_can_be_changed_at_the_bound() -> None:
    votes = {f"person-{number}": 1 for number in range(MOST_VOTES)}
    chat = chat_with(feedback={"votes": votes})
    with pytest.raises(FeedbackError):
        cast_vote(chat, "r", 1, person="ada")
    assert cast_vote(chat, "r", -1, person="person-0")[0] == Feedback(MOST_VOTES - 1, 1)
