"""The server's side of requests: handlers answer, refuse, fail and end with their turn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.room import LOG, WAIT, Room, persona, room

from jupyter_ai_personas.chat import Attachment, Message
from jupyter_ai_personas.errors import ChatError, RequestRefusedError
from jupyter_ai_personas.hosts import InlineHost
from jupyter_ai_personas.personas.wire import (
    MAX_ANSWER,
    MAX_OPEN_REQUESTS,
    TurnAnswer,
    TurnRequest,
)
from jupyter_ai_personas.runtime.requests import RequestContext, TurnRequests


class Desk:
    """A handler that a test controls: it notes who asks, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[RequestContext, Mapping[str, Any]]] = []
        self.ended: list[str] = []
        self.go_on = anyio.Event()
        self.begun = anyio.Event()

    async def __call__(self, context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        self.asked.append((context, arguments))
        self.begun.set()
        try:
            await self.go_on.wait()
            self.ended.append("answered")
            return {"of": context.persona_name, **arguments}
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise


async def ask(me: Any, message: Message) -> None:
    try:
        me.send_message(repr(await me.turn.request("test.ask", {"n": 1})))
    except RequestRefusedError as error:
        me.send_message(f"refused: {error}")


async def begun(desk: Desk) -> None:
    with anyio.fail_after(WAIT):
        await desk.begun.wait()


async def ended(desk: Desk) -> None:
    with anyio.fail_after(WAIT):
        while not desk.ended:
            await anyio.lowlevel.checkpoint()


async def answer_of(here: Room) -> str:
    return (await here.reply(here.say("@Good hi"))).body


async def test_a_handler_is_told_who_asks_and_its_answer_is_returned(
    hosts: dict[str, Any],
) -> None:
    desk = Desk()
    desk.go_on.set()
    async with room(persona("Good", ask), request_handlers={"test.ask": desk}, **hosts) as here:
        asked = here.say("@Good hi")
        reply = await here.reply(asked)
        assert reply.body == repr({"of": "Good", "n": 1})
        [(context, arguments)] = desk.asked
        assert arguments == {"n": 1}
        assert (context.persona_id, context.person) == (reply.sender, "ada")
        assert context.turn_id == reply.metadata["turn"]
        assert (context.chat_id, context.chat_path) == (here.session.chat.id, "room.chat")
        assert (context.message.id, context.message.body) == (asked, "@Good hi")


async def test_a_kind_that_has_no_handler_is_refused_with_near_names() -> None:
    async def near(me: Any, message: Message) -> None:
        await me.turn.request("attachment.list")

    async with room(persona("Good", near)) as here:
        body = await answer_of(here)
        assert "does not offer `attachment.list`" in body
        assert "Did you mean `attachments.list`?" in body


async def test_an_error_of_ours_refuses_with_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        raise ChatError("The notebook is closed. Open it first.")

    async with room(persona("Good", ask), request_handlers={"test.ask": handler}) as here:
        assert await answer_of(here) == "refused: The notebook is closed. Open it first."
        assert "Traceback" not in caplog.text


@pytest.mark.parametrize("answer", [ValueError("secret sk-1234"), object(), {1: object()}])
async def test_a_handler_that_fails_refuses_with_an_id_that_the_log_has(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with room(persona("Good", ask), request_handlers={"test.ask": handler}) as here:
        body = await answer_of(here)
        assert body.startswith("refused: The server failed at `test.ask`.")
        assert "secret" not in body
        error_id = body.split("error `")[1].split("`")[0]
        assert error_id in caplog.text
        # The chat goes on.
        assert (await here.reply(here.say("@Good again"))).state == "done"


async def test_an_answer_has_a_bound() -> None:
    async def handler(context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        return "x" * MAX_ANSWER

    async with room(persona("Good", ask), request_handlers={"test.ask": handler}) as here:
        assert "Ask for less at once" in await answer_of(here)


async def test_a_stopped_turn_ends_its_handler(hosts: dict[str, Any]) -> None:
    desk = Desk()
    async with room(persona("Good", ask), request_handlers={"test.ask": desk}, **hosts) as here:
        asked = here.say("@Good hi")
        await begun(desk)
        await here.command("/stop")
        assert (await here.reply(asked)).state == "stopped"
        assert desk.ended == ["CancelledError"]


async def test_the_time_limit_of_a_turn_ends_its_handler(hosts: dict[str, Any]) -> None:
    desk = Desk()
    async with room(
        persona("Good", ask), request_handlers={"test.ask": desk}, turn_timeout=0.2, **hosts
    ) as here:
        reply = await here.reply(here.say("@Good hi"))
        assert (reply.state, "did not finish" in reply.body) == ("failed", True)
        assert desk.ended in (["CancelledError"], [])
        assert len(desk.ended) == len(desk.asked)


async def test_an_edit_ends_the_handlers_of_the_attempt_before() -> None:
    desk = Desk()
    async with room(persona("Good", ask), request_handlers={"test.ask": desk}) as here:
        asked = here.say("@Good hi")
        await begun(desk)
        here.stage.edit(asked, "@Good hello")
        await ended(desk)
        with anyio.fail_after(WAIT):
            while len(desk.asked) < 2:
                await anyio.lowlevel.checkpoint()
        desk.go_on.set()
        assert (await here.reply(asked)).state == "done"
        assert desk.ended == ["CancelledError", "answered"]
        assert [context.message.body for context, _ in desk.asked] == ["@Good hi", "@Good hello"]


async def test_a_lost_host_ends_the_handler() -> None:
    desk = Desk()
    made: list[Any] = []

    def make_host(*arguments: Any) -> InlineHost:
        made.append(InlineHost(*arguments))
        return made[-1]

    async with room(
        persona("Good", ask), request_handlers={"test.ask": desk}, make_host=make_host
    ) as here:
        asked = here.say("@Good hi")
        await begun(desk)
        made[0].abandon()
        reply = await here.reply(asked)
        assert (reply.state, "stopped responding" in reply.body) == ("failed", True)
        assert desk.ended == ["CancelledError"]


async def test_a_persona_that_stops_waiting_ends_the_handler(hosts: dict[str, Any]) -> None:
    desk = Desk()

    async def impatient(me: Any, message: Message) -> None:
        with anyio.move_on_after(0.05):
            await me.turn.request("test.ask")
        me.send_message("went on")

    async with room(
        persona("Good", impatient), request_handlers={"test.ask": desk}, **hosts
    ) as here:
        assert await answer_of(here) == "went on"
        assert desk.ended == ["CancelledError"] * len(desk.asked)


async def test_the_server_bounds_open_requests_by_itself() -> None:
    desk, answers = Desk(), []
    context = RequestContext("t", "p", "Good", "c", "c.chat", Message("m", "a", "x"), (), "a")
    async with anyio.create_task_group() as group:
        requests = TurnRequests({"x": desk}, context, answers.append, group, log=LOG)
        for number in range(MAX_OPEN_REQUESTS + 1):
            requests.begin(TurnRequest(number, "x"))
        requests.begin(TurnRequest(0, "x"))  # an id that is open already
        await anyio.lowlevel.checkpoint()
        assert [answer.request_id for answer in answers] == [MAX_OPEN_REQUESTS, 0]
        assert all("open already" in str(answer.error) for answer in answers)
        assert len(desk.asked) == MAX_OPEN_REQUESTS
        requests.withdraw(3)
        requests.withdraw(999)
        await ended(desk)
        desk.go_on.set()
    assert [answer for answer in answers if answer.request_id == 3] == []
    assert TurnAnswer(0, {"of": "Good"}) in answers


# -- attachments ------------------------------------------------------------------------------


async def look(me: Any, message: Message) -> None:
    for attachment in me.attachments():
        me.send_message(f"{attachment.path} {attachment.type} {attachment.cells}")


async def attach(here: Room, *paths: str) -> list[Message]:
    attached = [Attachment(str(n), path) for n, path in enumerate(paths)]
    here.stage.join("ada", "Ada")
    asked = here.stage.post("@Good see", sender="ada", attachments=attached)
    await here.quiet()
    return here.replies(asked)


async def test_attachments_are_listed_by_the_server(tmp_path: Path, hosts: Any) -> None:
    async with room(persona("Good", look), root_dir=str(tmp_path), **hosts) as here:
        replies = await attach(here, "a.txt", "sub/ü b.ipynb")
        assert [r.body for r in replies] == ["a.txt file ()", "sub/ü b.ipynb file ()"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\\..\\x", "", "link/x"])
async def test_attachments_lie_below_the_root(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    async with room(persona("Good", look), root_dir=str(root)) as here:
        [reply] = await attach(here, "fine.txt", path)
        assert reply.state == "failed"
        assert "does not lie below the server's root directory" in reply.body
        assert str(tmp_path) not in reply.body


async def test_attachments_of_a_server_without_files_cannot_be_read() -> None:
    async with room(persona("Good", look), has_files=False) as here:
        [reply] = await attach(here, "a.txt")
        assert "does not keep its contents as files" in reply.body
