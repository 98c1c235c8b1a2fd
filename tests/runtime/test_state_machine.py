"""Random people in a busy room, in virtual time, and what must hold whatever they do.

Three people post, edit, delete, stop and retry; three personas answer at once, step by step,
with several messages, with nothing, with a failure, or by passing the question on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.clock import VirtualLoop
from support.room import FakeStage, Room, id_of, persona, room

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.runtime import MemoryLedger, TurnReport
from jupyter_ai_personas.runtime.ledger import TurnRecord, TurnStep
from jupyter_ai_personas.runtime.metrics import Metrics
from jupyter_ai_personas.testing import FakeChat

PEOPLE = ["Ada", "Bob", "Cleo"]
PERSONAS = ["Ann", "Ben", "Cid"]
KINDS = ["instant", "slow", "slow", "slow", "fail", "silent", "many", "pass", "all"]

people = st.sampled_from(PEOPLE)
names = st.sampled_from(PERSONAS)
kinds = st.sampled_from(KINDS)
places = st.integers(0, 1000)


class WatchedLedger(MemoryLedger):
    """Remembers what was accepted, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, TurnRecord] = {}

    def _note(self, row: TurnRecord) -> None:
        if row.persona_id in {id_of(cls) for cls in CLASSES}:
            self.records[row.turn_id] = row

    async def accept(self, rows: Sequence[TurnRecord]) -> list[bool]:
        fresh = await super().accept(rows)
        for row, new in zip(rows, fresh, strict=True):
            if new:
                self._note(row)
        return fresh

    async def reopen(self, row: TurnRecord, *, steps: Sequence[TurnStep] = ()) -> bool:
        fresh = await super().reopen(row, steps=steps)
        self._note(row)
        return fresh


class Scene:
    """What the personas do at present; the machine drives the slow ones."""

    def __init__(self) -> None:
        self.running: dict[str, tuple[Any, asyncio.Queue[Any]]] = {}
        self.first_begun: list[str] = []

    async def act(self, me: Any, message: Message) -> None:
        turn_id = me.turn.id
        steps: asyncio.Queue[Any] = asyncio.Queue()
        assert turn_id not in self.running
        self.running[turn_id] = me, steps
        root_id = turn_id.partition(".")[0]
        if root_id not in self.first_begun:
            self.first_begun.append(root_id)
        try:
            await self._perform(me, message.body, steps)
        finally:
            del self.running[turn_id]

    async def _perform(self, me: Any, body: str, steps: asyncio.Queue[Any]) -> None:
        if "slow" in body:
            await me.stream_message(self._slowly(me, steps))
        elif "fail" in body:
            me.set_status("is about to fail")
            raise ValueError("as asked")
        elif "many" in body:
            for n in range(3):
                me.send_message(f"part {n}")
        elif "pass" in body:
            me.send_message(f"@{PERSONAS[(PERSONAS.index(me.name) + 1) % 3]} pass")
        elif "all" in body:
            me.send_message(" ".join(f"@{name}" for name in PERSONAS) + " slow")
        elif "silent" not in body:
            me.send_message("done")

    async def _slowly(self, me: Any, steps: asyncio.Queue[Any]) -> AsyncIterator[str]:
        me.set_status("is working")
        while (item := await steps.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item


class WatchedMetrics(Metrics):
    """Counts how turns end."""

    def __init__(self) -> None:
        self.outcomes: dict[str, list[str]] = {}

    def ended(self, report: TurnReport) -> None:
        self.outcomes.setdefault(report.turn_id, []).append(report.state)


class Errors(logging.Handler):
    """Keeps errors of ours; those of personas' code are as asked."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "failed in chat" not in record.msg:
            self.seen.append(record.getMessage() + str(record.exc_info))


SCENES: list[Scene] = [Scene()]


async def perform(self: Any, message: Message) -> None:
    await SCENES[-1].act(self, message)


CLASSES = [persona(name, perform) for name in PERSONAS]


class BusyRoom(RuleBasedStateMachine):
    """The room, driven step by step."""

    here: Room

    @initialize(concurrent=st.integers(1, 3), queued=st.integers(1, 3), hops=st.integers(0, 3))
    def open(self, concurrent: int, queued: int, hops: int) -> None:
        self.bounds = concurrent, queued, hops
        self.budget = 6
        self.scene = Scene()
        SCENES.append(self.scene)
        self.ledger, self.metrics, self.errors = WatchedLedger(), WatchedMetrics(), Errors()
        self.log = logging.Logger("machine")
        self.log.addHandler(self.errors)
        self.asked: list[str] = []
        self.retried = False
        self.spoken_twice: set[str] = set()
        self.loop = VirtualLoop()
        self.opened, self.leave = asyncio.Event(), asyncio.Event()
        self.life = self.loop.create_task(self._live(concurrent, queued, hops))
        self._run(self._until_open())

    async def _live(self, concurrent: int, queued: int, hops: int) -> None:
        async with room(
            *CLASSES,
            stage=FakeStage(),
            ready=False,
            ledger=self.ledger,
            metrics=self.metrics,
            log=self.log,
            max_concurrent_turns=concurrent,
            max_queued_turns=queued,
            max_hops=hops,
            max_turns_per_message=self.budget,
            max_messages_per_minute=10**6,
            quarantine_failures=10**6,
            actor_idle=30.0,
        ) as here:
            self.here = here
            self.opened.set()
            await self.leave.wait()

    async def _until_open(self) -> None:
        while not self.opened.is_set():
            if self.life.done():
                self.life.result()  # raises what kept it from opening
            await asyncio.sleep(0)
        await self.here.session.ready.wait()

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.loop.run_until_complete(coroutine)

    def _do(self, *acts: Callable[[], object]) -> None:
        """Do something on the event loop, and let what it causes happen."""

        async def doing() -> None:
            for act in acts:
                act()
            # Longer than the host's window, shorter than what a person would notice.
            await asyncio.sleep(0.2)

        self._run(doing())

    @property
    def chat(self) -> FakeChat:
        chat = self.here.stage.chat
        assert isinstance(chat, FakeChat)
        return chat

    def _pick(self, items: Sequence[Any], place: int) -> Any:
        return items[place % len(items)] if items else None

    def _slow(self) -> list[asyncio.Queue[Any]]:
        active = self.here.session.turns.values()
        wanted = {turn.host_id for turn in active}
        return [steps for key, (_, steps) in self.scene.running.items() if key in wanted]

    # -- what people do ---------------------------------------------------------------------

    @rule(who=people, whom=st.lists(names, min_size=1, max_size=3, unique=True), kind=kinds)
    def post(self, who: str, whom: list[str], kind: str) -> None:
        body = " ".join(f"@{name}" for name in whom) + f" {kind}"
        self._do(lambda: self.asked.append(self.here.say(body, by=who)))

    @rule(who=people, whom=names, count=st.integers(2, 5))
    def post_in_a_burst(self, who: str, whom: str, count: int) -> None:
        post = partial(self.here.say, f"@{whom} slow", by=who)
        self._do(*[lambda: self.asked.append(post()) for _ in range(count)])

    @rule(place=places, whom=names, kind=kinds)
    def edit(self, place: int, whom: str, kind: str) -> None:
        message_id = self._pick(self.asked, place)
        if message_id is not None and not self.here.message(message_id).deleted:
            self.spoken_twice.add(message_id)
            self._do(lambda: self.here.stage.edit(message_id, f"@{whom} {kind}, edited"))

    @rule(place=places)
    def delete_a_request(self, place: int) -> None:
        message_id = self._pick(self.asked, place)
        if message_id is not None:
            self._do(lambda: self.here.stage.delete(message_id))
            assert not [t for t in self.here.session.turns.values() if t.message.id == message_id]

    @rule(place=places)
    def delete_a_reply(self, place: int) -> None:
        reply = self._pick([m for m in self.here.messages if m.by_persona], place)
        if reply is not None:
            streaming = reply.state == "streaming"
            self._do(lambda: self.here.stage.delete(reply.id))
            if streaming:
                assert reply.metadata["turn"] not in self.here.session.turns

    @rule(who=people)
    def stop(self, who: str) -> None:
        others = {t.id for t in self.here.session.turns.values() if t.person != who.lower()}
        self._do(lambda: self.here.say("/stop", by=who))
        left = {t.id: t.person for t in self.here.session.turns.values()}
        assert who.lower() not in left.values()
        # Others' turns go on; one that waited may have begun, and ended, in the place set free.
        for turn_id in others - set(left):
            assert self.metrics.outcomes[turn_id][0] in ("done", "failed")
        self._nothing_runs_unwanted()

    @rule(who=people, whom=names)
    def stop_one(self, who: str, whom: str) -> None:
        self._do(lambda: self.here.say(f"/stop @{whom}", by=who))
        left = {(t.person, t.persona.name) for t in self.here.session.turns.values()}
        assert (who.lower(), whom) not in left

    @rule(who=people)
    def stop_all(self, who: str) -> None:
        self._do(lambda: self.here.say("/stop all", by=who))
        assert self.here.session.turns == {}
        assert self.scene.running == {}

    @rule(who=people, whom=st.none() | names)
    def retry(self, who: str, whom: str | None) -> None:
        self.retried = True
        self._do(lambda: self.here.say(f"/retry @{whom}" if whom else "/retry", by=who))

    @rule(who=people, body=st.sampled_from(["/status", "/help", "hello", "> @Ann slow", "`@Ben`"]))
    def talk(self, who: str, body: str) -> None:
        self._do(lambda: self.here.say(body, by=who))

    # -- what personas do -------------------------------------------------------------------

    @precondition(lambda self: hasattr(self, "here") and self._slow())
    @rule(place=places, chunks=st.integers(1, 4))
    def a_turn_goes_on(self, place: int, chunks: int) -> None:
        steps = self._pick(self._slow(), place)
        self._do(*[partial(steps.put_nowait, f"chunk {n} ") for n in range(chunks)])

    @precondition(lambda self: hasattr(self, "here") and self._slow())
    @rule(place=places, how=st.sampled_from(["done", "fail", "pass"]))
    def a_turn_ends(self, place: int, how: str) -> None:
        steps = self._pick(self._slow(), place)
        last: Any = {"done": "end", "fail": ValueError("x"), "pass": "@Ben slow"}[how]
        self._do(partial(steps.put_nowait, last), partial(steps.put_nowait, None))

    @rule(seconds=st.sampled_from([1.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))

    # -- what always holds ------------------------------------------------------------------

    def _nothing_runs_unwanted(self) -> None:
        wanted = {turn.host_id for turn in self.here.session.turns.values()}
        assert set(self.scene.running) <= wanted

    @invariant()
    def nothing_of_ours_failed(self) -> None:
        assert not hasattr(self, "errors") or self.errors.seen == []

    @invariant()
    def no_turn_ends_twice_and_what_ended_is_gone(self) -> None:
        if not hasattr(self, "here"):
            return
        active = set(self.here.session.turns)
        for turn_id, outcomes in self.metrics.outcomes.items():
            assert len(outcomes) == 1
            assert turn_id not in active
        accepted = set(self.ledger.records)
        assert accepted == active | set(self.metrics.outcomes)

    @invariant()
    def what_runs_is_wanted(self) -> None:
        if hasattr(self, "here"):
            self._nothing_runs_unwanted()

    @invariant()
    def each_message_has_one_answer_of_each_persona(self) -> None:
        if not hasattr(self, "here"):
            return
        answered = Counter(
            (m.reply_to, m.sender)
            for m in self.here.messages
            if m.by_persona and not m.body.startswith("part ")
        )
        kept = {k for k in answered if k[0] not in self.spoken_twice}
        if not self.retried:
            assert all(answered[key] == 1 for key in kept), answered
        # An edit asks again where the persona has said nothing.
        pairs = Counter(
            (row.message_id, row.persona_id)
            for row in self.ledger.records.values()
            if row.message_id not in self.spoken_twice
        )
        if not self.retried:
            assert all(count == 1 for count in pairs.values())

    @invariant()
    def every_end_that_people_should_know_of_is_told(self) -> None:
        if not hasattr(self, "here"):
            return
        by_turn: dict[Any, set[str | None]] = {}
        for m in self.here.messages:
            if m.by_persona:
                state = "deleted" if m.deleted else m.state
                by_turn.setdefault(m.metadata.get("turn"), set()).add(state)
        for turn_id, [state] in self.metrics.outcomes.items():
            states = by_turn.get(turn_id, set())
            if state != "done" and not self.retried:
                assert states & {state, "deleted"}, (turn_id, state, states)

    @invariant()
    def a_reply_is_final_unless_its_turn_runs(self) -> None:
        if not hasattr(self, "here"):
            return
        for message in self.here.messages:
            if message.by_persona and message.state == "streaming" and not message.deleted:
                assert message.metadata["turn"] in self.here.session.turns

    @invariant()
    def the_status_shows_who_works_and_nobody_else(self) -> None:
        if hasattr(self, "here"):
            working = {turn.persona.id for turn in self.here.session.turns.values()}
            assert set(self.chat.statuses) == working

    @invariant()
    def lanes_keep_their_order_and_bounds_hold(self) -> None:
        if not hasattr(self, "here"):
            return
        concurrent, queued, hops = self.bounds
        order = list(self.ledger.records)
        lanes: dict[tuple[str, str], list[int]] = {}
        for turn_id in self.scene.first_begun:
            row = self.ledger.records[turn_id]
            lanes.setdefault((row.persona_id, row.person), []).append(order.index(turn_id))
        for begun in lanes.values():
            assert begun == sorted(begun)
        turns = list(self.here.session.turns.values())
        running = Counter(t.persona.id for t in turns if t.phase == "running")
        assert all(count <= concurrent for count in running.values())
        alone = Counter((t.persona.id, t.person) for t in turns if t.phase == "running")
        assert all(count == 1 for count in alone.values())
        waiting = Counter((t.persona.id, t.person) for t in turns if t.phase == "queued")
        assert all(count <= queued for count in waiting.values())
        assert all(row.hops <= hops for row in self.ledger.records.values())
        if not self.retried and not self.spoken_twice:
            roots = Counter(row.root for row in self.ledger.records.values())
            assert all(count <= self.budget for count in roots.values())

    # -- the end ----------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            if hasattr(self, "here"):
                self._everything_comes_to_its_end()
        finally:
            self.leave.set()
            self._run(self.life)
            self._run(self.loop.shutdown_asyncgens())
            self.loop.close()
            SCENES.pop()

    def _everything_comes_to_its_end(self) -> None:
        for _ in range(200):
            if not self.here.session.turns:
                break
            slow = self._slow()
            self._do(*[partial(s.put_nowait, item) for s in slow for item in ("end", None)])
        assert self.here.session.turns == {}
        assert self.scene.running == {}
        assert self.chat.statuses == {}
        assert set(self.ledger.records) == set(self.metrics.outcomes)
        assert all(m.state != "streaming" or m.deleted for m in self.here.messages)
        assert self.errors.seen == []


BusyRoom.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestBusyRoom = BusyRoom.TestCase
