"""Personas written for Jupyter AI 3: what they read and write, whoever made their packages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from adapted_rooms import adapted, answered
from jupyterlab_chat.models import FileAttachment, Message, MimeModel, NewMessage
from support.room import room
from support.stages import Stage
from traitlets import Unicode
from traitlets.config import Application, Config

from jupyter_ai_personas.chat import Attachment
from jupyter_ai_personas.compat.persona_manager import BasePersona
from jupyter_ai_personas.personas import persona_id


async def test_a_message_that_is_added_and_appended_to_is_one_final_reply(
    hosts: dict[str, Any],
) -> None:
    def act(me: Any, message: Message) -> None:
        id_ = me.chat.add_message(NewMessage(body="", sender=me.id), trigger_actions=[])
        for chunk in ("one ", "two ", "three"):
            more = Message(id=id_, body=chunk, time=1.0, sender=me.id, raw_time=False)
            me.ychat.update_message(more, append=True, trigger_actions=[])

    async with room(adapted(act), **hosts) as here:
        reply = await here.reply(here.say("@Other hi"))
        await here.quiet()
        assert (reply.body, reply.state) == ("one two three", "done")
        assert len(here.replies(reply.reply_to or "")) == 1


async def test_what_it_writes_grows_while_it_works(hosts: dict[str, Any]) -> None:
    async def act(me: Any, message: Message) -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        act.release = lambda: loop.call_soon_threadsafe(done.set)  # type: ignore[attr-defined]
        id_ = me.ychat.add_message(NewMessage(body="begun", sender=me.id))
        await done.wait()
        me.ychat.update_message(
            Message(id=id_, body="all of it", time=1.0, sender=me.id), append=False
        )

    async with room(adapted(act), **hosts) as here:
        asked = here.say("@Other hi")
        await here.streaming(asked, "begun")
        act.release()  # type: ignore[attr-defined]
        assert (await here.reply(asked)).body == "all of it"


async def test_messages_are_sent_streamed_and_awaited(hosts: dict[str, Any]) -> None:
    def litellm(text: str | None) -> Any:
        delta = SimpleNamespace(content=text)
        return SimpleNamespace(choices=[SimpleNamespace(delta=delta)])

    async def chunks() -> AsyncIterator[Any]:
        for chunk in ("a", litellm("b"), litellm(None), "c"):
            yield chunk

    async def act(me: Any, message: Message) -> None:
        me.send_message("first")
        await me.send_message("second")
        await me.stream_message(chunks())

    async with room(adapted(act), **hosts) as here:
        replies = await here.replied(here.say("@Other hi"), 3)
        assert [reply.body for reply in replies] == ["first", "second", "abc"]
        assert {reply.state for reply in replies} == {"done"}


async def test_what_its_tasks_write_just_after_it_returns_is_part_of_the_turn(
    hosts: dict[str, Any],
) -> None:
    """The library of agents hands on what was received before the answer in tasks of its own."""
    tasks: set[asyncio.Task[None]] = set()

    def act(me: Any, message: Message) -> None:
        id_ = me.chat.add_message(NewMessage(body="one", sender=me.id))

        async def hand_on() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            more = Message(id=id_, body=" two", time=1.0, sender=me.id)
            me.chat.update_message(more, append=True)

        tasks.add(asyncio.get_running_loop().create_task(hand_on()))

    async with room(adapted(act), **hosts) as here:
        assert (await here.reply(here.say("@Other hi"))).body == "one two"


async def test_an_empty_message_that_gets_nothing_is_not_shown() -> None:
    def act(me: Any, message: Message) -> None:
        me.chat.add_message(NewMessage(body="", sender=me.id))
        me.chat.add_message(NewMessage(body="here", sender=me.id))

    async with room(adapted(act)) as here:
        assert (await here.reply(here.say("@Other hi"))).body == "here"


async def test_metadata_of_a_message_is_beside_ours_and_may_come_before_its_text(
    stage: Stage,
) -> None:
    calls = [{"tool_call_id": "1", "status": "in_progress"}]

    def act(me: Any, message: Message) -> None:
        id_ = me.chat.add_message(NewMessage(body="", sender=me.id))
        for status in ("in_progress", "completed"):
            found = me.chat.get_message(id_)
            found.metadata = {"tool_calls": [{**calls[0], "status": status}]}
            me.chat.update_message(found, trigger_actions=[])

    async with room(adapted(act), stage=stage) as here:
        reply = await here.reply(here.say("@Other hi"))
        raw = stage.chat.raw(reply.id)
        assert raw is not None
        assert raw["metadata"]["tool_calls"][0]["status"] == "completed"
        assert reply.state == "done"


async def test_a_mime_bundle_is_shown_as_its_text() -> None:
    def act(me: Any, message: Message) -> None:
        model = MimeModel(data={"text/markdown": "**bold**"})
        me.chat.add_message(NewMessage(body="", sender=me.id, mime_model=model))

    assert await answered(act) == "**bold**"


async def test_an_earlier_message_of_its_own_is_changed_and_no_others() -> None:
    async def act(me: Any, message: Message) -> None:
        found = [m for m in me.chat.get_messages() if m.body == "menu"]
        if not found:
            me.send_message("menu")
            return
        mine = found[0]
        mine.body, mine.metadata = "menu, chosen", {"menu": 2}
        me.chat.update_message(mine)
        theirs = next(m for m in me.chat.get_messages() if m.sender == "ada")
        theirs.body = "never said"
        me.chat.update_message(theirs)
        me.send_message("changed")

    async with room(adapted(act)) as here:
        first = await here.reply(here.say("@Other hi"))
        await here.reply(here.say("@Other again"))
        await here.quiet()
        assert here.message(first.id).body == "menu, chosen"
        assert [m.body for m in here.messages if m.sender == "ada"] == ["@Other hi", "@Other again"]


async def test_what_is_written_outside_of_a_turn_is_not_shown() -> None:
    kept: list[Any] = []

    def act(me: Any, message: Message) -> None:
        kept.append(me)
        me.send_message("in the turn")

    async with room(adapted(act)) as here:
        await here.reply(here.say("@Other hi"))
        await here.quiet()
        kept[0].send_message("later")
        kept[0].chat.add_message(NewMessage(body="later", sender=kept[0].id))
        await here.quiet()
        assert [m.body for m in here.messages if m.by_persona] == ["in the turn"]


async def test_it_reads_the_messages_users_and_metadata_of_the_chat(
    hosts: dict[str, Any], stage: Stage
) -> None:
    def act(me: Any, message: Message) -> None:
        said = [
            (me.chat.get_users()[m.sender].display_name, m.body) for m in me.chat.get_messages()
        ]
        me.send_message(f"{said} {me.chat.get_id()} {me.chat.get_path()} {message.type}")

    async with room(adapted(act), stage=stage, **hosts) as here:
        here.say("before", by="Bo")
        reply = await here.reply(here.say("@Other now"))
        assert "('Bo', 'before')" in reply.body
        assert f"{stage.chat.id} room.chat msg" in reply.body


async def test_it_is_given_the_message_without_the_mention_that_begins_it() -> None:
    def act(me: Any, message: Message) -> None:
        me.send_message(message.body)

    assert await answered(act, "@Other /compact now") == "/compact now"
    assert await answered(act, "@other, ask @Bo of @Other") == "ask @Bo of @Other"


async def test_metadata_of_the_chat_is_kept_for_its_next_turn(
    hosts: dict[str, Any], stage: Stage
) -> None:
    def act(me: Any, message: Message) -> None:
        sessions = me.chat.get_metadata().get("sessions", {})
        me.chat.set_metadata("sessions", {**sessions, me.id: message.body})
        me.send_message(repr([*sessions.values()]))

    async with room(adapted(act), stage=stage, **hosts) as here:
        assert (await here.reply(here.say("@Other one"))).body == "[]"
        await here.quiet()
        assert stage.chat.metadata()["sessions"] == {persona_id(adapted(act)): "one"}
        assert (await here.reply(here.say("@Other two"))).body == "['one']"


async def test_our_part_of_the_metadata_cannot_be_written(stage: Stage) -> None:
    def act(me: Any, message: Message) -> None:
        me.chat.set_metadata("jupyter_ai_personas", {"models": {}})
        me.send_message("tried")

    async with room(adapted(act), stage=stage) as here:
        stage.chat.set_setting("models", {"x": "y"})
        await here.reply(here.say("@Other hi"))
        assert stage.chat.setting("models") == {"x": "y"}


async def test_attachments_that_may_be_read_are_given_and_no_others(tmp_path: Path) -> None:
    for name in ("data.csv", ".env"):
        (tmp_path / name).write_text("a,b\n1,2\n")

    def act(me: Any, message: Message) -> None:
        found = {id_: one["value"] for id_, one in me.chat.get_attachments().items()}
        assert all(isinstance(one, FileAttachment) for one in me.chat.get_attachments().values())
        paths = [me.resolve_attachment_to_path(id_) for id_ in (message.attachments or [])]
        text = me.process_attachments(message)
        me.send_message(f"{found} {paths} {'1,2' in text}")

    async with room(adapted(act), root_dir=str(tmp_path)) as here:
        here.stage.join("ada", "Ada")
        attached = [Attachment("one", "data.csv"), Attachment("two", ".env")]
        asked = here.stage.post("@Other look", sender="ada", attachments=attached)
        reply = await here.reply(asked)
    assert reply.body == f"{{'one': 'data.csv'}} ['{tmp_path / 'data.csv'}', None] True"


async def test_it_knows_where_it_is(tmp_path: Path, hosts: dict[str, Any]) -> None:
    (tmp_path / ".jupyter").mkdir()

    def act(me: Any, message: Message) -> None:
        assert me.event_loop is me.parent.event_loop is asyncio.get_running_loop()
        assert me.parent.chat is me.chat is me.ychat
        assert me.parent.personas == {me.id: me}
        assert me.system_prompt == "You are of another package."
        assert me.as_user().username == me.id == "jupyter-ai-personas::other_package::Other"
        assert me.as_user_dict()["display_name"] == me.name == "Other"
        assert me.get_mcp_settings() is None
        places = [
            me.parent.root_dir,
            me.get_chat_path(),
            me.get_chat_path(relative=True),
            me.get_chat_dir(),
            me.get_workspace_dir(),
            me.get_dotjupyter_dir(),
            me.parent.base_url,
        ]
        me.send_message(repr(places))

    said = await answered(act, root_dir=str(tmp_path), base_url="/hub/", **hosts)
    root = str(tmp_path)
    here = [root, f"{root}/room.chat", "room.chat", root, root, f"{root}/.jupyter", "/hub/"]
    assert said == repr(here)


async def test_its_traits_are_configured_as_those_of_its_classes() -> None:
    attributes = {name: Unicode("default", config=True) for name in ("greeting", "farewell")}

    def act(me: Any, message: Message) -> None:
        me.send_message(f"{me.greeting} {me.farewell} {'Unrelated' in me.config}")

    cls = adapted(act, **attributes)
    server = Application.instance()
    server.config = Config(Other={"greeting": "a", "farewell": "b"}, Unrelated={"key": "secret"})
    try:
        async with room(cls, persona_config={"Other": {"greeting": "hello"}}) as here:
            assert (await here.reply(here.say("@Other hi"))).body == "hello b False"
    finally:
        Application.clear_instance()


async def test_it_reads_the_settings_of_other_extensions_of_the_server() -> None:
    def act(me: Any, message: Message) -> None:
        settings = me.parent.parent.serverapp.web_app.settings
        me.send_message(str(settings.get("other.model")))

    assert await answered(act) == "None"
    server: Any = Application.instance()
    server.web_app = SimpleNamespace(settings={"other.model": "large"})
    try:
        assert await answered(act) == "large"
    finally:
        Application.clear_instance()


async def test_methods_of_an_earlier_version_return_nothing_to_await(
    hosts: dict[str, Any],
) -> None:
    called: list[str] = []

    def shutdown(me: Any) -> None:
        BasePersona.shutdown(me)
        called.append("shutdown")

    cls = adapted(lambda me, message: None, shutdown=shutdown)

    def process_message(me: Any, message: Message) -> None:
        me.send_message("heard")

    cls.process_message = process_message  # type: ignore[assignment, method-assign]
    async with room(cls, **hosts) as here:
        assert (await here.reply(here.say("@Other hi"))).body == "heard"
    assert called == ["shutdown"]


async def test_its_status_is_shown_and_cleared() -> None:
    async def act(me: Any, message: Message) -> None:
        me.set_status()
        me.set_status("is thinking")
        me.clear_status()
        me.awareness.set_local_state_field("isWriting", True)
        me.chat.broadcast_writing_status(me.as_user(), {"typingIndicator": "calls a tool"})
        me.chat.broadcast_writing_status(me.as_user(), None)
        me.send_message("done")

    async with room(adapted(act)) as here:
        await here.reply(here.say("@Other hi"))
        shown = [text for _, text in here.stage.memory.status_log]  # type: ignore[attr-defined]
    for text in ("is typing...", "is thinking", "is writing", "calls a tool"):
        assert any(one and text in one for one in shown), text
