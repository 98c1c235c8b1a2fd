"""The SQLite ledger behaves as its twin in memory, whatever happens in whatever order."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ledger_worker import LOG, QUICK, make_row, reply
from ledgers import AnyLedger

from jupyter_ai_personas.runtime.ledger import Ledger, MemoryLedger, TurnRecord


class Twins(RuleBasedStateMachine):
    """The file is driven beside its twin; servers end and start, orderly and not."""

    chats = st.sampled_from(["chat", "copy"])
    messages = st.sampled_from(["m0", "m1", "m2", "m3"])
    personas = st.sampled_from(["p::A", "p::B"])
    turn_ids = st.integers(0, 12).map(lambda n: f"t{n}")
    rows = st.builds(
        lambda turn, message, chat, persona: make_row(
            turn, message_id=message, chat=chat, persona=persona
        ),
        turn_ids,
        messages,
        chats,
        personas,
    )
    bodies = st.text(max_size=20)

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(dir=QUICK)
        self.number = 0
        self.path = Path(self.folder.name) / "ledger.sqlite"
        self.file = Ledger(self.path, log=LOG)
        self.memory = MemoryLedger()
        self.answered: set[tuple[str, str, str]] = set()
        self.runner.run(self.file.open())
        self.runner.run(self.memory.open())

    def both(self, method: str, *args: Any) -> Any:
        """Await the method of both; return what they agree on."""

        async def call(ledger: AnyLedger) -> Any:
            try:
                return await getattr(ledger, method)(*args)
            except ValueError as error:
                return str(error)

        file = self.runner.run(call(self.file))
        assert self.runner.run(call(self.memory)) == file
        return file

    @rule(rows=st.lists(rows, max_size=4))
    def accept(self, rows: list[TurnRecord]) -> None:
        answer = self.both("accept", rows)
        if isinstance(answer, list):
            for row, accepted in zip(rows, answer, strict=True):
                assert accepted == (row.key not in self.answered)
                self.answered.add(row.key)

    @rule(row=rows)
    def reopen(self, row: TurnRecord) -> None:
        if self.both("reopen", row) is True:
            self.answered.add(row.key)

    @rule(turn_id=turn_ids)
    def started(self, turn_id: str) -> None:
        for ledger in (self.file, self.memory):
            ledger.started(turn_id)

    @rule(turn_id=turn_ids, body=bodies)
    def checkpoint(self, turn_id: str, body: str) -> None:
        for ledger in (self.file, self.memory):
            ledger.checkpoint(turn_id, [reply(body)])

    @rule(turn_id=turn_ids, body=bodies, state=st.sampled_from(["done", "stopped", "failed"]))
    def finish(self, turn_id: str, body: str, state: Any) -> None:
        for ledger in (self.file, self.memory):
            ledger.finish(turn_id, state, [reply(body, state)])

    @rule(chat=chats, turn_ids=st.lists(turn_ids, max_size=5))
    def saved(self, chat: str, turn_ids: list[str]) -> None:
        for ledger in (self.file, self.memory):
            ledger.saved(chat, turn_ids)

    @rule(turn_id=turn_ids)
    def forget(self, turn_id: str) -> None:
        for chat in ("chat", "copy"):
            for row in self.runner.run(self.memory.open_turns(chat)):
                if row.turn_id == turn_id:
                    self.answered.discard(row.key)
        for ledger in (self.file, self.memory):
            ledger.forget(turn_id)

    @rule(chat=chats, messages=st.lists(messages))
    def known(self, chat: str, messages: list[str]) -> None:
        expected = {(m, p) for c, m, p in self.answered if c == chat and m in messages}
        assert self.both("known", chat, messages) == expected

    @rule()
    def restart(self) -> None:
        """Another server takes over after an orderly end."""
        self.runner.run(self.file.aclose())
        self.file = Ledger(self.path, log=LOG)
        self.runner.run(self.file.open())

    @rule()
    def lose_the_file(self) -> None:
        """Somebody removes the file of a running server, which forgets its turns."""
        self.runner.run(self.file.flush())
        self.runner.run(self.memory.aclose())
        self.memory = MemoryLedger()
        self.runner.run(self.memory.open())
        self.answered.clear()
        for path in self.path.parent.glob(f"{self.path.name}*"):
            if not path.name.endswith(".lock"):
                path.unlink()

    @rule()
    def crash(self) -> None:
        """What a killed server leaves is the file and its journal as they are."""
        self.runner.run(self.file.flush())
        self.number += 1
        copy = self.path.parent / f"copy-{self.number}" / "ledger.sqlite"
        copy.parent.mkdir()
        for suffix in ("", "-wal"):
            source = self.path.with_name(self.path.name + suffix)
            copy.with_name(copy.name + suffix).write_bytes(source.read_bytes())
        self.runner.run(self.file.aclose())
        self.path = copy
        self.file = Ledger(self.path, log=LOG)
        self.runner.run(self.file.open())

    @invariant()
    def the_twins_agree(self) -> None:
        for chat in ("chat", "copy"):
            self.both("open_turns", chat)

    @invariant()
    def the_file_is_in_use(self) -> None:
        assert self.file.recorded

    def teardown(self) -> None:
        self.runner.run(self.file.aclose())
        self.runner.run(self.memory.aclose())
        self.runner.close()
        self.folder.cleanup()


Twins.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestTwins = Twins.TestCase
