"""The ledger as an SQLite file: an asynchronous face, a queue, and the one thread that writes."""

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

from jupyter_ai_personas.runtime.ledger.place import Place
from jupyter_ai_personas.runtime.ledger.rows import FinalState, LedgerRow, ReplySoFar
from jupyter_ai_personas.runtime.ledger.store import OneStatement, Step, Store

__all__ = ["Ledger"]

_T = TypeVar("_T")

_CHECKPOINT_S = 1.0
_CLOSE_S = 5.0
_MOST_AT_ONCE = 500

_PATIENCE_S = 0.001
"""How long the event loop itself waits for an answer before it does something else.

A row takes a quarter of that if the loop leaves the interpreter to the writer. Otherwise the two
take it from each other, and the answer comes behind whatever the loop has begun in the meantime:
several milliseconds in which the person waits for the persona to begin. On a slow disk, this is
lost: a tenth of what a message costs the server anyway.
"""

_PATIENCE_EVERY_S = 0.05
"""How often it does: where many messages come at once, others want the loop more than these."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A step in the queue; ``settle`` writes the checkpoints that wait before it."""

    step: Step
    answer: Future[Any] | None = None
    settle: bool = False


class Ledger:
    """The turns accepted and not yet finished, in an SQLite file at ``path``.

    Several servers may use one file. Each is an ``owner`` (by default a new name each time), and
    an owner counts as alive as long as its process is. No server touches the turns of another
    that is alive; :meth:`open_turns` takes over those of one that is dead.

    Nothing that happens to the file raises: what cannot be read is moved aside to
    ``<name>.corrupt-<n>``, the file of a newer version is left alone and ``<name>.v1`` used in its
    stead, and where nothing can be written rows are kept in memory until it can; each is logged as
    a warning. Methods raise :class:`RuntimeError` before :meth:`open`, and those that are awaited
    also after :meth:`aclose`; the rest then only log that they come too late.

    The methods that are not awaited may be called from any thread and take effect in the order of
    the calls; :meth:`flush` waits until they are in the file.

    ``remember_s`` (seconds) and ``remember_most`` bound the tombstones of finished turns; a file
    that cannot be used is tried again, when there is something to write, after ``retry_s`` seconds.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        owner: str | None = None,
        log: logging.Logger,
        remember_s: float = 30 * 86_400,
        remember_most: int = 100_000,
        retry_s: float = 30,
    ) -> None:
        self.path = Path(path).absolute()
        self.owner = owner or f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"
        self._log = log
        self._make_place = partial(
            Place,
            self.path,
            self.owner,
            remember_s=remember_s,
            remember_most=remember_most,
            retry_s=retry_s,
            log=log,
        )
        self._place: Place | None = None
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._mutex = threading.Lock()
        self._accepting = False
        self._checkpoints: dict[str, tuple[ReplySoFar, ...]] = {}
        self._written_at = time.monotonic()
        self._patient_at = -math.inf
        self._thread: threading.Thread | None = None
        self._opened: Future[None] = Future()
        self._ended: Future[None] = Future()
        for future in (self._opened, self._ended):
            future.set_running_or_notify_cancel()  # whoever stops waiting does not cancel them

    @property
    def durable(self) -> bool:
        """Whether rows are in the file now, and not only in memory."""
        return self._place is not None and self._place.durable

    async def open(self) -> None:
        """Open the file and start the writer; end it with :meth:`aclose`.

        Raises:
            RuntimeError: it was opened before.
        """
        if self._thread is not None:
            raise RuntimeError("The ledger was opened before")
        # Not a daemon: what was recorded gets written also when the interpreter is ending.
        self._thread = threading.Thread(target=self._work, name="ai-personas-ledger")
        self._accepting = True
        self._thread.start()
        await asyncio.wrap_future(self._opened)

    async def aclose(self) -> None:
        """Write what was recorded, and close. Takes a few seconds at most; idempotent.

        When the wait is cancelled, or the disk hangs, the writer still ends by itself.
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

    async def accept(self, rows: Sequence[LedgerRow]) -> list[bool]:
        """Record accepted turns; they are durable when this returns.

        The answer has ``False`` for each whose message and persona are known in that chat already,
        as an open turn or a finished one: it must not be answered again. When the wait is
        cancelled the rows may have been recorded, and are found by :meth:`open_turns`. Raises
        :class:`ValueError`, having recorded none, when a turn id is of another message or persona.
        """
        is_one = len(rows) == 1 and not rows[0].replies
        make_step = OneStatement if is_one else partial
        return await self._ask(make_step(Store.accept, rows=tuple(rows)))

    async def reopen(self, row: LedgerRow) -> bool:
        """Record ``row`` in place of what has its chat, message and persona: a retry or restart.

        Durable when this returns. ``False``, with nothing changed, when another live server has
        that turn. Raises :class:`ValueError` when the turn id is of another message or persona.
        """
        with self._mutex:
            self._checkpoints.pop(row.turn_id, None)
        return await self._ask(partial(Store.reopen, row=row))

    async def open_turns(
        self, chat_id: str, is_copy: Callable[[str], bool] = lambda path: False
    ) -> list[LedgerRow]:
        """Return the chat's turns that are ours, in the order of acceptance, to recover them.

        Those of dead owners become ours in the same transaction, so that of two servers one gets
        them; but not those accepted at a path of which ``is_copy``, asked in the ledger's thread,
        says that the chat there is another with the same id. Turns that run in this process are
        among them: the caller knows those.
        """
        step = partial(Store.open_turns, chat_id=chat_id, is_copy=is_copy)
        return await self._ask(step, settle=True)

    async def adopt(self, chat_id: str, path: str, *, since: float) -> None:
        """Give a chat the turns that dead owners accepted at its path: its id was never saved.

        ``since`` is when the chat's file was made, in seconds since the epoch: turns accepted
        earlier are of another file that was there.
        """
        await self._ask(partial(Store.adopt, chat_id=chat_id, path=path, since=since))

    async def known(self, chat_id: str, message_ids: Sequence[str]) -> set[tuple[str, str]]:
        """Return (message id, persona id) for each turn of those messages, open or finished."""
        return await self._ask(
            partial(Store.known, chat_id=chat_id, message_ids=tuple(message_ids))
        )

    async def flush(self) -> None:
        """Wait until everything recorded so far is in the file, checkpoints too."""
        await self._ask(lambda store: None, settle=True)

    def keep(self, row: LedgerRow) -> None:
        """Record ``row`` as :meth:`reopen` does, without waiting and without an answer."""
        self._put(_Entry(partial(Store.reopen, row=row)))

    def started(self, turn_id: str) -> None:
        """Record that an accepted turn runs."""
        self._put(_Entry(partial(Store.started, turn_id=turn_id)))

    def checkpoint(self, turn_id: str, replies: Sequence[ReplySoFar]) -> None:
        """Record the replies so far. Call it freely: about once a second the newest is written."""
        with self._mutex:
            if self._accepting:
                self._checkpoints[turn_id] = tuple(replies)

    def finish(self, turn_id: str, state: FinalState, replies: Sequence[ReplySoFar]) -> None:
        """Record the end and the final replies; what comes later for this turn changes nothing."""
        step = partial(Store.finish, turn_id=turn_id, state=state, replies=tuple(replies))
        self._put(_Entry(step))

    def saved(self, chat_id: str, turn_ids: Sequence[str]) -> None:
        """Record that the document with the final replies is saved: finished turns go.

        A tombstone stays of each. Turns that are not finished stay as they are.
        """
        self._put(_Entry(partial(Store.saved, chat_id=chat_id, turn_ids=tuple(turn_ids))))

    def refuse(self, chat_id: str, message_id: str, persona_ids: Sequence[str]) -> None:
        """Record that these personas are not to answer a message; their turns, if any, stay."""
        step = partial(
            Store.refuse, chat_id=chat_id, message_id=message_id, persona_ids=tuple(persona_ids)
        )
        self._put(_Entry(step))

    def carry_over(self, chat_id: str, to: str) -> None:
        """Record that the chat ``chat_id`` has the id ``to`` from now on, as its file says."""
        self._put(_Entry(partial(Store.carry_over, chat_id=chat_id, to=to)))

    def forget(self, turn_id: str) -> None:
        """Remove a turn that was withdrawn, without a trace: its message may be accepted again."""
        self._put(_Entry(partial(Store.forget, turn_id=turn_id)))

    async def _ask(self, step: Callable[[Store], _T], *, settle: bool = False) -> _T:
        answer: Future[_T] = Future()
        if not self._put(_Entry(step, answer, settle)):
            raise RuntimeError("The ledger is closed")
        now = time.monotonic()
        if now >= self._patient_at:
            self._patient_at = now + _PATIENCE_EVERY_S
            with suppress(TimeoutError):
                return answer.result(_PATIENCE_S)
        return await asyncio.wrap_future(answer)

    def _put(self, entry: _Entry) -> bool:
        if self._thread is None:
            raise RuntimeError("The ledger is not open")
        with self._mutex:
            if self._accepting:
                self._queue.put(entry)
                return True
        if entry.answer is None:
            self._log.warning("The ledger is closed: a late change of a turn is not recorded.")
        return False

    def _work(self) -> None:
        try:
            place = self._place = self._make_place()
            place.land()
            self._opened.set_result(None)
            going_on = True
            while going_on:
                entries, going_on = self._gather()
                self._write(place, entries, everything=not going_on)
            place.close()
        finally:
            self._ended.set_result(None)

    def _gather(self) -> tuple[list[_Entry], bool]:
        """Wait for entries, or until checkpoints are due; tell also whether to go on."""
        entries: list[_Entry] = []
        # Nobody may be left to close it: then the end of the main thread, noticed within a
        # second, ends this one, and the interpreter, which waits for it, can exit.
        going_on = threading.main_thread().is_alive()
        wait = self._written_at + _CHECKPOINT_S - time.monotonic()
        try:
            entry = self._queue.get(timeout=max(wait, 0))
            while entry is not None:
                entries.append(entry)
                if len(entries) >= _MOST_AT_ONCE:
                    return entries, going_on
                entry = self._queue.get_nowait()
        except queue.Empty:
            return entries, going_on
        return entries, False

    def _write(self, place: Place, entries: list[_Entry], *, everything: bool) -> None:
        # Whoever stopped waiting before the writing began gets nothing written.
        entries = [e for e in entries if not e.answer or e.answer.set_running_or_notify_cancel()]
        due = time.monotonic() - self._written_at >= _CHECKPOINT_S
        # A checkpoint is of a turn accepted in an earlier batch, and older than its end if that
        # is in this one: so checkpoints go first.
        if due or everything or any(entry.settle for entry in entries):
            entries = [*self._take_checkpoints(), *entries]
        if not entries:
            return
        try:
            outcomes = place.run([entry.step for entry in entries])
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

    def _take_checkpoints(self) -> list[_Entry]:
        self._written_at = time.monotonic()
        with self._mutex:
            taken, self._checkpoints = self._checkpoints, {}
        return [
            _Entry(partial(Store.checkpoint, turn_id=turn_id, replies=replies))
            for turn_id, replies in taken.items()
        ]
