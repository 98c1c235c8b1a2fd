"""The flush policy: pure arithmetic, so it is proven by itself."""

from __future__ import annotations

import re
from asyncio import TimerHandle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.chat import Pacer
from jupyter_ai_personas.chat.pacing import Pacing

SIZES = st.integers(0, 2_000_000)
STRETCHES = st.floats(1, 3.6)
LAGS = st.floats(0, 60)

POLICY = Pacing()
REPOSITORY = Path(__file__).parents[2]


def bytes_written(chars_per_second: float, seconds: float) -> tuple[float, float]:
    """Play a steady stream; return characters written in all, and the longest pause."""
    at = written = longest = 0.0
    while at < seconds:
        chars = int(chars_per_second * at)
        written += chars
        pause = POLICY.pause(chars=chars)
        longest = max(longest, pause)
        at += pause
    return written + chars_per_second * seconds, longest


def test_ten_kilobytes_at_a_hundred_chunks_a_second_stay_below_the_bound_and_flow() -> None:
    written, longest = bytes_written(500, 20)
    assert written / 10_000 < 45
    assert longest <= 0.25


@pytest.mark.parametrize(
    ("chars", "seconds"), [(10_000, 20), (25_000, 50), (10_000, 100), (100_000, 200)]
)
def test_the_docs_say_what_a_reply_costs_that_grows_for_so_long(chars: int, seconds: int) -> None:
    written, _ = bytes_written(chars / seconds, seconds)
    rows = re.findall(
        r"\| (\d+) kB \| (\d+) s .*\| (\d+) \|", (REPOSITORY / "docs/streaming.md").read_text()
    )
    [told] = [float(times) for kb, s, times in rows if (int(kb) * 1000, int(s)) == (chars, seconds)]
    assert written / chars == pytest.approx(told, rel=0.05)


def test_a_short_answer_is_shown_sooner_than_a_long_one() -> None:
    assert POLICY.pause(chars=10) < POLICY.pause(chars=5000)


@given(SIZES, STRETCHES, LAGS)
def test_a_pause_is_never_longer_than_the_longest(chars: int, stretch: float, lag: float) -> None:
    assert 0 < POLICY.pause(chars=chars, stretch=stretch, lag=lag) <= POLICY.longest


@given(SIZES, SIZES, STRETCHES, LAGS)
def test_more_text_never_shortens_a_pause(a: int, b: int, stretch: float, lag: float) -> None:
    small, large = sorted((a, b))
    before = POLICY.pause(chars=small, stretch=stretch, lag=lag)
    assert POLICY.pause(chars=large, stretch=stretch, lag=lag) >= before


@given(SIZES, STRETCHES, LAGS, LAGS)
def test_a_later_loop_never_shortens_a_pause(
    chars: int, stretch: float, a: float, b: float
) -> None:
    before = POLICY.pause(chars=chars, stretch=stretch, lag=min(a, b))
    assert POLICY.pause(chars=chars, stretch=stretch, lag=max(a, b)) >= before


@given(st.integers(0, 100_000))
def test_chats_of_one_load_pause_alike(chars: int) -> None:
    # Above the eager beginning, size plays no part until a body is very long.
    if chars >= POLICY.eager_chars:
        assert POLICY.pause(chars=chars, stretch=3) == 3 * POLICY.interval


@given(st.floats(0.0, 0.4), st.floats(0.1, 20))
def test_under_load_the_pauses_stretch_until_the_loop_has_its_share_again(
    other: float, load: float
) -> None:
    """``other`` is what the server does besides, ``load`` what writing takes without a stretch."""
    stretch = 1.0
    for _ in range(200):
        stretch = POLICY.adapt(stretch, min(1.0, other + load / stretch))
    needed = load / (POLICY.share - other)
    expected = min(max(needed, 1.0), POLICY.longest_by_load / POLICY.interval)
    assert abs(stretch - expected) < 0.05 * expected


@given(STRETCHES)
def test_an_idle_loop_forgets_the_stretch(stretch: float) -> None:
    assert POLICY.adapt(stretch, 0.0) == 1.0


class Clock:
    """A scheduler of which only the time matters."""

    def __init__(self) -> None:
        self.now = 100.0

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> TimerHandle:
        raise AssertionError("nothing is scheduled here")


def test_chats_that_are_due_together_write_one_after_the_other() -> None:
    clock = Clock()
    pacer = Pacer(clock)
    slots = [pacer.next_slot() for _ in range(5)]
    assert slots[0] == clock.now
    assert slots == pytest.approx([clock.now + n * POLICY.spacing for n in range(5)])
    clock.now += 1
    assert pacer.next_slot() == clock.now, "who comes alone does not wait"
