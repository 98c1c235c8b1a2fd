"""User stories on a real server, told by people with real WebSocket clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
import pytest_asyncio
from support.server import JupyterServer
from support.yclient import ChatClient

from stories.packages import broken, crew

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]

PREFIX = "jupyter-ai-personas::"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    directory = tmp_path_factory.mktemp("stories")
    packages = [crew(directory / "packages"), broken(directory / "broken")]
    config = {"AiExtension.max_hops": 3, "AiExtension.max_queued_turns": 2}
    async with JupyterServer(directory / "server", config=config, pythonpath=packages) as running:
        yield running


@asynccontextmanager
async def people(server: JupyterServer, *names: str) -> AsyncIterator[list[ChatClient]]:
    """Open one new chat for several people, who all have said hello."""
    path = f"{uuid4()}.chat"
    async with anyio.create_task_group() as group:
        clients = [ChatClient(server, path, user=name) for name in names]
        for client in clients:
            await client.__aenter__()
        try:
            yield clients
        finally:
            for client in reversed(clients):
                await client.__aexit__(None, None, None)
            group.cancel_scope.cancel()


def gate(server: JupyterServer) -> Path:
    return server.root_dir / f"gate-{uuid4()}"


async def wait_for_line(client: ChatClient, to: str, text: str) -> str:
    """Return a line of the system that answers ``to`` and holds ``text``."""
    found = await client.wait_for(
        lambda me: [m["body"] for m in me.replies(to) if text in m["body"]]
    )
    return str(found[0])


async def test_what_is_typed_the_moment_a_chat_opens_is_answered(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        asked = ada.post("@data-analyst please")
        reply = await bob.wait_for_reply(asked, "Data Analyst")
        assert reply["body"] == "analysed for Ada"
        ours = reply["metadata"]["jupyter_ai_personas"]
        assert (ours["reply_to"], ours["state"]) == (asked, "done")
        assert reply["sender"] == f"{PREFIX}crew::DataAnalyst"


async def test_personas_are_offered_as_users_with_a_mention_name(server: JupyterServer) -> None:
    async with people(server, "Ada") as [ada]:
        await ada.wait_for(lambda me: f"{PREFIX}crew::DataAnalyst" in me.users())
        user = ada.users()[f"{PREFIX}crew::DataAnalyst"]
        assert (user["mention_name"], user["bot"]) == ("Data-Analyst", False)


async def test_several_personas_in_one_message_answer_side_by_side(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        held = gate(server)
        asked = ada.post(f"@Gated and @Data-Analyst, look at {held.name}")
        await bob.wait_for_reply(asked, "Data Analyst")
        assert (await bob.wait_for_reply(asked, "Gated", "streaming"))["body"].startswith("began")
        held.touch()
        assert (await bob.wait_for_reply(asked, "Gated"))["body"].endswith(", ended")


async def test_ones_own_questions_wait_in_line_and_anothers_does_not(
    server: JupyterServer,
) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        first, second, others = gate(server), gate(server), gate(server)
        one = ada.post(f"@Gated {first.name}")
        two = ada.post(f"@Gated {second.name}")
        await bob.wait_for_reply(one, "Gated", "streaming")
        three = bob.post(f"@Gated {others.name}")
        await ada.wait_for_reply(three, "Gated", "streaming")
        assert not ada.replies(two)
        first.touch()
        await bob.wait_for_reply(one, "Gated")
        await bob.wait_for_reply(two, "Gated", "streaming")
        second.touch()
        others.touch()
        await bob.wait_for_reply(two, "Gated")
        await bob.wait_for_reply(three, "Gated")
        await bob.wait_for(lambda me: not me.writers())


async def test_everybody_sees_what_a_persona_does_until_it_is_done(server: JupyterServer) -> None:
    def shown(client: ChatClient) -> list[tuple[str, str]]:
        return [(w["user"]["name"], w["typingIndicator"]) for w in client.writers()]

    async with people(server, "Ada", "Bob") as [ada, bob]:
        held = gate(server)
        asked = ada.post(f"@Gated {held.name}")
        for person in (ada, bob):
            await person.wait_for(lambda me: shown(me) == [("Gated", "is thinking")])
        await bob.wait_for_reply(asked, "Gated", "streaming")
        held.touch()
        await bob.wait_for_reply(asked, "Gated")
        for person in (ada, bob):
            await person.wait_for(lambda me: not shown(me))


async def test_too_many_questions_in_line_are_rejected_with_a_reason(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        held = gate(server)
        first = ada.post(f"@Gated {held.name}")
        await bob.wait_for_reply(first, "Gated", "streaming")
        asked = [ada.post(f"@Gated {held.name}") for _ in range(3)]
        rejected = await bob.wait_for_reply(asked[-1], "Gated", "rejected")
        assert "Send this again when" in rejected["body"]
        held.touch()
        for message in asked[:-1]:
            await bob.wait_for_reply(message, "Gated")


async def test_stop_ends_ones_own_turns_and_stop_all_everybodys(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        held = gate(server)
        mine, yours = ada.post(f"@Gated {held.name}"), bob.post(f"@Gated {held.name}")
        await bob.wait_for_reply(mine, "Gated", "streaming")
        await ada.wait_for_reply(yours, "Gated", "streaming")
        ada.post("/stop @Gated")
        stopped = await bob.wait_for_reply(mine, "Gated", "stopped")
        assert stopped["body"] == f"began {held.name}\n\n*Stopped by Ada.*"
        assert ada.replies(yours, state="streaming")
        line = await wait_for_line(bob, ada.post("/stop all"), "everybody")
        assert "Gated" in line
        await ada.wait_for_reply(yours, "Gated", "stopped")
        await bob.wait_for(lambda me: not me.writers())


async def test_rest_stops_the_turns_of_an_open_chat(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        asked = ada.post(f"@Gated {gate(server).name}")
        await bob.wait_for_reply(asked, "Gated", "streaming")
        status, answer = await server.post(f"/api/ai/personas/cancel?chat_path={ada.path}", json={})
        assert (status, answer) == (
            200,
            {"status": "cancelled", "cancelled": [f"{PREFIX}crew::Gated"]},
        )
        await bob.wait_for_reply(asked, "Gated", "stopped")


async def test_deleting_the_question_stops_its_answer(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        asked = ada.post(f"@Gated {gate(server).name}")
        await bob.wait_for_reply(asked, "Gated", "streaming")
        ada.delete(asked)
        stopped = await bob.wait_for_reply(asked, "Gated", "stopped")
        assert "by deleting the message" in stopped["body"]


async def test_editing_a_question_restarts_its_answer(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        held, other = gate(server), gate(server)
        asked = ada.post(f"@Gated {held.name}")
        begun = await bob.wait_for_reply(asked, "Gated", "streaming")
        ada.edit(asked, f"@Gated and @Data-Analyst {other.name}")
        await bob.wait_for_reply(asked, "Data Analyst")
        other.touch()
        reply = await bob.wait_for_reply(asked, "Gated")
        assert (reply["id"], reply["body"]) == (begun["id"], f"began {other.name}, ended")


async def test_retry_replaces_the_reply_that_failed(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        asked = ada.post("@Failing please")
        failed = await bob.wait_for_reply(asked, "Failing", "failed")
        assert "`RuntimeError`" in failed["body"]
        assert "secret" not in str(bob.messages())
        assert "somebody" not in str(bob.messages())
        (server.root_dir / "mended").touch()
        bob.post("/retry @Failing")
        reply = await ada.wait_for_reply(asked, "Failing", "done")
        assert (reply["id"], reply["body"]) == (failed["id"], "mended")


async def test_personas_that_mention_each_other_are_bounded(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        asked = ada.post("@Ping start")
        await bob.wait_for(lambda me: any("passed this on 3 times" in b for b in me.bodies()))
        said = [m["sender"] for m in bob.messages() if m["body"].endswith("your turn")]
        ping, pong = f"{PREFIX}crew::Ping", f"{PREFIX}crew::Pong"
        assert said == [ping, pong, ping, pong]
        assert len(bob.replies(asked)) == 1


async def test_a_persona_that_blocks_delays_nobody_and_can_be_stopped(
    server: JupyterServer,
) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        blocked = ada.post("@Blocker go")
        await bob.wait_for_reply(blocked, "Blocker", "done")  # its first message: now it blocks
        asked = bob.post("@Data-Analyst please")
        await ada.wait_for_reply(asked, "Data Analyst")
        assert (await server.get("/api/status"))[0] == 200
        assert "Blocker" in await wait_for_line(bob, bob.post("/status"), "Blocker")
        ada.post("/stop @Blocker")
        await bob.wait_for_reply(blocked, "Blocker", "stopped")
        await server.wait_for_log("Persona Blocker has blocked its event loop")
        (server.root_dir / "unblock").touch()


async def test_a_message_that_mentions_nobody_is_answered_only_when_one_is_alone(
    server: JupyterServer,
) -> None:
    async with people(server, "Ada") as [ada]:
        alone = ada.post("hello")
        await ada.wait_for_reply(alone, "Guide")
        async with ChatClient(server, ada.path, user="Bob") as bob:
            among = bob.post("hello Ada")
            asked = bob.post("@Data-Analyst please")
            await ada.wait_for_reply(asked, "Data Analyst")
            assert not ada.replies(among)


async def test_commands_answer_and_address_nobody(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        helped = await wait_for_line(bob, ada.post("/help"), "/retry")
        assert "/analyse" in helped
        assert "Data Analyst" in await wait_for_line(bob, ada.post("/personas"), "Gated")
        assert "workspace:search" in await wait_for_line(bob, ada.post("/models"), "default")
        asked = ada.post("/analyse this")
        await bob.wait_for_reply(asked, "Data Analyst")
        unknown = ada.post("/unknown @Data-Analyst")
        await bob.wait_for_reply(unknown, "Data Analyst")
        assert {m["sender"] for m in bob.messages()} >= {f"{PREFIX}system"}


async def test_a_model_is_chosen_for_a_chat_and_checked_before(server: JupyterServer) -> None:
    async with people(server, "Ada", "Bob") as [ada, bob]:
        asked = ada.post("@Modelless hello")
        failed = await bob.wait_for_reply(asked, "Modelless", "failed")
        assert "There is no model provider `nowhere`" in failed["body"]
        await wait_for_line(bob, ada.post("/model @Modelless keyles:repeat"), "`keyless`")
        await wait_for_line(bob, ada.post("/model @Modelless keyless:repeat"), "from now on")
        asked = ada.post("@Modelless hello")
        await bob.wait_for_reply(asked, "Modelless", "done")


async def test_broken_entry_points_hurt_nobody_and_are_listed(server: JupyterServer) -> None:
    status, answer = await server.get("/api/ai/personas")
    assert status == 200
    listed = {entry["name"]: entry for entry in answer["personas"]}
    for name in ("at-import", "at-exit", "no-class", "at-creation"):
        assert listed[name]["status"] == "broken", name
        assert listed[name]["source"] == "broken_crew"
    assert "a_module_that_is_not_there" in listed["at-import"]["problem"]
    line = await server.wait_for_log("Persona at-import")
    assert server.lines("Persona at-import") == [line]
    async with people(server, "Ada", "Bob") as [ada, bob]:
        asked = ada.post("@Unmade hello")
        failed = await bob.wait_for_reply(asked, "Unmade", "failed")
        assert "token" not in failed["body"]
        await wait_for_line(bob, ada.post("@at-import hello"), "cannot be used")
        await wait_for_line(bob, ada.post("@Gatd hello"), "`@Gated`")


async def test_a_file_that_is_no_chat_is_kept(server: JupyterServer) -> None:
    path = f"{uuid4()}.chat"
    (server.root_dir / path).write_text("{ this is not JSON")
    async with ChatClient(server, path, user="Ada") as ada:
        await ada.wait_for(lambda me: any("not JSON" in body for body in me.bodies()))
    assert (server.root_dir / f"{path}.invalid").read_text() == "{ this is not JSON"


async def test_one_message_is_answered_by_rest_without_a_chat(server: JupyterServer) -> None:
    before = set(server.root_dir.glob("*.chat"))
    ask = "/api/ai/message/Data%20Analyst"
    status, answer = await server.post(ask, json={"message": "now"})
    assert (status, answer) == (200, {"response": "analysed for " + answer["response"][13:]})
    status, answer = await server.post("/api/ai/message/Analyst", json={"message": "now"})
    assert status == 404
    assert "Data-Analyst" in answer["message"]
    status, answer = await server.post(ask, json={"message": 5})
    assert status == 400
    assert "message" in answer["message"]
    assert set(server.root_dir.glob("*.chat")) == before
