"""The names by which operators call personas in settings."""

from __future__ import annotations

import pytest

from jupyter_ai_personas.routing import said_of

NAMES = ("jupyter-ai-personas::acme::Analyst", "Data Analyst é", "Data-Analyst-é")


@pytest.mark.parametrize(
    "name", [*NAMES, "@data-analyst-é", " DATA  analyst É ", "data-analyst-e\u0301"]
)
def test_a_persona_is_meant_however_its_name_is_written(name: str) -> None:
    assert said_of(NAMES, {"*": 1, "Data": 2, name: 3}) == 3


@pytest.mark.parametrize("name", ["", "*", "@", "Data", "Analyst", "Data-Analyst"])
def test_another_name_means_nobody(name: str) -> None:
    assert said_of(NAMES, {name: 1}) is None
