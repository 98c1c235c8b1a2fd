"""Figures in the documentation are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_ai_personas.chat.pacing import Pacing
from jupyter_ai_personas.chat.writer import MAX_TRIES
from jupyter_ai_personas.hosts import dask, switching
from jupyter_ai_personas.magics import conversation
from jupyter_ai_personas.magics.settings import MagicsSettings
from jupyter_ai_personas.personas.turn import MAX_MESSAGES
from jupyter_ai_personas.runtime import RuntimeSettings, open_sessions, scheduler, turnstile
from jupyter_ai_personas.server import exit_guard, extension
from jupyter_ai_personas.server.handlers import base, message
from jupyter_ai_personas.slices import SLICE

DOCS = Path(__file__).parents[1] / "docs"
PACING = Pacing()
SETTINGS = RuntimeSettings()
WORDS = {"two": 2, "four": 4, "five": 5, "eight": 8, "ten": 10, "thirty": 30}
WORDS |= {"half": 0.5, "a million": 1_000_000}

FIGURES: list[tuple[str, str, list[float]]] = [
    # page, pattern whose groups are the figures, what the code has
    (
        "streaming",
        r"every ([\d.]+) s up to (\d+)\s+characters",
        [PACING.eager_interval, PACING.eager_chars],
    ),
    ("streaming", r"appears quickly, then every ([\d.]+) s", [PACING.interval]),
    ("streaming", r"exceeds ([\d,]+) characters a second", [PACING.chars_per_second]),
    ("streaming", r"from ([\d,]+)\s+characters on", [PACING.interval * PACING.chars_per_second]),
    ("streaming", r"works more than (half) of the time", [PACING.share]),
    ("streaming", r"stretch until it does not, up to\s+([\d.]+) s", [PACING.longest_by_load]),
    ("streaming", r"in the chat, up to\s+([\d,]+) characters", [PACING.joint_chars]),
    ("streaming", r"a first text waits ([\d.]+) s", [PACING.eager_interval]),
    ("streaming", r"Of messages that arrive at once,\s+(\w+) are", [turnstile.AT_ONCE]),
    ("streaming", r"Of turns that begin at once, (\w+)\s", [turnstile.AT_ONCE]),
    ("operating", r"waits up to (\d+) s for a chat", [open_sessions.OPEN_SECONDS]),
    ("clusters", r"silent after (\d+) seconds", [dask.LOST_SECONDS]),
    ("streaming", r"\*\*([\d.]+) ms apart\*\*", [PACING.spacing * 1000]),
    (
        "streaming",
        r"more\s+than (thirty) chats",
        [int(PACING.interval / PACING.spacing) // 10 * 10],
    ),
    ("streaming", r"refuses is tried (\w+) times in all", [MAX_TRIES]),
    ("streaming", r"gets it within \*\*([\d.]+) ms\*\*", [switching.SWITCH_SECONDS * 1000]),
    ("streaming", r"\*\*slices\*\* of ([\d.]+) ms", [SLICE * 1000]),
    ("promises", r"at most (\d+) messages", [MAX_MESSAGES]),
    ("promises", r"may be (a million) bytes long", [base.MAX_BODY]),
    ("promises", r"for all people \| – \| ([\d,]+) \|", [scheduler.MAX_TURNS]),
    ("promises", r"code fails (\w+) times", [SETTINGS.quarantine_failures]),
    ("promises", r"within (\w+) minutes", [SETTINGS.quarantine_window / 60]),
    ("promises", r"is paused for (\w+)\s", [SETTINGS.quarantine_pause / 60]),
    (
        "magics",
        r"The newest (\w+)\s+exchanges",
        [MagicsSettings.class_traits()["max_history"].default()],
    ),
    ("magics", r"at most ([\d,]+) characters", [conversation._MOST_CHARS]),
    ("operating", r"not started within (\d+) seconds", [base.START_SECONDS]),
    ("operating", r"still loads plug-ins after (\d+)", [base.LOAD_SECONDS]),
    ("operating", r"other work takes longer than (\d+)", [base.WORK_SECONDS]),
    ("operating", r"`turn_timeout` and (\d+) seconds", [message.WAIT_SECONDS]),
]


def figure(text: str) -> float:
    return WORDS[text] if text in WORDS else float(text.replace(",", ""))


@pytest.mark.parametrize(("page", "pattern", "values"), FIGURES)
def test_a_figure_is_the_one_of_the_code(page: str, pattern: str, values: list[float]) -> None:
    found = re.search(pattern, (DOCS / f"{page}.md").read_text("utf-8"))
    assert found is not None, "the sentence is not there any more"
    assert [figure(group) for group in found.groups()] == pytest.approx(values)


def test_a_stop_ends_within_what_is_promised() -> None:
    found = re.search(r"process ends\s+within (\w+) seconds", (DOCS / "promises.md").read_text())
    assert found is not None
    last = max(exit_guard.GRACE_SECONDS, exit_guard.LEDGER_SECONDS)
    assert extension.SAVE_SECONDS + extension.STOP_SECONDS + last < figure(found[1])


def written(chars: int, seconds: float) -> float:
    """Return how often each character is written of a reply that grows evenly."""
    time = total = 0.0
    while time < seconds:
        now = chars * time / seconds
        total += now
        time += PACING.pause(chars=int(now))
    return (total + chars) / chars


def test_the_table_of_bytes_is_what_the_policy_gives() -> None:
    rows = re.findall(
        r"^\| (\d+) kB \| (?:(\d+) s|a moment)[^|]* \| (\d+) \|$",
        (DOCS / "streaming.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert len(rows) == 5
    for kilobytes, seconds, factor in rows:
        expected = written(int(kilobytes) * 1000, float(seconds)) if seconds else 1
        assert int(factor) == pytest.approx(expected, rel=0.03), (kilobytes, seconds)


def test_the_settings_of_the_magics_are_documented_with_their_defaults() -> None:
    text = (DOCS / "magics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", text, re.MULTILINE)
    traits = MagicsSettings.class_own_traits(config=True)
    assert {name for name, _ in rows} == set(traits)
    for name, value in rows:
        assert eval(value) == traits[name].default(), name
