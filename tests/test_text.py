"""Text that enters, made such that a document and a vendor's API can hold it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.text import Anew, TextJoiner, extended, well_formed, well_formed_json

HALVES = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF, categories=["Cs"])
ANY_TEXT = st.text(HALVES | st.sampled_from("aé漢😀") | st.characters())
FILE_NAME = b"caf\xe9.csv".decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain", "plain"),
        ("é漢😀", "é漢😀"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00b", "\ufffdb"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        (FILE_NAME, "caf\ufffd.csv"),
        ("", ""),
    ],
)
def test_pairs_are_joined_and_lone_halves_replaced(text: str, clean: str) -> None:
    assert well_formed(text) == clean


@given(ANY_TEXT)
def test_well_formed_text_can_be_encoded_and_stays_as_it_is(text: str) -> None:
    clean = well_formed(text)
    clean.encode()
    assert well_formed(clean) == clean


@given(ANY_TEXT)
def test_text_that_can_be_encoded_is_not_changed(text: str) -> None:
    good = text.encode(errors="ignore").decode()
    assert well_formed(good) == good


@given(ANY_TEXT, st.lists(st.integers(0, 40), max_size=6))
def test_however_a_text_is_cut_its_pieces_make_it(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    joiner = TextJoiner()
    pieces = [joiner.feed(text[start:end]) for start, end in pairwise(places)]
    for piece in pieces:
        piece.encode()
    assert "".join([*pieces, joiner.finish()]) == well_formed(text)
    assert joiner.finish() == ""


def test_the_second_half_comes_with_the_pair() -> None:
    joiner = TextJoiner()
    assert [joiner.feed(p) for p in ("a", "\ud83d", "\ude00", "b")] == ["a", "", "😀", "b"]


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (
            json.loads('{"\\ud83d": ["\\ud83d\\ude00", {"b": "\\udce9"}]}'),
            {"�": ["😀", {"b": "�"}]},
        ),
        ([1, 2.5, None, True, "x"], [1, 2.5, None, True, "x"]),
        ("\udce9", "�"),
        (7, 7),
    ],
)
def test_all_text_in_a_json_value_becomes_well_formed(value: Any, clean: Any) -> None:
    assert well_formed_json(value) == clean


def test_a_piece_that_begins_anew_replaces_those_before_it() -> None:
    text = ""
    for piece in ("one ", "two ", Anew("three "), "four"):
        text = extended(text, piece)
    assert text == "three four"
    assert type(extended("x", Anew("y"))) is str
