"""Finds the user's running Jupyter servers and asks a persona of one of them.

A server writes its address and token to ``jpserver-<pid>.json`` in Jupyter's runtime directory
(``ServerApp.write_server_info_file``), readable by its user only.
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
    """The server did not accept the message and did nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``url`` ends in a slash."""

    url: str
    pid: int
    token: str = field(repr=False)


def running_servers(
    runtime_dir: Path, *, parent: int | None = None, user: int | None = None
) -> list[Server]:
    """Return the user's servers: the one that started this kernel, then the newest first.

    ``parent`` is the process id of the server that started this kernel. ``user`` is a numeric user
    id, on systems that have one. Files of other users, files that others can write, and files of
    ended processes are skipped.
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
        return None  # It listens on a socket file, or requires a password.
    url = urlsplit(info["url"])
    host = "127.0.0.1" if info["hostname"] in _WILDCARDS else url.hostname
    netloc = f"[{host}]" if host and ":" in host else host
    address = url._replace(netloc=f"{netloc}:{int(info['port'])}")
    return Server(f"{address.geturl().rstrip('/')}/", int(info["pid"]), str(info["token"]))


def _runs(pid: int) -> bool:
    if os.name != "posix":
        return True  # On Windows `os.kill` would end the process; connecting shows whether it runs.
    try:
        os.kill(pid, 0)
    except OSError:  # It has ended or belongs to another user.
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
    """Ask by ``POST api/ai/message/<persona>``, and pass the reply to ``grew`` piece by piece.

    ``accepted`` is called first, once the persona is known to answer. Both are called in another
    thread. Cancelling closes the connection. Raises :class:`NotServedError` if the message cannot
    have reached a persona, and :class:`TurnError` if the persona or the connection failed.
    """
    url = urlsplit(server.url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    # No proxy and no redirects: the token must not go elsewhere.
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
        # The server limits the time of a turn.
        connection.sock.settimeout(None)
        try:
            await anyio.to_thread.run_sync(exchange, abandon_on_cancel=True)
        except (OSError, http.client.HTTPException) as error:
            raise TurnError("The connection to the server was lost. Try again.") from error
    finally:
        _hang_up(connection)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    # Shutting down ends a thread that still reads; closing alone does not.
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
                # The whole reply: nothing new if pieces came before.
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
