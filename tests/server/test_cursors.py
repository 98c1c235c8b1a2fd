"""Which cell a cursor is in, told without handing anything of a client to the library."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_ydoc import YNotebook
from pycrdt import Assoc

from jupyter_ai_personas.server.cursors import Cursor, cell_of_cursor, cursor_of

SOURCES = ["x = 1\n", "", "naïve = '😀'\n" * 20, "y", "é"]


@pytest.fixture
def document() -> YNotebook:
    cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(SOURCES)]
    notebook = YNotebook()
    notebook.set(dict(nbformat.v4.new_notebook(cells=cells)))
    return notebook


def announced(document: YNotebook, cell: int, index: int | None, **more: Any) -> dict[str, Any]:
    """What a browser announces: the identity of a character, or of the text at its end."""
    text = document.ycells[cell]["source"]
    if index is None:
        at = {"type": text.sticky_index(0, Assoc.BEFORE).to_json()["type"], "item": None}
    else:
        at = {"type": None, "item": text.sticky_index(index, Assoc.AFTER).to_json()["item"]}
    return {"anchor": at, "head": at, "primary": True, "empty": True, **more}


def present(name: str, *cursors: dict[str, Any]) -> dict[str, Any]:
    return {"user": {"username": name}, "cursors": list(cursors)}


async def cell(document: YNotebook, *states: Any) -> str | None:
    cursor = cursor_of(states, "ada")
    return None if cursor is None else await cell_of_cursor(document, cursor)


@pytest.mark.parametrize("number", range(len(SOURCES)))
async def test_a_cursor_at_the_end_of_a_cell_is_in_it(document: YNotebook, number: int) -> None:
    state = present("ada", announced(document, number, None))
    assert await cell(document, state) == f"c{number}"


@pytest.mark.parametrize("number", [0, 2, 3, 4])
async def test_a_cursor_before_a_character_is_in_its_cell(document: YNotebook, number: int) -> None:
    assert await cell(document, present("ada", announced(document, number, 0))) == f"c{number}"


async def test_a_cursor_is_found_in_a_text_that_was_edited_a_lot(document: YNotebook) -> None:
    text = document.ycells[2]["source"]
    for i in range(50):
        text.insert(3 * i, "é😀"[i % 2])
        del text[1]
    state = present("ada", announced(document, 2, 30))
    assert await cell(document, state) == "c2"


async def test_only_the_persons_own_cursor_counts_and_of_several_the_primary(
    document: YNotebook,
) -> None:
    assert await cell(document, present("bea", announced(document, 0, 0))) is None
    state = present(
        "ada", announced(document, 0, 0, primary=False), announced(document, 3, 0, primary=True)
    )
    assert await cell(document, present("bea", announced(document, 0, 0)), state) == "c3"


async def test_a_cursor_whose_cell_is_gone_is_in_none(document: YNotebook) -> None:
    state = present("ada", announced(document, 0, 2))
    document.ycells.pop(0)
    assert await cell(document, state) is None


ids = st.none() | st.integers() | st.floats() | st.text(max_size=3)
heads = st.dictionaries(
    st.sampled_from(["type", "item", "tname"]),
    st.none() | ids | st.dictionaries(st.sampled_from(["client", "clock"]), ids),
)


@given(st.lists(st.dictionaries(st.sampled_from(["head", "primary"]), heads | ids) | ids))
async def test_whatever_is_announced_is_survived(cursors: list[Any]) -> None:
    document = YNotebook()
    document.set(dict(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", id="a")])))
    cursor = cursor_of([{"user": {"username": "ada"}, "cursors": cursors}], "ada")
    if cursor is not None:
        assert await cell_of_cursor(document, cursor) in (None, "a")


async def test_floats_of_a_browser_are_understood(document: YNotebook) -> None:
    item = announced(document, 3, 0)["head"]["item"]
    head = {"item": {key: float(value) for key, value in item.items()}}
    cursor = cursor_of([present("ada", {"head": head})], "ada")
    assert cursor == Cursor(item["client"], item["clock"], False)
