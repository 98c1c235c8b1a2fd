"""The ledger's twin in memory: for tests, and for one-shot chats that leave no file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from jupyter_ai_personas.runtime.ledger.rows import FinalState, Key, LedgerRow, ReplySoFar

__all__ = ["MemoryLedger"]


class MemoryLedger:
    """Behaves as :class:`Ledger` with one owner does, and ends with the process."""

    durable = False

    def __init__(self, *, remember_s: float = 30 * 86_400, remember_most: int = 100_000) -> None:
        self._remember_s = remember_s
        self._remember_most = remember_most
        self._turns: dict[str, LedgerRow] = {}
        self._turn_ids: dict[Key, str] = {}
        # When each was finished (monotonic seconds), the oldest first.
        self._tombstones: dict[Key, float] = {}
        self._state = "new"

    async def open(self) -> None:
        """See :meth:`Ledger.open`."""
        if self._state != "new":
            raise RuntimeError("The ledger was opened before")
        self._state = "open"

    async def aclose(self) -> None:
        """See :meth:`Ledger.aclose`."""
        if self._state == "open":
            self._state = "closed"

    async def accept(self, rows: Sequence[LedgerRow]) -> list[bool]:
        """See :meth:`Ledger.accept`."""
        self._check()
        before = (dict(self._turns), dict(self._turn_ids))
        try:
            return [not self._is_known(row.key) and self._insert(row) for row in rows]
        except ValueError:
            self._turns, self._turn_ids = before
            raise

    def keep(self, row: LedgerRow) -> None:
        """See :meth:`Ledger.keep`."""
        if self._state == "open":
            self._reopen(row)

    async def reopen(self, row: LedgerRow) -> bool:
        """See :meth:`Ledger.reopen`."""
        self._check()
        return self._reopen(row)

    def _reopen(self, row: LedgerRow) -> bool:
        turn_id = self._turn_ids.get(row.key)
        if row.turn_id in self._turns and row.turn_id != turn_id:
            raise _used(row)
        if turn_id is not None:
            self.forget(turn_id)
        self._tombstones.pop(row.key, None)
        return self._insert(row)

    async def open_turns(
        self, chat_id: str, is_copy: Callable[[str], bool] = lambda path: False
    ) -> list[LedgerRow]:
        """See :meth:`Ledger.open_turns`: here nobody has died."""
        self._check()
        return [row for row in self._turns.values() if row.chat_id == chat_id]

    async def adopt(self, chat_id: str, path: str, *, since: float) -> None:
        """See :meth:`Ledger.adopt`: here nobody has died."""
        self._check()

    async def known(self, chat_id: str, message_ids: Sequence[str]) -> set[tuple[str, str]]:
        """See :meth:`Ledger.known`."""
        self._check()
        asked = set(message_ids)
        return {
            (message_id, persona_id)
            for keys in (self._turn_ids, self._tombstones)
            for chat, message_id, persona_id in keys
            if chat == chat_id and message_id in asked
        }

    async def flush(self) -> None:
        """See :meth:`Ledger.flush`."""
        self._check()

    def started(self, turn_id: str) -> None:
        """See :meth:`Ledger.started`."""
        if row := self._unfinished(turn_id):
            self._turns[turn_id] = replace(row, state="running")

    def checkpoint(self, turn_id: str, replies: Sequence[ReplySoFar]) -> None:
        """See :meth:`Ledger.checkpoint`."""
        if row := self._unfinished(turn_id):
            self._turns[turn_id] = replace(row, state="running", replies=tuple(replies))

    def finish(self, turn_id: str, state: FinalState, replies: Sequence[ReplySoFar]) -> None:
        """See :meth:`Ledger.finish`."""
        if row := self._unfinished(turn_id):
            self._turns[turn_id] = replace(
                row, state="finished", final_state=state, replies=tuple(replies)
            )

    def saved(self, chat_id: str, turn_ids: Sequence[str]) -> None:
        """See :meth:`Ledger.saved`."""
        for turn_id in turn_ids:
            row = self._mine(turn_id)
            if row and row.chat_id == chat_id and row.state == "finished":
                self.forget(turn_id)
                self._tombstones[row.key] = time.monotonic()
        self._prune()

    def refuse(self, chat_id: str, message_id: str, persona_ids: Sequence[str]) -> None:
        """See :meth:`Ledger.refuse`."""
        if self._state == "open":
            for persona_id in persona_ids:
                key = (chat_id, message_id, persona_id)
                if not self._is_known(key):
                    self._tombstones[key] = time.monotonic()
            self._prune()

    def _prune(self) -> None:
        while self._tombstones:
            oldest = next(iter(self._tombstones))
            young = time.monotonic() - self._tombstones[oldest] <= self._remember_s
            if young and len(self._tombstones) <= self._remember_most:
                break
            del self._tombstones[oldest]

    def carry_over(self, chat_id: str, to: str) -> None:
        """See :meth:`Ledger.carry_over`."""
        for turn_id, row in self._turns.items():
            moved = replace(row, chat_id=to)
            if row.chat_id == chat_id and moved.key not in self._turn_ids:
                self._turns[turn_id] = moved
                self._turn_ids[moved.key] = self._turn_ids.pop(row.key)
        for (chat, message_id, persona_id), finished in list(self._tombstones.items()):
            if chat == chat_id:
                self._tombstones.setdefault((to, message_id, persona_id), finished)

    def forget(self, turn_id: str) -> None:
        """See :meth:`Ledger.forget`."""
        if row := self._mine(turn_id):
            del self._turns[turn_id], self._turn_ids[row.key]

    def _check(self) -> None:
        if self._state != "open":
            raise RuntimeError(
                f"The ledger is {'closed' if self._state == 'closed' else 'not open'}"
            )

    def _mine(self, turn_id: str) -> LedgerRow | None:
        if self._state == "new":
            raise RuntimeError("The ledger is not open")
        return self._turns.get(turn_id) if self._state == "open" else None

    def _unfinished(self, turn_id: str) -> LedgerRow | None:
        row = self._mine(turn_id)
        return row if row and row.state != "finished" else None

    def _is_known(self, key: Key) -> bool:
        return key in self._turn_ids or key in self._tombstones

    def _insert(self, row: LedgerRow) -> bool:
        if row.turn_id in self._turns:
            raise _used(row)
        self._turns[row.turn_id] = row
        self._turn_ids[row.key] = row.turn_id
        return True


def _used(row: LedgerRow) -> ValueError:
    return ValueError(f"Turn {row.turn_id} is of another message or persona")
