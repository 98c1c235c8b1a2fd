"""A short game of the kill test, and proof that its judge sees what it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaos.personas import persona_id
from chaos.play import play
from chaos.tally import Request, judge
from chaos.tools import play_tools

ASKED = Request("q", ("Quick",), "the server had accepted")


def message(id_: str, sender: str = "ada", **about: Any) -> dict[str, Any]:
    metadata = {"jupyter_ai_personas": about} if about else None
    return {"id": id_, "sender": sender, "body": "text", "metadata": metadata}


def reply(id_: str, state: str = "done", turn: str = "t") -> dict[str, Any]:
    return message(id_, persona_id("Quick"), reply_to="q", state=state, turn=turn)


def test_one_reply_is_right() -> None:
    verdict = judge([ASKED], [message("q"), reply("r")])
    assert (verdict.requests, verdict.replies, verdict.faults) == (1, 1, [])


@pytest.mark.parametrize(
    ("messages", "writers", "column"),
    [
        ([message("q"), reply("r"), reply("s")], (), "doubled"),
        ([message("q"), message("q"), reply("r")], (), "doubled"),
        ([message("q"), reply("r"), reply("s", "stopped", turn="u")], (), "doubled"),
        ([reply("r")], (), "lost"),
        ([message("q")], (), "stuck"),
        ([message("q"), reply("r", "streaming")], (), "stuck"),
        ([message("q"), reply("r")], ("Quick",), "stuck"),
        ([message("q"), reply("r"), message("p", persona_id("Relay"), state="done")], (), "stuck"),
    ],
)
def test_the_judge_sees_each_fault(
    messages: list[dict[str, Any]], writers: tuple[str, ...], column: str
) -> None:
    verdict = judge([ASKED], messages, writers)
    assert getattr(verdict, column) != []


def test_a_reason_after_a_reply_of_one_turn_is_no_double() -> None:
    assert judge([ASKED], [message("q"), reply("r"), reply("s", "stopped")]).faults == []


def test_what_nobody_held_may_be_lost() -> None:
    assert judge([Request("q", ("Quick",))], []).faults == []


@pytest.mark.slow
@pytest.mark.server
async def test_three_kills_lose_double_and_stop_nothing(tmp_path: Path) -> None:
    tally = await play(3, seed=7, directory=tmp_path)
    assert tally.faults == []
    assert tally.rounds == 3


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("hosts", ["processes", "dask"])
async def test_three_kills_of_what_personas_run_in_lose_double_and_stop_nothing(
    tmp_path: Path, hosts: str
) -> None:
    tally = await play(3, seed=11, directory=tmp_path, hosts=hosts)
    assert tally.faults == []
    assert tally.rounds == 3


@pytest.mark.server
async def test_three_kills_repeat_no_call_and_lose_no_approval(tmp_path: Path) -> None:
    tally = await play_tools(3, seed=3, directory=tmp_path)
    assert tally.faults == []
    assert tally.lines
    assert tally.approvals
