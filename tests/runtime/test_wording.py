"""Sentences for people."""

from __future__ import annotations

import pytest

from jupyter_ai_personas.runtime.wording import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1.0, "0 seconds"),
        (0.4, "0 seconds"),
        (1.2, "1 second"),
        (60.0, "1 minute"),
        (119.0, "119 seconds"),
        (150.0, "2 minutes"),
        (3599.9999, "1 hour"),
        (5400.0, "90 minutes"),
        (86_400.0, "1 day"),
        (100_000.0, "27 hours"),
        (200_000.0, "2 days"),
    ],
)
def test_a_duration_is_told_in_one_unit(seconds: float, said: str) -> None:
    assert duration(seconds) == said
