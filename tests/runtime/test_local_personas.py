"""Personas that Markdown files define, in chats in memory with real files."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import anyio
import pytest
from langchain_core.messages import SystemMessage
from langchain_core.tools import StructuredTool

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.context import watching
from jupyter_ai_personas.personas import ChatPersonas, LocalPersonas
from jupyter_ai_personas.personas.local import chat_personas, emoji_image
from jupyter_ai_personas.personas.local import watching as local_watching
from jupyter_ai_personas.runtime import Ledger, Runtime, RuntimeSettings, Session
from jupyter_ai_personas.testing import (
    FakeChat,
    FakeEntryPoint,
    FakeModel,
    FakeModels,
    make_runtime,
)
from jupyter_ai_personas.testing.models import tool_calls
from jupyter_ai_personas.tools import PackageToolsets, ToolRegistry, ToolSettings

LOG = logging.getLogger(__name__)
WAIT = 30


class Echo(BasePersona):
    defaults = PersonaDefaults(name="Echo")

    async def process_message(self, message: Message) -> None:
        self.send_message(f"echo {message.body}")


@dataclass
class Room:
    """A chat with the files of a workspace, below ``root``."""

    root: Path
    chat: FakeChat
    runtime: Runtime
    session: Session
    model: Any

    def write(
        self, name: str = "researcher", /, folder: str = "", *, body: str = "", **keys: Any
    ) -> Path:
        return write(self.root, name, folder, body=body, **keys)

    async def ask(self, body: str, *, by: str = "Ada") -> list[Message]:
        message_id = self.chat.say(body, by=by)
        with anyio.fail_after(WAIT):
            await self.handled()
        return [m for m in self.chat.messages if m.reply_to == message_id]

    async def handled(self) -> None:
        while not self.session.is_idle:
            turn = next(iter(self.session.turns.values()), None)
            if turn is not None:
                await turn.ended.wait()
            await anyio.lowlevel.checkpoint()

    async def one(self, body: str, *, by: str = "Ada") -> Message:
        [reply] = await self.ask(body, by=by)
        return reply

    @property
    def offered(self) -> list[str]:
        return sorted(
            u.name for u in self.chat.users.values() if "::local::" in u.username and u.offered
        )


def write(root: Path, name: str, folder: str = "", /, *, body: str = "", **keys: Any) -> Path:
    place = root / folder / ".jupyter" / "personas"
    place.mkdir(parents=True, exist_ok=True)
    lines = [f"{key}: {value}" for key, value in {"name": name.title(), **keys}.items()]
    file = place / f"{name}.md"
    file.write_text("\n".join(["---", *lines, "---", body or f"You are {name}."]))
    return file


@asynccontextmanager
async def room(
    root: Path,
    *,
    path: str = "notes.chat",
    mode: str = "text",
    packages: Sequence[type] = (Echo,),
    model_replies: Sequence[Any] = (),
    tools: Any = None,
    **settings: Any,
) -> AsyncIterator[Room]:
    model = FakeModel(model_replies)
    settings = {"default_persona": None, **settings}
    ledger = settings.pop("ledger", None)
    async with make_runtime(
        packages,
        models=FakeModels(model),
        settings=RuntimeSettings(root_dir=str(root), local_personas=mode, **settings),
        tools=tools,
        ledger=ledger,
    ) as runtime:
        chat = settings.get("chat") or FakeChat(path)
        session = runtime.open_chat(chat)
        await session.ready.wait()
        yield Room(root, chat, runtime, session, model)


# -- who serves a chat -----------------------------------------------------------------------------


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


# -- files that are not read ---------------------------------------------------------------------


async def problems(root: Path, path: str = "notes.chat") -> list[str]:
    async with make_runtime(settings=RuntimeSettings(root_dir=str(root))) as runtime:
        return [str(problem) for problem in (await runtime.personas_at(path)).problems]


def test_names_of_editors_files_are_ignored(tmp_path: Path) -> None:
    place = write(tmp_path, "researcher").parent
    for name in (".#x.md", "~x.md", "x.md~", "#x.md#", "README.md", "notes.txt", ".hidden.md"):
        (place / name).write_text("nothing")
    assert anyio.run(problems, tmp_path) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"---\nname: A\n---\n\xff\xfe", "line 4: it is not UTF-8 text"),
        ("---\nname: A\n---\n".encode("utf-16"), "line 1: it is not UTF-8 text"),
        (b"---\nname: A\n---\n" + b"x" * 100_001, "it is larger than 100,000 bytes"),
        (b"", "line 1: it must begin with its front matter"),
        (
            b"---\nname: A\n---\n-----BEGIN RSA PRIVATE KEY-----\n",
            "it contains a private key",
        ),
        (b"---\nname: A\navatar: http://evil/x.png\n---\n", "line 3: the avatar must be a file"),
        (
            b"---\nname: A\navatar: /etc/passwd\n---\n",
            "line 3: the avatar `/etc/passwd` must be an",
        ),
        (b"---\nname: A\navatar: none.png\n---\n", "line 3: the avatar `none.png` does not exist"),
        (b"---\nname: A\navatar: ../../../x.png\n---\n", "lies outside of the folder"),
    ],
)
async def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    root = tmp_path / "root"
    place = write(root, "good").parent
    (tmp_path / "x.png").write_bytes(b"")
    (place / "bad.md").write_bytes(content)
    [problem] = await problems(root)
    assert problem.startswith(".jupyter/personas/bad.md, ")
    assert told in problem


async def test_of_very_many_files_the_first_are_read(tmp_path: Path) -> None:
    for number in range(60):
        write(tmp_path, f"p{number:02}")
    async with room(tmp_path) as here:
        assert len(here.offered) == 50
        told = await here.one("@p50 hi")
        assert "`.jupyter/personas/p50.md` cannot be used: it is not read" in told.body


async def test_links_that_lead_out_of_the_root_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    outside = write(tmp_path / "outside", "spy")
    place = write(root, "good").parent
    (place / "spy.md").symlink_to(outside)
    (place / "dangling.md").symlink_to(tmp_path / "nowhere.md")
    (root / ".env.md").write_text("---\nname: Secret\n---\n")
    (place / "secret.md").symlink_to(root / ".env.md")
    (place / "loop.md").symlink_to(place / "loop.md")
    (place / "folder.md").mkdir()
    os.mkfifo(place / "pipe.md")
    told = await problems(root)
    assert len(told) == 6, told
    assert sum("a link leads out of the server's root" in one for one in told) == 3
    assert sum("it is no ordinary file" in one for one in told) == 2


async def test_a_folder_that_is_a_link_out_of_the_root_defines_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    write(tmp_path / "outside", "spy")
    (root / ".jupyter").symlink_to(tmp_path / "outside" / ".jupyter")
    async with room(root) as here:
        assert here.offered == []
    (root / "linked").symlink_to(tmp_path / "outside")
    async with room(root, path="linked/notes.chat") as here:
        assert here.offered == []


async def test_a_link_inside_the_root_is_followed(tmp_path: Path) -> None:
    place = write(tmp_path, "writer").parent
    (tmp_path / "shared.md").write_text("---\nname: Shared\n---\nHello.")
    (place / "shared.md").symlink_to(tmp_path / "shared.md")
    async with room(tmp_path) as here:
        assert here.offered == ["Shared", "Writer"]


# -- mistakes are told once, to whom they concern --------------------------------------------------


async def test_a_faulty_file_is_told_of_when_it_is_mentioned(tmp_path: Path) -> None:
    write(tmp_path, "researcher", tols="[workspace]")
    async with room(tmp_path) as here:
        assert (await here.one("@Echo hi")).body == "echo @Echo hi"
        assert here.chat.notices() == []
        told = await here.one("@Researcher hi")
        assert (
            "`.jupyter/personas/researcher.md` cannot be used: line 3: there is no key" in told.body
        )
        assert "did you mean `tools`?" in told.body


async def test_a_file_whose_name_cannot_be_read_is_told_of_once(tmp_path: Path) -> None:
    write(tmp_path, "notes", name="'x").write_text("---\nname: [\n---\n")
    async with room(tmp_path, default_persona="Echo") as here:
        told = await here.one("@Researcher hi")
        assert "line 2: it is no valid YAML" in told.body
        [echo] = await here.ask("@Researcher hi")
        assert echo.body == "echo @Researcher hi"
        # A mention of a person has nothing to do with it.
        here.chat.person("Ben")
        assert await here.ask("@Ben hi") == []
        assert len(here.chat.notices()) == 1


async def test_a_broken_edit_keeps_the_version_before(tmp_path: Path) -> None:
    write(tmp_path, "researcher", body="first version")
    async with room(tmp_path) as here:
        await here.one("@Researcher 1")
        file = here.write("researcher", body="second version", max_hops="many")
        answer, told = sorted(await here.ask("@Researcher 2"), key=lambda m: m.sender)
        assert "first version" in str(here.model.prompts[-1][0].content)
        assert answer.state == "done"
        assert "has a mistake: line 3: `max_hops` must be a whole number" in told.body
        assert "The version before is in use." in told.body
        await here.one("@Researcher 3")  # told once
        here.write("researcher", body="third version")
        await here.one("@Researcher 4")
        assert "third version" in str(here.model.prompts[-1][0].content)
        file.unlink()
        assert await here.ask("@Researcher 5") == []
        assert here.offered == []


# -- reload -------------------------------------------------------------------------------------


async def test_what_is_saved_counts_for_the_next_mention(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        assert await here.ask("@Researcher hi") == []
        here.write("researcher", body="first")
        assert (await here.one("@Researcher hi")).state == "done"
        here.write("researcher", body="other")
        await here.one("@Researcher hi")
        seen = [str(prompt[0].content) for prompt in here.model.prompts]
        assert ["first" in seen[0], "other" in seen[1]] == [True, True]


async def test_a_new_file_is_offered_without_a_message(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    async with room(tmp_path, path="a/notes.chat") as here:
        here.write("researcher", "a")
        await here.chat.until(lambda: here.offered == ["Researcher"])
        here.write("writer", "")
        await here.chat.until(lambda: here.offered == ["Researcher", "Writer"])
        shutil.rmtree(tmp_path / "a/.jupyter")
        await here.chat.until(lambda: here.offered == ["Writer"])
        here.write("editor", "a")
        await here.chat.until(lambda: here.offered == ["Editor", "Writer"])
        here.write("reader", "a")
        await here.chat.until(lambda: here.offered == ["Editor", "Reader", "Writer"])


def _is_remote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "remote_file_system", lambda root: "nfs4")


def _has_no_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*folders: Path, **options: Any) -> Iterator[Any]:
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(watching, "watch", refuse)


def _runs_out_of_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_later(*folders: Path, **options: Any) -> Iterator[Any]:
        yield set()
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(watching, "watch", fail_later)


@pytest.mark.parametrize("cause", [_is_remote, _has_no_watches, _runs_out_of_watches])
async def test_where_nothing_tells_of_changes_files_are_read_now_and_then(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    cause: Callable[[pytest.MonkeyPatch], None],
) -> None:
    cause(monkeypatch)
    monkeypatch.setattr(local_watching, "RETRY_SECONDS", 0.05)
    async with room(tmp_path) as here:
        here.write("researcher")
        await here.chat.until(lambda: here.offered == ["Researcher"])
        here.write("writer")
        await here.chat.until(lambda: here.offered == ["Researcher", "Writer"])
    warnings = [r.getMessage() for r in caplog.records if "cannot be watched" in r.getMessage()]
    assert len(warnings) == 1


async def test_a_turn_that_runs_ends_with_the_definition_it_began_with(tmp_path: Path) -> None:
    write(tmp_path, "researcher", body="old")
    gate = anyio.Event()
    async with room(tmp_path, model_replies=[["slow ", gate, "answer"], "quick"]) as here:
        first = here.chat.say("@Researcher 1")
        await here.chat.until(lambda: [r for r in here.chat.replies(first) if r.body])
        here.write("researcher", body="new")
        second = here.chat.say("@Researcher 2", by="Ben")
        [reply] = await here.chat.replied(second)
        assert reply.body == "quick"
        assert "new" in str(here.model.prompts[1][0].content)
        gate.set()
        [reply] = await here.chat.replied(first)
        assert reply.body == "slow answer"
        assert "old" in str(here.model.prompts[0][0].content)


async def test_a_persona_whose_file_is_deleted_ends_its_turn(tmp_path: Path) -> None:
    file = write(tmp_path, "researcher")
    gate = anyio.Event()
    async with room(tmp_path, model_replies=[["a", gate, "b"], "c"]) as here:
        first = here.chat.say("@Researcher 1")
        await here.chat.until(lambda: [r for r in here.chat.replies(first) if r.body])
        file.unlink()
        persona_id = "jupyter-ai-personas::local::/Researcher"
        assert await here.runtime.persona_id_at("notes.chat", persona_id) == persona_id
        stopped = await here.runtime.cancel("notes.chat", persona_id, by="ada")
        assert stopped == [persona_id]
        [reply] = await here.chat.replied(first)
        assert reply.state == "stopped"
        gate.set()


async def test_stop_finds_a_persona_whose_file_is_gone(tmp_path: Path) -> None:
    file = write(tmp_path, "researcher")
    gate = anyio.Event()
    async with room(tmp_path, model_replies=[["a", gate, "b"]]) as here:
        first = here.chat.say("@Researcher 1")
        await here.chat.until(lambda: [r for r in here.chat.replies(first) if r.body])
        file.unlink()
        assert (await here.one("/stop @researcher")).body == "Stopped your turns: Researcher."
        [reply] = await here.chat.replied(first)
        assert reply.state == "stopped"
        assert "There is no persona `researcher`" in (await here.one("/stop @researcher")).body
        gate.set()


@pytest.mark.parametrize("avatar", ["🔬", "👩🏽‍🔬", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "☕️"])
async def test_an_emoji_is_an_avatar(tmp_path: Path, avatar: str) -> None:
    write(tmp_path, "researcher", avatar=avatar)
    async with room(tmp_path) as here:
        assert here.session.personas.find("Researcher").emoji == avatar
    image = unquote(emoji_image(avatar).partition(",")[2])
    assert ElementTree.fromstring(image)[0].text == avatar


@pytest.mark.parametrize("avatar", ["R", "<b>", "owl", "🔬" * 20, "🔬x"])
async def test_other_text_is_no_avatar(tmp_path: Path, avatar: str) -> None:
    write(tmp_path, "researcher", avatar=f'"{avatar}"')
    assert "must be an emoji or an image" in (await problems(tmp_path))[0]


async def test_an_avatar_that_was_missing_may_come_later(tmp_path: Path) -> None:
    file = write(tmp_path, "researcher", avatar="owl.svg")
    async with room(tmp_path) as here:
        assert "the avatar `owl.svg` does not exist" in (await here.one("/personas")).body
        file.with_name("owl.svg").write_text("<svg/>")
        assert (await here.one("@Researcher hi")).state == "done"
        persona = here.session.personas.find("Researcher")
        assert persona.avatar == file.with_name("owl.svg").resolve()
        assert here.runtime.local is not None
        assert here.runtime.local.find(persona.id) == persona


async def test_refresh_tells_what_has_changed(tmp_path: Path) -> None:
    write(tmp_path, "kept")
    changed = write(tmp_path, "changed")
    removed = write(tmp_path, "removed")
    async with room(tmp_path) as here:
        said = (await here.one("/refresh")).body
        assert said == "Nothing has changed. Local personas here: `@Changed`, `@Kept`, `@Removed`."
        removed.unlink()
        changed.write_text(changed.read_text() + " And kind.")
        here.write("new")
        here.write("faulty", tools="1")
        said = (await here.one("/refresh")).body
        assert "- `.jupyter/personas/changed.md` (`@Changed`): changed" in said
        assert "- `.jupyter/personas/new.md` (`@New`): new" in said
        assert "- `.jupyter/personas/removed.md`: removed" in said
        assert "- `.jupyter/personas/faulty.md`: line 3: `tools` must be a list" in said
        assert "kept" not in said
        assert (await here.one("/refresh")).body.startswith("Nothing has changed.")


async def test_a_chat_that_is_moved_has_the_personas_of_its_new_folder(tmp_path: Path) -> None:
    write(tmp_path, "one", "a")
    write(tmp_path, "two", "b")
    async with room(tmp_path, path="a/notes.chat") as here:
        assert here.offered == ["One"]
        here.chat.path = "b/notes.chat"
        here.runtime.chats_changed()
        await here.chat.until(lambda: here.offered == ["Two"])
        assert await here.ask("@One hi") == []
        assert (await here.one("@Two hi")).state == "done"


async def test_a_slow_disk_delays_nobody_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_personas, "LOOK_SECONDS", 0.05)
    gate, calls = threading.Event(), []

    class Slow(LocalPersonas):
        def serving(self, chat_path: str) -> list[Any]:
            calls.append(chat_path)
            gate.wait(WAIT)
            return super().serving(chat_path)

    async with room(tmp_path, mode="off") as here:
        packages = here.runtime.personas
    personas = ChatPersonas(packages, Slow(tmp_path, reads_only=True), lambda: "notes.chat")
    write(tmp_path, "researcher")
    assert not await personas.look()
    assert not await personas.look()
    assert (list(personas), calls) == (list(packages), ["notes.chat"])
    gate.set()
    while not await personas.look():
        continue
    assert [one.name for one in personas.values()] == ["Echo", "Researcher"]


# -- models, hops, commands ------------------------------------------------------------------------


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


# -- tools ----------------------------------------------------------------------------------------


def toolbox(**settings: Any) -> ToolRegistry:
    def make(name: str, effect: str) -> Any:
        return StructuredTool.from_function(
            lambda: f"{name} ran", name=name, description=name, metadata={"effect": effect}
        )

    def tools() -> list[Any]:
        return [make("look", "read"), make("wipe", "write"), make("start", "run")]

    packages = PackageToolsets(log=LOG, entry_points=[FakeEntryPoint(tools, name="kit")])
    packages.load()
    return ToolRegistry(ToolSettings(**settings), packages)


@pytest.mark.parametrize(
    ("mode", "named", "given"),
    [
        ("text", "[kit]", ["kit__look"]),
        ("text", "['kit.*', kit.wipe]", ["kit__look"]),
        ("text", "['*']", ["kit__look"]),
        ("tools", "[kit]", ["kit__look", "kit__start", "kit__wipe"]),
        ("tools", "[kit.start]", ["kit__start"]),
        ("tools", "[]", []),
    ],
)
async def test_a_file_s_tools_are_those_that_the_operator_lets_it_have(
    tmp_path: Path, mode: str, named: str, given: list[str]
) -> None:
    write(tmp_path, "researcher", tools=named)
    async with room(tmp_path, mode=mode, tools=toolbox()) as here:
        await here.one("@Researcher hi")
        assert sorted(here.model.tools[0]) == given
        listed = (await here.one("/tools @Researcher")).body
        assert ("`wipe`" in listed) == ("kit__wipe" in given)
        withheld = mode == "text"
        assert ("`kit.wipe`" in listed) == withheld
        assert ("local_personas = 'tools'" in listed) == withheld


async def test_names_that_no_tool_has_are_told(tmp_path: Path) -> None:
    write(tmp_path, "researcher", tools="[kit, kitt, kit.looks]")
    async with room(tmp_path, tools=toolbox()) as here:
        listed = (await here.one("/tools @Researcher")).body
        assert "It also names `kitt`, `kit.looks`, which no toolset or tool here is" in listed


async def test_a_model_cannot_call_a_tool_that_the_file_may_not_have(tmp_path: Path) -> None:
    write(tmp_path, "researcher", tools="[kit]")
    replies = [tool_calls(("kit__wipe", {})), "I could not."]
    async with room(tmp_path, tools=toolbox(), model_replies=replies) as here:
        reply = await here.one("@Researcher wipe")
    assert "wipe ran" not in reply.body
    assert reply.body.endswith("I could not.")


async def test_the_operator_s_choice_of_tools_does_not_lift_that_limit(tmp_path: Path) -> None:
    write(tmp_path, "researcher", tools="[]")
    tools = toolbox(persona_tools={"Researcher": ["kit"]})
    async with room(tmp_path, tools=tools) as here:
        await here.one("@Researcher hi")
        assert here.model.tools == [["kit__look"]]


@pytest.mark.parametrize(
    ("policy", "decided"),
    [
        ({}, "ask"),
        ({"Researcher": {"kit.wipe": "allow"}}, "ask"),
        ({"Researcher": {"kit.wipe": "deny"}}, "deny"),
        ({"jupyter-ai-personas::local::/Researcher": {"kit.wipe": "allow"}}, "allow"),
        ({"kit.wipe": "allow"}, "allow"),
        ({"kit.wipe": "allow", "Researcher": {"kit.wipe": "ask"}}, "ask"),
    ],
)
async def test_a_name_brings_no_policy_of_the_operator_s_that_lets_more_happen(
    tmp_path: Path, policy: dict[str, Any], decided: str
) -> None:
    write(tmp_path, "researcher", tools="[kit]")
    tools = toolbox(tool_policy=policy)
    async with make_runtime(
        settings=RuntimeSettings(root_dir=str(tmp_path), local_personas="tools"), tools=tools
    ) as runtime:
        persona = (await runtime.personas_at("")).find("Researcher")
        [wipe] = [t for t in tools.granted(persona, "") if t.name == "kit.wipe"]
        assert tools.policy(wipe, persona) == decided


# -- recovery --------------------------------------------------------------------------------------


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
