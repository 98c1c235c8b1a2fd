"""The default behaviour: a persona asks its model."""

from __future__ import annotations

import logging

import anyio
from support.personas import say
from support.room import persona, room
from support.stages import Stage

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.providers import Endpoint, ModelRegistry, ProviderSettings
from jupyter_ai_personas.testing import Answer, FakeModel, FakeModels, OpenAIServer


async def test_a_persona_that_defines_nothing_asks_its_model(stage: Stage) -> None:
    model = FakeModel(["Hello from the model."])
    async with room(persona("Echo"), stage=stage, models=FakeModels(model)) as here:
        reply = await here.reply(here.say("@Echo hi"))
        assert reply.body == "Hello from the model."
        assert [m.type for m in model.prompts[0]] == ["human"]


async def test_a_reply_says_which_model_wrote_it_even_if_the_vendor_tells_no_usage() -> None:
    gate = anyio.Event()
    model = FakeModel(["done", ["half", gate]])
    async with room(persona("Echo"), models=FakeModels(model)) as here:
        reply = await here.reply(here.say("@Echo one"))
        assert reply.metadata["usage"]["model"] == "fake:model"
        assert reply.metadata["usage"]["seconds"] >= 0
        asked = here.say("@Echo two")
        await here.until(lambda: any(m.body == "half" for m in here.messages))
        here.say("/stop")
        reply = await here.reply(asked)
        assert (reply.state, reply.metadata["usage"]["model"]) == ("stopped", "fake:model")
        assert "`fake:model`: 2 replies" in await here.command("/status")


async def test_the_model_sees_who_is_speaking(stage: Stage) -> None:
    model = FakeModel(["first answer", "second answer"])
    quiet = persona("Data", say("I am data"))
    Bot = persona("Echo")
    async with room(Bot, quiet, stage=stage, models=FakeModels(model)) as here:
        await here.reply(here.say("@Echo one", by="Ada"))
        await here.reply(here.say("@Data two", by="Bob"))
        await here.reply(here.say("@Echo three", by="Bob"))
        shown = [(m.type, m.text) for m in model.prompts[1]]
        assert shown[0][0] == "system"
        assert shown[1:] == [
            ("human", "Ada: @Echo one"),
            ("ai", "first answer"),
            ("human", "Bob: @Data two\n\nData: I am data\n\nBob: @Echo three"),
        ]


async def test_a_question_that_waited_for_an_answer_is_asked_with_it(stage: Stage) -> None:
    model = FakeModel(["four", "eight"])
    async with room(persona("Echo"), stage=stage, models=FakeModels(model)) as here:
        here.say("@Echo two and two?")
        await here.reply(here.say("@Echo and doubled?"))
        assert [(m.type, m.text) for m in model.prompts[1]] == [
            ("human", "@Echo two and two?"),
            ("ai", "four"),
            ("human", "@Echo and doubled?"),
        ]


async def test_the_model_is_shown_the_end_of_the_chat_only() -> None:
    model = FakeModel()
    async with room(
        persona("Echo"), models=FakeModels(model), history_messages=3, history_chars=10_000
    ) as here:
        for n in range(6):
            here.say(f"line {n}")
        await here.reply(here.say("@Echo last"))
        assert [m.text for m in model.prompts[0]] == ["line 4\n\nline 5\n\n@Echo last"]


async def test_the_model_is_shown_so_many_tokens_of_the_chat() -> None:
    model = FakeModel()
    async with room(persona("Echo"), models=FakeModels(model), history_tokens=60) as here:
        for n in range(6):
            here.say(f"line {n} " + "x" * 52)  # 20 tokens, and 4 for the message
        await here.reply(here.say("@Echo last"))
        [prompt] = model.prompts[0]
        assert [part[:6] for part in prompt.text.split("\n\n")] == ["line 4", "line 5", "@Echo "]


async def test_an_author_may_ask_for_another_window() -> None:
    class Long(BasePersona):
        defaults = PersonaDefaults(name="Long")

        async def process_message(self, message: Message) -> None:
            everything = self.history(max_messages=100, max_tokens=10_000)
            self.send_message(f"{len(self.history())} of {len(everything)}")

    async with room(Long, history_messages=2) as here:
        for n in range(60):
            here.say(f"line {n}")
        assert (await here.reply(here.say("@Long how many?"))).body == "2 of 61"


async def test_commands_and_notices_and_failed_replies_are_no_history() -> None:
    model = FakeModel([ValueError("no"), "yes"])
    async with room(persona("Echo"), models=FakeModels(model)) as here:
        assert (await here.reply(here.say("@Echo one"))).state == "failed"
        await here.command("/help")
        await here.reply(here.say("@Echo two"))
        assert [m.text for m in model.prompts[1]] == ["@Echo one\n\n@Echo two"]


async def test_a_reply_whose_beginning_was_reasoning_keeps_the_answer_only(stage: Stage) -> None:
    gate = anyio.Event()
    model = FakeModel([["let me ", "see ", gate, "</think>", "\n\n", "42"]])
    async with room(persona("Echo"), stage=stage, models=FakeModels(model)) as here:
        asked = here.say("@Echo what is it?")
        await here.until(lambda: any("let me see" in m.body for m in here.messages))
        gate.set()
        assert (await here.reply(asked)).body == "42"


async def test_a_reply_says_that_the_beginning_of_the_chat_was_left_out() -> None:
    model = FakeModel(["first", ValueError("prompt is too long"), "second"])
    async with room(persona("Echo"), models=FakeModels(model)) as here:
        await here.reply(here.say("@Echo " + "word " * 100))
        reply = await here.reply(here.say("@Echo two"))
        assert reply.state == "done"
        assert reply.body == (
            "*The conversation is longer than the model can read: its beginning was left out.*"
            "\n\nsecond"
        )
        assert [m.text for m in model.prompts[2]] == ["@Echo two"]


async def test_an_emoji_that_a_model_cuts_in_two_is_whole_in_the_chat(stage: Stage) -> None:
    model = FakeModel([["a ", "\ud83d", "\ude00", " b"]])
    async with room(persona("Echo"), stage=stage, models=FakeModels(model)) as here:
        assert (await here.reply(here.say("@Echo smile"))).body == "a 😀 b"


async def test_a_server_that_demands_alternating_roles_goes_on_after_a_failure() -> None:
    with OpenAIServer(alternating=True) as server:
        settings = ProviderSettings(
            default_model="loop:m",
            endpoints={"loop": Endpoint(base_url=server.url, parameters={"max_retries": 0})},
        )
        models = ModelRegistry(settings, log=logging.getLogger("strict"))
        async with room(persona("Echo"), persona("Data", say("hm")), models=models) as here:
            server.answer(Answer(status=500, text="down"))
            assert (await here.reply(here.say("@Echo one", by="Ada"))).state == "failed"
            for body, by in [("@Echo two", "Bob"), ("@Data three", "Ada"), ("@Echo four", "Ada")]:
                assert (await here.reply(here.say(body, by=by))).state == "done"


async def test_a_model_that_fails_is_told_and_is_no_fault_of_the_persona() -> None:
    model = FakeModel([["half ", ValueError("boom")], "fine"])
    async with room(persona("Echo"), models=FakeModels(model), quarantine_failures=1) as here:
        reply = await here.reply(here.say("@Echo one"))
        assert reply.state == "failed"
        assert reply.body.startswith("half")
        assert (await here.reply(here.say("@Echo two"))).body == "fine"
