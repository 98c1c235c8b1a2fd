"""Arguments of prompts, as people type them."""

from __future__ import annotations

import pytest

from jupyter_ai_personas.errors import RequestRefusedError
from jupyter_ai_personas.tools.prompts import (
    Prompt,
    PromptArgument,
    command_parts,
    prompt_arguments,
)

PROMPT = Prompt("w", "report", "", (PromptArgument("city", True), PromptArgument("days")))


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("/w.report", ("w", "report", "")),
        ("  /w.a/b.c  x y ", ("w", "a/b.c", "x y")),
        ("/help", None),
        ("/.x", None),
        ("/w.", None),
        ("w.report", None),
        ("/w.report\nand more", None),
        ("", None),
    ],
)
def test_what_may_ask_for_a_prompt(typed: str, parts: object) -> None:
    assert command_parts(typed) == parts


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("Bern", {"city": "Bern"}),
        ("Bern 3", {"city": "Bern", "days": "3"}),
        ("Bern three long days", {"city": "Bern", "days": "three long days"}),
        ("'Bad Ragaz'", {"city": "Bad Ragaz"}),
        ("days=3 Bern", {"city": "Bern", "days": "3"}),
        ("days=3 Bad Ragaz", {"city": "Bad Ragaz", "days": "3"}),
        ("city=a=b", {"city": "a=b"}),
        ("x=1", {"city": "x=1"}),
        ("@Helper Bern", {"city": "Bern"}),
        ("Val d'Isère", {"city": "Val", "days": "d'Isère"}),
    ],
)
def test_arguments_have_names_or_an_order(typed: str, found: dict[str, str]) -> None:
    assert prompt_arguments(PROMPT, typed, mentions=["@helper"]) == found


@pytest.mark.parametrize("typed", ["", "days=3", "city=", "city=x days=3 more"])
def test_what_does_not_fit_says_how_it_is_written(typed: str) -> None:
    with pytest.raises(RequestRefusedError, match=r"Write `/w.report city \[days\]`"):
        prompt_arguments(PROMPT, typed)
