"""Which running servers a persona may be asked through, and how one is asked."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from jupyter_ai_personas.errors import TurnError
from jupyter_ai_personas.magics.servers import (
    NotServedError,
    Server,
    ask_server,
    running_servers,
)

USER = os.geteuid()


def write_info(directory: Path, name: str = "1", mode: int = 0o600, **changes: Any) -> Path:
    """Write what a server writes about itself."""
    info = {
        "url": "http://127.0.0.1:8888/base/",
        "hostname": "127.0.0.1",
        "port": 8888,
        "sock": "",
        "token": "the-token",
        "pid": os.getpid(),
        **changes,
    }
    path = directory / f"jpserver-{name}.json"
    path.write_text(json.dumps(info), encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_running_server_of_the_same_user_is_found(tmp_path: Path) -> None:
    write_info(tmp_path)
    expected = Server("http://127.0.0.1:8888/base/", os.getpid(), "the-token")
    assert running_servers(tmp_path, user=USER) == [expected]
    assert "the-token" not in repr(expected)


def test_another_users_file_is_not_read(tmp_path: Path) -> None:
    write_info(tmp_path)
    assert running_servers(tmp_path, user=USER + 1) == []


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_not_read(tmp_path: Path, mode: int) -> None:
    write_info(tmp_path, mode=mode)
    assert running_servers(tmp_path, user=USER) == []


def test_files_of_servers_that_have_ended_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    write_info(tmp_path, "ended", pid=2**22 + 1)
    write_info(tmp_path, "no-token", token="")
    write_info(tmp_path, "socket", sock="/run/jupyter.sock")
    write_info(tmp_path, "bad-port", port="x")
    (tmp_path / "jpserver-2.json").write_text("{", encoding="utf-8")
    (tmp_path / "jpserver-3.json").write_text("[]", encoding="utf-8")
    (tmp_path / "jpserver-4.json").mkdir()
    assert running_servers(tmp_path, user=USER) == []
    assert running_servers(tmp_path / "none", user=USER) == []


def test_the_server_that_started_this_kernel_comes_first_then_the_newest(tmp_path: Path) -> None:
    parent = os.getppid()
    for number, (name, pid) in enumerate([("a", parent), ("b", os.getpid()), ("c", os.getpid())]):
        os.utime(write_info(tmp_path, name, pid=pid, port=8000 + number), (number, number))
    ports = [server.url for server in running_servers(tmp_path, user=USER, parent=parent)]
    assert [url.split(":")[2][:4] for url in ports] == ["8000", "8002", "8001"]


@pytest.mark.parametrize(
    ("hostname", "url", "expected"),
    [
        ("0.0.0.0", "http://somewhere:8888/", "http://127.0.0.1:8888/"),
        ("::1", "http://[::1]:8888/", "http://[::1]:8888/"),
        ("localhost", "https://localhost:8888/", "https://localhost:8888/"),
    ],
)
def test_the_address_is_one_that_can_be_connected_to(
    tmp_path: Path, hostname: str, url: str, expected: str
) -> None:
    write_info(tmp_path, hostname=hostname, url=url)
    (server,) = running_servers(tmp_path, user=USER)
    assert server.url == expected


class Fixed(http.server.BaseHTTPRequestHandler):
    """Gives one answer, and notes what it was asked."""

    answer: tuple[int, bytes]
    asked: list[tuple[str, str | None, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, self.headers["Authorization"], body))
        status, data = self.answer
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def fixed() -> Iterator[tuple[Server, type[Fixed]]]:
    handler = type("Handler", (Fixed,), {"asked": []})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield Server(f"http://127.0.0.1:{served.server_port}/base/", 1, "the-token"), handler
        served.shutdown()
        thread.join()


async def ask(server: Server, persona: str, message: str) -> list[str]:
    """What the person is told: "accepted", then the pieces of the reply."""
    told: list[str] = []
    await ask_server(
        server, persona, message, accepted=lambda: told.append("accepted"), grew=told.append
    )
    return told


async def test_the_message_and_the_token_go_to_the_route(fixed: tuple[Server, type[Fixed]]) -> None:
    server, handler = fixed
    handler.answer = (200, b'{"response": "hello"}')
    assert await ask(server, "Data Analyst/ä", "hi") == ["accepted", "hello"]
    assert handler.asked == [
        (
            "/base/api/ai/message/Data%20Analyst%2F%C3%A4",
            "token the-token",
            b'{"message": "hi"}',
        )
    ]


async def test_a_reply_is_given_on_as_it_grows(fixed: tuple[Server, type[Fixed]]) -> None:
    server, handler = fixed
    lines = ({"text": "hel"}, {"text": "lo"}, {"response": "hello"})
    handler.answer = (200, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    assert await ask(server, "X", "hi") == ["accepted", "hel", "lo"]


@pytest.mark.parametrize(
    ("status", "data", "message"),
    [
        (403, b'{"message": "Forbidden"}', "it refuses the token in its runtime file"),
        (404, b'{"message": "There is no persona `X`."}', "there is no persona `X`"),
        (404, b"<html>", "the server answers with HTTP status 404"),
    ],
)
async def test_a_message_that_reached_no_persona_may_be_answered_elsewhere(
    fixed: tuple[Server, type[Fixed]], status: int, data: bytes, message: str
) -> None:
    server, handler = fixed
    handler.answer = (status, data)
    with pytest.raises(NotServedError) as caught:
        await ask(server, "X", "hi")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("status", "data", "message"),
    [
        (502, b'{"message": "The model failed."}', "The model failed."),
        (500, b"", "the server answers with HTTP status 500"),
        (302, b"", "the server answers with HTTP status 302"),
        (200, b'{"text": "half"}\n{"message": "The model failed."}\n', "The model failed."),
        (200, b'{"other": 1}', "The server's answer cannot be read."),
        (200, b"[1]", "The server's answer cannot be read."),
        (200, b'{"text": "half"}\n', "The connection to the server was lost. Try again."),
    ],
)
async def test_a_persona_that_failed_is_not_asked_again(
    fixed: tuple[Server, type[Fixed]], status: int, data: bytes, message: str
) -> None:
    server, handler = fixed
    handler.answer = (status, data)
    with pytest.raises(TurnError) as caught:
        await ask(server, "X", "hi")
    assert str(caught.value) == message
    assert len(handler.asked) == 1


async def test_a_server_that_cannot_be_reached_is_not_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = Server(f"http://127.0.0.1:{taken.getsockname()[1]}/", 1, "the-token")
        with pytest.raises(NotServedError, match="cannot be reached"):
            await ask(server, "X", "hi")


async def test_a_connection_that_is_lost_is_told_and_a_cancelled_one_is_closed() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    server = Server(f"http://127.0.0.1:{port}/", 1, "the-token")
    closed = anyio.Event()
    came = anyio.Event()

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            request = b""
            while not request.endswith(b"}"):
                request += await stream.receive()
            if b"wait" in request:
                came.set()
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()
                closed.set()

    with anyio.fail_after(10):
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, serve)
            with pytest.raises(TurnError, match="connection to the server was lost"):
                await ask(server, "X", "hi")
            async with anyio.create_task_group() as asking:
                asking.start_soon(ask, server, "X", "please wait")
                await came.wait()
                asking.cancel_scope.cancel()
            await closed.wait()
            group.cancel_scope.cancel()
