"""A server that is killed while it saves: the file is empty by then, or half of it is there."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from jupyter_server.services.contents.fileio import atomic_writing
from server.hostile import install
from support.server import WAIT, JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.chat.cut_off_saves import made_at, undo_cut_off_save
from jupyter_ai_personas.chat.file_format import ChatFile, format_chat, parse_chat

CHAT = ChatFile(messages=[{"id": "q", "body": "hi", "sender": "ada"}], metadata={"id": "the chat"})


def cut_off(file: Path, left: int = 0) -> None:
    """Leave what a kill leaves in the middle of a save."""
    shutil.copy2(file, file.with_name(f".~{file.name}"))
    file.write_bytes(file.read_bytes()[:left])


def test_jupyter_empties_a_file_before_it_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "a.chat"
    file.write_text(format_chat(CHAT))
    with atomic_writing(str(file), text=False):
        assert file.read_text() == ""
        assert undo_cut_off_save(file) == parse_chat(file.read_text()) == CHAT


@pytest.mark.parametrize("left", [0, 20])
def test_a_save_that_was_cut_off_is_undone_and_nobody_takes_it_for_a_change(
    tmp_path: Path, left: int
) -> None:
    file = tmp_path / "a.chat"
    file.write_text(format_chat(CHAT))
    os.utime(file, (1000, 1000))
    cut_off(file, left)
    changed = file.stat().st_mtime_ns
    assert undo_cut_off_save(file) == CHAT
    assert file.stat().st_mtime_ns == changed
    assert parse_chat(file.read_text()) == CHAT
    assert made_at(file) == 1000
    assert undo_cut_off_save(file) is None
    (tmp_path / ".~a.chat").unlink()  # as the next save does
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("there", "copy"), [("{}", format_chat(CHAT)), ("", '{"mess'), ("", "[]")])
def test_what_is_whole_stays_and_no_copy_that_is_no_better_is_taken(
    tmp_path: Path, there: str, copy: str
) -> None:
    file = tmp_path / "a.chat"
    file.write_text(there)
    (tmp_path / ".~a.chat").write_text(copy)
    assert undo_cut_off_save(file) is None
    assert file.read_text() == there


def test_a_file_that_was_never_cut_off_is_let_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.chat"
    file.write_text("")
    assert undo_cut_off_save(file) is None
    assert file.read_text() == ""


def test_a_link_leads_to_the_file_that_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / "a.chat"
    file.write_text(format_chat(CHAT))
    cut_off(file)
    link = tmp_path / "link.chat"
    link.symlink_to(file)
    assert undo_cut_off_save(link) is not None
    assert link.is_symlink()


@pytest.mark.server
@pytest.mark.parametrize("left", [0, 200])
async def test_a_chat_whose_save_was_cut_off_has_everything_and_answers_once(
    tmp_path: Path, left: int
) -> None:
    server = JupyterServer(tmp_path / "server", pythonpath=[install(tmp_path / "packages")])
    async with server, ChatClient(server, "a.chat", "Ada") as ada:
        question = ada.post("@Good are you there?")
        await ada.wait_for_reply(question, "Good")
        await server.wait_until_saved("a.chat", "Good day")
        before = server.saved_chat("a.chat")
        server.kill()
        await ada.wait_disconnected()
        cut_off(server.root_dir / "a.chat", left)
        await server.start()
        await ada.reconnect()
        async with ChatClient(server, "a.chat", "Bob") as bob:
            again = bob.post("@Good and you?")
            await bob.wait_for_reply(again, "Good")
            for person in (ada, bob):
                assert len(person.replies(question, "Good")) == 1
                ids = [m["id"] for m in person.messages()]
                assert len(ids) == len(set(ids))
                assert {m["id"] for m in before["messages"]} < set(ids)
        await server.wait_until_saved("a.chat", again)
        after = server.saved_chat("a.chat")
        assert after["metadata"]["id"] == before["metadata"]["id"]
        assert not list(server.root_dir.glob("*.invalid"))


async def until_finished(server: JupyterServer, question: str) -> None:
    """Wait until the ledger has the whole reply: a turn that is killed before is interrupted."""
    ledger = server.data_dir / "jupyter_ai_personas" / "ledger.sqlite"
    with anyio.fail_after(WAIT), closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as db:
        query = "SELECT count(*) FROM turns WHERE message_id = ? AND state = ?"
        while True:
            if db.execute(query, (question.encode(), b"finished")).fetchone() == (1,):
                return
            await anyio.sleep(0.02)


@pytest.mark.server
@pytest.mark.parametrize("again", [False, True])
async def test_a_chat_whose_first_save_was_cut_off_loses_nothing_of_what_was_accepted(
    tmp_path: Path, again: bool
) -> None:
    server = JupyterServer(
        tmp_path / "server",
        # The first save must not be over when the server is killed: what is saved is not kept.
        config={"YDocExtension.document_save_delay": 3600},
        pythonpath=[install(tmp_path / "packages")],
    )
    async with server:
        server.create_chat("a.chat")
        first = (server.root_dir / "a.chat").read_bytes()
        when = (server.root_dir / "a.chat").stat()
        async with ChatClient(server, "a.chat", "Ada") as ada:
            question = ada.post("@Good are you there?")
            await ada.wait_for_reply(question, "Good")
            await until_finished(server, question)
            server.kill()
            await ada.wait_disconnected()
        # As it was before anybody opened it, without the id that the chat had then.
        (server.root_dir / "a.chat").write_bytes(first)
        os.utime(server.root_dir / "a.chat", ns=(when.st_atime_ns, when.st_mtime_ns))
        cut_off(server.root_dir / "a.chat")
        await server.start()
        if again:
            # Killed before it saves.
            async with ChatClient(server, "a.chat", "Cleo"):
                server.kill()
            await server.start()
        async with ChatClient(server, "a.chat", "Bob") as bob:
            reply = await bob.wait_for_reply(question, "Good")
            assert "Good day" in reply["body"]
            assert question in [m["id"] for m in bob.messages()]
