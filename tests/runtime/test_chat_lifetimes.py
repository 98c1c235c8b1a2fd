"""Lifetimes of actors, hosts, chats and one-shots."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import pytest
from support.personas import Data, Echo, say
from support.room import WAIT, FakeStage, Room, Script, id_of, persona, room
from support.stages import DocumentStage, Stage, settle

from jupyter_ai_personas.chat import User, WatchedChat
from jupyter_ai_personas.errors import ChatNotOpenError
from jupyter_ai_personas.hosts import ThreadHost
from jupyter_ai_personas.runtime import open_sessions, scheduler
from jupyter_ai_personas.runtime.outcome import Outcome
from jupyter_ai_personas.testing import FakeModel, FakeModels

ADA = User("0815", "ada", "Ada Lovelace")


class Other(FakeModel):
    id = "other"
    models: ClassVar[list[str]] = ["large"]


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
        here.session.detach()
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
        here.session.detach()
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
    here.session.detach()
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
        here.session.detach()
        assert again.memory._listener is None


async def test_a_closed_chat_without_turns_is_left() -> None:
    async with room(Echo) as here:
        here.session.detach()
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


async def test_what_is_chosen_before_a_chat_is_open_holds_once_it_is() -> None:
    models = FakeModels(FakeModel(), Other(model_id="large"))
    async with room(Echo, models=models) as here, anyio.create_task_group() as group:
        stage = FakeStage()
        stage.chat.path = "other.chat"  # type: ignore[misc]
        answers: list[Any] = []

        async def choose() -> None:
            chosen = await here.runtime.choose_model("other.chat", id_of(Echo), "other:large")
            answers.append(chosen)

        group.start_soon(choose)
        await settle()
        # Another chat is not the one that is waited for.
        here.runtime.open_chat(FakeStage().chat)
        await settle()
        assert answers == []
        here.runtime.open_chat(stage.chat)
        with anyio.fail_after(WAIT):
            while not answers:
                await anyio.lowlevel.checkpoint()
        assert answers == [("other:large", "")]
        assert stage.chat.setting("models") == {id_of(Echo): "other:large"}


async def test_a_chat_that_nobody_opens_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_sessions, "OPEN_SECONDS", 0.01)
    async with room(Echo) as here:
        with anyio.fail_after(WAIT):
            with pytest.raises(ChatNotOpenError):
                await here.runtime.choose_model("other.chat", id_of(Echo), None)
            with pytest.raises(ChatNotOpenError):
                await here.runtime.vote("other.chat", "m", 1, by="ada")


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
        here.session.detach()  # its file was deleted, and made anew
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
        here.session.detach()
        await here.session.closed.wait()
        assert shut_down == []
        script.end("@Echo b", "x")
        await twin.memory.until(lambda: [m for m in twin.seen if m.state == "done"])
        other.detach()
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
