"""Personas that Markdown files define, in chats in memory with real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from langchain_core.messages import SystemMessage
from local_rooms import LOG, room, write

from jupyter_ai_personas.runtime import Ledger, Runtime, RuntimeSettings
from jupyter_ai_personas.testing import (
    FakeChat,
    FakeEntryPoint,
    FakeModel,
    FakeModels,
    make_runtime,
)


async def test_a_file_is_a_persona_that_answers_with_its_prompt(tmp_path: Path) -> None:
    write(tmp_path, "researcher", description="finds sources", body="You cite sources.")
    async with room(tmp_path, model_replies=["As Smith says."]) as here:
        assert here.offered == ["Researcher"]
        reply = await here.one("@Researcher who says so?")
        assert (reply.body, reply.state) == ("As Smith says.", "done")
        assert reply.sender == "jupyter-ai-personas::local::/Researcher"
        [prompt] = here.model.prompts
        assert isinstance(prompt[0], SystemMessage)
        assert "You cite sources." in str(prompt[0].content)
        assert "finds sources" in (await here.one("/personas")).body


@pytest.mark.parametrize(
    ("folder", "path", "serves"),
    [
        ("", "notes.chat", True),
        ("", "a/b/notes.chat", True),
        ("a", "a/notes.chat", True),
        ("a", "a/b/c/notes.chat", True),
        ("a", "notes.chat", False),
        ("a", "ab/notes.chat", False),
        ("a/b", "a/notes.chat", False),
        ("..", "notes.chat", False),
    ],
)
async def test_it_serves_its_folder_and_below(
    tmp_path: Path, folder: str, path: str, serves: bool
) -> None:
    root = tmp_path / "root"
    (root / Path(path).parent).mkdir(parents=True)
    write(root, "researcher", folder)
    async with room(root, path=path) as here:
        assert here.offered == (["Researcher"] if serves else [])
        assert len(await here.ask("@Researcher hello")) == serves


async def test_the_nearest_folder_wins(tmp_path: Path) -> None:
    for folder in ("", "a", "a/b"):
        write(tmp_path, "researcher", folder, body=f"You are of {folder or 'the root'}.")
    write(tmp_path, "writer")
    async with room(tmp_path, path="a/notes.chat") as here:
        assert here.offered == ["Researcher", "Writer"]
        reply = await here.one("@Researcher hello")
        assert reply.sender == "jupyter-ai-personas::local::a/Researcher"
        assert "You are of a." in str(here.model.prompts[0][0].content)


async def test_of_two_files_with_one_name_the_first_serves(tmp_path: Path) -> None:
    write(tmp_path, "a", name="Researcher", body="first")
    write(tmp_path, "b", name="RESEARCHER", body="second")
    async with room(tmp_path) as here:
        assert (await here.one("@researcher hi")).sender.endswith("::/Researcher")
        listed = (await here.one("/personas")).body
        assert "`.jupyter/personas/b.md` cannot be used" in listed
        assert "`.jupyter/personas/a.md` has the name `RESEARCHER` already" in listed


@pytest.mark.parametrize(
    "name", ["Echo", "eCHO", "ECHO\u200b", "Personas", "Ｅcho", "𝐄cho", "Еcho", "Εсһο"]
)
async def test_the_name_of_a_package_s_persona_cannot_be_taken(tmp_path: Path, name: str) -> None:
    write(tmp_path, "other", name=f'"{name}"', body="You are evil.")
    async with room(tmp_path) as here:
        assert here.offered == []
        assert (await here.one("@Echo hi")).body == "echo @Echo hi"
        told = await here.one("@other hi")
        assert "is taken by a persona" in told.body
        assert told.metadata["notice"]


async def test_the_name_of_a_package_s_broken_persona_cannot_be_taken(tmp_path: Path) -> None:
    write(tmp_path, "helper")
    broken = FakeEntryPoint(name="helper", error=ImportError("no"))
    async with make_runtime(
        entry_points=[broken], settings=RuntimeSettings(root_dir=str(tmp_path))
    ) as runtime:
        personas = await runtime.personas_at("notes.chat")
        assert list(personas) == []
        assert "is taken by a persona of a package" in str(personas.problems[0])


async def test_files_define_nothing_where_the_operator_turns_them_off(tmp_path: Path) -> None:
    write(tmp_path, "researcher")
    async with room(tmp_path, mode="off") as here:
        assert here.offered == []
        assert await here.ask("@Researcher hi") == []
        assert "Files define no personas here" in (await here.one("/refresh")).body


async def test_no_code_of_the_workspace_runs(tmp_path: Path) -> None:
    place = write(tmp_path, "researcher").parent
    (place / "evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    (place / "__init__.py").write_text("raise SystemExit\n")
    async with room(tmp_path) as here:
        assert here.offered == ["Researcher"]
        assert not (tmp_path / "ran").exists()


class Other(FakeModel):
    id = "other"
    models = ["large"]


async def test_the_model_and_its_parameters_are_used(tmp_path: Path) -> None:
    write(tmp_path, "researcher", model="other:large", model_parameters="{temperature: 0.1}")
    write(tmp_path, "writer", model_parameters="{seed: 7}")
    built: list[tuple[str, dict[str, Any]]] = []

    class Noting(FakeModels):
        def build(self, reference: Any, *, parameters: Any = None) -> Any:
            built.append((str(reference), dict(parameters or {})))
            return super().build(reference, parameters=parameters)

    models = Noting(FakeModel(), Other(model_id="large"))
    settings = RuntimeSettings(root_dir=str(tmp_path), default_persona=None)
    async with make_runtime(models=models, settings=settings) as runtime:
        chat = FakeChat("notes.chat")
        await runtime.open_chat(chat).ready.wait()
        await chat.replied(chat.say("@Researcher hi"))
        await chat.replied(chat.say("@Writer hi"))
        chosen = chat.say("/model @Researcher fake:model")
        await chat.until(lambda: [m for m in chat.messages if m.reply_to == chosen])
        await chat.replied(chat.say("@Researcher hi"))
    assert ("other:large", {"temperature": 0.1}) in built
    assert ("fake:model", {"seed": 7}) in built
    # The parameters are those of the model that the file names.
    assert ("fake:model", {"temperature": 0.1}) not in built


@pytest.mark.parametrize(("hops", "replies"), [("0", 1), ("4", 2)])
async def test_max_hops_bounds_how_a_persona_passes_on(
    tmp_path: Path, hops: str, replies: int
) -> None:
    write(tmp_path, "researcher", max_hops=hops)
    async with room(tmp_path, model_replies=["@Echo look", "done"]) as here:
        [reply] = await here.ask("@Researcher hi")
        assert reply.body == "@Echo look"
        said = [m for m in here.chat.messages if m.by_persona and not m.metadata.get("notice")]
        assert len(said) == replies
        assert len(here.chat.notices()) == (hops == "0")


async def test_operators_settings_of_package_personas_are_not_inherited(tmp_path: Path) -> None:
    write(tmp_path, "researcher")
    settings = RuntimeSettings(
        root_dir=str(tmp_path), persona_config={"Researcher": {"token": "secret"}}
    )
    async with make_runtime(settings=settings) as runtime:
        personas = await runtime.personas_at("")
        assert runtime._services.config_of(personas.find("Researcher")) == {}


async def test_a_turn_that_was_cut_off_runs_after_a_restart(tmp_path: Path) -> None:
    write(tmp_path, "researcher", "a")
    gate = anyio.Event()
    chat = FakeChat("a/notes.chat")

    async def serve(replies: list[Any], use: Callable[[Runtime], Any]) -> None:
        settings = RuntimeSettings(root_dir=str(tmp_path), resume_interrupted=True)
        models = FakeModels(FakeModel(replies))
        ledger = Ledger(tmp_path / "ledger.sqlite", log=LOG)
        async with make_runtime(models=models, settings=settings, ledger=ledger) as runtime:
            await use(runtime)

    asked: list[str] = []

    async def first(runtime: Runtime) -> None:
        await runtime.open_chat(chat).ready.wait()
        asked.append(chat.say("@Researcher hi"))
        await chat.until(lambda: [r for r in chat.replies(asked[0]) if r.body])
        runtime.interrupt()

    async def second(runtime: Runtime) -> None:
        await runtime.open_chat(chat).ready.wait()
        await chat.until(lambda: [r for r in chat.replies(asked[0]) if r.state == "interrupted"])
        chat.say("/retry")
        await chat.until(lambda: [r for r in chat.replies(asked[0]) if r.state == "done"])

    await serve([["half ", gate, "whole"]], first)
    await serve(["whole"], second)
    [reply] = chat.replies(asked[0])
    assert (reply.body, reply.sender) == ("whole", "jupyter-ai-personas::local::a/Researcher")
