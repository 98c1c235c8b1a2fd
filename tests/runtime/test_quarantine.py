"""A persona that fails again and again is paused, says so, and comes back."""

from __future__ import annotations

from typing import Any

import pytest
from support.room import Room, id_of, persona, room

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import ModelError
from jupyter_ai_personas.runtime.quarantine import Quarantine
from jupyter_ai_personas.runtime.settings import RuntimeSettings


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quarantine(clock: Clock) -> Quarantine:
    settings = RuntimeSettings(quarantine_failures=3, quarantine_window=60, quarantine_pause=300)
    return Quarantine(settings, clock=clock)


BOUNDS = {"quarantine_failures": 3, "quarantine_window": 60, "quarantine_pause": 300}


def test_failures_within_the_window_pause(quarantine: Quarantine, clock: Clock) -> None:
    for _ in range(2):
        quarantine.failed("a")
        clock.now += 30
    assert quarantine.remaining("a") == 0
    quarantine.failed("a")
    assert quarantine.remaining("a") == 300
    assert quarantine.remaining("b") == 0


def test_failures_that_lie_further_apart_do_not(quarantine: Quarantine, clock: Clock) -> None:
    for _ in range(20):
        quarantine.failed("a")
        clock.now += 30.5
    assert quarantine.remaining("a") == 0


def test_expected_failures_do_not_count(quarantine: Quarantine) -> None:
    for _ in range(20):
        quarantine.failed("a", expected=True)
    assert quarantine.remaining("a") == 0


def test_the_pause_ends_and_counting_begins_anew(quarantine: Quarantine, clock: Clock) -> None:
    for _ in range(3):
        quarantine.failed("a")
    clock.now += 299
    assert quarantine.remaining("a") == 1
    clock.now += 1
    assert quarantine.remaining("a") == 0
    for _ in range(2):
        quarantine.failed("a")
    assert quarantine.remaining("a") == 0
    quarantine.failed("a")
    assert quarantine.remaining("a") == 300
    quarantine.lift("a")
    assert quarantine.remaining("a") == 0


class Ailing:
    """Fails until it is cured; counts how often it was asked."""

    def __init__(self, error: Exception) -> None:
        self.asked = 0
        self.cured = False
        self._error = error
        self.persona = persona("Echo", self._act)

    def _act(self, me: Any, message: Message) -> None:
        self.asked += 1
        if not self.cured:
            raise self._error
        me.send_message("well again")


async def fail(here: Room, times: int) -> None:
    for _ in range(times):
        assert (await here.reply(here.say("@Echo go"))).state == "failed"


async def test_a_paused_persona_is_not_asked_and_comes_back_after_its_pause(
    clock: Clock,
) -> None:
    ailing = Ailing(ValueError("always"))
    other = persona("Other", lambda me, message: me.send_message("fine"))
    async with room(ailing.persona, other, **BOUNDS) as here:
        here.runtime.quarantine._clock = clock
        await fail(here, 3)
        clock.now += 200
        for by in ("Ada", "Bob"):
            reply = await here.reply(here.say("@Echo go", by=by))
            assert reply.state == "rejected"
            assert "failed again and again and is paused. Try again in 2 min" in reply.body
            assert "`/retry`" in reply.body
        assert ailing.asked == 3
        assert (await here.reply(here.say("@Other go"))).body == "fine"
        clock.now += 100
        ailing.cured = True
        assert (await here.reply(here.say("@Echo go"))).body == "well again"


async def test_a_retry_ends_the_pause(clock: Clock) -> None:
    ailing = Ailing(ValueError("always"))
    async with room(ailing.persona, **BOUNDS) as here:
        here.runtime.quarantine._clock = clock
        await fail(here, 3)
        rejected = await here.reply(here.say("@Echo go"))
        ailing.cured = True
        here.say("/retry")
        await here.until(lambda: here.message(rejected.id).state == "done")
        assert here.message(rejected.id).body == "well again"
        assert here.runtime.quarantine.remaining(id_of(ailing.persona)) == 0
        assert (await here.reply(here.say("@Echo go"))).body == "well again"


async def test_what_the_model_does_wrong_pauses_nobody(clock: Clock) -> None:
    ailing = Ailing(ModelError("It is busy."))
    async with room(ailing.persona, **BOUNDS) as here:
        here.runtime.quarantine._clock = clock
        await fail(here, 10)
        assert ailing.asked == 10
