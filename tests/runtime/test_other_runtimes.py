"""Beside another runtime of personas in the same chats, no message is answered twice."""

from __future__ import annotations

from typing import Any

import pytest
from support.room import persona, room
from support.stages import DocumentStage

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.chat.messages import decode_message, encode_message
from jupyter_ai_personas.runtime.other_runtime import OtherRuntime

THEIRS = "jupyter-ai-personas::jupyter_ai_jupyternaut::JupyternautPersona"


def echo(self: Any, message: Message) -> None:
    self.send_message(f"heard {message.body}")


class Other:
    """Another runtime, which may be there."""

    def __init__(self, *, there: bool, personas: dict[str, str] | None = None) -> None:
        self.there = there
        self.personas = personas

    def __call__(self, chat_id: str) -> OtherRuntime | None:
        return OtherRuntime(self.personas) if self.there else None


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("body", ["@A and @Jupyternaut, hi", "@Jupyternat hi", "hi"])
async def test_what_is_sent_to_its_persona_is_left_to_it(body: str, there: bool) -> None:
    stage = DocumentStage()
    options = {"other_runtime": Other(there=there), "default_persona": "A"}
    async with room(persona("A", echo), stage=stage, **options) as here:
        here.stage.join("ada", "Ada")
        theirs = stage.other.post(body, sender="ada", metadata={"to_persona": THEIRS})
        await here.replied(here.say("@A are you there?"), 1)
        await here.quiet()
        answers = [m for m in here.messages if m.reply_to == theirs]
        assert bool(answers) == (not there)


async def test_what_was_sent_to_its_persona_before_the_chat_opened_is_left_to_it() -> None:
    stage = DocumentStage()
    theirs = stage.other.post("@A and @Jupyternaut, hi", metadata={"to_persona": THEIRS})
    ours = stage.other.post("@A hi")
    async with room(persona("A", echo), stage=stage, other_runtime=Other(there=True)) as here:
        await here.replied(ours, 1)
        await here.quiet()
        assert here.replies(theirs) == []


async def test_the_default_persona_does_not_answer_beside_it() -> None:
    other = Other(there=True)
    async with room(persona("A", echo), other_runtime=other, default_persona="A") as here:
        asked = here.say("hi")
        await here.replied(here.say("@A hi"), 1)
        await here.quiet()
        assert here.replies(asked) == []
        other.there = False
        await here.replied(here.say("hi again"), 1)


async def test_a_client_that_names_one_of_ours_is_answered() -> None:
    stage = DocumentStage()
    async with room(persona("A", echo), stage=stage, other_runtime=Other(there=True)) as here:
        (ours,) = here.runtime.personas
        here.stage.join("ada", "Ada")
        asked = stage.other.post("@A hi", sender="ada", metadata={"to_persona": ours})
        await here.replied(asked, 1)


async def test_what_is_sent_to_a_persona_that_it_lacks_is_answered_here() -> None:
    """It drops such a message without a word."""
    stage, other = DocumentStage(), Other(there=True, personas={"p::Other": "Other"})
    async with room(persona("A", echo), stage=stage, other_runtime=other) as here:
        here.stage.join("ada", "Ada")
        await here.replied(stage.other.post("@A hi", metadata={"to_persona": THEIRS}), 1)


async def test_a_mention_that_does_not_reach_its_persona_gets_a_hint() -> None:
    other = Other(there=True, personas={THEIRS: "Jupyternaut", "p::Close": "Guido"})
    stage = DocumentStage()
    async with room(persona("Guide", echo), stage=stage, other_runtime=other) as here:
        hint = await here.command("@jupyternaut and @Guido, hi")
        assert [line.split()[0] for line in hint.split("\n\n")] == ["`Jupyternaut`", "`Guido`"]
        assert "Choose it below the chat's input" in hint
        # It gets these.
        sent = stage.other.post("@Jupyternaut hi", metadata={"to_persona": THEIRS})
        await here.replied(here.say("@Guide and @Jupyternaut, hi"), 1)
        await here.quiet()
        assert here.answer(sent) is None
        assert len(here.notices()) == 1


async def test_it_may_answer_mentions_as_long_as_its_personas_are_not_known() -> None:
    async with room(persona("A", echo), other_runtime=Other(there=True)) as here:
        here.say("@Jupyternaut hi")
        await here.replied(here.say("@A hi"), 1)
        await here.quiet()
        assert here.notices() == []


@pytest.mark.parametrize("metadata", [None, {}, {"to_persona": ""}, {"to_persona": 3}, [1]])
def test_whatever_else_a_client_writes_names_no_persona(metadata: Any) -> None:
    raw = {"id": "m", "sender": "ada", "body": "hi", "metadata": metadata}
    message = decode_message(raw)
    assert message is not None
    assert message.to_persona is None


def test_the_persona_that_is_named_is_kept_with_the_message() -> None:
    raw = {"id": "m", "sender": "ada", "body": "hi", "metadata": {"to_persona": THEIRS}}
    message = decode_message(raw)
    assert message is not None
    assert decode_message(encode_message(message)) == message
