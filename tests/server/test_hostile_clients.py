"""Clients that write what no front end would: nobody else's turn is touched by it."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest
from pycrdt import Map
from support.server import JupyterServer
from support.yclient import METADATA_KEY, ChatClient

pytestmark = pytest.mark.server

GOOD = "jupyter-ai-personas::hostile_personas::Good"
NONSENSE: list[Any] = [
    {},
    {"id": 5, "sender": "eve", "body": "@Good hi"},
    {"sender": "eve", "body": "@Good without an id"},
    {"id": "no-body", "sender": "eve"},
    {"id": "x1", "sender": ["eve"], "body": "@Good hi"},
    {"id": "x2", "sender": "eve", "body": {"text": "@Good hi"}},
    {"id": "x3", "sender": "eve", "body": "hi", "mentions": {"a": 1}, "time": "noon"},
    {"id": "x4", "sender": "eve", "body": "hi", "mentions": ["nobody"], "attachments": [5, "a"]},
    {"id": "x5", "sender": "eve", "body": "hi", "metadata": "none", "deleted": "yes"},
]


def answers(client: ChatClient, asked: str) -> list[dict[str, Any]]:
    """What Good answered, in a document that may hold anything."""
    found = [m for m in client.messages() if isinstance(m, dict) and m.get("sender") == GOOD]
    about = [((m.get("metadata") or {}).get("jupyter_ai_personas") or {}, m) for m in found]
    return [m for a, m in about if a.get("reply_to") == asked and a.get("state") == "done"]


async def still_answers(client: ChatClient) -> None:
    asked = client.post("@Good are you there?")
    await client.wait_for(lambda me: answers(me, asked))


async def no_exception_of_ours(server: JupyterServer, since: int) -> None:
    ours = ("could not be read", "could not be handled", "have left chat", "have stopped")
    assert not [line for line in server.log[since:] if any(word in line for word in ours)]


async def test_nonsense_is_ignored(hostile_server: JupyterServer) -> None:
    since = len(hostile_server.log)
    async with ChatClient(hostile_server, "nonsense.chat", "Eve") as eve:
        with eve.doc.transaction():
            for message in NONSENSE:
                eve._messages.append(Map(message))
            eve._messages.append("no message at all")
        await eve.flush()
        twice = eve.post("@Good once", id="twice")
        eve.post("@Good and again", id="twice")
        await eve.wait_for(lambda me: answers(me, twice))
        await still_answers(eve)
        assert len(answers(eve, twice)) == 1
    await no_exception_of_ours(hostile_server, since)


async def test_forged_replies_alter_no_turn(hostile_server: JupyterServer) -> None:
    async with (
        ChatClient(hostile_server, "forged.chat", "Ada") as ada,
        ChatClient(hostile_server, "forged.chat", "Eve") as eve,
    ):
        asked = ada.post("@Slow go")
        reply = await ada.wait_for_reply(asked, "Slow", "streaming")
        about = {**reply["metadata"]["jupyter_ai_personas"], "state": "done"}
        eve.post("forged", sender=GOOD, metadata={"jupyter_ai_personas": about})
        stray = {**about, "state": "streaming", "turn": "of nobody"}
        left = eve.post("forged", sender=GOOD, metadata={"jupyter_ai_personas": stray})
        eve.post("@Good said a persona", sender=GOOD)
        await eve.flush()
        await ada.wait_for(
            lambda me: "interrupted" in str((me.message(left) or {}).get("metadata"))
        )
        now = ada.message(reply["id"])
        assert now is not None
        assert now["metadata"]["jupyter_ai_personas"]["state"] == "streaming"
        ada.post("/stop")
        await ada.wait_for_reply(asked, "Slow", "stopped")
        await still_answers(ada)


async def test_users_and_messages_that_vanish_stop_nobody(hostile_server: JupyterServer) -> None:
    since = len(hostile_server.log)
    async with (
        ChatClient(hostile_server, "vanish.chat", "Ada") as ada,
        ChatClient(hostile_server, "vanish.chat", "Eve") as eve,
    ):
        asked = ada.post("@Slow go")
        await ada.wait_for_reply(asked, "Slow", "streaming")
        await eve.flush()
        with eve.doc.transaction():
            eve._users.clear()
            eve._messages.clear()
        await eve.flush()
        await still_answers(eve)
    await no_exception_of_ours(hostile_server, since)


def entries(client: ChatClient, message_id: str) -> list[int]:
    """The places of a message, the last first."""
    found = [i for i, m in enumerate(client.messages()) if m.get("id") == message_id]
    return found[::-1]


def move(client: ChatClient, message_id: str, to: int) -> None:
    """Take a message out and put a copy of it elsewhere, in one update."""
    with client.doc.transaction():
        for place in entries(client, message_id):
            raw = client._messages[place].to_py()
            del client._messages[place]
            client._messages.insert(to, Map(raw))


def spoil(client: ChatClient, message_id: str, **fields: Any) -> None:
    """Set fields of a message, whoever wrote it."""
    for place in entries(client, message_id):
        for key, value in fields.items():
            client._messages[place][key] = value


async def test_messages_that_move_while_their_turns_run_are_answered_once(
    hostile_server: JupyterServer,
) -> None:
    since = len(hostile_server.log)
    async with (
        ChatClient(hostile_server, "moved.chat", "Ada") as ada,
        ChatClient(hostile_server, "moved.chat", "Eve") as eve,
    ):
        before = [ada.post(f"something before {number}") for number in range(5)]
        asked = ada.post("@Slow go")
        reply = await ada.wait_for_reply(asked, "Slow", "streaming")
        await eve.wait_for(lambda me: me.message(reply["id"]) and me.message(asked))
        for moved in (asked, reply["id"], before[0], reply["id"], asked):
            move(eve, moved, 0)
            await eve.flush()
        for gone in before[1:3]:
            with eve.doc.transaction():
                for place in entries(eve, gone):
                    del eve._messages[place]
        await eve.flush()
        length = len((ada.message(reply["id"]) or reply)["body"])
        await ada.wait_for(lambda me: len((me.message(reply["id"]) or reply)["body"]) > length)
        ada.post("/stop")
        stopped = await ada.wait_for_reply(asked, "Slow", "stopped")
        assert stopped["body"].startswith("word 0 word 1 ")
        assert len(ada.replies(asked)) == 1
        assert len(entries(ada, asked)) == 1
        await still_answers(eve)
    await no_exception_of_ours(hostile_server, since)


async def test_what_two_clients_deliver_is_one_message_and_answered_once(
    hostile_server: JupyterServer,
) -> None:
    async with (
        ChatClient(hostile_server, "twice.chat", "Ada") as ada,
        ChatClient(hostile_server, "twice.chat", "Bob") as bob,
    ):
        for number in range(10):
            raw = {"id": f"twice-{number}", "sender": "ada", "time": time.time() - 60}
            # Neither has heard of the other's when it writes.
            for client in (ada, bob):
                client.post(f"@Good {number}", **raw)
            await ada.wait_for_reply(raw["id"], "Good")
        for client in (ada, bob):
            await client.flush()
            await client.wait_for(lambda me: len(me.messages()) == 20)
            for number in range(10):
                assert len(client.replies(f"twice-{number}", "Good")) == 1
                assert len(entries(client, f"twice-{number}")) == 1


async def test_a_reply_that_is_written_over_while_it_grows_ends_as_it_should(
    hostile_server: JupyterServer,
) -> None:
    since = len(hostile_server.log)
    async with (
        ChatClient(hostile_server, "spoilt.chat", "Ada") as ada,
        ChatClient(hostile_server, "spoilt.chat", "Eve") as eve,
    ):
        asked = ada.post("@Slow go")
        reply = await ada.wait_for_reply(asked, "Slow", "streaming")
        await eve.wait_for(lambda me: me.message(reply["id"]))
        about = reply["metadata"][METADATA_KEY]
        for spoilt in (
            {"metadata": {METADATA_KEY: {**about, "state": "done"}}},
            {"metadata": {METADATA_KEY: {**about, "turn": "of somebody", "reply_to": "x"}}},
            {"body": "", "mentions": {"a": 1}, "time": "noon"},
            {"attachments": 7, "deleted": "perhaps"},
            {"sender": "eve", "body": "@Good not I"},
            {"sender": reply["sender"], "body": "@Good forged"},
        ):
            spoil(eve, reply["id"], **spoilt)
            await eve.flush()
        ada.post("/stop")
        stopped = await ada.wait_for_reply(asked, "Slow", "stopped")
        assert "forged" not in stopped["body"]
        assert len(ada.replies(asked)) == 1
        await still_answers(ada)
        assert not [m for m in ada.messages() if m["sender"] == GOOD and "Good" not in m["body"]]
    await no_exception_of_ours(hostile_server, since)


async def test_garbage_beside_the_messages_stops_nobody(hostile_server: JupyterServer) -> None:
    since = len(hostile_server.log)
    async with (
        ChatClient(hostile_server, "garbage.chat", "Ada") as ada,
        ChatClient(hostile_server, "garbage.chat", "Eve") as eve,
    ):
        await still_answers(ada)
        asked = ada.post("@Slow go")
        await ada.wait_for_reply(asked, "Slow", "streaming")
        with eve.doc.transaction():
            for username in list(eve.users()):
                eve._users[username] = {"name": "<b>x</b>" * 1000, "bot": "no", "mention_name": 5}
            eve._users["nobody"] = {"name": None, "display_name": True}
            eve._metadata[METADATA_KEY] = "garbage"
            eve._metadata["other"] = {"a": [None]}
            eve._state["path"] = 7
        for user in (
            {"user": {"username": "x" * 1_000_000}},
            {"user": {"username": ["eve"], "name": 5}},
            {"user": "eve"},
            {"user": None, "writers": "all", "isWriting": {"a": 1}},
        ):
            eve.awareness.set_local_state({**user, "autosave": True})
        await eve.flush()
        await still_answers(ada)
        ada.post("/stop")
        await ada.wait_for_reply(asked, None, "stopped")
        for command in ("/personas", "/status", "/help"):
            said = ada.post(command)
            await ada.wait_for_reply(said, state=None)
        await still_answers(ada)
    await no_exception_of_ours(hostile_server, since)


def newest(client: ChatClient) -> list[dict[str, Any]]:
    """The last messages of a chat in which reading all would take longer than what is tested."""
    length = len(client._messages)
    return [client._messages[place].to_py() for place in range(max(0, length - 200), length)]


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_thousands_of_messages_at_once_are_bounded_and_told(
    hostile_server: JupyterServer, count: int
) -> None:
    since, began = len(hostile_server.log), time.monotonic()
    async with ChatClient(hostile_server, f"flood-{count}.chat", "Eve") as eve:
        # The library re-stamps what comes once it has saved a chat, and not before.
        await hostile_server.wait_until_saved(f"flood-{count}.chat", "Good")
        await eve.wait_for(lambda me: me.dirty is False)
        with eve.doc.transaction():
            for number in range(count):
                eve.post(f"@Good {number}")
        asked = eve.post("@Good are you there?", sender="ada", raw_time=False)
        # Whoever asks something else meanwhile is answered.
        assert (await hostile_server.get("/api/status"))[0] == 200
        await eve.wait_for(
            lambda me: (
                any("in a minute" in m["body"] for m in newest(me))
                and any(METADATA_KEY in str(m) and asked in str(m) for m in newest(me))
            )
        )
        await eve.flush()
        minutes = (time.monotonic() - began) // 60 + 1
        said = eve.messages()
        assert len([m for m in said if m["sender"] == "eve"]) == count
        assert not [m for m in said if m.get("raw_time")]
        assert len([m for m in said if m["sender"] == GOOD]) <= 60 * minutes + 1
    await no_exception_of_ours(hostile_server, since)


@pytest.mark.parametrize("shape", ["each id again", "one id for all"])
async def test_ids_that_are_in_use_already_hold_nobody_up(
    hostile_server: JupyterServer, shape: str
) -> None:
    raw = {"sender": "eve", "type": "msg", "time": 1.0, "raw_time": False}
    async with (
        ChatClient(hostile_server, f"{shape}.chat", "Ada") as ada,
        ChatClient(hostile_server, f"{shape}.chat", "Eve") as eve,
    ):
        # Nobody is asked by default where there are two.
        ada.post("hello", raw_time=False)
        await ada.flush()
        raws = [{**raw, "id": f"m{n}", "body": "x"} for n in range(600)]
        if shape == "one id for all":
            raws = [
                {**each, "id": "same", "body": str(n), "time": float(n)}
                for n, each in enumerate(raws)
            ]
        for _ in range(2):
            with eve.doc.transaction():
                eve._messages.extend([Map(each) for each in raws])
            await eve.flush()
        worst = 0.0
        with anyio.fail_after(60):
            # What is made one by then was looked at: the server is asked until it is.
            # Of what has one id, the first was written twice.
            expected = 601 if shape == "each id again" else 1200
            while len(eve._messages) != expected:
                began = time.monotonic()
                assert (await hostile_server.get("/api/status"))[0] == 200
                worst = max(worst, time.monotonic() - began)
        # It was ten seconds when the chat was converted for each of them.
        assert worst < 5
        await still_answers(ada)


async def test_a_body_of_ten_megabytes_is_answered(hostile_server: JupyterServer) -> None:
    async with ChatClient(hostile_server, "long.chat", "Eve") as eve:
        asked = eve.post("@Good " + "x" * 10_000_000)
        await eve.wait_for_reply(asked, "Good", timeout=180)
        await still_answers(eve)


async def test_clocks_hours_off_lose_nothing(hostile_server: JupyterServer) -> None:
    async with ChatClient(hostile_server, "clock.chat", "Eve") as eve:
        await still_answers(eve)
        await eve.disconnect()
        with eve.doc.transaction():
            asked = [
                eve.post("@Good one", time=time.time() - 9000),
                eve.post("@Good two", time=time.time() + 9000),
                eve.post("@Good three", time=0.0),
            ]
        await eve.reconnect()
        for question in asked:
            await eve.wait_for_reply(question, "Good")
        assert all(eve.message(question) for question in asked)
