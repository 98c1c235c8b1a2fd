"""Files of personas that change while chats are open."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import anyio
import pytest
from local_rooms import WAIT, problems, room, write

from jupyter_ai_personas.context import stamps, watching
from jupyter_ai_personas.context.mounts import MOUNTS
from jupyter_ai_personas.personas import ChatPersonas, LocalPersonas
from jupyter_ai_personas.personas.local import chat_personas, emoji_image
from jupyter_ai_personas.personas.local import watching as local_watching


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests write counts as old, so that stamps may hold."""
    monkeypatch.setattr(stamps, "SETTLED_SECONDS", -60.0)


@pytest.mark.parametrize("seconds", [2.0, -60.0])
async def test_what_is_saved_counts_for_the_next_mention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(stamps, "SETTLED_SECONDS", seconds)
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
    monkeypatch.setattr(local_watching, "remote_file_system", lambda root: "nfs4")


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


@pytest.mark.usefixtures("settled")
@pytest.mark.skipif(not MOUNTS.exists(), reason="local file systems are known on Linux only")
async def test_files_that_have_not_changed_are_not_read_again(tmp_path: Path) -> None:
    reads: list[str] = []

    class Counted(LocalPersonas):
        def serving(self, chat_path: str) -> list[Any]:
            reads.append(chat_path)
            return super().serving(chat_path)

    async with room(tmp_path, mode="off") as here:
        packages = here.runtime.personas
    path = "a/notes.chat"
    personas = ChatPersonas(packages, Counted(tmp_path, reads_only=True), lambda: path)
    assert await personas.look()
    assert (await personas.look(), reads) == (False, ["a/notes.chat"])
    write(tmp_path, "faulty", "a", tools="1")
    assert (await personas.look(), len(personas.problems)) == (False, 1)
    assert (await personas.look(), len(reads)) == (False, 3)  # the fault may have been mended
    write(tmp_path, "faulty", "a")
    assert await personas.look()
    assert (await personas.look(), len(reads)) == (False, 4)
    shutil.rmtree(tmp_path / "a")
    assert await personas.look()
    path = "b/notes.chat"
    assert (await personas.look(), reads[-1]) == (False, path)


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
        here.runtime.chats_moved()
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
