"""Commands typed in the chat: short answers of the system, which address nobody."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.room import Script, id_of, persona, room
from support.stages import Stage, settle

from jupyter_ai_personas import PersonaDefaults
from jupyter_ai_personas.chat import SYSTEM_ID, Message
from jupyter_ai_personas.commands import ChatCommands
from jupyter_ai_personas.providers.settings import ProviderSettings
from jupyter_ai_personas.testing import FakeEntryPoint, FakeModel, FakeModels

NAMES = [
    "/help",
    "/personas",
    "/models",
    "/model",
    "/stop",
    "/retry",
    "/approve",
    "/deny",
    "/status",
    "/context",
    "/tools",
    "/undo",
    "/refresh",
    "/export",
]


class Other(FakeModel):
    id = "other"
    name = "Other"
    models = ["large", "small"]


def models() -> FakeModels:
    settings = ProviderSettings(default_model="fake:model", blocked_providers=frozenset({"banned"}))

    class Banned(FakeModel):
        id = "banned"

    return FakeModels(FakeModel(), Other(model_id="large"), Banned(), settings=settings)


def echo(name: str = "Echo", **more: Any) -> type:
    return persona(name, lambda self, message: self.send_message(f"echo {message.body}"), **more)


async def test_every_command_is_helped_with() -> None:
    assert sorted(ChatCommands().names) == sorted(NAMES)
    async with room(echo()) as here:
        text = await here.command("/help")
        for name in NAMES:
            assert f"`{name}`" in text


async def test_answers_come_from_the_system_and_address_nobody() -> None:
    Bot = echo(defaults=PersonaDefaults(name="Echo", description="ask @Echo"))
    async with room(Bot) as here:
        asked = here.say("/personas")
        await here.until(lambda: here.answer(asked))
        await here.quiet()
        [_, answer] = here.messages
        assert answer.sender == SYSTEM_ID
        assert not answer.by_persona
        assert answer.reply_to == asked
        assert len(here.messages) == 2


@pytest.mark.parametrize("body", ["/HELP", "  /help  ", "/help me please", "/Help\t@Echo"])
async def test_a_command_is_known_however_it_is_typed(body: str) -> None:
    async with room(echo()) as here:
        assert "`/stop`" in await here.command(body)
        await here.quiet()
        assert not [m for m in here.messages if m.by_persona]


@pytest.mark.parametrize(
    "body", ["/unknown @Echo", "/ help @Echo", "/help\n@Echo", "look: /help @Echo", "/helpme @Echo"]
)
async def test_anything_else_is_an_ordinary_message(body: str) -> None:
    async with room(echo()) as here:
        reply = await here.reply(here.say(body))
        assert reply.body == f"echo {body}"
        assert here.notices() == []


@pytest.mark.parametrize(
    ("typed", "meant"), [("/stauts", "/status"), ("/Modles", "/models"), ("/retyr now", "/retry")]
)
async def test_a_mistyped_command_gets_a_hint_and_asks_nobody(typed: str, meant: str) -> None:
    async with room(echo(), default_persona="Echo") as here:
        said = await here.command(typed)
        assert f"Did you mean `{meant}`?" in said
        await here.quiet()
        assert not [m for m in here.messages if m.by_persona]


@pytest.mark.parametrize("body", ["/tmp how large is it?", "/home/ada/x.csv", "/frobnicate", "/"])
async def test_what_resembles_no_command_goes_to_the_default_persona(body: str) -> None:
    async with room(echo(), default_persona="Echo") as here:
        assert (await here.reply(here.say(body))).body == f"echo {body}"
        assert here.notices() == []


async def test_a_command_that_is_edited_runs_nothing_and_addresses_nobody(stage: Stage) -> None:
    script = Script()
    async with room(persona("Echo", script), stage=stage, models=models()) as here:
        asked = here.say("/model @Echo othr:large")
        await here.until(lambda: here.answer(asked))
        stage.edit(asked, "/model @Echo other:large")
        await settle()
        running = here.say("@Echo a")
        await script.until_begun("@Echo a")
        stage.edit(asked, "/stop @Echo")
        await settle()
        assert script.begun == ["@Echo a"]
        assert len(here.notices()) == 1
        script.end("@Echo a", "x")
        await here.reply(running)


# -- /personas --------------------------------------------------------------------------------


async def test_personas_says_who_is_here_what_for_and_with_which_model() -> None:
    Bot = echo(defaults=PersonaDefaults(name="Data Analyst", description="reads *tables*"))
    Bad = echo("Bad", defaults=PersonaDefaults(name="Bad", model="nowhere:x"))
    broken = FakeEntryPoint(name="broken", error=ImportError("x"))
    async with room(Bot, Bad, entry_points=[broken], models=models()) as here:
        text = await here.command("/personas")
        assert "`@Data-Analyst`" in text
        assert r"reads \*tables\*" in text
        assert "`fake:model`" in text
        assert "no model: There is no model provider" in text.replace("\\", "")
        assert "broken cannot be used" in text


async def test_an_empty_house_says_so() -> None:
    async with room() as here:
        assert "No personas" in await here.command("/personas")


# -- /models, /model --------------------------------------------------------------------------


async def test_models_lists_what_can_be_chosen_and_the_default() -> None:
    async with room(echo(), models=models()) as here:
        text = await here.command("/models")
        assert "`other:large`, `other:small`" in text
        assert "The default is `fake:model`" in text
        assert "not allowed on this server" in text


async def test_a_model_is_chosen_for_this_chat_and_kept_in_it(stage: Stage) -> None:
    Bot = persona("Echo")
    chosen = Other(["from other"], model_id="large")
    registry = FakeModels(
        FakeModel(["from fake"]), chosen, settings=ProviderSettings(default_model="fake:model")
    )
    async with room(Bot, stage=stage, models=registry) as here:
        assert (await here.reply(here.say("@Echo 1"))).body == "from fake"
        assert "`fake:model`" in await here.command("/model @Echo")
        assert "`other:large`" in await here.command("/model @echo other:large")
        assert (await here.reply(here.say("@Echo 2"))).body == "from other"
        assert "`other:large`" in await here.command("/model @Echo")
        assert stage.chat.setting("models") == {id_of(Bot): "other:large"}


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("/model", "Write `/model @Name provider:model`"),
        ("/model other:large", "Write `/model @Name provider:model`"),
        ("/model @Echo other:large please", "Write `/model @Name provider:model`"),
        ("/model @Ecko other:large", "Did you mean `Echo`"),
        ("/model @Echo othr:large", "Did you mean `other`"),
        ("/model @Echo other:larg", "Did you mean `large`"),
        ("/model @Echo banned:model", "not allowed"),
    ],
)
async def test_a_model_that_cannot_be_used_is_refused_with_a_hint(typed: str, told: str) -> None:
    async with room(echo(), models=models()) as here:
        assert told in await here.command(typed)
        assert here.stage.chat.setting("models") is None


async def test_a_choice_that_somebody_spoiled_is_no_choice(stage: Stage) -> None:
    async with room(persona("Echo"), stage=stage, models=models()) as here:
        for spoiled in ("text", ["a"], {id_of(persona("Echo")): 5}):
            stage.chat.set_setting("models", spoiled)
            assert "`fake:model`" in await here.command("/model @Echo")


async def test_a_choice_that_is_gone_is_told_in_the_reply(stage: Stage) -> None:
    async with room(persona("Echo"), stage=stage, models=models()) as here:
        stage.chat.set_setting("models", {id_of(persona("Echo")): "gone:model"})
        reply = await here.reply(here.say("@Echo hi"))
        assert reply.state == "failed"
        assert "`gone:model`" in reply.body


# -- /status ----------------------------------------------------------------------------------


async def test_status_says_what_runs_and_what_waits_for_whom() -> None:
    script = Script()
    async with room(persona("Echo", script)) as here:
        idle = await here.command("/status")
        assert "Nothing is running" in idle
        assert "Workspace search is turned off." in idle
        here.say("@Echo a", by="Ada")
        here.say("@Echo b", by="Ada")
        await script.until_begun("@Echo a")
        text = await here.command("/status", by="Bob")
        assert re.search(r"Echo answers a message of Ada, for \d+ s", text)
        assert re.search(r"Echo has a message of Ada waiting, for \d+ s", text)


async def test_status_says_what_was_used() -> None:
    async def act(self: Any, message: Message) -> None:
        self.turn.record_usage({"model": "fake:model", "total_tokens": 1200})
        self.send_message("x")

    async with room(persona("Echo", act)) as here:
        reply = await here.reply(here.say("@Echo"))
        await here.quiet()
        assert reply.metadata["usage"]["total_tokens"] == 1200
        assert "`fake:model`: 1 reply, 1,200 tokens" in await here.command("/status")


# -- commands of personas ---------------------------------------------------------------------


async def test_a_persona_may_have_commands_of_its_own() -> None:
    Plotter = echo("Plotter", commands={"/Plot": "draws *something*"})
    async with room(Plotter, echo()) as here:
        text = await here.command("/help")
        assert "`/plot` (Plotter): draws" in text
        reply = await here.reply(here.say("/PLOT sales"))
        assert (reply.sender, reply.body) == (id_of(Plotter), "echo /PLOT sales")
        await here.quiet()
        assert len([m for m in here.messages if m.by_persona]) == 1


async def test_a_command_of_a_persona_may_have_more_lines_and_be_edited(stage: Stage) -> None:
    script = Script()
    async with room(persona("Plotter", script, commands={"/plot": "draws"}), stage=stage) as here:
        asked = here.say("/plot\nsales")
        await script.until_begun("/plot\nsales")
        stage.edit(asked, "/plot\ncosts")
        await script.until_begun("/plot\ncosts")
        script.end("/plot\ncosts", "x")
        assert (await here.reply(asked)).body == "x"


async def test_commands_of_personas_count_for_the_bound_on_messages() -> None:
    Plotter = echo("Plotter", commands={"/plot": "draws"})
    async with room(Plotter, max_messages_per_minute=1) as here:
        await here.reply(here.say("/plot one"))
        refused = here.say("/plot two")
        assert "More than 1 message" in str(await here.until(lambda: here.answer(refused)))
        await here.quiet()
        assert here.replies(refused) == []


async def test_a_persona_cannot_take_a_command_of_ours() -> None:
    async with room(echo(commands={"/stop": "mine"})) as here:
        assert "mine" not in await here.command("/help")
        assert "Nothing of yours" in await here.command("/stop")
        await here.quiet()
        assert not [m for m in here.messages if m.by_persona]


async def test_what_was_typed_is_quoted_in_part_however_long_it_is(
    stage: Stage,
) -> None:
    async with room(echo(), stage=stage) as here:
        text = await here.command(f"/stop @x{' ' * 20_000}{'y ' * 20_000}")
        assert "There is no persona" in text
        assert len(text) < 2_000


async def test_names_that_are_markdown_are_inert_in_answers() -> None:
    Odd = echo("Odd", defaults=PersonaDefaults(name="*Odd* _one_", description="# big\n- list"))
    async with room(Odd) as here:
        text = await here.command("/personas")
        assert r"\*Odd\*" in text
        assert "\n#" not in text
