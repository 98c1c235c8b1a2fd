"""Personas written for Jupyter AI 3: how their turns end, their models and commands."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from adapted_rooms import adapted
from jupyterlab_chat.models import Message, NewMessage
from support.room import LOG, room
from support.worker_adapted import OfServer

from jupyter_ai_personas.chat import User
from jupyter_ai_personas.compat.persona_manager import (
    BasePersona,
    CommandOption,
    ModelConfiguration,
    ModelOption,
    PersonaAuthManager,
    PersonaNotAuthenticated,
    SettingConfiguration,
    Usage,
)
from jupyter_ai_personas.runtime import RuntimeSettings
from jupyter_ai_personas.tools import McpServers, PackageToolsets, ToolRegistry, ToolSettings
from jupyter_ai_personas.tools.mcp_settings import McpServerSettings


async def test_it_prepares_once_and_again_after_a_failure() -> None:
    tried: list[str] = []

    async def prepare(me: Any) -> None:
        tried.append(me.chat.get_metadata().get("session", "none"))
        if len(tried) == 1:
            raise OSError("no agent")

    def act(me: Any, message: Message) -> None:
        me.send_message("ready")

    async with room(adapted(act, prepare=prepare)) as here:
        assert (await here.reply(here.say("@Other one"))).state == "failed"
        assert (await here.reply(here.say("@Other two"))).body == "ready"
        assert (await here.reply(here.say("@Other three"))).body == "ready"
    assert len(tried) == 2


async def test_one_that_needs_the_server_s_objects_elsewhere_says_what_to_set() -> None:
    async with room(OfServer) as here:
        reply = await here.reply(here.say("@Adapted hi"))
    assert reply.state == "failed"
    assert "objects of the server's process, and runs in another one" in reply.body
    assert "`web_app.settings`" in reply.body
    assert '`c.AiExtension.hosts = {"Adapted": "threads", "*": "processes"}`' in reply.body


async def test_people_are_told_to_sign_in_until_somebody_has() -> None:
    signed_in = False

    async def prepare(me: Any) -> None:
        me.auth = PersonaAuthManager(parent=me, check_auth_fn=lambda: signed_in)
        await me.auth.assert_auth()

    async def told(me: Any, message: Any) -> None:
        await BasePersona.handle_message_no_auth(me, message)

    def act(me: Any, message: Message) -> None:
        me.send_message("in")

    cls = adapted(act, prepare=prepare, handle_message_no_auth=told)
    async with room(cls) as here:
        first = await here.reply(here.say("@Other one"))
        assert (first.state, "sign in" in first.body) == ("done", True)
        signed_in = True
        assert (await here.reply(here.say("@Other two"))).body == "in"
    assert issubclass(PersonaNotAuthenticated, Exception)


async def test_an_error_fails_the_turn_without_its_text() -> None:
    def act(me: Any, message: Message) -> None:
        me.chat.add_message(NewMessage(body="so far", sender=me.id))
        raise OSError("key sk-abcdefghijklmnopqrstuvwx")

    async with room(adapted(act)) as here:
        reply = await here.reply(here.say("@Other hi"))
    assert reply.state == "failed"
    assert reply.body.startswith("so far")
    assert "OSError" in reply.body
    assert "sk-abc" not in reply.body


async def test_a_text_of_its_own_about_an_error_is_one_failed_reply_without_secrets() -> None:
    async def handle(me: Any, error: Exception) -> None:
        me.send_message(f"My own words: {error}")

    def act(me: Any, message: Message) -> None:
        raise OSError("key sk-abcdefghijklmnopqrstuvwx")

    async with room(adapted(act, handle_uncaught_exception=handle)) as here:
        reply = await here.reply(here.say("@Other hi"))
    assert reply.state == "failed"
    assert reply.body.startswith("My own words")
    assert "sk-abc" not in reply.body


async def test_a_stop_calls_cancel_response_and_keeps_what_was_written(
    hosts: dict[str, Any],
) -> None:
    cancelled: list[str] = []

    async def cancel(me: Any) -> None:
        cancelled.append(me.name)
        me.chat.update_message(me.chat.get_messages()[-1], trigger_actions=[])
        me.clear_status()

    async def act(me: Any, message: Message) -> None:
        me.chat.add_message(NewMessage(body="begun", sender=me.id))
        await asyncio.get_running_loop().create_future()

    async with room(adapted(act, cancel_response=cancel), **hosts) as here:
        asked = here.say("@Other hi")
        await here.streaming(asked, "begun")
        here.say("/stop")
        reply = await here.reply(asked)
        assert (reply.state, reply.body.startswith("begun")) == ("stopped", True)
        await here.quiet()
    assert cancelled == ["Other"]


async def test_messages_of_a_chat_are_processed_one_at_a_time(hosts: dict[str, Any]) -> None:
    running: list[int] = [0, 0]

    async def act(me: Any, message: Message) -> None:
        running[0] += 1
        running[1] = max(running)
        assert me.processing_message.body == message.body
        for _ in range(5):
            await asyncio.sleep(0)
        running[0] -= 1
        me.send_message(message.body)

    async with room(adapted(act), **hosts) as here:
        asked = [here.say(f"@Other {name}", by=name) for name in ("Ada", "Bo", "Cy")]
        for id_ in asked:
            await here.reply(id_)
    assert running == [0, 1]


def _models(me: Any) -> None:
    options = [ModelOption(id="opus-5", name="Opus"), ModelOption(id="haiku-5", name="Haiku")]
    effort = SettingConfiguration(id="effort", current="low")
    me.report_model_configuration(
        ModelConfiguration(current="haiku-5", options=options, settings=[effort])
    )
    me.report_settings_configuration([SettingConfiguration(id="mode", current="ask")])
    me.report_slash_commands([CommandOption(name="/compact", description="forget")])


def _told(me: Any, message: Message) -> None:
    if me.get_model() is None:
        _models(me)
    me.report_usage(Usage(input_tokens=10, output_tokens=2), append=True)
    told = f"{me.get_model()} {me.get_model_settings()} {me.get_settings()}"
    me.chat.add_message(NewMessage(body=told, sender=me.id))


async def test_a_persona_s_own_models_are_chosen_by_model(hosts: dict[str, Any]) -> None:
    switched: list[str] = []

    async def update_model(me: Any, model_id: str) -> None:
        switched.append(model_id)

    async with room(adapted(_told, update_model=update_model), **hosts) as here:
        assert "model of its own" in await here.command("/model @Other")
        said = (await here.reply(here.say("@Other hi"))).body
        assert said == "haiku-5 {'effort': 'low'} {'mode': 'ask'}"
        await here.quiet()
        assert "`haiku-5`" in await here.command("/model @Other")
        assert "opus-5" in await here.command("/model @Other opus-7")
        assert "`opus-5`" in await here.command("/model @Other Opus")
        assert (await here.reply(here.say("@Other hi"))).body.startswith("opus-5")
    assert switched == ["opus-5"]


async def test_the_operator_chooses_among_its_own_models_and_a_chat_overrides_it(
    hosts: dict[str, Any],
) -> None:
    chosen = RuntimeSettings(models={"Other": "opus-5"})
    async with room(adapted(_told), settings=chosen, **hosts) as here:
        [persona] = here.runtime.personas.values()
        await here.reply(here.say("@Other hi"))
        await here.quiet()
        assert here.runtime.model_of(persona, "room.chat") == ("opus-5", "")
        assert (await here.reply(here.say("@Other hi"))).body.startswith("opus-5")
        assert "`haiku-5`" in await here.command("/model @Other haiku-5")
        assert (await here.reply(here.say("@Other hi"))).body.startswith("haiku-5")


async def test_the_models_that_it_tells_of_are_listed_with_it(hosts: dict[str, Any]) -> None:
    async with room(adapted(_told), **hosts) as here:
        [persona] = here.runtime.personas.values()
        assert here.runtime.own_models(persona, "room.chat") == {}
        await here.reply(here.say("@Other hi"))
        await here.quiet()
        own = {"opus-5": "Opus", "haiku-5": "Haiku"}
        assert here.runtime.own_models(persona, "room.chat") == own
        assert here.runtime.model_of(persona, "room.chat") == ("haiku-5", "")
        assert here.runtime.own_models(persona, "another.chat") == {}


async def test_a_command_that_it_tells_of_is_listed_and_asks_it(hosts: dict[str, Any]) -> None:
    """As of an agent, which tells of its commands when it has begun a session."""
    said: list[str] = []

    def act(me: Any, message: Message) -> None:
        said.append(message.body)
        commands = [
            CommandOption(name="compact", description="forgets\nwhat was *said*"),
            CommandOption(name="/Review"),
            CommandOption(name="/help", description="mine"),
            CommandOption(name="two words"),
        ]
        me.report_slash_commands(commands)
        me.send_message("done")

    async with room(adapted(act), **hosts) as here:
        before = [one.name for one in await here.runtime.commands("room.chat")]
        await here.reply(here.say("@Other hi"))
        await here.quiet()
        listed = await here.runtime.commands("room.chat")
        theirs = [(one.name, one.help, one.persona) for one in listed if one.name not in before]
        assert theirs == [
            ("/compact", "forgets what was *said*", "Other"),
            ("/review", "", "Other"),
        ]
        assert [one.name for one in await here.runtime.commands("another.chat")] == before
        text = await here.command("/help")
        assert "- `/compact` (Other): forgets" in text
        assert "mine" not in text
        assert (await here.reply(here.say("/compact all of it"))).body == "done"
        assert (await here.reply(here.say("@Other /help"))).body == "done"
    assert said == ["hi", "/compact all of it", "/help"]


async def test_of_two_personas_with_one_command_the_mentioned_one_is_asked() -> None:
    def act(me: Any, message: Message) -> None:
        me.report_slash_commands([CommandOption(name="/compact")])
        me.send_message(f"{me.name}: {message.body}")

    other = adapted(act, "Another", __module__="another_package.personas")
    async with room(adapted(act), other) as here:
        for name in ("Other", "Another"):
            await here.reply(here.say(f"@{name} hi"))
        await here.quiet()
        asked = here.say("/compact @Another")
        assert (await here.reply(asked)).body.startswith("Another: /compact")
        await here.quiet()
        assert len(here.replies(asked)) == 1


async def test_the_tokens_of_a_turn_are_counted_from_those_of_the_session() -> None:
    async with room(adapted(_told)) as here:
        for _ in range(2):
            reply = await here.reply(here.say("@Other hi"))
            usage = here.message(reply.id).metadata["usage"]
            assert (usage["input_tokens"], usage["output_tokens"]) == (10, 2)


async def test_what_a_message_chooses_is_applied() -> None:
    switched: list[Any] = []

    async def update_settings(me: Any, settings: Any) -> None:
        switched.append(settings)

    async def act(me: Any, message: Message) -> None:
        _models(me)
        message.metadata = {"settings": {"mode": "code"}, "model": {"id": "opus-5"}}
        await me.apply_specs_in_message(message)
        me.send_message(f"{me.get_model()} {me.get_settings()}")

    async with room(adapted(act, update_settings=update_settings)) as here:
        assert (await here.reply(here.say("@Other hi"))).body == "opus-5 {'mode': 'code'}"
    assert switched == [{"mode": "code"}]


async def test_a_url_as_avatar_is_its_avatar() -> None:
    async with room(adapted(lambda me, message: None)) as here:
        [persona] = here.runtime.personas.values()
        assert persona.avatar is None
        assert persona.avatar_link == "/api/ai/static/other.svg"


async def test_it_is_given_the_mcp_servers_of_which_all_is_allowed() -> None:
    servers = {
        "weather": McpServerSettings(command="weather", args=("-v",), env={"KEY": "1"}),
        "web": McpServerSettings(url="http://localhost:1/mcp", headers={"A": "b"}),
        "half": McpServerSettings(command="half"),
        "asked": McpServerSettings(command="asked"),
        "others": McpServerSettings(command="others"),
    }
    settings = ToolSettings(
        mcp_servers=servers,
        persona_tools={"Other": ["mcp:weather", "mcp:web", "mcp:half", "mcp:asked"]},
        tool_policy={
            "mcp:weather.*": "allow",
            "mcp:web.*": "allow",
            "mcp:half.*": "allow",
            "mcp:half.delete": "deny",
            "mcp:others.*": "allow",
        },
    )

    class Unstarted(ToolRegistry):
        async def ready(self, persona: Any, chat_path: str) -> None:
            """Start nothing: the servers do not exist."""

    mcp = McpServers(servers, log=LOG)
    tools = Unstarted(settings, PackageToolsets(log=LOG), mcp=mcp)

    def act(me: Any, message: Message) -> None:
        found = me.get_mcp_settings().mcp_servers
        me.send_message(json.dumps([one.model_dump() for one in found]))

    async with room(adapted(act), tools=tools) as here:
        said = (await here.reply(here.say("@Other hi"))).body
    assert json.loads(said) == [
        {
            "name": "weather",
            "command": "weather",
            "args": ["-v"],
            "env": [{"name": "KEY", "value": "1"}],
        },
        {
            "name": "web",
            "url": "http://localhost:1/mcp",
            "type": "http",
            "headers": [{"name": "A", "value": "b"}],
        },
    ]


async def test_it_answers_outside_of_a_chat_too() -> None:
    def act(me: Any, message: Message) -> None:
        assert me.chat.get_messages()[-1].id == message.id
        me.chat.add_message(NewMessage(body=f"heard {message.body}", sender=me.id))

    async with room(adapted(act)) as here:
        answer = await here.runtime.one_shot("Other", "hi", sender=User("ada", "Ada"))
    assert (answer.text, answer.failed) == ("heard hi", False)


async def test_tasks_that_a_class_keeps_from_an_earlier_event_loop_are_dropped() -> None:
    """Agents' packages keep a connection in the class; a host that hung is replaced by another."""
    cls = adapted(lambda me, message: me.send_message("here"))
    loop = asyncio.new_event_loop()
    earlier, kept = loop.create_future(), asyncio.get_running_loop().create_future()
    cls.connection, cls.mine = earlier, kept  # type: ignore[attr-defined]
    async with room(cls) as here:
        await here.reply(here.say("@Other hi"))
    assert (cls.connection, cls.mine) == (None, kept)  # type: ignore[attr-defined]
    loop.close()
