"""Identifiers in all notations have the same parts, and any text can be taken apart."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import is_linear

from jupyter_ai_personas.context.words import identifier_parts, with_parts

PART = st.from_regex(r"[a-z]{2,8}", fullmatch=True)


@pytest.mark.parametrize("name", ["read_csv", "readCSV", "ReadCsv", "read-csv", "READ_CSV"])
def test_notations_of_one_name_have_the_same_parts(name: str) -> None:
    assert identifier_parts(name) == ["read", "csv"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("HTTPServer", ["http", "server"]),
        ("CFTimeIndex", ["cf", "time", "index"]),
        ("netCDF4", ["net", "cdf", "4"]),
        ("__init__", ["init"]),
        ("plain", ["plain"]),
        ("größeÄndern", ["größe", "ändern"]),
        ("数据", ["数据"]),
        ("", []),
    ],
)
def test_parts(name: str, parts: list[str]) -> None:
    assert identifier_parts(name) == parts


@given(st.lists(PART, min_size=1, max_size=5))
def test_parts_are_found_again_in_any_notation(parts: list[str]) -> None:
    first, *rest = parts
    camel = first + "".join(part.capitalize() for part in rest)
    pascal = "".join(part.capitalize() for part in parts)
    assert identifier_parts("_".join(parts)) == parts
    assert identifier_parts("-".join(parts)) == parts
    assert identifier_parts(camel) == parts
    assert identifier_parts(pascal) == parts
    assert identifier_parts("_".join(parts).upper()) == parts


@given(st.text())
def test_no_letter_or_digit_is_lost(text: str) -> None:
    wanted = "".join(re.findall(r"[^\W_]", text))
    assert "".join(identifier_parts(text)).casefold() == wanted.casefold()


@given(st.text())
def test_a_text_stays_as_it_is_before_what_is_added(text: str) -> None:
    assert with_parts(text).startswith(text)


def test_each_mixed_name_is_added_once() -> None:
    assert with_parts("readCSV and readCSV of HTTPServer, not Plain, NASA or read_csv") == (
        "readCSV and readCSV of HTTPServer, not Plain, NASA or read_csv read csv http server"
    )


@pytest.mark.parametrize("piece", ["a", "aB", "A", "a1", "_", "Aa"])
def test_long_runs_cost_no_more_than_their_length(piece: str) -> None:
    assert is_linear(lambda n: with_parts(piece * n), 20_000)
