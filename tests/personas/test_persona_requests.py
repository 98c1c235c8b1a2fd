"""Requests of a turn to the server."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import anyio
import pytest
from support.turns import Desk

from jupyter_ai_personas.chat import Attachment, Message
from jupyter_ai_personas.errors import (
    AttachmentError,
    RequestRefusedError,
    TurnEndedError,
)
from jupyter_ai_personas.personas.wire import (
    MAX_OPEN_REQUESTS,
    MAX_REQUEST,
    RequestWithdrawn,
    TurnAnswer,
    TurnRequest,
    TurnRequested,
    plain_json,
)


async def begin(desk: Desk, waiting: Any) -> tuple[asyncio.Task[Any], TurnRequest]:
    """Begin to wait for a request and return it, with the task that waits."""
    before = len(desk.said)
    task = asyncio.ensure_future(waiting)
    await anyio.lowlevel.checkpoint()
    [event] = desk.said[before:]
    assert isinstance(event, TurnRequested)
    assert event.turn_id == "t"
    return task, event.request


async def test_a_request_is_plain_data_and_its_answer_is_returned(desk: Desk) -> None:
    arguments = {"path": "a.ipynb", "cells": ("x", "y")}
    task, request = await begin(desk, desk.turn.request("notebook.read", arguments))
    assert (request.kind, request.arguments) == (
        "notebook.read",
        {"path": "a.ipynb", "cells": ["x", "y"]},
    )
    desk.turn.answer(TurnAnswer(request.id, {"cells": []}))
    assert await task == {"cells": []}
    assert desk.types == [TurnRequested]


async def test_answers_find_their_requests_in_any_order(desk: Desk) -> None:
    begun = [await begin(desk, desk.turn.request(kind)) for kind in "abc"]
    for _, request in reversed(begun):
        desk.turn.answer(TurnAnswer(request.id, request.kind))
    assert [await task for task, _ in begun] == ["a", "b", "c"]


async def test_a_refusal_is_raised_with_its_text(desk: Desk) -> None:
    task, request = await begin(desk, desk.turn.request("notebook.read"))
    desk.turn.answer(TurnAnswer(request.id, error="Open it first."))
    with pytest.raises(RequestRefusedError, match=r"^Open it first\.$"):
        await task


async def test_a_late_or_second_answer_changes_nothing(desk: Desk) -> None:
    task, request = await begin(desk, desk.turn.request("x"))
    desk.turn.answer(TurnAnswer(request.id, 1))
    desk.turn.answer(TurnAnswer(request.id, 2))
    desk.turn.answer(TurnAnswer(request.id + 7, 3))
    assert await task == 1


async def test_the_end_of_the_turn_ends_its_requests(desk: Desk) -> None:
    task, request = await begin(desk, desk.turn.request("x"))
    desk.turn.end()
    with pytest.raises(TurnEndedError):
        await task
    with pytest.raises(TurnEndedError):
        await desk.turn.request("x")
    desk.turn.answer(TurnAnswer(request.id, "late"))
    assert desk.types == [TurnRequested]


async def test_a_request_that_nobody_waits_for_is_withdrawn(desk: Desk) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await desk.turn.request("x")
    [requested, withdrawn] = desk.said
    assert isinstance(requested, TurnRequested)
    assert withdrawn == RequestWithdrawn("t", requested.request.id)
    desk.turn.answer(TurnAnswer(requested.request.id, "late"))


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, float("nan"), b"x", Attachment("a", "b")], ids=lambda v: type(v)
)
async def test_arguments_are_json(desk: Desk, value: Any) -> None:
    with pytest.raises(TypeError, match="must be JSON"):
        await desk.turn.request("x", {"value": value})
    assert desk.said == []


async def test_arguments_have_a_bound(desk: Desk) -> None:
    with pytest.raises(RequestRefusedError, match="Ask for less"):
        await desk.turn.request("x", {"value": "x" * MAX_REQUEST})
    assert desk.said == []


async def test_so_many_requests_are_open_at_once_and_no_more(desk: Desk) -> None:
    begun = [await begin(desk, desk.turn.request("x")) for _ in range(MAX_OPEN_REQUESTS)]
    with pytest.raises(RequestRefusedError, match="Await some first"):
        await desk.turn.request("x")
    task, request = begun.pop()
    desk.turn.answer(TurnAnswer(request.id))
    await task
    begun.append(await begin(desk, desk.turn.request("x")))
    desk.turn.end()
    await asyncio.gather(*(task for task, _ in begun), return_exceptions=True)


async def test_a_loop_in_a_thread_may_ask(desk: Desk) -> None:
    thread = asyncio.ensure_future(asyncio.to_thread(asyncio.run, desk.turn.request("x")))
    with anyio.fail_after(10):
        while not desk.said:
            await anyio.lowlevel.checkpoint()
    [event] = desk.said
    assert isinstance(event, TurnRequested)
    desk.turn.answer(TurnAnswer(event.request.id, "answered"))
    assert await thread == "answered"


async def test_attachments_are_asked_for_before_the_persona_runs() -> None:
    message = Message("m", "ada", "see", attachments=("a",))
    desk = Desk(message=message)
    task, request = await begin(desk, desk.turn.load_attachments())
    assert request.kind == "attachments.list"
    book = Attachment("a", "book.ipynb", "notebook", cells=("c",))
    desk.turn.answer(TurnAnswer(request.id, plain_json([asdict(book)], most=1000)))
    await task
    assert desk.turn.attachments() == [book]
    assert await desk.turn.attachments() == [book]
    task, request = await begin(desk, desk.turn.load_attachments())
    desk.turn.answer(TurnAnswer(request.id, error="It lies elsewhere."))
    await task
    with pytest.raises(AttachmentError, match=r"It lies elsewhere\."):
        desk.turn.attachments()


async def test_a_message_without_attachments_asks_nobody(desk: Desk) -> None:
    await desk.turn.load_attachments()
    assert desk.turn.attachments() == []
    assert desk.said == []
