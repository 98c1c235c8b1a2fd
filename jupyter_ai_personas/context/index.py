"""`WorkspaceIndex`: the search index for servers and the command line."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from jupyter_ai_personas.context.index_folder import IndexFolder, IndexStatus
from jupyter_ai_personas.context.settings import IndexSettings
from jupyter_ai_personas.errors import SearchUnavailableError
from jupyter_ai_personas.redaction import for_people, redact

__all__ = ["MAX_HITS", "Hit", "WorkspaceIndex"]

MAX_HITS = 50
"""Maximum hits of one query."""

_ANSWER_S = 10.0
_STOP_S = 2.0
_LAST_WORDS = 2_000  # characters of the process's last output
_RESTART_S = (1.0, 60.0)  # after the first crash, and at most


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a query found.

    ``path`` is relative to the root, ``line`` counts from 1, in the cell if there is one;
    ``cell`` is a notebook cell's id. ``text`` is without secrets, and ``score`` compares the hits
    of one query.
    """

    path: str
    line: int
    cell: str | None
    heading: str
    text: str
    score: float


class WorkspaceIndex:
    """The search index of the files below ``root``, stored below ``data_dir``.

    A separate process builds and reads it while `run` runs.
    """

    def __init__(
        self, root: Path, data_dir: Path, settings: IndexSettings, *, log: logging.Logger
    ) -> None:
        self._folder = IndexFolder(root, data_dir)
        self._settings = settings
        self._log = log
        self._data_dir = data_dir
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._asked: dict[int, Future[dict[str, Any]]] = {}
        self._count = 0
        self._problem = ""

    async def run(self) -> None:
        """Keep the index up to date until cancelled; restart the process when it ends."""
        pause, longest = _RESTART_S
        # This thread reads all the time; it must not use up the limit for worker threads.
        limiter = anyio.CapacityLimiter(1)
        while True:
            begin = anyio.current_time()
            why = ""
            try:
                why = await anyio.to_thread.run_sync(
                    self._serve, limiter=limiter, abandon_on_cancel=True
                )
            except Exception as error:  # no process, or an invalid line from it
                why = f"{type(error).__name__}: {error}"
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self._end)
            if anyio.current_time() > begin + longest:
                pause = _RESTART_S[0]
            self._log.warning("The index process ended and starts again in %g s. %s", pause, why)
            await anyio.sleep(pause)
            pause = min(2 * pause, longest)

    def search(self, query: str, limit: int = 10) -> list[Hit]:
        """Return the best passages for a query. Blocking: call it in a worker thread.

        Raises:
            SearchUnavailableError: the index cannot be queried; the message says why.
        """
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            process = self._process
            if process is None:
                raise SearchUnavailableError(self._problem or "it is starting")
            self._count += 1
            number = self._count
            self._asked[number] = future
            asked = {"id": number, "query": query, "limit": min(limit, MAX_HITS)}
            try:
                _write(process, asked)
            except (OSError, ValueError):  # ValueError: its input is closed
                self._asked.pop(number, None)
                raise SearchUnavailableError("it is starting again") from None
        try:
            answer = future.result(_ANSWER_S)
        except TimeoutError:
            raise SearchUnavailableError("it is too busy") from None
        finally:
            self._asked.pop(number, None)
        if "hits" not in answer:
            raise SearchUnavailableError(self._problem or answer["error"])
        return hits(answer["hits"])

    def status(self) -> IndexStatus:
        """Return the index's status; reads a small file."""
        if self._problem:
            return IndexStatus("failed", problem=self._problem)
        return self._folder.read_status() if self._process is not None else IndexStatus("starting")

    def _serve(self) -> str:
        """Start the process and pass on its answers until it ends; return its last output."""
        # -P: do not import a file of the root that has a module's name.
        command = [sys.executable, "-P", "-m", "jupyter_ai_personas.context.worker"]
        arguments = {
            "root": str(self._folder.root),
            "data_dir": str(self._data_dir),
            "exclude": self._settings.exclude,
            "private": self._settings.private,
        }
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
            ) as process,
        ):
            with self._lock:
                self._process = process
                _write(process, arguments)
            for line in process.stdout or ():
                answer = json.loads(line)
                if "problem" in answer:
                    self._note(answer["problem"])
                elif future := self._asked.pop(answer["id"], None):
                    future.set_result(answer)
            errors.seek(max(errors.seek(0, 2) - _LAST_WORDS, 0))
            return errors.read().decode("utf-8", "replace").strip()

    def _note(self, problem: str) -> None:
        if problem and not self._problem:
            self._log.warning("Workspace search does not work: %s", problem)
        self._problem = for_people(problem)

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
            asked, self._asked = self._asked, {}
        for future in asked.values():
            future.set_result({"error": "it is starting again"})
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()  # the process ends on this
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write(process: subprocess.Popen[str], value: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(value) + "\n")
    process.stdin.flush()


def hits(found: list[dict[str, Any]]) -> list[Hit]:
    """Return the results as hits, without secrets."""
    return [
        replace(hit, text=redact(hit.text), heading=redact(hit.heading))
        for hit in (Hit(**one) for one in found)
    ]
