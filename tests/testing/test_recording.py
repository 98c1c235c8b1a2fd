"""Recorded chats: what is kept of a real one, and what a replay says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat.recording import Recorded
from jupyter_ai_personas.cli import main
from jupyter_ai_personas.errors import RecordingError
from jupyter_ai_personas.testing import FakeModel, Recording, record, replay

REVIEWER = "jupyter-ai-personas::acme::Reviewer"
OTHER = "jupyter-ai-personas::acme::Other"


class Reviewer(BasePersona):
    defaults = PersonaDefaults(name="Reviewer", system_prompt="You review.")


def said(id_: str, sender: str, body: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "type": "msg", "sender": sender, "body": body, "time": 1.0, **more}


def replied(id_: str, to: str, body: str, sender: str = REVIEWER, **more: Any) -> dict[str, Any]:
    ours = {"reply_to": to, "turn": "t", "state": "done", **more}
    return said(id_, sender, body, metadata={"jupyter_ai_personas": ours})


def votes(up: int, down: int) -> dict[str, Any]:
    return {"feedback": {"up": up, "down": down, "votes": {}}}


def chat(*messages: dict[str, Any]) -> str:
    return json.dumps(
        {
            "messages": list(messages),
            "users": {
                "u1": {"username": "u1", "name": "Ada", "display_name": "Ada"},
                REVIEWER: {"username": REVIEWER, "name": "Reviewer", "display_name": "Reviewer"},
                OTHER: {"username": OTHER, "name": "Other", "display_name": "Other"},
            },
            "attachments": {"a1": {"type": "file", "value": "bees.py"}},
            "metadata": {"id": "c"},
        }
    )


CHAT = chat(
    said("1", "u1", "@Reviewer is x = 1 fine?", attachments=["a1"]),
    replied("2", "1", "It is fine.", **votes(2, 0)),
    said("3", "u1", "/status"),
    said("4", "jupyter-ai-personas::system", "No turn runs."),
    said("5", "u1", "@Other and you?"),
    replied("6", "5", "I agree.", sender=OTHER),
    said("7", "u1", "gone", deleted=True),
    replied("8", "5", "broken", state="failed"),
    said("9", "u1", "@Reviewer my key is sk-ant-REDACTED"),
    replied("10", "9", "Do not tell me.", **votes(0, 1)),
)


def test_a_recording_holds_what_people_and_personas_said() -> None:
    recording = record(CHAT)
    assert [(m.id, m.by, m.reply_to, m.up, m.down) for m in recording.messages] == [
        ("m1", "Ada", None, 0, 0),
        ("m2", "Reviewer", "m1", 2, 0),
        ("m3", "Ada", None, 0, 0),
        ("m4", "Other", "m3", 0, 0),
        ("m5", "Ada", None, 0, 0),
        ("m6", "Reviewer", "m5", 0, 1),
    ]
    assert recording.messages[0].attachments == ("bees.py",)
    assert "sk-ant" not in recording.as_text()
    assert recording.personas == ["Reviewer", "Other"]
    assert [e.reply.id for e in recording.exchanges("Reviewer")] == ["m2", "m6"]


@given(
    st.lists(
        st.builds(
            Recorded,
            id=st.text(min_size=1),
            by=st.text(min_size=1),
            body=st.text(min_size=1),
            reply_to=st.none() | st.text(min_size=1),
            state=st.sampled_from([None, "done"]),
            up=st.integers(0, 5),
            attachments=st.lists(st.text()).map(tuple),
        )
    ).map(tuple)
)
def test_a_file_holds_the_recording(messages: tuple[Recorded, ...]) -> None:
    recording = Recording(messages)
    assert Recording.from_text(recording.as_text()) == recording


async def test_an_answer_that_stays_has_no_diff_and_a_high_score() -> None:
    result = await replay(
        record(CHAT), Reviewer, model_replies=["It is fine.", "Something else entirely, friend."]
    )
    first, second = result.answers
    assert (first.diff, first.score) == ("", 1.0)
    assert second.score == 1.0  # people did not like what it said then
    assert result.score == 1.0
    assert "(+0 -1)" in result.diff
    assert "-Do not tell me." in result.diff
    assert "+Something else entirely, friend." in result.diff


async def test_a_worse_answer_lowers_the_score_by_its_votes() -> None:
    result = await replay(record(CHAT), Reviewer, model_replies=["No!", "Do not tell me."])
    assert result.score == 0.0
    result = await replay(record(CHAT), Reviewer, model_replies=["It is fine.", "Do not tell me."])
    assert result.score == pytest.approx(2 / 3)


async def test_without_votes_every_answer_counts() -> None:
    plain = chat(
        said("1", "u1", "@Reviewer a?"), replied("2", "1", "one two"),
        said("3", "u1", "@Reviewer b?"), replied("4", "3", "three"),
    )  # fmt: skip
    result = await replay(record(plain), Reviewer, model_replies=["one two", "four"])
    assert result.score == 0.5


async def test_a_failure_scores_nothing_and_is_shown() -> None:
    result = await replay(record(CHAT), Reviewer, model_replies=[ConnectionError("gone")] * 2)
    assert result.score == 0.0
    assert "now: failed" in result.diff


async def test_each_question_is_asked_with_the_history_of_its_time(tmp_path: Path) -> None:
    (tmp_path / "bees.py").write_text("count = 3\n")
    model = FakeModel(["a", "b"])
    await replay(record(CHAT), Reviewer, model=model, root=tmp_path)
    first, second = ([m.text for m in prompt[1:]] for prompt in model.prompts)
    assert first == ["`bees.py`:\n\n```python\ncount = 3\n```\n\n@Reviewer is x = 1 fine?"]
    assert second[:2] == ["Ada: @Reviewer is x = 1 fine?", "It is fine."]
    assert "Other: I agree." in second[2]


async def test_another_name_can_be_replayed() -> None:
    result = await replay(record(CHAT), Reviewer, name="Other", model_replies=["I agree."])
    assert (len(result.answers), result.diff) == (1, "")
    with pytest.raises(
        RecordingError, match=r"no reply of Nobody\. It has those of: Reviewer, Other"
    ):
        await replay(record(CHAT), Reviewer, name="Nobody")


@pytest.mark.parametrize("content", ["", "[]", "{", chat(said("1", "u1", "hello")), chat()])
def test_what_cannot_be_recorded_is_said(content: str) -> None:
    with pytest.raises(RecordingError):
        record(content)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no recording"),
        ("[]", "no recording"),
        ('{"format": "x"}', "no recording"),
        ('{"format": "jupyter_ai_personas.recording", "version": 2, "messages": []}', "version 2"),
        (
            '{"format": "jupyter_ai_personas.recording", "version": 1, "messages": [{"x": 1}]}',
            "cannot be read",
        ),
        (
            '{"format": "jupyter_ai_personas.recording", "version": 1, "messages": [7]}',
            "cannot be read",
        ),
    ],
)
def test_what_cannot_be_replayed_is_said(text: str, problem: str) -> None:
    with pytest.raises(RecordingError, match=problem):
        Recording.from_text(text)


def test_the_command_writes_a_file_beside_the_chat_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "notes.chat"
    file.write_text(CHAT)
    assert main(["record", str(file)]) == 0
    assert "2 replies of Reviewer" in capsys.readouterr().out
    target = tmp_path / "notes.recording.json"
    assert Recording.from_text(target.read_text("utf-8")) == record(CHAT)
    target.write_text("mine")
    assert main(["record", str(file)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert main(["record", str(file), "--output", str(tmp_path / "other.json")]) == 0
    assert main(["record", str(tmp_path / "gone.chat")]) == 1
    assert "gone.chat" in capsys.readouterr().err


def test_the_command_prints_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "notes.chat"
    file.write_text(CHAT)
    assert main(["record", str(file), "--output", "-"]) == 0
    assert Recording.from_text(capsys.readouterr().out) == record(CHAT)
