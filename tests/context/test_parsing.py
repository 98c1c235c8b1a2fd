from __future__ import annotations

import base64
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.context.parsing import decode_base64, parse_notebook

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
notebooks = st.dictionaries(st.sampled_from(["cells", "nbformat", "a"]) | st.text(), json_values)


@given(notebooks, st.sampled_from([None, 1]), st.booleans())
def test_a_notebook_is_parsed_as_json_is(
    notebook: dict[str, Any], indent: int | None, ascii: bool
) -> None:
    text = json.dumps(notebook, indent=indent, ensure_ascii=ascii)
    assert parse_notebook(text) == json.loads(text)


@given(st.text(st.sampled_from('{}[]",:cels1 \n'), max_size=30))
def test_what_is_no_json_object_is_refused(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    if isinstance(expected, dict):
        assert parse_notebook(text) == expected
    else:
        with pytest.raises(ValueError, match=r"."):
            parse_notebook(text)


def test_a_notebook_that_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(ValueError, match="deep"):
        parse_notebook('{"cells": [' + "[" * 100_000 + "]" * 100_000 + "]}")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 2_000_000])
@pytest.mark.parametrize("encode", [base64.encodebytes, base64.b64encode])
def test_base64_is_decoded_in_pieces(size: int, encode: Any) -> None:
    data = os.urandom(size)
    assert decode_base64(encode(data).decode()) == data


def test_what_is_no_base64_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_base64("a")
