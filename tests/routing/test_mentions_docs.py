"""What the docs say of mentions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_ai_personas.routing import NameIndex, find_mentions, meant_names

PAGE = Path(__file__).parents[2] / "docs" / "promises.md"
NAMES = NameIndex({name: name for name in ("Guide", "Data", "Data-Analyst")})

ROWS = re.findall(r"^\| (`.*`) \| (`.*`|nobody.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)


def examples() -> list[tuple[str, str]]:
    return [(body, result) for row, result in ROWS for body in re.findall("`([^`]+)`", row)]


def test_the_docs_have_examples() -> None:
    assert len(examples()) > 20


@pytest.mark.parametrize(("body", "result"), examples())
def test_the_docs_tell_whom_a_message_addresses(body: str, result: str) -> None:
    assert find_mentions(body, NAMES) == re.findall("`([^`]+)`", result)
    if result.startswith("nobody"):
        assert bool(meant_names(body, NAMES, [])) is (result == "nobody, with a hint")
