"""The kit for authors: used here the way an author uses it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Attachment, Message
from jupyter_ai_personas.testing import FakeChat, FakeModel, ask, converse, tool_calls


class Acme(BasePersona):
    defaults = PersonaDefaults(name="Acme", system_prompt="You are Acme.", model="openai:gpt-4o")


class Counter(BasePersona):
    defaults = PersonaDefaults(name="Counter")

    async def process_message(self, message: Message) -> None:
        names = [attachment.path for attachment in self.attachments()]
        self.set_status("is counting")
        self.send_message(f"{self.config.get('greeting', 'hi')} {len(message.body)} {names}")


async def test_one_turn_with_what_the_model_says() -> None:
    [reply] = await ask(Acme, "hello", model_replies=["Hi there!"])
    assert (reply.body, reply.state) == ("Hi there!", "done")


async def test_without_replies_the_model_repeats_the_question() -> None:
    [reply] = await ask(Acme, "hello")
    assert reply.body == "You said: hello"


async def test_configuration_attachments_and_people_reach_the_persona() -> None:
    [reply] = await ask(
        Counter,
        "four",
        by="Bob",
        config={"greeting": "moin"},
        attachments=[Attachment("a", "plot.png")],
    )
    assert reply.body == "moin 4 ['plot.png']"


async def test_a_failure_is_a_reply_as_in_a_server(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(BasePersona):
        defaults = PersonaDefaults(name="Broken")

        async def process_message(self, message: Message) -> None:
            raise ValueError("look at me")

    [reply] = await ask(Broken, "hello")
    assert reply.state == "failed"
    assert "look at me" in caplog.text


async def test_a_conversation_has_people_history_and_prompts() -> None:
    async with converse(Acme, model_replies=["Noted.", "Blue."]) as chat:
        await chat.ask("my colour is blue", by="Ada")
        [reply] = await chat.ask("@Acme which colour?", by="Bob")
        assert reply.body == "Blue."
        shown = [m.text for m in chat.model.prompts[1]]
        assert shown[0].startswith("You are Acme.")
        assert shown[1:] == ["Ada: my colour is blue", "Noted.", "Bob: @Acme which colour?"]
        assert chat.chat.statuses == {}


async def test_commands_and_several_personas_answer_in_a_conversation() -> None:
    async with converse(Acme, Counter) as chat:
        [listing] = await chat.ask("/personas")
        assert "@Counter" in listing.body
        replies = await chat.ask("@Acme @Counter go")
        assert len(replies) == 2


async def test_what_personas_say_to_each_other_is_waited_for() -> None:
    async with converse(Acme, Counter, model_replies=["ask @Counter"]) as chat:
        await chat.ask("hello")
        assert [m.body for m in chat.chat.messages][-1].startswith("hi ")


async def test_a_model_speaks_in_chunks_fails_and_waits() -> None:
    gate = anyio.Event()
    model = FakeModel(
        [["a", AIMessageChunk(content="b"), gate, "c"], ValueError("no"), "word by word"]
    )
    async with converse(Acme, model=model) as chat:
        message_id = chat.chat.say("@Acme 1")
        await chat.chat.until(lambda: chat.chat.replies(message_id))
        gate.set()
        [reply] = await chat.chat.replied(message_id)
        assert reply.body == "abc"
        [failed] = await chat.ask("2")
        assert failed.state == "failed"
        [last] = await chat.ask("3")
        assert last.body == "word by word"
    chunks = [chunk.text async for chunk in FakeModel(["one two"]).astream("x")]
    assert [c for c in chunks if c] == ["one ", "two"]
    assert FakeModel(["one two"]).invoke("x").text == "one two"


async def test_a_wait_in_vain_shows_the_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_ai_personas.testing.fakes.WAIT", 0.01)
    chat = FakeChat()
    chat.say("hello", by="Ada")
    with pytest.raises(AssertionError, match=r"ada .*'hello'"):
        await chat.until(lambda: False)


async def test_a_chat_remembers_how_it_was_written() -> None:
    async with converse(Acme, model_replies=["Hi."]) as chat:
        await chat.ask("hello")
        assert [len(writes) for writes in chat.chat.writes] == [1] * len(chat.chat.writes)
        texts = [text for _, text in chat.chat.status_log]
        assert texts[0] == "is thinking"
        assert texts[-1] is None


async def test_the_plug_in_has_both_as_fixtures(request: pytest.FixtureRequest) -> None:
    ask_persona: Any = request.getfixturevalue("ask_persona")
    assert ask_persona is ask
    assert request.getfixturevalue("persona_conversation") is converse


AUTHORS = """
import pytest

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Acme(BasePersona):
    defaults = PersonaDefaults(name="Acme")


async def test_passes(ask_persona, tmp_path):
    [reply] = await ask_persona(Acme, "hello", model_replies=["Hi."])
    assert reply.body == "Hi."


class TestAcme:
    @pytest.mark.parametrize("said", ["one", "two"])
    async def test_passes_too(self, said, persona_conversation, by="Ada"):
        async with persona_conversation(Acme, model_replies=[said]) as chat:
            [reply] = await chat.ask("hello", by=by)
        assert reply.body == said


async def test_fails(ask_persona):
    [reply] = await ask_persona(Acme, "hello", model_replies=["Hi."])
    assert reply.body == "No."


async def test_of_somebody_else():
    pass
"""


def test_what_authors_write_needs_pytest_alone_and_others_tests_are_left_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_acme.py").write_text(AUTHORS)
    plugins = ["-p", "no:cacheprovider", "-p", "jupyter_ai_personas.testing.plugin"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", *plugins, "-rA"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    told = re.findall(r"^(PASSED|FAILED) test_acme.py::(\S+)", done.stdout, re.MULTILINE)
    assert told == [
        ("PASSED", "test_passes"),
        ("PASSED", "TestAcme::test_passes_too[one]"),
        ("PASSED", "TestAcme::test_passes_too[two]"),
        ("FAILED", "test_fails"),
        ("FAILED", "test_of_somebody_else"),
    ]
    assert "assert 'Hi.' == 'No.'" in done.stdout
    assert "async def functions are not natively supported" in done.stdout


@tool
def note(text: str) -> str:
    """Note something."""
    return f"noted {text}"


class Clerk(BasePersona):
    defaults = PersonaDefaults(name="Clerk", tools=["desk"])


NOTES = (tool_calls(("desk__note", {"text": "x"})), "Done.")
DESK = {"desk": lambda: [note]}


@pytest.mark.parametrize(("approve", "result"), [(True, "noted x"), (False, "Ada denied this.")])
async def test_approvals_are_decided_while_it_is_asked(approve: bool, result: str) -> None:
    async with converse(Clerk, model_replies=NOTES, toolsets=DESK) as chat:
        [reply] = await chat.ask("note x", approve=approve)
        assert reply.body.endswith("Done.")
        assert result in chat.model.prompts[-1][-1].text


async def test_an_approval_that_nobody_decides_fails_the_test_with_what_to_do() -> None:
    with pytest.raises(AssertionError, match=r"asks for an approval of `desk.note`"):
        await ask(Clerk, "note x", model_replies=NOTES, toolsets=DESK)


async def test_the_operators_policy_decides_first() -> None:
    [reply] = await ask(
        Clerk, "x", model_replies=NOTES, toolsets=DESK, tool_policy={"desk.*": "allow"}
    )
    assert reply.state == "done"


async def test_a_turn_waits_until_somebody_denies_with_a_reason() -> None:
    async with converse(Clerk, model_replies=NOTES, toolsets=DESK) as chat:
        asked = chat.post("note x")
        approval = await chat.approval()
        assert (approval.tool, approval.arguments) == ("desk.note", {"text": "x"})
        await chat.deny(approval, by="Bob", reason="Not today.")
        [reply] = await chat.replied(asked)
        assert reply.state == "done"
        assert "Bob denied this. Not today." in chat.model.prompts[-1][-1].text


async def test_a_reply_is_seen_chunk_by_chunk_and_stopped() -> None:
    async with converse(Acme, model_replies=[["Well, ", anyio.Event(), "no."]]) as chat:
        asked = chat.post("hello")
        await chat.chat.until(lambda: [r.body for r in chat.replies(asked)] == ["Well, "])
        await chat.stop()
        [reply] = chat.replies(asked)
        assert reply.state == "stopped"
