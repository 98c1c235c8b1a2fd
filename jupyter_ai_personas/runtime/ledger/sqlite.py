"""The ledger as an SQLite file: an asynchronous interface, a queue, and one writer thread."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from jupyter_ai_personas.runtime.ledger import turn_queries
from jupyter_ai_personas.runtime.ledger.base import TurnLedger
from jupyter_ai_personas.runtime.ledger.failover import FileStore
from jupyter_ai_personas.runtime.ledger.records import ReplySnapshot
from jupyter_ai_personas.runtime.ledger.store import Step, Store

__all__ = ["Ledger"]

_T = TypeVar("_T")

_CHECKPOINT_S = 1.0
_CLOSE_S = 5.0
_MOST_AT_ONCE = 500

ANSWER_SECONDS = 0.001
"""How long the event loop waits for a record without doing anything else.

A record takes 0.3 ms if the writer has the interpreter. Otherwise the loop begins to send the
message to all clients first, and the persona begins some milliseconds later.
"""

ANSWER_INTERVAL = 0.05
"""At most once in so many seconds: on a slow disk, the loop loses a fiftieth of its time."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A step in the queue; ``settle`` writes the checkpoints that wait before it."""

    step: Step
    answer: Future[Any] | None = None
    settle: bool = False


class Ledger(TurnLedger):
    """The turns accepted and not yet finished, in an SQLite file at ``path``.

    Several servers may use one file. No server touches the turns of another that is alive;
    :meth:`open_turns` takes over those of one whose process has ended.

    Faults of the file are logged as warnings and never raise. A file that cannot be read is moved
    aside to ``<name>.corrupt-<n>``. The file of a newer version is left alone, and ``<name>.v2`` is
    used. While no file can be written, turns run unrecorded.

    Methods that are not awaited may be called from any thread, and log a warning after
    :meth:`aclose`; :meth:`flush` waits until what they record is in the file.
    """

    def __init__(self, path: Path | str, *, log: logging.Logger) -> None:
        self.path = Path(path).absolute()
        self._log = log
        self._store: FileStore | None = None
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._mutex = threading.Lock()
        self._accepting = False
        self._checkpoints: dict[str, _Entry] = {}
        self._written_at = time.monotonic()
        self._waited_at = -math.inf
        self._thread: threading.Thread | None = None
        self._ended: Future[None] = Future()
        self._ended.set_running_or_notify_cancel()  # it ends although a waiter is cancelled

    @property
    def recorded(self) -> bool:
        """See :meth:`TurnLedger.recorded`: whether turns are in the file now."""
        return self._store is not None and self._store.recorded

    async def open(self) -> None:
        """See :meth:`TurnLedger.open`: opens the file and starts the writer."""
        if self._thread is not None:
            raise RuntimeError("The ledger was opened before")
        # Not a daemon: pending records are written even while the interpreter ends.
        self._thread = threading.Thread(target=self._work, name="ai-personas-ledger")
        self._accepting = True
        self._thread.start()
        await self.flush()

    async def aclose(self) -> None:
        """Write all records and close. Takes a few seconds at most; idempotent.

        If the wait is cancelled or the disk hangs, the writer still ends on its own.
        """
        if self._thread is None:
            return
        with self._mutex:
            if self._accepting:
                self._accepting = False
                self._queue.put(None)
        ended = asyncio.wrap_future(self._ended)
        await asyncio.wait([ended], timeout=_CLOSE_S)
        if ended.done():
            self._thread.join()
        else:
            ended.cancel()
            self._log.warning("The ledger %s is still being written; not waiting.", self.path)

    def checkpoint(self, turn_id: str, replies: Sequence[ReplySnapshot]) -> None:
        """See :meth:`TurnLedger.checkpoint`: about once a second the newest is written."""
        step = partial(turn_queries.checkpoint, turn_id=turn_id, replies=replies)
        with self._mutex:
            if self._accepting:
                self._checkpoints[turn_id] = _Entry(step)

    def _do(self, step: Step) -> None:
        if not self._put(_Entry(step)):
            self._log.warning("The ledger is closed: a late change of a turn is not recorded.")

    async def _ask(self, step: Callable[[Store], _T], *, settle: bool = False) -> _T:
        answer: Future[_T] = Future()
        if not self._put(_Entry(step, answer, settle)):
            raise RuntimeError("The ledger is closed")
        now = time.monotonic()
        if now - self._waited_at >= ANSWER_INTERVAL:
            self._waited_at = now
            with suppress(TimeoutError):
                return answer.result(timeout=ANSWER_SECONDS)
        return await asyncio.wrap_future(answer)

    def _put(self, entry: _Entry) -> bool:
        if self._thread is None:
            raise RuntimeError("The ledger is not open")
        with self._mutex:
            if self._accepting:
                self._queue.put(entry)
                return True
        return False

    def _work(self) -> None:
        try:
            owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"
            store = self._store = FileStore(self.path, owner, self._log)
            going_on = True
            while going_on:
                entries, going_on = self._gather()
                self._write(store, entries, everything=not going_on)
            store.close()
        finally:
            self._ended.set_result(None)

    def _gather(self) -> tuple[list[_Entry], bool]:
        """Wait for entries, or until checkpoints are due; tell also whether to go on."""
        entries: list[_Entry] = []
        # If nothing closes the ledger, this thread ends within a second of the main thread, so
        # that the interpreter can exit.
        going_on = threading.main_thread().is_alive()
        wait = max(self._written_at + _CHECKPOINT_S - time.monotonic(), 0)
        with suppress(queue.Empty):
            while len(entries) < _MOST_AT_ONCE:
                entry = self._queue.get(timeout=0 if entries else wait)
                if entry is None:
                    return entries, False
                entries.append(entry)
        return entries, going_on

    def _write(self, store: FileStore, entries: list[_Entry], *, everything: bool) -> None:
        # Skip the steps of waiters that were cancelled.
        entries = [e for e in entries if not e.answer or e.answer.set_running_or_notify_cancel()]
        due = time.monotonic() - self._written_at >= _CHECKPOINT_S
        # A checkpoint is of a turn accepted in an earlier batch, and older than its end if that
        # is in this one: so checkpoints go first.
        if due or everything or any(entry.settle for entry in entries):
            self._written_at = time.monotonic()
            with self._mutex:
                checkpoints, self._checkpoints = self._checkpoints, {}
            entries = [*checkpoints.values(), *entries]
        if not entries:
            return
        try:
            outcomes = store.transact([entry.step for entry in entries])
        except Exception as error:
            outcomes = [error] * len(entries)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if not isinstance(outcome, Exception):
                if entry.answer is not None:
                    entry.answer.set_result(outcome)
            elif entry.answer is not None:
                entry.answer.set_exception(outcome)
            else:
                self._log.error("A change of a turn is not recorded.", exc_info=outcome)
