"""Turns in other processes behave as turns in threads do, and their failures end well."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.engines import importable_for_workers
from support.room import Room, room, wait_for_processes
from support.worker_personas import Teller, Worker

from jupyter_ai_personas.chat import Insert
from jupyter_ai_personas.hosts.workers import ConnectionLostError
from jupyter_ai_personas.personas.wire import ReplyOpened, TurnFinished
from jupyter_ai_personas.runtime.requests import RequestContext


@pytest.fixture(autouse=True)
def _workers(monkeypatch: pytest.MonkeyPatch) -> None:
    importable_for_workers(monkeypatch)
    wait_for_processes(monkeypatch)


@asynccontextmanager
async def processes(**options: Any) -> AsyncIterator[Room]:
    options = {"hosts": {"*": "processes"}, "host_processes": 1, **options}
    async with room(Worker, Teller, make_host=None, **options) as here:
        yield here


async def test_a_reply_streams_from_a_process_and_is_complete() -> None:
    async with processes() as here:
        reply = await here.reply(here.say("@Worker count 500"))
        assert (reply.body, reply.state) == ("".join(f"{n} " for n in range(500)), "done")


async def test_each_persona_runs_where_the_operator_chose() -> None:
    async with processes(hosts={"*": "processes", "@teller": "threads"}) as here:
        assert (await here.reply(here.say("@Teller where?"))).body == f"process {os.getpid()}"
        held = here.say("@Worker hold")
        reply = await here.streaming(held, "held by process")
        assert str(os.getpid()) not in reply.body
        await here.command("/stop")
        assert (await here.reply(held)).state == "stopped"


async def test_a_persona_runs_in_threads_unless_it_is_named() -> None:
    async with room(Worker, Teller, make_host=None) as here:
        assert (await here.reply(here.say("@Teller where?"))).body == f"process {os.getpid()}"
        assert "worker" not in await here.command("/status")


async def test_errors_have_their_ids_and_their_lines_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with processes() as here:
        failed = await here.reply(here.say("@Worker fail"))
        error_id = failed.metadata["error"]
        assert error_id in failed.body
        assert f"(error {error_id})" in caplog.text
        assert "ValueError: of the persona" in caplog.text
        expected = await here.reply(here.say("@Worker fail_as_a_model"))
        assert "it cannot be reached" in expected.body


async def test_requests_are_answered_as_from_a_thread() -> None:
    async def read(context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        return {"text": f"{arguments['path']} for {context.person}"}

    async with processes(request_handlers={"test.read": read}) as here:
        assert (await here.reply(here.say("@Worker read a.txt"))).body == "a.txt for ada"


async def test_an_object_keeps_its_state_from_turn_to_turn_in_a_chat() -> None:
    async with processes(host_processes=2) as here:
        said = [(await here.reply(here.say(f"@Worker remember {n}"))).body for n in range(3)]
        assert said == ["nothing", "0", "1"]


async def test_status_tells_of_the_workers() -> None:
    async with processes() as here:
        await here.reply(here.say("@Teller hi"))
        await here.quiet()
        assert "1 of 1 worker processes ready, which run 0 turns" in await here.command("/status")


# -- failures ---------------------------------------------------------------------------------


async def worker_of(here: Room, message_id: str) -> int:
    reply = await here.streaming(message_id, "held by process")
    [pid] = re.findall(r"process (\d+)", reply.body)
    return int(pid)


async def test_a_killed_worker_ends_its_turns_with_the_reason_and_is_replaced() -> None:
    async with processes() as here:
        held = here.say("@Worker hold")
        pid = await worker_of(here, held)
        os.kill(pid, signal.SIGKILL)
        reply = await here.reply(held)
        assert reply.state == "failed"
        assert reply.body.startswith("held by process")
        assert f"its worker (process {pid}) was ended by SIGKILL" in reply.body
        after = await here.reply(here.say("@Teller hi"))
        assert after.body != f"process {pid}"


async def test_a_turn_goes_on_elsewhere_if_the_operator_wants_that(tmp_path: Path) -> None:
    async with processes(resume_interrupted=True) as here:
        asked = here.say(f"@Worker hold_once {tmp_path / 'marker'}")
        os.kill(await worker_of(here, asked), signal.SIGKILL)
        [reply] = await here.replied(asked)
        assert (reply.body, reply.state) == ("answered at last", "done")


async def test_a_reply_has_the_id_that_recovery_looks_for_whichever_attempt_begins_it(
    tmp_path: Path,
) -> None:
    async with processes(resume_interrupted=True) as here:
        asked = here.say(f"@Worker die_once {tmp_path / 'marker'}")
        reply = await here.streaming(asked, "held by process")
        [turn] = here.session.turns.values()
        assert turn.host_id == f"{turn.id}.1"
        assert reply.id == f"{turn.id}-1"
        # A browser may bring back what another attempt began.
        left = Insert(
            f"{turn.id}.7-1", reply.sender, "left", {**reply.metadata, "state": "streaming"}
        )
        here.stage.chat.apply([left])
        here.session._router.settle_stray(left.id)
        here.session._router.settle_stray(reply.id)
        assert here.message(left.id).state == "interrupted"
        assert here.message(reply.id).state == "streaming"
        await here.command("/stop")


async def test_a_turn_that_ends_each_worker_is_given_up_and_its_persona_paused() -> None:
    async with processes(resume_interrupted=True, quarantine_failures=3) as here:
        reply = await here.reply(here.say("@Worker die"))
        assert "was ended by SIGKILL" in reply.body
        paused = await here.reply(here.say("@Worker count 1"))
        assert "is paused" in paused.body
        # The other persona, in the same workers, is not.
        assert (await here.reply(here.say("@Teller hi"))).state == "done"


async def test_many_turns_that_one_worker_takes_along_count_once() -> None:
    async with processes(quarantine_failures=2, max_concurrent_turns=8) as here:
        held = [here.say("@Worker hold", by=name) for name in ("Ada", "Bob", "Cid")]
        pids = {await worker_of(here, message) for message in held}
        [pid] = pids
        os.kill(pid, signal.SIGKILL)
        for message in held:
            assert (await here.reply(message)).state == "failed"
        assert (await here.reply(here.say("@Worker count 1"))).state == "done"


async def test_a_persona_that_blocks_its_loop_in_a_process_is_replaced() -> None:
    async with processes(block_warning=0.5, block_timeout=2.0, stop_grace=2.0) as here:
        spinning = await here.reply(here.say("@Worker spin"))
        assert "stopped responding and was restarted" in spinning.body
        assert (await here.reply(here.say("@Worker count 1"))).state == "done"


async def test_late_words_of_a_lost_attempt_are_not_heard(tmp_path: Path) -> None:
    async with processes(resume_interrupted=True) as here:
        asked = here.say(f"@Worker hold_once {tmp_path / 'marker'}")
        pid = await worker_of(here, asked)
        [turn] = here.session.turns.values()
        first = turn.host_id
        worker = psutil.Process(pid)
        worker.suspend()
        [host] = [entry.host for entry in here.runtime.hosts._entries.values()]
        [its] = set(host._turns.values())  # type: ignore[attr-defined]
        # The server takes the worker for lost, as behind a partition; it goes on all the same.
        host.lost(its, ConnectionLostError("it was not heard of."))  # type: ignore[attr-defined]
        its.kill()
        reply = await here.reply(asked)
        late = [ReplyOpened(first, "late", "late"), TurnFinished(first)]
        host.received(late)  # type: ignore[attr-defined]
        await here.quiet()
        assert reply.body == "answered at last"
        assert [m.body for m in here.replies(asked)] == ["answered at last"]
