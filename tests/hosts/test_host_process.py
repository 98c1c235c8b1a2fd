"""What a process of its own is for: a persona that takes the process down costs only its turns."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import psutil
import pytest
from support.bench import LOG, WAIT, Bench, RemoteBench, bench_with
from support.engines import TESTS, importable_for_workers, process_bench, processes
from support.polling import until

from jupyter_ai_personas import BasePersona
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import HostUnavailableError
from jupyter_ai_personas.hosts import HostConfig, HostEnvironment, frames
from jupyter_ai_personas.hosts.frames import check_hello, hello, unpack_reports
from jupyter_ai_personas.personas.wire import MessageSent, StatusChanged, TurnFinished, TurnLost
from jupyter_ai_personas.providers import ModelRegistry, ProviderSettings
from jupyter_ai_personas.providers.sharing import public_environment


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    importable_for_workers(monkeypatch)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with process_bench() as made:
        yield made


def tell_pid(persona: BasePersona, message: Message) -> None:
    persona.send_message(str(os.getpid()))


async def wait_for_ever(persona: BasePersona, message: Message) -> None:
    persona.set_status("waiting")
    await asyncio.Event().wait()


async def pid_of(bench: Bench, **more: Any) -> int:
    [said, _] = await bench.until(bench.start(tell_pid, **more))
    return int(said.body)


# -- the end of a worker ----------------------------------------------------------------------


def exit_at_once(persona: BasePersona, message: Message) -> None:
    os._exit(7)


def crash(persona: BasePersona, message: Message) -> None:
    ctypes.string_at(0)


def be_killed(persona: BasePersona, message: Message) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def exit_beside_a_child(persona: BasePersona, message: Message) -> None:
    # A fork holds what its parent has open, the socket to the server included.
    if os.fork() == 0:
        time.sleep(WAIT)
    os._exit(7)


@pytest.mark.parametrize(
    ("act", "how"),
    [
        (exit_at_once, "ended with exit code 7"),
        (crash, "was ended by SIGSEGV"),
        (be_killed, "was ended by SIGKILL"),
        (exit_beside_a_child, "ended with exit code 7"),
    ],
)
async def test_a_worker_that_ends_loses_its_turns_with_the_reason_and_is_replaced(
    bench: Bench, act: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = await pid_of(bench)
    other = bench.start(wait_for_ever, chat="other")
    await bench.until(other, StatusChanged)
    turn = bench.start(act)
    for lost in (turn, other):
        end = (await bench.until(lost))[-1]
        assert isinstance(end, TurnLost)
        assert (end.begun, end.blameless) == (True, False)
        assert end.reason == f"its worker (process {before}) {how}."
    assert await pid_of(bench) != before
    assert f"process {before}" in caplog.text


async def test_turns_that_come_while_a_worker_is_replaced_wait_for_it(bench: Bench) -> None:
    lost = bench.start(be_killed)
    await bench.until(lost)
    waiting, given_up = bench.start(tell_pid), bench.start(tell_pid)
    bench.host.cancel(given_up)
    assert bench.types(waiting) == []
    assert [type(e) for e in await bench.until(given_up)] == [TurnFinished]
    assert [type(e) for e in await bench.until(waiting)] == [MessageSent, TurnFinished]


async def test_the_end_of_one_worker_leaves_the_turns_of_the_others() -> None:
    async with processes(2) as engine:
        await until(lambda: len(engine.workers.ready) == 2)
        async with bench_with(engine.host, RemoteBench) as bench:
            stays = bench.start(wait_for_ever, chat="stays")
            await bench.until(stays, StatusChanged)
            lost = bench.start(be_killed, chat="goes")
            assert isinstance((await bench.until(lost))[-1], TurnLost)
            # An object stays where it was made; other chats go where there is room.
            again = await pid_of(bench, chat="stays")
            assert await pid_of(bench, chat="stays") == again
            assert bench.types(stays) == [StatusChanged]
            bench.host.cancel(stays)
            await bench.until(stays)


async def test_chats_are_spread_over_the_workers() -> None:
    async with processes(2) as engine:
        await until(lambda: len(engine.workers.ready) == 2)
        async with bench_with(engine.host, RemoteBench) as bench:
            held = [bench.start(wait_for_ever, chat=str(n)) for n in range(4)]
            for turn in held:
                await bench.until(turn, StatusChanged)
            assert [worker.turns for worker in engine.workers.ready] == [2, 2]
            for turn in held:
                bench.host.cancel(turn)
                await bench.until(turn)
            assert [worker.turns for worker in engine.workers.ready] == [0, 0]


# -- one that hangs ---------------------------------------------------------------------------


def spin(persona: BasePersona, message: Message) -> None:
    persona.set_status("spinning")
    while True:
        pass


async def until_stuck(bench: Bench) -> str:
    with anyio.fail_after(WAIT):
        while True:
            health = bench.host.health(0.0)
            if health.stuck_seconds:
                return health.location
            await anyio.lowlevel.checkpoint()


async def test_a_persona_that_spins_is_named_with_its_line_and_can_be_given_up(
    bench: Bench,
) -> None:
    pid = await pid_of(bench)
    turn = bench.start(spin)
    await bench.until(turn, StatusChanged)
    assert "(spin)" in await until_stuck(bench)
    bench.host.abandon()
    assert isinstance((await bench.until(turn))[-1], TurnLost)
    assert psutil.pid_exists(pid), "the worker and its other personas stay"


async def test_a_worker_that_does_not_respond_at_all_is_ended(bench: Bench) -> None:
    pid = await pid_of(bench)
    turn = bench.start(wait_for_ever)
    await bench.until(turn, StatusChanged)
    os.kill(pid, signal.SIGSTOP)
    assert await until_stuck(bench) == f"worker process {pid}, which does not respond"
    bench.host.abandon()
    assert isinstance((await bench.until(turn))[-1], TurnLost)
    await until(lambda: not psutil.pid_exists(pid))


# -- the end of the server --------------------------------------------------------------------

SERVER = """
    import asyncio, logging, os
    from jupyter_ai_personas.hosts import HostConfig, HostEnvironment
    from jupyter_ai_personas.hosts.process import ProcessEngine

    async def main():
        log = logging.getLogger()
        engine = ProcessEngine(HostEnvironment(HostConfig(models=False), log=log), log=log, count=2)
        engine.start()
        while len(engine.workers.ready) < 2:
            await asyncio.sleep(0.01)
        print(*(worker.name.split()[1] for worker in engine.workers.ready), flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_server_however_it_ends(how: signal.Signals) -> None:
    script = [sys.executable, "-c", dedent(SERVER)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in server.stdout.readline().split()]
        assert len(workers) == 2
        server.send_signal(how)
    _, alive = psutil.wait_procs(workers, timeout=WAIT)
    assert alive == []


async def test_an_engine_that_ends_leaves_no_process() -> None:
    async with processes(2) as engine:
        await engine.workers.until_known()
        children = psutil.Process().children()
        workers = [c for c in children if "worker_process" in " ".join(c.cmdline())]
        assert workers
    assert not any(worker.is_running() for worker in workers)


# -- versions and what crosses ----------------------------------------------------------------


def test_a_worker_of_the_same_version_is_accepted() -> None:
    check_hello(hello(), worker="w")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"schema": "other", "version": "9.9"},
            "w has another version of jupyter_ai_personas (9.9",
        ),
        ({"python": "2.7"}, "w runs Python 2.7 and the server Python 3"),
        (None, "w is no worker of jupyter_ai_personas. Run `pip install"),
    ],
)
def test_a_worker_of_another_version_is_refused_with_what_to_install(
    changed: dict[str, str] | None, told: str
) -> None:
    said = b"HTTP/1.1 400" if changed is None else json.dumps({**json.loads(hello()), **changed})
    with pytest.raises(HostUnavailableError) as refused:
        check_hello(said, worker="w")  # type: ignore[arg-type]
    assert told in str(refused.value)


async def test_an_upgraded_worker_is_refused_and_its_turns_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The package was upgraded below a server that runs: it still has the modules of before.
    monkeypatch.setattr(frames, "SCHEMA", "before")
    async with processes() as engine:
        host = engine.host("Persona", engine.workers.environment)
        with pytest.raises(HostUnavailableError, match="another version of jupyter_ai_personas"):
            await host.open()


class _Foreign:
    def __reduce__(self) -> Any:
        return print, ("made",)


def test_a_report_makes_no_object_of_foreign_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"must not contain `builtins\.print`"):
        unpack_reports(pickle.dumps([_Foreign()]))
    with pytest.raises(pickle.UnpicklingError, match="no reports"):
        unpack_reports(pickle.dumps(["text"]))
    assert capsys.readouterr().out == ""


# -- secrets ----------------------------------------------------------------------------------


def test_the_environment_of_a_worker_has_no_secrets_but_those_that_are_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = ModelRegistry(ProviderSettings(credentials={"ODD_NAME": "x"}), log=LOG)
    models.load()
    for name in ("OPENAI_API_KEY", "JUPYTER_TOKEN", "MY_PASSWORD", "ODD_NAME", "MINE_TOKEN"):
        monkeypatch.setenv(name, f"secret of {name}")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    found = public_environment(models, ["MINE_TOKEN"])
    assert {name for name, value in found.items() if value.startswith("secret of")} == {
        "MINE_TOKEN"
    }
    assert found["OPENAI_BASE_URL"] == "http://localhost:1/v1"


def test_a_worker_gets_the_secrets_of_the_providers_that_its_personas_use_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-anthropic")
    secrets = tmp_path / "secrets.env"
    secrets.write_text("GROQ_API_KEY=sk-of-groq\nGATEWAY_KEY=sk-of-gateway\n")
    secrets.chmod(0o600)
    gateway = {
        "base_url": "http://gateway/v1",
        "key_variable": "GATEWAY_KEY",
        "parameters": {"api_key": "sk-of-parameters"},
    }
    settings = ProviderSettings(
        secrets_file=secrets,
        endpoints={"gateway": _endpoint(gateway)},
        model_parameters={
            "openai": {"api_key": "sk-of-openai-parameters"},
            "Anthropic:claude": {"api_key": "sk-of-anthropic-parameters"},
        },
        credentials={"MISTRAL_API_KEY": "sk-of-mistral"},
    )
    models = ModelRegistry(settings, log=LOG)
    models.load()
    environment = HostEnvironment(HostConfig(settings), log=LOG, models=models)
    for provider_ids, expected in [
        ([], set()),
        (["openai"], {"sk-of-openai", "sk-of-openai-parameters"}),
        (["anthropic"], {"sk-of-anthropic", "sk-of-anthropic-parameters"}),
        (["groq", "mistral"], {"sk-of-groq", "sk-of-mistral"}),
        (["gateway"], {"sk-of-gateway", "sk-of-parameters"}),
    ]:
        sent = repr(_plain(environment.shared_config(provider_ids)))
        assert {f"sk-of-{part}" for part in _words_after(sent, "sk-of-")} == expected


def _endpoint(config: dict[str, Any]) -> Any:
    from jupyter_ai_personas.providers.settings import Endpoint

    return Endpoint.from_config("gateway", config)


def _plain(config: HostConfig) -> Any:
    from dataclasses import asdict

    return asdict(config)


def _words_after(text: str, start: str) -> set[str]:
    return {part.split("'")[0] for part in text.split(start)[1:]}


def print_environment(persona: BasePersona, message: Message) -> None:
    own = psutil.Process()
    persona.send_message(json.dumps([own.cmdline(), dict(os.environ), own.environ()]))


async def test_no_secret_is_in_the_environment_or_the_arguments_of_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    async with process_bench() as bench:
        [said, _] = await bench.until(bench.start(print_environment))
    assert "sk-of-openai" not in said.body
    assert str(TESTS) in said.body, "what is no secret is there"


# -- the log ----------------------------------------------------------------------------------


def write_to_the_log(persona: BasePersona, message: Message) -> None:
    import logging

    persona.log.warning("own %s", "password=hunter2hunter2")
    logging.getLogger("a_library").error("of a library")
    print("on standard output")


async def test_what_is_logged_in_a_worker_is_in_the_log_of_the_server(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.until(bench.start(write_to_the_log))
    lines = {record.name: record.getMessage() for record in caplog.records}
    assert lines == {
        f"{LOG.name}.Persona": "own password=[secret]",
        "a_library": "of a library",
    }


async def test_a_worker_that_is_given_up_while_it_starts_leaves_no_socket(
    recwarn: pytest.WarningsRecorder,
) -> None:
    for steps in range(6):
        async with processes() as engine:
            # The engine ends while a worker is begun, a step later each time.
            for _ in range(steps):
                await asyncio.sleep(0)
            assert engine.workers.ready == []
    gc.collect()
    assert [str(one.message) for one in recwarn if one.category is ResourceWarning] == []
