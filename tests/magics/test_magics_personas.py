"""``%%ai @Persona``: in this process, or through the running server."""

from __future__ import annotations

import asyncio
import os
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_core.utils import ensure_event_loop
from support.server import JupyterServer
from support.shells import Kernel, Shell

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

HERE = "Echo answers in this process (no Jupyter server of yours runs here)\n"


def test_a_persona_answers_in_this_process_and_the_cell_says_so(shell: Shell) -> None:
    shell.run("x = 5")
    assert shell.run("%%ai @Echo\nhello {x}") == f"{HERE}hello 5 \n\nThat was it.\n"
    assert shell.run("_") == "Out[3]: 'hello 5 \\n\\nThat was it.'\n"


def test_what_a_persona_said_is_context_for_a_model(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run("%%ai @Echo\nhello")
    shell.run("%%ai -f text\nwhat was that?")
    contents = [message["content"] for message in loopback.requests[-1].json["messages"]]
    assert contents == ["hello", "hello \n\nThat was it.", "what was that?"]


def test_a_persona_uses_the_models_of_the_magics(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="I am the guide."))
    assert shell.run("%%ai @Guide\nwho are you?").endswith("\nI am the guide.\n")
    assert loopback.requests[-1].json["model"] == "small"


def test_who_runs_the_kernel_is_who_asks(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert shell.run("%%ai @Echo\nwho am I?") == f"{HERE}ada\n"

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert shell.run("%%ai @Echo\nwho am I?") == f"{HERE}person\n"


def test_a_persona_that_fails_says_why(shell: Shell) -> None:
    printed = shell.fail("%%ai @Echo\nplease fail")
    assert printed.startswith(HERE)
    assert "Echo" in printed.removeprefix(HERE)
    assert "Traceback" not in printed
    printed = shell.fail("%%ai @Echo\nhalf of it")
    assert printed.startswith(f"{HERE}half of it \n")
    assert printed.count("half of it") == 1


@pytest.fixture(scope="module")
def servers_loopback(environment: Path) -> Iterator[OpenAIServer]:
    """The server that answers for the provider `light` of `server` and of its kernels."""
    with OpenAIServer(key=os.environ["LOOP_KEY"]) as loopback:
        yield loopback


@pytest.fixture(scope="module")
def server(
    environment: Path,
    plugins: Path,
    light: Path,
    servers_loopback: OpenAIServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[JupyterServer]:
    """A Jupyter server for all tests of the module."""
    running = JupyterServer(
        tmp_path_factory.mktemp("server"),
        pythonpath=[plugins, light],
        env={"LOOP_URL": servers_loopback.url},
        config={
            "AiExtension.default_model": "light:large",
            "AiExtension.model_aliases": {"mine": "light:small"},
            "AiExtension.blocked_providers": ["plain"],
        },
    )
    # In a thread: `asyncio.run` drops the event loop of the thread that it is called in.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, running.start()).result()
        yield running
        thread.submit(asyncio.run, running.close()).result()


class ServersKernel(Kernel):
    """A kernel that a Jupyter server has started."""

    def __init__(self, server: JupyterServer, kernel_id: str) -> None:
        self._file = server.runtime_dir / f"kernel-{kernel_id}.json"

    def __enter__(self) -> ServersKernel:
        self.client = BlockingKernelClient(connection_file=str(self._file))
        self.client.load_connection_file()
        self.client.start_channels()
        # It may still be starting; what it says before this client listens is lost.
        while True:
            self.client.kernel_info()
            try:
                self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()


def in_a_thread(call: Callable[..., Any], *args: Any) -> Any:
    """Return the result of ``call``, and close the event loop that a blocking client makes."""
    try:
        return call(*args)
    finally:
        ensure_event_loop().close()


@pytest.mark.server
async def test_in_a_kernel_of_the_server_its_settings_hold_and_an_interrupt_stops_its_persona(
    server: JupyterServer, servers_loopback: OpenAIServer
) -> None:
    loopback = servers_loopback
    status, started = await server.post("/api/kernels", json={"name": "python3"})
    assert status == 201

    def in_the_kernel(kernel: ServersKernel) -> str:
        kernel.run("%load_ext jupyter_ai_personas")
        (shown,) = kernel.run("%%ai\nhi").displayed
        assert shown["metadata"]["jupyter_ai"] == {"provider_id": "light", "model_id": "large"}
        (shown,) = kernel.run("%%ai mine\nhi").displayed
        assert shown["metadata"]["jupyter_ai"] == {"provider_id": "light", "model_id": "small"}
        (error,) = kernel.fail("%%ai plain:one\nhi").of("error")
        assert "not allowed here" in error["evalue"]
        done = kernel.run("%%ai @Echo\nhello")
        assert done.printed == f"Echo answers through the server {server.url}/\n"
        (shown,) = done.displayed
        assert shown["metadata"] == {"jupyter_ai": {"persona": "Echo", "through": "server"}}
        assert shown["data"]["text/markdown"] == "hello \n\nThat was it."
        loopback.answer(Answer(text="one two three", hold_after=2))
        request = kernel.start("%%ai @Guide\nhi")
        messages = kernel.messages(request)
        loopback.wait_for_hold()
        shown = next(m["content"] for m in messages if m["msg_type"] == "display_data")
        assert shown["data"]["text/markdown"].startswith("one")
        loopback.release()
        (final,) = kernel.finish(request).displayed
        assert final["data"]["text/markdown"] == "one two three"
        assert final["metadata"] == {"jupyter_ai": {"persona": "Guide", "through": "server"}}
        return kernel.start("%%ai @Echo\nwait")

    with ServersKernel(server, started["id"]) as kernel:
        request = await anyio.to_thread.run_sync(in_a_thread, in_the_kernel, kernel)
        await server.wait_for_log("Echo waits")
        await server.post(f"/api/kernels/{started['id']}/interrupt")
        await server.wait_for_log("Echo is stopped")
        done = await anyio.to_thread.run_sync(in_a_thread, kernel.finish, request)
    assert done.of("error")[0]["ename"] == "StoppedError"


@pytest.mark.server
async def test_a_persona_answers_through_the_running_server_and_the_cell_says_so(
    shell: Shell, server: JupyterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime_dir))
    printed = shell.run("%%ai @Echo\nhello")
    assert printed == (f"Echo answers through the server {server.url}/\nhello \n\nThat was it.\n")
    assert "Echo" in shell.fail("%%ai @Echo\nplease fail")
    # A persona that the server does not have is looked for here.
    assert "Did you mean `Echo`?" in shell.fail("%%ai @Ekho\nhello")
    # A token that is wrong by now is no reason not to answer.
    (info,) = server.runtime_dir.glob("jpserver-*.json")
    info.write_text(info.read_text("utf-8").replace(server.token, "another"), encoding="utf-8")
    printed = shell.run("%%ai @Echo\nhello")
    assert printed.startswith("Echo answers in this process (")
    assert "it refuses the token in its runtime file)\nhello" in printed
    # The last test of this server.
    await server.terminate()
    assert shell.run("%%ai @Echo\nhello").startswith(HERE)
