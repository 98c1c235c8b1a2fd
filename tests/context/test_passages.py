"""Files are cut where a reader would: at headings, definitions, cells and messages."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import is_linear

from jupyter_ai_personas.context.passage import MAX_LINE, MAX_PASSAGE
from jupyter_ai_personas.context.passages import cut


def outline(path: str, text: str) -> list[tuple[int, str]]:
    return [(part.line, part.heading) for part in cut(path, dedent(text).lstrip("\n"))]


def test_markdown_is_cut_at_headings() -> None:
    text = """
    Before any heading.

    # Bees

    ```python
    # no heading
    ```

    ## Honey
    sweet

    Wax
    ===
    | a | b |
    |---|---|
    """
    assert outline("a.md", text) == [(1, ""), (3, "Bees"), (9, "Bees › Honey"), (12, "Wax")]


def test_restructured_text_is_cut_at_headings() -> None:
    text = """
    ====
    Bees
    ====

    Honey
    -----
    sweet

    Wax
    -----
    burns
    """
    assert outline("a.rst", text)[1:] == [(2, "Bees"), (5, "Bees › Honey"), (9, "Bees › Wax")]


def test_python_is_cut_at_definitions() -> None:
    text = '''
    """Bees."""
    import hive

    @decorated
    def fly(): ...

    QUEEN = 1

    class Bee:
        """Small."""
        wings = 4

        async def sting(self): ...

        legs = 6
    '''
    assert outline("a.py", text) == [
        (1, ""),
        (4, "fly"),
        (7, ""),
        (9, "Bee"),
        (13, "Bee.sting"),
        (15, "Bee"),
    ]


def test_broken_python_is_cut_by_the_look_of_its_lines() -> None:
    assert outline("a.py", "def fly(:\n    pass\nclass Bee\n") == [(1, "fly"), (3, "Bee")]


@pytest.mark.parametrize(
    ("path", "line", "name"),
    [
        ("a.js", "export async function fly() {", "fly"),
        ("a.ts", "export const fly = (a: number) => {", "fly"),
        ("a.ts", "export interface Bee {", "Bee"),
        ("a.go", "func (b *Bee) Fly() error {", "Fly"),
        ("a.rs", "pub(crate) fn fly() {", "fly"),
        ("a.r", "fly <- function(x) {", "fly"),
        ("a.jl", "function fly(x)", "fly"),
        ("a.java", "public final class Bee {", "Bee"),
        ("a.sql", "CREATE OR REPLACE VIEW hive.bees AS", "hive.bees"),
        ("a.pyx", "def fly(x):", "fly"),
    ],
)
def test_definitions_of_other_languages(path: str, line: str, name: str) -> None:
    assert outline(path, f"x\n{line}\n") == [(1, ""), (2, name)]


def notebook(*cells: dict[str, object]) -> str:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_is_cut_at_cells_below_their_headings() -> None:
    error = {
        "output_type": "error",
        "ename": "KeyError",
        "evalue": "'honey'",
        "traceback": ["\x1b[0;31mKeyError\x1b[0m: 'honey'"],
    }
    shown = {"output_type": "execute_result", "data": {"text/plain": ["42"], "image/png": "iVBOR"}}
    text = notebook(
        {"cell_type": "markdown", "id": "m", "source": ["# Bees\n", "Small."]},
        {"cell_type": "code", "id": "a", "source": "jar['honey']", "outputs": [error]},
        {"cell_type": "code", "source": "6 * 7", "outputs": [shown]},
        {"cell_type": "code", "id": "e", "source": ""},
    )
    first, second, third = cut("a.ipynb", text)
    assert (first.cell, first.heading, first.text) == ("m", "Bees", "# Bees\nSmall.")
    assert (second.cell, second.heading) == ("a", "Bees")
    assert second.text == "jar['honey']\nKeyError: 'honey'\nKeyError: 'honey'"
    assert (third.cell, third.text) == ("index-2", "6 * 7\n42")


def test_a_notebook_of_version_3_has_its_cells_in_worksheets() -> None:
    cell = {"cell_type": "code", "input": ["old"], "outputs": [{"text": ["out"]}]}
    (only,) = cut("a.ipynb", json.dumps({"worksheets": [{"cells": [cell]}]}))
    assert only.text == "old\nout"


def test_commands_and_replies_that_failed_are_no_passages() -> None:
    persona = "jupyter-ai-personas::bees::Beekeeper"

    def reply(body: str, state: str) -> dict[str, Any]:
        ours = {"reply_to": "1", "turn": "t", "state": state}
        return {"sender": persona, "body": body, "metadata": {"jupyter_ai_personas": ours}}

    messages = [
        {"sender": "ada", "body": "/models"},
        {"sender": "ada", "body": "/home/ada is full"},
        reply("No model is set up here", "failed"),
        reply("They fly", "done"),
    ]
    content = {"messages": [{"id": str(n), **one} for n, one in enumerate(messages)]}
    found = [part.text for part in cut("a.chat", json.dumps(content))]
    assert found == ["/home/ada is full", "They fly"]


def test_a_chat_is_cut_at_messages_that_are_not_deleted() -> None:
    content = {
        "users": {"u": {"display_name": "Ada"}},
        "messages": [
            {"id": "1", "sender": "u", "body": "Where is the honey?"},
            {"id": "2", "sender": "u", "body": "gone", "deleted": True},
            {"id": "3", "sender": "stranger", "body": "Here."},
        ],
    }
    found = [(part.heading, part.text) for part in cut("a.chat", json.dumps(content))]
    assert found == [("Ada", "Where is the honey?"), ("stranger", "Here.")]


@pytest.mark.parametrize("path", ["a.ipynb", "a.chat"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", '{"cells": 3, "messages": 3}', "[" * 100_000]
)
def test_what_is_no_notebook_or_chat_has_no_passages(path: str, text: str) -> None:
    assert list(cut(path, text)) == []


def test_half_a_pair_of_surrogates_is_replaced() -> None:
    cell = {"cell_type": "code", "id": "\ud83d", "source": "smile \ud83d and \U0001f600"}
    (only,) = cut("a.ipynb", notebook(cell))
    assert (only.cell, only.text) == ("?", "smile ? and \U0001f600")


KEYS = st.sampled_from(
    ("cells", "worksheets", "source", "outputs", "cell_type", "data", "text", "id", "messages")
) | st.sampled_from(("users", "body", "sender", "traceback", "output_type", "text/plain"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            KEYS,
            inner,
            max_size=4,
        )
    ),
)


@given(st.sampled_from(["a.ipynb", "a.chat"]), JSON)
def test_any_json_is_cut_without_an_error(path: str, content: object) -> None:
    list(cut(path, json.dumps(content)))


@given(
    st.sampled_from(["a.md", "a.rst", "a.py", "a.js", "a.txt", "a.ipynb", "a.chat", "a"]),
    st.text(st.sampled_from("a b#=-`~\n\r\t:()[]{}\"'\\@def class"), max_size=300),
)
def test_any_text_is_cut_in_order_within_bounds(path: str, text: str) -> None:
    parts = list(cut(path, text))
    lines = [part.line for part in parts]
    assert lines == sorted(lines)
    assert all(part.text.strip() and len(part.text) <= MAX_PASSAGE for part in parts)


@given(st.lists(st.text("ab ", max_size=40), max_size=200))
def test_each_line_of_a_text_is_in_one_passage_and_where_it_says(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = {}
    for part in cut("a.txt", text):
        for number, line in enumerate(part.text.split("\n"), part.line):
            assert number not in found
            found[number] = line
    wanted = {number: line.rstrip() for number, line in enumerate(lines, 1) if line.strip()}
    assert {number: line for number, line in found.items() if line.strip()} == wanted


def test_a_long_section_is_cut_between_lines_and_a_long_line_is_cut_off() -> None:
    text = "# Bees\n" + "honey and wax\n" * 500 + "x" * 5_000
    parts = list(cut("a.md", text))
    assert len(parts) > 3
    assert {part.heading for part in parts} == {"Bees"}
    assert parts[1].line == 1 + len(parts[0].text.split("\n"))
    assert len(parts[-1].text.split("\n")[-1]) == MAX_LINE


@pytest.mark.parametrize("path", ["a.md", "a.rst", "a.py", "a.js", "a.txt"])
@pytest.mark.parametrize("piece", ["# ", "a\n", "#", "=", "\n", " ", "x\n=\n", "def a(", "```\n"])
def test_strange_texts_cost_no_more_than_their_length(path: str, piece: str) -> None:
    assert is_linear(lambda n: list(cut(path, piece * n)), 20_000)
