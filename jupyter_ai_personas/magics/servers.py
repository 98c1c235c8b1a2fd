"""Running Jupyter servers of the same user, and one message to a persona of theirs.

A server writes ``jpserver-<pid>.json`` into Jupyter's runtime directory (jupyter_server's
``ServerApp.write_server_info_file``), with its address and its token, for its own user only.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio.to_thread

from ..errors import TurnError
from ..text import Anew

__all__ = ["NotServedError", "Server", "ask_server", "running_servers"]

_CONNECT_SECONDS = 2.0
_WILDCARDS = ("", "0.0.0.0", "::", "*")


class NotServedError(Exception):
    """This server cannot be asked, and has done nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``url`` ends in a slash."""

    url: str
    pid: int
    token: str = field(repr=False)


def running_servers(
    runtime_dir: Path, *, parent: int | None = None, user: int | None = None
) -> list[Server]:
    """Return the servers that this user runs: the one that started this kernel first, then the
    newest.

    ``parent`` is that one's process id. ``user`` is a numeric user id, on systems that have such:
    files of another user, or that others may write to, are left out, as are those of processes
    that have ended.
    """
    found: list[tuple[bool, float, Server]] = []
    for path in runtime_dir.glob("jpserver-*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            with path.open(encoding="utf-8") as file:
                status = os.fstat(file.fileno())
                if user is not None and not _is_private(status, user):
                    continue
                server = _read(json.load(file))
            if server is not None and _runs(server.pid):
                found.append((server.pid == parent, status.st_mtime, server))
    found.sort(key=lambda entry: entry[:2], reverse=True)
    return [server for *_, server in found]


def _is_private(status: os.stat_result, user: int) -> bool:
    return status.st_uid == user and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(info: Mapping[str, Any]) -> Server | None:
    if info["sock"] or not info["token"]:
        return None  # Only reachable by a socket file, or only with a password.
    url = urlsplit(info["url"])
    host = "127.0.0.1" if info["hostname"] in _WILDCARDS else url.hostname
    netloc = f"[{host}]" if host and ":" in host else host
    address = url._replace(netloc=f"{netloc}:{int(info['port'])}")
    return Server(f"{address.geturl().rstrip('/')}/", int(info["pid"]), str(info["token"]))


def _runs(pid: int) -> bool:
    if os.name != "posix":
        return True  # There, asking whether a process runs would end it; connecting tells.
    try:
        os.kill(pid, 0)
    except OSError:  # It has ended, or is another user's.
        return False
    return True


async def ask_server(
    server: Server,
    persona: str,
    message: str,
    *,
    accepted: Callable[[], None],
    grew: Callable[[str], None],
) -> None:
    """Ask by ``POST api/ai/message/<persona>``, and give ``grew`` the reply piece by piece.

    ``accepted`` is called before, as soon as the persona is known to answer; both are called in
    another thread. Cancelling closes the connection. Raises :class:`NotServedError` when the
    message cannot have reached a persona, and :class:`TurnError` when the persona, or the
    connection, failed.
    """
    url = urlsplit(server.url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    # Straight to the server: no proxy, and no redirect that would carry the token elsewhere.
    connection = kind(url.hostname or "", url.port, timeout=_CONNECT_SECONDS)
    path = f"{url.path}api/ai/message/{quote(persona, safe='')}"
    headers = {
        "Accept": "application/x-ndjson",
        "Authorization": f"token {server.token}",
        "Content-Type": "application/json",
    }
    body = json.dumps({"message": message})

    def exchange() -> None:
        connection.request("POST", path, body, headers)
        with connection.getresponse() as response:
            if response.status != http.client.OK:
                raise _refusal(response.status, response.read())
            accepted()
            _read_reply(response, grew)

    try:
        try:
            await anyio.to_thread.run_sync(connection.connect, abandon_on_cancel=True)
        except OSError as error:
            raise NotServedError(f"it cannot be reached ({error})") from error
        # A persona takes its time; how long at most is the server's business.
        connection.sock.settimeout(None)
        try:
            await anyio.to_thread.run_sync(exchange, abandon_on_cancel=True)
        except (OSError, http.client.HTTPException) as error:
            raise TurnError("The connection to the server was lost. Try again.") from error
    finally:
        _hang_up(connection)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    # A thread that still reads from it ends by that, which closing alone does not do.
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def _read_reply(response: http.client.HTTPResponse, grew: Callable[[str], None]) -> None:
    grown = False
    for line in response:
        try:
            said = json.loads(line)
            if "text" in said:
                text = str(said["text"])
                grew(Anew(text) if said.get("anew") else text)
                grown = True
                continue
            if "response" in said:
                # All of it: nothing new if it has grown before.
                if not grown:
                    grew(str(said["response"]))
                return
            reason = str(said["message"])
        except (ValueError, KeyError, TypeError):
            reason = "The server's answer cannot be read."
        raise TurnError(reason)
    raise http.client.IncompleteRead(b"")


def _refusal(status: int, data: bytes) -> NotServedError | TurnError:
    try:
        message = str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        message = f"the server answers with HTTP status {status}"
    if status in (http.client.FORBIDDEN, http.client.UNAUTHORIZED):
        return NotServedError("it refuses the token in its runtime file")
    if status in (http.client.NOT_FOUND, http.client.METHOD_NOT_ALLOWED):
        return NotServedError(message[:1].lower() + message[1:].rstrip("."))
    return TurnError(message)
