"""One suite over all hosts: a turn asks the server, and each end of a request reaches both sides.

What a turn finds out it says in messages: nothing here needs the host to be in this process.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.bench import WAIT, Bench

from jupyter_ai_personas import BasePersona
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import RequestRefusedError, TurnEndedError
from jupyter_ai_personas.personas.wire import (
    MessageSent,
    RequestWithdrawn,
    TurnAnswer,
    TurnFailed,
    TurnFinished,
    TurnLost,
    TurnRequest,
    TurnRequested,
)


async def ask(persona: BasePersona, message: Message) -> None:
    """Ask once and say the answer."""
    answer = await persona.turn.request("test.ask", {"deep": [{"x": 1.5, "é": None}]})
    persona.send_message(repr(answer))


async def ask_three(persona: BasePersona, message: Message) -> None:
    """Ask three times at once and say the answers, in the order of the questions."""
    answers = await asyncio.gather(*(persona.turn.request("test.ask", {"n": n}) for n in range(3)))
    persona.send_message(repr(answers))


async def ask_until_told(persona: BasePersona, message: Message) -> None:
    """Ask, and stop waiting for that as soon as a second request is answered."""
    first = asyncio.ensure_future(persona.turn.request("test.first"))
    await persona.turn.request("test.second")
    first.cancel()
    await asyncio.wait([first])
    persona.send_message("withdrawn")


async def ask_and_leave(persona: Any, message: Message) -> None:
    """Leave a task behind that waits for an answer."""
    persona.left = asyncio.ensure_future(persona.turn.request("test.ask"))
    await asyncio.sleep(0)


async def say_how_that_ended(persona: Any, message: Message) -> None:
    await asyncio.wait([persona.left])
    persona.send_message(type(persona.left.exception()).__name__)


def said(bench: Bench, turn: str) -> list[str]:
    return [event.body for event in bench.events[turn] if isinstance(event, MessageSent)]


async def test_a_request_goes_up_and_its_answer_comes_down(bench: Bench) -> None:
    turn = bench.start(ask)
    [request] = await bench.asked(turn)
    assert request == TurnRequest(request.id, "test.ask", {"deep": [{"x": 1.5, "é": None}]})
    bench.answer(turn, request, {"cells": [1, None, "ü"]})
    await bench.until(turn)
    assert bench.types(turn) == [TurnRequested, MessageSent, TurnFinished]
    assert said(bench, turn) == [repr({"cells": [1, None, "ü"]})]


async def test_several_requests_of_a_turn_are_open_at_once(bench: Bench) -> None:
    turn = bench.start(ask_three)
    requests = await bench.asked(turn, 3)
    for request in reversed(requests):
        bench.answer(turn, request, request.arguments["n"])
    await bench.until(turn)
    assert said(bench, turn) == ["[0, 1, 2]"]


async def test_each_turn_gets_its_own_answers(bench: Bench) -> None:
    one, two = bench.start(ask), bench.start(ask)
    [first], [second] = await bench.asked(one), await bench.asked(two)
    # Both have the same id: it is unique within a turn only.
    assert first.id == second.id
    bench.answer(two, second, "two")
    bench.answer(one, first, "one")
    await bench.until(one)
    await bench.until(two)
    assert (said(bench, one), said(bench, two)) == (["'one'"], ["'two'"])


async def test_a_refusal_fails_the_turn_with_its_text(bench: Bench) -> None:
    turn = bench.start(ask)
    [request] = await bench.asked(turn)
    bench.answer(turn, request, error="The notebook is gone. Open another.")
    failure = (await bench.until(turn))[-1]
    assert isinstance(failure, TurnFailed)
    assert (failure.kind, failure.expected) == (RequestRefusedError.__name__, True)
    assert failure.text == "The notebook is gone. Open another."


async def test_answers_that_nobody_waits_for_change_nothing(bench: Bench) -> None:
    turn = bench.start(ask)
    [request] = await bench.asked(turn)
    bench.host.answer("never seen", TurnAnswer(request.id, "x"))
    bench.host.answer(turn, TurnAnswer(request.id + 1, "x"))
    bench.answer(turn, request, "right")
    bench.answer(turn, request, "again")
    await bench.until(turn)
    bench.answer(turn, request, "late")
    assert said(bench, turn) == ["'right'"]
    assert (await bench.until(bench.start(lambda p, m: p.send_message("on"))))[-1:] != []


async def test_a_turn_that_stops_waiting_says_so(bench: Bench) -> None:
    turn = bench.start(ask_until_told)
    asked = {request.kind: request for request in await bench.asked(turn, 2)}
    first, second = asked["test.first"], asked["test.second"]
    bench.answer(turn, second)
    events = await bench.until(turn)
    assert RequestWithdrawn(turn, first.id) in events
    assert said(bench, turn) == ["withdrawn"]


async def test_a_cancelled_turn_waits_no_longer(bench: Bench) -> None:
    turn = bench.start(ask)
    [request] = await bench.asked(turn)
    bench.host.cancel(turn)
    await bench.until(turn)
    bench.answer(turn, request, "late")
    # The end of a turn ends its requests: nothing is withdrawn one by one.
    assert bench.types(turn) == [TurnRequested, TurnFinished]


async def test_the_end_of_a_turn_ends_what_a_task_of_it_asked(bench: Bench) -> None:
    turn = bench.start(ask_and_leave)
    await bench.until(turn)
    assert bench.types(turn) == [TurnRequested, TurnFinished]
    after = bench.start(say_how_that_ended)
    await bench.until(after)
    assert said(bench, after) == [TurnEndedError.__name__]


async def test_an_abandoned_host_loses_a_turn_that_waits(bench: Bench) -> None:
    turn = bench.start(ask)
    [request] = await bench.asked(turn)
    bench.host.abandon()
    assert isinstance((await bench.until(turn))[-1], TurnLost)
    bench.answer(turn, request, "late")
    assert said(bench, turn) == []


async def test_closing_ends_a_turn_that_waits(bench: Bench) -> None:
    turn = bench.start(ask)
    await bench.asked(turn)
    async with asyncio.timeout(WAIT):
        await bench.host.close()
    assert isinstance((await bench.until(turn))[-1], TurnFinished)


@pytest.mark.parametrize("size", [1, 1_000_000])
async def test_an_answer_of_any_size_arrives_whole(bench: Bench, size: int) -> None:
    async def act(persona: BasePersona, message: Message) -> None:
        answer = await persona.turn.request("test.ask", {"text": "x" * size})
        persona.send_message(str(len(answer)))

    turn = bench.start(act)
    [request] = await bench.asked(turn)
    bench.answer(turn, request, request.arguments["text"])
    await bench.until(turn)
    assert said(bench, turn) == [str(size)]
