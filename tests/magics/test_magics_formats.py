"""From the text of a reply to what is displayed."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.magics.formats import (
    FORMATS,
    NotInFormatError,
    bundle,
    code_of,
    inserted_code,
    preview,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(20)).decode()
FENCED = "Here it is:\n\n```python\nx = 1\n```\n\nand\n\n~~~\ny = 2\n~~~\n\nDone."


@pytest.mark.parametrize("format", ["markdown", "md"])
def test_markdown_is_displayed_as_such_while_it_grows_and_at_the_end(format: str) -> None:
    expected = {"text/markdown": "**a**", "text/plain": "**a**"}
    assert preview(format, "**a**") == bundle(format, "**a**") == expected


@pytest.mark.parametrize("format", sorted({*FORMATS} - {"markdown", "md"}))
def test_other_formats_are_text_while_they_grow(format: str) -> None:
    assert preview(format, "<b>") == {"text/plain": "<b>"}


def test_text_is_text() -> None:
    assert bundle("text", "**a**") == {"text/plain": "**a**"}


def test_html_loses_the_fence_around_it() -> None:
    assert bundle("html", "```html\n<b>a</b>\n```\n")["text/html"] == "<b>a</b>"
    assert bundle("html", "<b>a</b>")["text/html"] == "<b>a</b>"


def test_math_is_delimited() -> None:
    assert bundle("math", "x^2")["text/latex"] == "$$x^2$$"
    assert bundle("math", "```latex\n$$x^2$$\n```")["text/latex"] == "$$x^2$$"
    assert bundle("math", r"\[x\]")["text/latex"] == r"\[x\]"


def test_json_becomes_its_value() -> None:
    shown = bundle("json", 'Sure:\n```json\n{"a": [1, "ä"]}\n```')
    assert shown["application/json"] == {"a": [1, "ä"]}
    assert shown["text/plain"] == '{\n  "a": [\n    1,\n    "ä"\n  ]\n}'
    assert bundle("json", "[1]")["application/json"] == [1]


@pytest.mark.parametrize("text", ["no", '{"a": NaN}', "", "[" * 100_000])
def test_what_is_no_json_says_so(text: str) -> None:
    with pytest.raises(NotInFormatError, match="not JSON"):
        bundle("json", text)


@pytest.mark.parametrize(
    ("text", "mime", "data"),
    [
        (f"data:image/png;base64,{PNG}", "image/png", PNG),
        (f"image/png;base64,{PNG}", "image/png", PNG),
        (f"![it](data:image/jpeg;base64,{JPEG})", "image/jpeg", JPEG),
        (f"image/png;base64,{PNG[:30]}\n{PNG[30:]}", "image/png", PNG),
        (PNG, "image/png", PNG),
        (f"{JPEG[:20]}\n{JPEG[20:]}\n", "image/jpeg", JPEG),
        ("```svg\n<svg><g/></svg>\n```", "image/svg+xml", "<svg><g/></svg>"),
    ],
)
def test_an_image_is_found_however_models_send_it(text: str, mime: str, data: str) -> None:
    assert bundle("image", text) == {mime: data, "text/plain": f"<{mime}>"}


@pytest.mark.parametrize("text", ["I cannot draw.", "", "aGVsbG8="])
def test_what_is_no_image_says_so(text: str) -> None:
    with pytest.raises(NotInFormatError, match="no image"):
        bundle("image", text)


def test_code_is_what_is_fenced_or_everything() -> None:
    assert code_of(FENCED) == "x = 1\n\ny = 2"
    assert code_of("x = 1\n") == "x = 1"
    assert code_of("```\nx = '```'\n```") == "x = '```'"
    assert code_of("````\n```\nx\n```\n````") == "```\nx\n```"
    assert bundle("code", FENCED) == {"text/plain": "x = 1\n\ny = 2"}


def test_inserted_code_stays_in_the_output_too() -> None:
    shown = inserted_code("a < b")
    assert shown["text/plain"] == "a < b"
    assert "<pre>a &lt; b</pre>" in shown["text/html"]


@given(text=st.text(), format=st.sampled_from(FORMATS))
def test_any_text_can_be_shown_in_any_format_or_says_why_not(text: str, format: str) -> None:
    try:
        shown = bundle(format, text)
    except NotInFormatError:
        assert format in ("json", "image")
    else:
        assert "text/plain" in shown
