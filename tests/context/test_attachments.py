"""What clients write of attachments: the stock front end's format, and anything else."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyterlab_chat.models import (
    AttachmentSelection,
    FileAttachment,
    NotebookAttachment,
    NotebookAttachmentCell,
)

from jupyter_ai_personas.chat import Attachment, Selection
from jupyter_ai_personas.chat.messages import decode_attachment

CHOSEN = AttachmentSelection(start=(1, 0), end=(2, 4), content="two\nthree")
SELECTION = Selection((1, 0), (2, 4), "two\nthree")


def plain(attachment: Any) -> Any:
    """As a document holds it: tuples are lists, and browsers have floats only."""
    return json.loads(json.dumps(asdict(attachment)), parse_int=float)


def test_a_selection_in_a_file_is_understood() -> None:
    raw = plain(FileAttachment(value="a.py", mimetype="text/x-python", selection=CHOSEN))
    assert decode_attachment("1", raw) == Attachment(
        "1", "a.py", "file", "text/x-python", selection=SELECTION
    )


def test_cells_and_selections_in_them_are_understood() -> None:
    cells = [
        NotebookAttachmentCell(id="c1", input_type="code", selection=CHOSEN),
        NotebookAttachmentCell(id="c2", input_type="markdown"),
    ]
    raw = plain(NotebookAttachment(value="a.ipynb", cells=cells))
    assert decode_attachment("1", raw) == Attachment(
        "1", "a.ipynb", "notebook", cells=("c1", "c2"), cell_selections={"c1": SELECTION}
    )


def test_a_selection_that_was_made_backwards_is_turned() -> None:
    raw = {"value": "a.py", "selection": {"start": [2, 4], "end": [1, 0], "content": "x"}}
    decoded = decode_attachment("1", raw)
    assert decoded is not None
    assert decoded.selection == Selection((1, 0), (2, 4), "x")


@pytest.mark.parametrize(
    "selection",
    [
        {},
        [],
        "x",
        {"start": [1], "end": [1, 2]},
        {"start": [-1, 0], "end": [1, 2]},
        {"start": [1.5, 0], "end": [1, 2]},
        {"start": [True, 0], "end": [1, 2]},
        {"start": [float("nan"), 0], "end": [1, 2]},
        {"start": [float("inf"), 0], "end": [1, 2]},
        {"start": ["1", 0], "end": [1, 2]},
    ],
)
def test_a_selection_that_is_none_counts_as_absent(selection: Any) -> None:
    decoded = decode_attachment("1", {"value": "a.py", "selection": selection})
    assert decoded == Attachment("1", "a.py")


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "cells", "selection", "start", "end", "content", "value"]), inner
        )
    ),
    max_leaves=10,
)


@given(values)
def test_whatever_a_client_writes_is_decoded_and_crosses_the_wall(raw: Any) -> None:
    raw = {**raw, "value": "a.ipynb"} if isinstance(raw, dict) else raw
    decoded = decode_attachment("1", raw)
    if decoded is not None:
        assert Attachment.from_json(json.loads(json.dumps(asdict(decoded)))) == decoded
