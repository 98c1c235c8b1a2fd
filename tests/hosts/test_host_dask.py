"""Personas on a Dask cluster: a real scheduler and workers, which are killed and come back."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import dask
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.bench import WAIT, Bench, RemoteBench, bench_with
from support.dask_cluster import DaskCluster
from support.engines import TESTS, on_dask
from support.polling import until

from jupyter_ai_personas import BasePersona
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import HostUnavailableError
from jupyter_ai_personas.hosts import dask_worker, frames
from jupyter_ai_personas.hosts.dask import DaskEngine, installed_versions
from jupyter_ai_personas.personas.wire import MessageSent, StatusChanged, TurnFinished, TurnLost


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    with DaskCluster(tmp_path, pythonpath=[TESTS]) as made:
        yield made


@asynccontextmanager
async def bench_on(cluster: DaskCluster, *, workers: int = 1) -> AsyncIterator[Bench]:
    async with on_dask(cluster.address) as engine:
        await until_ready(engine, workers)
        async with bench_with(engine.host, RemoteBench) as bench:
            bench.engine = engine  # type: ignore[attr-defined]
            yield bench


async def until_ready(engine: DaskEngine, count: int) -> None:
    await until(lambda: len(engine.workers.ready) == count)


def tell_pid(persona: BasePersona, message: Message) -> None:
    persona.send_message(str(os.getpid()))


async def wait_for_ever(persona: BasePersona, message: Message) -> None:
    persona.set_status("waiting")
    await asyncio.Event().wait()


async def test_a_killed_worker_loses_its_turns_and_the_others_go_on(cluster: DaskCluster) -> None:
    cluster.add_worker()
    async with bench_on(cluster, workers=2) as bench:
        turns = [bench.start(wait_for_ever, chat=chat) for chat in "ab"]
        for turn in turns:
            await bench.until(turn, StatusChanged)
        cluster.workers[0].kill()
        await until(lambda: any(TurnLost in bench.types(turn) for turn in turns))
        lost, stays = sorted(turns, key=lambda turn: TurnLost not in bench.types(turn))
        end = bench.events[lost][-1]
        assert isinstance(end, TurnLost)
        assert "its Dask worker `tcp://127.0.0.1:" in end.reason
        assert not end.blameless
        assert bench.types(stays) == [StatusChanged]
        for chat in "ab":
            [said, _] = await bench.until(bench.start(tell_pid, chat=chat))
            assert int(said.body) == cluster.workers[1].pid
        bench.host.cancel(stays)
        await bench.until(stays)


async def test_a_worker_that_joins_later_is_used(cluster: DaskCluster) -> None:
    async with bench_on(cluster) as bench:
        held = bench.start(wait_for_ever, chat="a")
        await bench.until(held, StatusChanged)
        later = cluster.add_worker()
        await until_ready(bench.engine, 2)  # type: ignore[attr-defined]
        [said, _] = await bench.until(bench.start(tell_pid, chat="b"))
        assert int(said.body) == later.pid
        bench.host.cancel(held)
        await bench.until(held)


async def test_a_scheduler_that_goes_away_ends_its_turns_and_is_connected_again(
    cluster: DaskCluster, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench_on(cluster) as bench:
        engine = bench.engine  # type: ignore[attr-defined]
        held = bench.start(wait_for_ever)
        await bench.until(held, StatusChanged)
        cluster.scheduler.kill()
        end = (await bench.until(held))[-1]
        assert isinstance(end, TurnLost)
        assert "cannot be reached" in end.reason
        assert end.blameless
        await until(lambda: not engine.workers.ready)
        told = f"The Dask scheduler `{cluster.address}` cannot be reached"
        refused = (await bench.until(bench.start(tell_pid)))[-1]
        assert isinstance(refused, TurnLost)
        assert refused.reason.startswith(told)
        assert refused.blameless
        assert told in caplog.text
        cluster.start_scheduler()
        # Workers end with their scheduler; what supervises them starts others.
        again = cluster.add_worker()
        await until_ready(engine, 1)
        [said, _] = await bench.until(bench.start(tell_pid))
        assert int(said.body) == again.pid


async def test_a_scheduler_that_was_never_there_is_named_with_the_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jupyter_ai_personas.hosts.dask.CONNECT_SECONDS", 0.2)
    async with on_dask("tcp://127.0.0.1:1") as engine:
        host = engine.host("Persona", engine.workers.environment)
        with pytest.raises(HostUnavailableError) as told:
            await host.open()
    assert "`tcp://127.0.0.1:1` cannot be reached" in str(told.value)
    assert "Start it, or correct `c.AiExtension.hosts`." in str(told.value)


async def test_a_cluster_without_workers_is_named_with_the_fix(tmp_path: Path) -> None:
    with DaskCluster(tmp_path, workers=0) as cluster:
        async with on_dask(cluster.address) as engine:
            host = engine.host("Persona", engine.workers.environment)
            with pytest.raises(HostUnavailableError, match=f"`dask worker {cluster.address}`"):
                await host.open()


async def test_a_worker_of_another_version_is_refused(
    cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "SCHEMA", "another")
    async with on_dask(cluster.address) as engine:
        host = engine.host("Persona", engine.workers.environment)
        with pytest.raises(HostUnavailableError, match="another version of jupyter_ai_personas"):
            await host.open()


async def test_a_persona_that_a_worker_lacks_is_named_in_its_turn(cluster: DaskCluster) -> None:
    async with bench_on(cluster) as bench:
        turn = bench.start(tell_pid, persona_class="not_on_workers.personas:Lacking")
        failure: Any = (await bench.until(turn))[-1]
        assert "The package `not_on_workers`, or its class `Lacking`, is not" in failure.text


async def test_a_runner_whose_server_is_silent_ends_its_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dask_worker, "LEASE_SECONDS", 0.2)
    runner = dask_worker.Runner()
    assert json.loads(await runner.hello())["schema"] == frames.SCHEMA
    with anyio.fail_after(WAIT):
        await runner._lease
    assert runner._worker is None


async def test_no_argument_of_a_turn_is_in_a_log_or_a_task_name(cluster: DaskCluster) -> None:
    async with bench_on(cluster) as bench:
        turn = bench.start(tell_pid, system_prompt="kept-4711 of the prompt")
        assert [type(e) for e in await bench.until(turn)] == [MessageSent, TurnFinished]
        failing = bench.start(wait_for_ever, system_prompt="kept-4711 of the prompt")
        await bench.until(failing, StatusChanged)
        cluster.workers[0].kill()
        await bench.until(failing)
    assert "kept-4711" not in "".join(cluster.scheduler.log + cluster.workers[0].log)


async def test_the_versions_on_workers_are_told(cluster: DaskCluster) -> None:
    [found] = (await installed_versions(cluster.address, ["distributed", "not-there"])).values()
    assert found["distributed"]
    assert found["not-there"] is None


# -- certificates -----------------------------------------------------------------------------


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}-key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    encryption = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, private, encryption))
    return files


def using(certificate: Path, key: Path) -> Any:
    """Configure this process as an operator configures the server: by Dask's own settings."""
    files = {"ca-file": certificate, "client.cert": certificate, "client.key": key}
    return dask.config.set({f"distributed.comm.tls.{k}": str(f) for k, f in files.items()})


async def test_tls_is_spoken_and_another_certificate_is_refused(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "cluster")
    security = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
    with DaskCluster(
        tmp_path, protocol="tls", security=[*map(str, security)], pythonpath=[TESTS]
    ) as cluster:
        with using(certificate, key):
            async with bench_on(cluster) as bench:
                [said, _] = await bench.until(bench.start(tell_pid))
                assert int(said.body) == cluster.workers[0].pid
        for address, told in [
            (cluster.address, r"`distributed\.comm\.tls`"),
            # Without encryption there is no connection either.
            (cluster.address.replace("tls:", "tcp:"), "cannot be reached"),
        ]:
            with using(*make_certificate(tmp_path, "stranger")):
                async with on_dask(address) as engine:
                    host = engine.host("Persona", engine.workers.environment)
                    with pytest.raises(HostUnavailableError, match=told):
                        await host.open()
