"""From a message to its reply: who is addressed, what is written, what is shown meanwhile."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import anyio
import pytest
from support.clock import ahead
from support.room import WAIT, FakeStage, Room, Script, id_of, persona, room
from support.stages import DocumentStage, Stage, settle

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message, User, WatchedChat
from jupyter_ai_personas.errors import ChatNotOpenError
from jupyter_ai_personas.hosts import ThreadHost
from jupyter_ai_personas.providers import Endpoint, ModelRegistry, ProviderSettings
from jupyter_ai_personas.runtime import scheduler
from jupyter_ai_personas.runtime.outcome import Outcome
from jupyter_ai_personas.testing import Answer, FakeModel, FakeModels, OpenAIServer

ADA = User("0815", "ada", "Ada Lovelace")


def say(*bodies: str) -> Any:
    async def act(self: Any, message: Message) -> None:
        for body in bodies:
            self.send_message(body)

    return act


Echo = persona("Echo", lambda self, message: self.send_message(f"echo: {message.body}"))
Data = persona("Data Analyst", lambda self, message: self.send_message("data"))


async def test_who_is_mentioned_answers_in_the_document(stage: Stage) -> None:
    async with room(Echo, Data, stage=stage) as here:
        asked = here.say("hello @Echo")
        reply = await here.reply(asked)
        assert (reply.sender, reply.body, reply.state) == (id_of(Echo), "echo: hello @Echo", "done")
        assert reply.metadata["turn"]
        assert reply.reply_to == asked


async def test_everybody_who_is_mentioned_answers_once(stage: Stage) -> None:
    async with room(Echo, Data, stage=stage) as here:
        asked = here.say("@Echo @data-analyst @echo", mentions=[id_of(Echo)])
        replies = await here.replied(asked, 2)
        await here.quiet()
        assert sorted(r.sender for r in replies) == sorted([id_of(Echo), id_of(Data)])
        assert len(here.replies(asked)) == 2


async def test_a_picked_mention_counts_and_a_person_is_no_persona(stage: Stage) -> None:
    async with room(Echo, stage=stage) as here:
        assert await here.reply(here.say("hi", mentions=[id_of(Echo)]))
        quiet = here.say("@ada hi", by="Bob", mentions=["ada"])
        await settle()
        await here.quiet()
        assert here.replies(quiet) == []


@pytest.mark.parametrize("body", ["hello", "> @Echo said", "`@Echo`", "me@echo.com"])
async def test_who_is_not_mentioned_stays_silent(stage: Stage, body: str) -> None:
    async with room(Echo, stage=stage) as here:
        here.say(body)
        await settle()
        await here.quiet()
        assert len(here.messages) == 1


async def test_history_is_not_answered_and_the_first_moment_is(stage: Stage) -> None:
    if isinstance(stage, DocumentStage):
        stage.other.post("@Echo old", time=1.0, raw_time=False)
    async with room(Echo, stage=stage, ready=False) as here:
        # Posted before the personas are even loaded.
        first = here.say("@Echo first")
        assert (await here.reply(first)).body == "echo: @Echo first"
        await here.quiet()
        assert len([m for m in here.messages if m.by_persona]) == 1


async def test_what_a_persona_writes_addresses_no_default(stage: Stage) -> None:
    async with room(Echo, stage=stage, default_persona="Echo") as here:
        asked = here.say("hello")
        assert (await here.reply(asked)).body == "echo: hello"
        await here.quiet()
        assert len(here.messages) == 2


async def test_the_default_persona_is_for_who_is_alone(stage: Stage) -> None:
    async with room(Echo, stage=stage, default_persona="echo") as here:
        assert await here.reply(here.say("hello", by="Ada"))
        second = here.say("hello", by="Bob")
        third = here.say("hello", by="Ada")
        await settle()
        await here.quiet()
        assert here.replies(second) == here.replies(third) == []
        assert await here.reply(here.say("@Echo hello", by="Bob"))


async def test_who_corrects_a_message_to_the_default_persona_goes_on_asking_it(
    stage: Stage,
) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage, default_persona="Echo") as here:
        asked = here.say("helo")
        await script.until_begun("helo")
        here.stage.join("bob", "Bob")
        await settle()
        here.stage.edit(asked, "hello")
        await script.until_begun("hello")
        script.end("hello", "hi")
        assert (await here.reply(asked)).body == "hi"


async def test_a_default_persona_that_is_not_installed_answers_nobody() -> None:
    async with room(Echo, default_persona="Nobody") as here:
        here.say("hello")
        await here.quiet()
        assert len(here.messages) == 1


async def test_several_messages_of_a_turn_all_carry_it(stage: Stage) -> None:
    async def act(self: Any, message: Message) -> None:
        self.send_message("one")
        await self.stream_message(["tw", "o"])
        self.send_message("three")

    async with room(persona("Echo", act), stage=stage) as here:
        replies = await here.replied(here.say("@Echo"), 3)
        assert [r.body for r in replies] == ["one", "two", "three"]
        assert {r.state for r in replies} == {"done"}
        assert len({r.metadata["turn"] for r in replies}) == 1


async def test_a_persona_that_says_nothing_leaves_nothing(stage: Stage) -> None:
    async with room(persona("Echo", say()), stage=stage) as here:
        here.say("@Echo")
        await settle()
        await here.quiet()
        assert len(here.messages) == 1
        assert here.stage.writing == {}


async def test_a_reply_streams_while_everybody_watches(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "Hel")
        growing = await here.streaming(asked, "Hel")
        script.give("@Echo a", "lo")
        await here.streaming(asked, "Hello")
        script.end("@Echo a", "!")
        reply = await here.reply(asked)
        assert (reply.id, reply.body) == (growing.id, "Hello!")


async def test_a_message_that_comes_twice_is_answered_once() -> None:
    stage = DocumentStage()
    async with room(Echo, stage=stage) as here:
        asked = here.say("@Echo hi")
        await here.reply(asked)
        stage.other.post("@Echo hi", id=asked, sender="ada")
        await settle()
        stage.ychat.set(stage.ychat.get())
        await settle()
        await here.quiet()
        assert len(here.replies(asked)) == 1


# -- failing ----------------------------------------------------------------------------------


async def test_a_persona_that_fails_says_so_and_nothing_of_the_error(stage: Stage) -> None:
    async def act(self: Any, message: Message) -> None:
        raise ValueError("sk-secret")

    async with room(persona("Echo", act), Data, stage=stage) as here:
        reply = await here.reply(here.say("@Echo"))
        assert reply.state == "failed"
        assert "ValueError" in reply.body
        assert "/retry" in reply.body
        assert "sk-secret" not in reply.body
        assert reply.metadata["error"]
        assert (await here.reply(here.say("@Data-Analyst"))).state == "done"


async def test_what_was_written_before_a_failure_stays(stage: Stage) -> None:
    async def act(self: Any, message: Message) -> None:
        self.send_message("complete")
        await self.stream_message(iter_then_fail())

    async def iter_then_fail() -> Any:
        yield "half"
        raise ValueError("x")

    async with room(persona("Echo", act), stage=stage) as here:
        one, two = await here.replied(here.say("@Echo"), 2)
        assert (one.body, one.state) == ("complete", "done")
        assert two.state == "failed"
        assert two.body.startswith("half\n\n")


async def test_a_failure_after_complete_messages_gets_one_of_its_own(stage: Stage) -> None:
    async def act(self: Any, message: Message) -> None:
        self.send_message("complete")
        raise SystemExit(1)

    async with room(persona("Echo", act), stage=stage) as here:
        one, two = await here.replied(here.say("@Echo"), 2)
        assert (one.body, one.state) == ("complete", "done")
        assert (two.state, "SystemExit" in two.body) == ("failed", True)


async def test_a_reply_that_passes_its_bound_is_cut_and_told() -> None:
    async def act(self: Any, message: Message) -> None:
        await self.stream_message("x" * 10 for _ in range(1000))

    async with room(persona("Echo", act), max_reply_chars=100) as here:
        reply = await here.reply(here.say("@Echo"))
        assert reply.state == "failed"
        assert reply.body.startswith("x" * 100 + "\n\n")
        assert "100 characters" in reply.body


async def test_a_persona_that_takes_too_long_is_ended() -> None:
    script = Script()
    with ahead() as forward:
        async with room(persona("Echo", script), turn_timeout=300) as here:
            asked = here.say("@Echo a")
            script.give("@Echo a", "so far")
            await here.streaming(asked, "so far")
            forward(300)
            reply = await here.reply(asked)
            assert reply.state == "failed"
            assert reply.body.startswith("so far\n\n")
            assert "within 300 seconds" in reply.body
            await here.quiet()
            assert here.stage.writing == {}


async def test_a_persona_that_cannot_be_made_fails_each_turn() -> None:
    def broken(self: Any, context: Any) -> None:
        raise RuntimeError("no")

    async with room(persona("Echo", say("x"), __init__=broken)) as here:
        for _ in range(2):
            assert (await here.reply(here.say("@Echo"))).state == "failed"


async def test_a_persona_whose_code_fails_again_and_again_is_paused() -> None:
    calls = []

    async def act(self: Any, message: Message) -> None:
        calls.append(message.body)
        raise ValueError("always")

    async with room(persona("Echo", act), quarantine_failures=2) as here:
        for n in range(2):
            assert (await here.reply(here.say(f"@Echo {n}"))).state == "failed"
        reply = await here.reply(here.say("@Echo 3"))
        assert reply.state == "rejected"
        assert "paused" in reply.body
        assert len(calls) == 2
        here.say("/retry")
        await here.until(lambda: len(calls) == 3)
        await here.quiet()


# -- the default behaviour: ask the model -----------------------------------------------------


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


# -- presence ---------------------------------------------------------------------------------


async def test_the_status_shows_what_happens_from_acceptance_to_end(stage: Stage) -> None:
    script = Script()
    Bot = persona("Echo", script)
    async with room(Bot, stage=stage) as here:
        first = here.say("@Echo a")
        await here.until(lambda: here.stage.writing == {id_of(Bot): "is thinking"})
        await script.until_begun("@Echo a")
        script.give("@Echo a", lambda self: self.set_status("is reading the notebook"))
        await here.until(lambda: here.stage.writing == {id_of(Bot): "is reading the notebook"})
        second = here.say("@Echo b")
        reading = "is reading the notebook (1 more waiting)"
        await here.until(lambda: here.stage.writing == {id_of(Bot): reading})
        script.give("@Echo a", lambda self: self.set_status(None))
        thinking = "is thinking (1 more waiting)"
        await here.until(lambda: here.stage.writing == {id_of(Bot): thinking})
        script.end("@Echo a", "x")
        await here.reply(first)
        await here.until(lambda: here.stage.writing == {id_of(Bot): "is thinking"})
        script.end("@Echo b", "y")
        await here.reply(second)
        await here.quiet()
        assert here.stage.writing == {}


async def test_two_personas_have_each_their_status(stage: Stage) -> None:
    script = Script()
    One, Two = persona("One", script), persona("Two", script)
    async with room(One, Two, stage=stage) as here:
        asked = here.say("@One @Two")
        await here.until(lambda: len(here.stage.writing) == 2)
        script.end("@One @Two")
        script.end("@One @Two")
        await here.quiet()
        assert here.stage.writing == {}
        assert here.replies(asked) == []


# -- life of actors, hosts and chats ----------------------------------------------------------


async def test_a_persona_that_is_idle_is_let_go_and_comes_back() -> None:
    gone = anyio.Event()

    async def shutdown(self: Any) -> None:
        gone.set()

    Bot = persona("Echo", say("x"), shutdown=shutdown)
    async with room(Bot, actor_idle=0.01) as here:
        await here.reply(here.say("@Echo"))
        with anyio.fail_after(WAIT):
            await gone.wait()
        assert (await here.reply(here.say("@Echo again"))).body == "x"


async def test_nothing_is_made_for_a_persona_that_nobody_addresses() -> None:
    made: list[str] = []

    def init(self: Any, context: Any) -> None:
        made.append(context.id)

    async with room(*(persona(f"P{n}", say("x"), __init__=init) for n in range(50))) as here:
        here.say("hello")
        await here.quiet()
        assert made == []
        assert here.runtime.hosts._entries == {}


@pytest.mark.parametrize("make_host", [None, ThreadHost])
async def test_when_the_server_stops_turns_are_marked_interrupted(
    stage: Stage, make_host: Any
) -> None:
    script = Script()
    options = {} if make_host is None else {"make_host": make_host}
    async with room(persona("Echo", script), stage=stage, **options) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "so far")
        await here.streaming(asked, "so far")
        here.runtime.interrupt()
    [reply] = here.replies(asked)
    assert reply.state == "interrupted"
    assert reply.body.startswith("so far\n\n")
    assert here.stage.writing == {}


async def test_a_runtime_that_is_cancelled_leaves_no_reply_streaming(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "so far")
        await here.streaming(asked, "so far")
    assert [r.state for r in here.replies(asked)] == ["interrupted"]
    assert here.stage.writing == {}


async def test_a_turn_goes_on_when_its_chat_is_closed_and_opened_again() -> None:
    script = Script()
    stage = DocumentStage()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "so ")
        await here.streaming(asked, "so ")
        here.runtime.close_chat(here.session)
        script.give("@Echo a", "far")
        assert here.runtime.open_chat(stage.chat) is here.session
        script.end("@Echo a", "!")
        assert (await here.reply(asked)).body == "so far!"


async def test_a_chat_that_is_opened_again_shows_what_its_personas_do() -> None:
    script = Script()
    stage, again = FakeStage(), FakeStage()
    again.chat.id = stage.chat.id  # type: ignore[misc]
    Bot = persona("Echo", script)
    async with room(Bot, stage=stage) as here:
        here.say("@Echo a")
        await script.until_begun("@Echo a")
        here.runtime.close_chat(here.session)
        assert here.runtime.open_chat(again.chat) is here.session
        await again.memory.until(lambda: again.writing == {id_of(Bot): "is thinking"})
        script.end("@Echo a", "!")
        await again.memory.until(lambda: not again.writing)


async def a_chat_that_comes_back_while_its_mailbox_waits(here: Room, script: Script) -> FakeStage:
    """The chat is opened anew, and nobody has looked at that: a message before it is handled."""
    here.say("@Echo a")
    await script.until_begun("@Echo a")
    handle, again = here.session._router.handle, FakeStage()
    again.chat.id = here.stage.chat.id  # type: ignore[misc]
    never = anyio.Event()

    async def wait(event: Any) -> bool:
        await never.wait()
        return await handle(event)

    here.session._router.handle = wait  # type: ignore[method-assign]
    here.say("nobody looks at this")
    await settle()
    here.runtime.close_chat(here.session)
    assert here.runtime.open_chat(again.chat) is here.session
    return again


async def test_what_comes_in_a_chat_that_is_just_opened_again_is_kept_as_it_is() -> None:
    script = Script()
    async with room(persona("Echo", script)) as here:
        again = await a_chat_that_comes_back_while_its_mailbox_waits(here, script)
        said = again.post("hello everybody", sender="ada")
        await settle()
        rows = await here.runtime.ledger.open_turns(again.chat.id)
        [kept] = [row for row in rows if row.message_id == said]
        assert kept.message["body"] == "hello everybody"
        assert not kept.message.get("deleted")


async def test_a_chat_that_is_closed_as_soon_as_it_is_opened_again_is_closed() -> None:
    script = Script()
    async with room(persona("Echo", script)) as here:
        again = await a_chat_that_comes_back_while_its_mailbox_waits(here, script)
        here.runtime.close_chat(here.session)
        assert again.memory._listener is None


async def test_a_closed_chat_without_turns_is_left() -> None:
    async with room(Echo) as here:
        here.runtime.close_chat(here.session)
        with anyio.fail_after(WAIT):
            await here.session.closed.wait()
        assert here.runtime.sessions == set()


async def test_two_chats_of_one_server_do_not_meet() -> None:
    async with room(Echo) as here:
        other_stage = FakeStage()
        other_stage.chat.path = "other.chat"  # type: ignore[misc]
        served = here.runtime.open_chat(other_stage.chat)
        await served.ready.wait()
        other = Room(other_stage, here.runtime, served)
        one, two = here.say("@Echo one"), other.say("@Echo two")
        assert (await here.reply(one)).body == "echo: @Echo one"
        assert (await other.reply(two)).body == "echo: @Echo two"
        assert len(here.messages) == len(other.messages) == 2


async def test_nobody_stops_a_single_question_by_the_path_of_a_chat() -> None:
    script = Script()
    async with room(persona("Echo", script)) as here, anyio.create_task_group() as group:

        async def ask() -> None:
            assert (await here.runtime.one_shot("Echo", "hi", sender=ADA)).text == "there"

        group.start_soon(ask)
        await script.until_begun("hi")
        for path in ("/", ""):
            with pytest.raises(ChatNotOpenError):
                await here.runtime.cancel(path, None, by="eve")
        script.end("hi", "there")


async def test_a_stop_reaches_all_turns_at_a_path() -> None:
    script = Script()
    async with room(persona("Echo", script)) as here:
        old = here.say("@Echo old")
        await script.until_begun("@Echo old")
        here.runtime.close_chat(here.session)  # its file was deleted, and made anew
        stage = FakeStage()
        served = here.runtime.open_chat(stage.chat)
        await served.ready.wait()
        new = stage.post("@Echo new", sender="ada")
        await script.until_begun("@Echo new")
        await here.runtime.cancel("room.chat", None, by="ada")
        assert served.turns == here.session.turns == {}
        assert [m.state for m in stage.seen if m.reply_to == new] == ["stopped"]
        assert old not in {m.reply_to for m in stage.seen}


async def test_whoever_asks_a_persona_can_wait_for_has_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "MAX_TURNS", 10)
    script = Script()
    async with room(persona("Echo", script), max_concurrent_turns=1) as here:
        asked = [here.stage.post("@Echo hi", sender=f"forged {n}") for n in range(12)]
        await script.until_begun("@Echo hi")
        for message_id in asked[10:]:
            reply = await here.reply(message_id)
            assert reply.state == "rejected"
            assert "too much to answer" in reply.body
        assert len(here.session.turns) == 10


async def test_an_end_that_is_settled_is_no_interruption(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage) as here:
        asked = here.say("@Echo a")
        script.give("@Echo a", "all of it")
        await here.streaming(asked, "all of it")
        [turn] = here.session.turns.values()
        turn.settle(Outcome("done"))  # its end has come
        here.runtime.interrupt()  # and the server stops in the same turn of the loop
        await settle()
        assert [(r.state, r.body) for r in here.replies(asked)] == [("done", "all of it")]


async def test_a_persona_that_is_busy_in_a_chat_that_is_open_twice_is_not_shut_down() -> None:
    shut_down: list[str] = []

    async def shutdown(self: Any) -> None:
        shut_down.append(self.name)

    script, twin = Script(), FakeStage()
    Bot = persona("Echo", script, shutdown=shutdown)
    async with room(Bot) as here:
        twin.chat.id, twin.chat.path = here.stage.chat.id, "moved.chat"  # type: ignore[misc]
        other = here.runtime.open_chat(twin.chat)
        await other.ready.wait()
        here.say("@Echo a")
        twin.post("@Echo b", sender="ada")
        await script.until_begun("@Echo a", "@Echo b")
        script.end("@Echo a", "x")
        await here.quiet()
        here.runtime.close_chat(here.session)
        await here.session.closed.wait()
        assert shut_down == []
        script.end("@Echo b", "x")
        await twin.memory.until(lambda: [m for m in twin.seen if m.state == "done"])
        here.runtime.close_chat(other)
        await other.closed.wait()
    assert shut_down == ["Echo"]


async def test_a_single_question_is_answered_without_a_chat() -> None:
    async with room(Echo, persona("Bad", lambda self, message: 1 / 0)) as here:
        answer = await here.runtime.one_shot("echo", "hi", sender=ADA)
        assert (answer.text, answer.failed) == ("echo: hi", False)
        answer = await here.runtime.one_shot("@Bad", "hi", sender=ADA)
        assert answer.failed
        # Nobody can type a command there.
        assert "/retry" not in answer.text
        await settle()
        assert here.messages == []
        assert here.runtime.sessions == {here.session}


async def test_a_single_question_is_answered_by_the_one_that_is_asked() -> None:
    script = Script()
    chat = WatchedChat(lambda text: None)
    async with room(persona("Refers", say("ask @Other")), persona("Other", script)) as here:
        answer = await here.runtime.one_shot("Refers", "hi", sender=ADA, chat=chat)
        await settle()
    assert (answer.text, answer.failed, chat.failure) == ("ask @Other", False, "")
    assert [message.body for message in chat.messages] == ["ask @Other"]
    assert script.begun == []


async def test_who_asks_a_single_question_is_named_as_in_a_chat() -> None:
    who = persona("Who", lambda self, message: self.send_message(self.turn.speaker))
    async with room(who) as here:
        assert (await here.runtime.one_shot("Who", "hi", sender=ADA)).text == "Ada Lovelace"


async def test_edits_retries_and_commands_are_bounded_and_stopping_is_not() -> None:
    script = Script()
    async with room(persona("Echo", script), max_messages_per_minute=3) as here:
        asked = here.say("@Echo 0")
        await script.until_begun("@Echo 0")
        for number in range(1, 6):
            here.stage.edit(asked, f"@Echo {number}")
            await settle()
        await here.until(lambda: "More than 3 messages" in "".join(here.notices()))
        assert script.begun == ["@Echo 0", "@Echo 1", "@Echo 2"]
        refused = [here.say(command) for command in ("/help", "/retry", "/status")]
        assert "Stopped your turns" in await here.command("/stop")
        assert [here.answer(message_id) for message_id in refused] == [None] * 3


async def test_whoever_floods_is_told_once() -> None:
    async with room(Echo, max_messages_per_minute=3) as here:
        asked = [here.say(f"@Echo {n}") for n in range(6)]
        for message_id in asked[:3]:
            await here.reply(message_id)
        await here.quiet()
        assert [here.replies(m) for m in asked[3:]] == [[], [], []]
        assert len(here.notices()) == 1
        assert "More than 3 messages" in here.notices()[0]
        assert await here.reply(here.say("@Echo me", by="Bob"))


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("@Data-Analist please", "Did you mean `@Data-Analyst`?"),
        ("＠Data Analyst please", "Did you mean `@Data-Analyst`?"),
        ("@ Data-Analyst please", "write `@Data-Analyst` as a word of its own"),
        ("hello@Data-Analyst", "write `@Data-Analyst` as a word of its own"),
    ],
)
async def test_a_near_miss_gets_one_hint_and_no_answer(stage: Stage, body: str, hint: str) -> None:
    async with room(Data, stage=stage, default_persona="Data-Analyst") as here:
        asked = here.say(body)
        assert hint in str(await here.until(lambda: here.answer(asked)))
        await here.quiet()
        assert len(here.notices()) == 1
        assert here.replies(asked) == []


async def test_an_error_of_ours_in_one_event_does_not_end_the_chat(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with room(Echo) as here:
        handle = here.session._router.handle
        failures = [RuntimeError("ours")]

        async def fail_once(event: Any) -> bool:
            if failures:
                raise failures.pop()
            return await handle(event)

        monkeypatch.setattr(here.session._router, "handle", fail_once)
        here.say("@Echo lost")
        assert await here.reply(here.say("@Echo kept"))
        assert "could not be handled" in caplog.text


async def test_what_happens_in_a_plain_callback_of_the_loop_is_handled(stage: Stage) -> None:
    # The library re-stamps messages in such callbacks, where AnyIO finds no task.
    async with room(Echo, stage=stage) as here:
        asked: list[str] = []
        asyncio.get_running_loop().call_soon(lambda: asked.append(here.say("@Echo hi")))
        await here.until(lambda: asked)
        assert (await here.reply(asked[0])).state == "done"
        asyncio.get_running_loop().call_soon(lambda: here.stage.delete(asked[0]))
        await here.until(lambda: here.message(asked[0]).deleted)
        await here.quiet()
