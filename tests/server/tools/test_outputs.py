"""Outputs of a run in a shared cell: always what was collected, whoever else changes the cell."""

from __future__ import annotations

from typing import Any

import nbformat
from hypothesis import given
from hypothesis import strategies as st
from jupyter_ydoc import YNotebook
from support.desk import notebook_of

from jupyter_ai_personas.server.tools.cells import SharedCells
from jupyter_ai_personas.server.tools.outputs import MAX_CHARS, Outputs, OutputWriter

_display = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries({"text/plain": st.text(max_size=3)}),
        "metadata": st.just({}),
        "transient": st.one_of(
            st.just({}), st.fixed_dictionaries({"display_id": st.sampled_from("ab")})
        ),
    }
)
_messages = st.one_of(
    st.tuples(
        st.just("stream"),
        st.fixed_dictionaries(
            {"name": st.sampled_from(["stdout", "stderr"]), "text": st.text(max_size=3)}
        ),
    ),
    st.tuples(st.sampled_from(["display_data", "update_display_data"]), _display),
    st.tuples(st.just("clear_output"), st.fixed_dictionaries({"wait": st.booleans()})),
    st.tuples(st.just("flush"), st.just({})),
    st.tuples(st.just("emptied by somebody"), st.just({})),
)


def shared() -> tuple[YNotebook, SharedCells]:
    document = YNotebook()
    document.set(notebook_of("x"))
    return document, SharedCells(document)


@given(st.lists(_messages, max_size=20))
def test_the_cell_has_what_was_put_out(messages: list[tuple[str, Any]]) -> None:
    document, cells = shared()
    outputs, writer = Outputs(), OutputWriter("c0")
    for kind, content in messages:
        if kind == "flush":
            writer.write(cells, outputs, running=True)
        elif kind == "emptied by somebody":
            document.ycells[0]["outputs"].clear()
        else:
            outputs.add(kind, content)
    writer.write(cells, outputs, running=False)
    [cell] = document.get()["cells"]
    assert cell["outputs"] == outputs.items
    nbformat.validate(document.get())


def test_a_stream_that_grows_is_not_written_anew() -> None:
    document, cells = shared()
    outputs, writer = Outputs(), OutputWriter("c0")
    outputs.add("stream", {"name": "stdout", "text": "x" * 100_000})
    writer.write(cells, outputs, running=True)
    sizes = []
    subscription = document.ydoc.observe(lambda event: sizes.append(len(event.update)))
    outputs.add("stream", {"name": "stdout", "text": "y"})
    writer.write(cells, outputs, running=True)
    document.ydoc.unobserve(subscription)
    assert sum(sizes) < 200


def test_too_much_output_is_cut_and_the_cut_is_announced() -> None:
    outputs = Outputs()
    for _ in range(5):
        outputs.add("stream", {"name": "stdout", "text": "x" * (MAX_CHARS // 2)})
    assert [output["name"] for output in outputs.items] == ["stdout", "stderr"]
    assert len(outputs.items[0]["text"]) <= MAX_CHARS
    assert "Too much output" in outputs.items[1]["text"]
