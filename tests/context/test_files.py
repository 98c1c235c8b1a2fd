from __future__ import annotations

import builtins
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from jupyter_ai_personas.chat import Attachment, Selection
from jupyter_ai_personas.context.attached import Content, render_attachment
from jupyter_ai_personas.context.bounds import ContextLimits, first_lines, middle_out, shown_size
from jupyter_ai_personas.context.rendered import Rendered, message_content, problems_line

LIMITS = ContextLimits()


def render(
    path: str, data: bytes | str, limits: ContextLimits = LIMITS, **attached: Any
) -> Rendered:
    attachment = Attachment(id="a", path=path, **attached)
    if isinstance(data, str):
        content = Content(path, text=data)
    else:
        content = Content(path, file=io.BytesIO(data), size=len(data))
    return render_attachment(content, attachment, limits=limits)


# -- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, str.encode])
def test_code_is_given_with_its_language(kind: Any) -> None:
    rendered = render("src/bees.py", kind("def count():\n    return 3\n"))
    assert rendered == Rendered(
        "`src/bees.py`", "`src/bees.py`:\n\n```python\ndef count():\n    return 3\n```"
    )


@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_long_file_is_cut_and_says_how_much_of_it_is_given(kind: Any) -> None:
    text = "".join(f"line {i}\n" for i in range(10_000))
    rendered = render("a.txt", kind(text), replace(LIMITS, lines=200))
    assert rendered.text.startswith("`a.txt` (first 200 of 10,000 lines):")
    assert "line 199\n```" in rendered.text


def test_lines_of_a_large_file_are_counted_without_holding_it_in_memory() -> None:
    data = b"x" * 99 + b"\n"
    rendered = render("a.log", data * 50_000, replace(LIMITS, chars=1_000))
    assert "(first 10 of 50,000 lines)" in rendered.text
    rendered = render("a.log", data * 50_000, replace(LIMITS, chars=1_000, counted_bytes=2_000_000))
    assert "the rest was not counted" in rendered.text


def test_one_very_long_line_is_cut_by_characters() -> None:
    rendered = render("a.json", "x" * 100_000)
    assert "(first 40,000 of 100,000 characters)" in rendered.text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Bienen: ä\n".encode("utf-8-sig"), "Bienen: ä"),
        ("Bienen: ä\n".encode("utf-16"), "Bienen: ä"),
        ("Bienen: ä\n".encode("latin-1"), "Bienen: ä"),
        ("蜜蜂\n".encode(), "蜜蜂"),
    ],
)
def test_text_in_other_encodings_is_read(data: bytes, text: str) -> None:
    assert f"```\n{text}\n```" in render("a.txt", data).text


def test_a_guessed_encoding_is_told() -> None:
    assert "decoded as Latin-1" in render("a.txt", "ä\n".encode("latin-1")).text


def test_a_character_that_is_cut_in_two_does_not_make_a_file_binary() -> None:
    rendered = render("a.txt", "ä\n".encode() * 100_000, replace(LIMITS, chars=999))
    assert not rendered.problem
    assert "decoded" not in rendered.text


def test_an_empty_file_is_called_empty() -> None:
    assert render("a.txt", b"").text == "`a.txt` is empty."


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 20, b"\x7fELF\2\1\1\0" + b"\0" * 100, b"PK\3\4\0\0\0\0\xff\xfe"]
)
def test_a_binary_file_is_refused_with_its_kind_and_size(data: bytes) -> None:
    rendered = render("model.bin", data)
    assert rendered.text == ""
    assert rendered.problem.startswith(f"a `.bin` file, {shown_size(len(data))}, is not text")


def test_a_fence_in_a_file_does_not_end_it() -> None:
    assert "````markdown\n```\nx\n```\n````" in render("a.md", "```\nx\n```\n").text


def test_secrets_in_a_file_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEE_API_KEY", "hunter2-hunter2")
    text = render("a.py", "client(key='hunter2-hunter2')\n").text
    assert "hunter2" not in text
    assert "[secret]" in text


@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_private_key_is_never_given(kind: Any) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
    rendered = render("notes.txt", kind(key))
    assert "private key" in rendered.problem
    assert "MIIE" not in rendered.shown
    notebook = {"nbformat": 4, "cells": [{"cell_type": "code", "source": key, "outputs": []}]}
    content = Content("a.ipynb", notebook=notebook)
    shown = render_attachment(content, Attachment("a", "a.ipynb"), limits=LIMITS).shown
    assert "MIIE" not in shown


# -- selections ------------------------------------------------------------------------------------

TEXT = "one\ntwo\nthree\nfour\n"


def test_a_selection_is_given_with_its_lines() -> None:
    rendered = render("a.py", TEXT, selection=Selection((1, 0), (2, 4), "two\nthree"))
    assert rendered.text == "`a.py`, selected (lines 2–3):\n\n```python\ntwo\nthree\n```"


def test_a_selection_without_content_is_cut_from_the_file() -> None:
    rendered = render("a.py", TEXT, selection=Selection((1, 1), (2, 1)))
    assert rendered.text == "`a.py`, selected (lines 2–3):\n\n```python\nwo\nth\n```"


def test_a_selection_whose_place_has_changed_says_so() -> None:
    rendered = render("a.py", TEXT, selection=Selection((0, 0), (0, 3), "zero"))
    assert "(line 1; the file has changed there since)" in rendered.text
    assert "zero" in rendered.text


def test_a_selection_beyond_the_end_is_told() -> None:
    rendered = render("a.py", TEXT, selection=Selection((90, 0), (91, 3)))
    assert rendered.problem == "the selection (lines 91–92) is empty."


def test_a_selection_in_a_table_is_given_as_text() -> None:
    rendered = render("a.csv", "a,b\n1,2\n", selection=Selection((1, 0), (1, 3), "1,2"))
    assert "selected (line 2)" in rendered.text
    assert "columns" not in rendered.text


# -- tables ----------------------------------------------------------------------------------------

CSV = "day,visits,share,fed,bee\n2026-05-01,3,0.5,true,Ada\n2026-05-02,,1e-3,false,Bea\n"


@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_csv_file_is_given_as_schema_shape_and_head(kind: Any) -> None:
    rendered = render("data/bees.csv", kind(CSV))
    assert rendered.text == (
        "`data/bees.csv` (2 rows × 5 columns):\n"
        "- day: date\n"
        "- visits: integer (1 of the first 2 missing)\n"
        "- share: number\n"
        "- fed: boolean\n"
        "- bee: text\n"
        "first 2 rows:\n"
        "```csv\n"
        f"{CSV}```"
    )


def test_a_large_csv_file_is_counted_and_only_its_head_is_given() -> None:
    rows = "".join(f"{i},{i / 7}\n" for i in range(30_000))
    rendered = render("a.csv", f"n,x\n{rows}".encode())
    assert "(30,000 rows × 2 columns)" in rendered.text
    assert len(rendered.text) < 300
    counted = render("a.csv", f"n,x\n{rows}".encode(), replace(LIMITS, counted_bytes=100_000))
    assert "(at least " in counted.text
    assert "the rest was not counted" in counted.text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.csv", "name;age\nAda;3\nBea;4\n"),
        ("a.tsv", "name\tage\nAda\t3\nBea\t4\n"),
        ("a.csv", "name|age\r\nAda|3\r\nBea|4\r\n"),
        ("a.csv", 'name,age\n"Ada, the ""first""",3\n"B\nea",4\n'),
    ],
)
def test_tables_with_other_separators_are_understood(path: str, text: str) -> None:
    rendered = render(path, text)
    assert "(2 rows × 2 columns)" in rendered.text
    assert "- name: text\n- age: integer" in rendered.text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_tables_in_other_encodings_are_read(encoding: str) -> None:
    rendered = render("a.csv", "naïve,b\nä,2\n".encode(encoding))
    assert "- naïve: text\n- b: integer" in rendered.text


def test_a_table_of_one_column_is_one() -> None:
    assert "(2 rows × 1 columns)" in render("a.csv", "name\nAda\nBea\n").text


def test_wide_tables_and_values_are_cut() -> None:
    wide = ",".join(f"c{i}" for i in range(1000))
    rendered = render("a.csv", f"{wide}\n" + ",".join(["x" * 5000] * 1000))
    assert "[… first 200 of 1,000 columns]" in rendered.text
    assert len(rendered.text) <= LIMITS.chars + 100


def test_what_only_calls_itself_a_table_is_given_as_text() -> None:
    rendered = render("a.csv", "x" * 200_000)
    assert "(first 40,000 of 200,000 characters)" in rendered.text


def test_a_name_cannot_leave_its_line() -> None:
    rendered = render("a\n> `b`.bin", b"\0")
    line = problems_line([rendered], takes_images=True)
    assert line.startswith("> ``a > `b`.bin`` was not read: a `.bin` file, 1 byte, ")
    assert line.count("\n") == 2


def test_an_empty_table_and_one_of_rubbish_are_told() -> None:
    assert render("a.csv", b"").text == "`a.csv` is empty."
    assert (
        "is not text, an image, a table or a PDF" in render("a.csv", bytes(range(256)) * 9).problem
    )


def test_a_parquet_file_is_given_as_schema_shape_and_head() -> None:
    table = pyarrow.table({"bee": ["Ada", None] * 5_000, "visits": range(10_000)})
    file = io.BytesIO()
    parquet.write_table(table, file)
    rendered = render("bees.parquet", file.getvalue())
    assert rendered.text == (
        "`bees.parquet` (10,000 rows × 2 columns):\n"
        "- bee: string\n"
        "- visits: int64\n"
        "first 5 rows:\n"
        "```csv\nbee,visits\nAda,0\n,1\nAda,2\n,3\nAda,4\n```"
    )


def test_a_damaged_parquet_file_is_told() -> None:
    assert render("a.parquet", b"PAR1 nothing").problem.startswith("it is no Parquet file")


# -- PDF -------------------------------------------------------------------------------------------


def pdf(pages: list[str], password: str = "") -> bytes:
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    for text in pages:
        page = writer.add_blank_page(300, 300)
        font = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_the_text_of_a_pdf_is_given_by_pages() -> None:
    rendered = render("paper.pdf", pdf(["Bees dance", "They count"]))
    assert rendered.text == (
        "`paper.pdf` (2 pages):\n\n[page 1]\nBees dance\n\n[page 2]\nThey count"
    )


def test_a_long_pdf_is_cut_and_says_so() -> None:
    rendered = render("paper.pdf", pdf(["Bees"] * 9), replace(LIMITS, pages=3))
    assert "(first 3 of 9 pages)" in rendered.text
    assert "[page 4]" not in rendered.text


def test_a_pdf_that_cannot_be_read_is_told() -> None:
    assert "no text" in render("scan.pdf", pdf([""])).problem
    assert "password" in render("locked.pdf", pdf(["Bees"], password="bees")).problem
    assert render("bad.pdf", b"%PDF-1.7 rubbish").problem.startswith("it is no PDF")


@pytest.mark.parametrize(
    ("path", "module", "extra"), [("a.pdf", "pypdf", "pdf"), ("a.parquet", "pyarrow", "parquet")]
)
def test_a_package_that_is_absent_is_named_with_the_fix(
    path: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == module:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    data = pdf(["Bees"]) if extra == "pdf" else b"PAR1 something"
    monkeypatch.setattr(builtins, "__import__", absent)
    problem = render(path, data).problem
    assert f"pip install 'jupyter_ai_personas[{extra}]'" in problem


# -- images ----------------------------------------------------------------------------------------


def test_an_image_is_passed_on(image: bytes) -> None:
    rendered = render("bee.png", image)
    assert rendered.text == f"`bee.png` (image/png, {len(image)} bytes)"
    assert rendered.images[0].mime_type == "image/png"


def test_the_type_of_an_image_is_told_by_its_content(image: bytes) -> None:
    assert render("bee.jpg", image).images[0].mime_type == "image/png"
    assert render("bee.png", b"<html>").problem == "it is no PNG, JPEG, GIF or WebP image."


def test_a_large_image_is_refused(image: bytes) -> None:
    problem = render("bee.png", image + b"\0" * 4_000_000).problem
    assert problem == "the image has 4 MB; the most is 3.5 MB."


# -- what a message becomes ------------------------------------------------------------------------


def test_a_message_with_text_only_stays_a_string() -> None:
    part = render("a.txt", "bees\n")
    assert message_content("Why?", [part], takes_images=True) == f"{part.text}\n\nWhy?"
    assert message_content("Why?", [], takes_images=True) == "Why?"


def test_images_are_blocks_that_every_vendor_takes(image: bytes) -> None:
    part = render("bee.png", image)
    content = message_content("What is it?", [part], takes_images=True)
    assert isinstance(content, list)
    text, name, block = content
    assert text == {"type": "text", "text": f"{part.text}\n\nWhat is it?"}
    assert name == {"type": "text", "text": "`bee.png`:"}
    assert isinstance(block, dict)
    assert block["type"] == "image_url"
    assert block["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


def test_a_model_that_takes_no_images_is_told_and_so_are_people(image: bytes) -> None:
    parts = [render("bee.png", image), render("model.bin", b"\0")]
    content = message_content("What is it?", parts, takes_images=False)
    assert isinstance(content, str)
    assert "Images that are not shown, since you are not known to take images: `bee.png`" in content
    assert "`model.bin` could not be read: a `.bin` file, 1 byte, is not text" in content
    line = problems_line(parts, takes_images=False)
    assert "> `model.bin` was not read: a `.bin` file" in line
    assert "> `bee.png` is not shown to the model, which is not known to take images.\n" in line
    assert problems_line(parts[:1], takes_images=True) == ""


def test_what_is_rendered_crosses_processes(image: bytes) -> None:
    part = render("bee.png", image)
    assert Rendered.from_json(json.loads(json.dumps(part.as_json()))) == part


def test_a_folder_is_listed() -> None:
    content = Content("data", names=tuple(f"f{i}" for i in range(3)))
    rendered = render_attachment(content, Attachment("a", "data"), limits=replace(LIMITS, lines=2))
    assert rendered.text == "`data`, a folder that holds:\n- f0\n- f1\n[… first 2 of 3]"


# -- bounds ----------------------------------------------------------------------------------------


@given(st.text(st.sampled_from("ab\n"), max_size=80), st.integers(1, 9), st.integers(1, 40))
def test_first_lines_is_a_beginning_within_its_bounds(text: str, lines: int, chars: int) -> None:
    kept, note = first_lines(text, lines=lines, chars=chars)
    assert text.startswith(kept)
    assert len(kept.splitlines()) <= lines or kept == text.rstrip("\n")
    assert len(kept.rstrip("\n")) <= chars
    assert note or kept == text


@given(st.text(st.sampled_from("ab\n"), max_size=400), st.integers(3, 100))
def test_middle_out_is_short_and_keeps_the_end(text: str, chars: int) -> None:
    kept = middle_out(text, chars)
    assert len(kept) <= chars + 40
    assert kept == text or "left out" in kept
    assert text.endswith(kept.rpartition("…]\n")[2])


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (24_300, "24.3 kB"), (1_500_000, "1.5 MB"), (2e9, "2 GB")],
)
def test_sizes_are_shown_for_people(size: int, text: str) -> None:
    assert shown_size(int(size)) == text


def test_nothing_heavy_is_imported_to_render_text(tmp_path: Path) -> None:
    script = (
        "import sys, jupyter_ai_personas.context.attached\n"
        "heavy = {'pyarrow', 'pypdf', 'pandas', 'nbformat', 'markdown_it', 'langchain_core'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
