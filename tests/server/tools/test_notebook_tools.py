"""The toolset ``notebook`` on open and saved notebooks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import nbformat
import pytest
from support.desk import Desk, notebook_of

from jupyter_ai_personas.errors import ToolCallError


@pytest.fixture(params=["open", "saved"])
def make(request: pytest.FixtureRequest, desk: Desk) -> Any:
    return getattr(desk, "open" if request.param == "open" else "save")


def cells(desk: Desk, path: str = "a.ipynb") -> list[dict[str, Any]]:
    """What is in a notebook now, wherever it is."""
    document = desk.rooms.documents.get(f"json:notebook:{path}")
    notebook = document.get() if document else json.loads((desk.root / path).read_text())
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return list(notebook["cells"])


def sources(desk: Desk, path: str = "a.ipynb") -> list[str]:
    return [cell["source"] for cell in cells(desk, path)]


async def test_cells_are_read_with_ids_and_outputs(desk: Desk, make: Any) -> None:
    make("a.ipynb", "x = 1", "x")
    found = await desk.call("notebook.read", path="a.ipynb")
    assert [(c["cell"], c["type"], c["source"], c["outputs"]) for c in found["cells"]] == [
        ("c0", "code", "x = 1", []),
        ("c1", "code", "x", []),
    ]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["c2", "c0"], ["c0", "c2"]),
        (["c1..c3"], ["c1", "c2", "c3"]),
        ([], ["c0", "c1", "c2", "c3"]),
    ],
)
async def test_only_the_cells_that_are_asked_for_are_read(
    desk: Desk, make: Any, wanted: list[str], found: list[str]
) -> None:
    make("a.ipynb", *"abcd")
    answer = await desk.call("notebook.read", path="a.ipynb", cells=wanted, outputs=False)
    assert [cell["cell"] for cell in answer["cells"]] == found
    assert "outputs" not in answer["cells"][0]


async def test_outputs_are_text_and_images_are_named(desk: Desk) -> None:
    notebook = notebook_of("plot()")
    notebook["cells"][0]["outputs"] = [
        nbformat.v4.new_output("stream", text="\x1b[31mred\x1b[0m\n" + "x" * 100_000),
        nbformat.v4.new_output("display_data", data={"image/png": "iVBORw0KGgo="}),
        nbformat.v4.new_output("error", ename="KeyError", evalue="'a'", traceback=["Trace"]),
    ]
    desk.rooms.open_notebook("a.ipynb", notebook)
    (desk.root / "a.ipynb").write_text("{}")
    [cell] = (await desk.call("notebook.read", path="a.ipynb"))["cells"]
    stream, image, error = cell["outputs"]
    assert "red" in stream
    assert "\x1b" not in stream
    assert len(stream) < 5_000
    assert "image/png, 8 bytes" in image
    assert "KeyError" in error


async def test_a_large_notebook_is_cut_at_cells_and_the_rest_is_named(desk: Desk) -> None:
    desk.open("a.ipynb", *("x" * 10_000 for _ in range(20)))
    found = await desk.call("notebook.read", path="a.ipynb")
    count = len(found["cells"])
    assert 1 < count < 20
    assert f"`c{count}`" in found["left_out"]
    rest = await desk.call("notebook.read", path="a.ipynb", cells=[f"c{count}..c{count + 1}"])
    assert [cell["cell"] for cell in rest["cells"]] == [f"c{count}", f"c{count + 1}"]


async def test_secrets_in_cells_are_not_read(desk: Desk, make: Any) -> None:
    make("a.ipynb", "key = 'sk-abcdefghijklmnop1234'")
    found = await desk.call("notebook.read", path="a.ipynb")
    assert "abcdefghijklmnop" not in str(found)
    make("b.ipynb", "-----BEGIN RSA PRIVATE KEY-----\nabc")
    assert "private key" in (await desk.call("notebook.read", path="b.ipynb"))["error"]


@pytest.mark.parametrize(
    ("after", "order"),
    [(None, ["a", "b", "new"]), ("start", ["new", "a", "b"]), ("c0", ["a", "new", "b"])],
)
async def test_a_cell_is_inserted_and_attributed(
    desk: Desk, make: Any, after: str | None, order: list[str]
) -> None:
    make("a.ipynb", "a", "b")
    done = await desk.call("notebook.insert_cell", path="a.ipynb", source="new", after=after)
    assert sources(desk) == order
    [new] = [cell for cell in cells(desk) if cell["id"] == done["cell"]]
    assert new["source"] == "new"
    assert new["metadata"]["jupyter_ai_personas"] == {
        "persona": "jupyter-ai-personas::x::guide",
        "turn": "t1",
    }
    nbformat.validate({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells(desk)})


async def test_a_markdown_cell_is_inserted(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a")
    await desk.call("notebook.insert_cell", path="a.ipynb", source="# Hi", cell_type="markdown")
    assert cells(desk)[1]["cell_type"] == "markdown"
    assert "outputs" not in cells(desk)[1]


async def test_a_cell_is_edited_only_if_it_is_as_expected(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a = 1\n", "b")
    bad = await desk.call(
        "notebook.edit_cell", path="a.ipynb", cell="c0", source="a = 2", expected="a = 0"
    )
    assert bad["current"] == "a = 1\n"
    assert "changed" in bad["error"]
    assert sources(desk) == ["a = 1\n", "b"]
    assert "jupyter_ai_personas" not in cells(desk)[0]["metadata"]
    good = await desk.call(
        "notebook.edit_cell", path="a.ipynb", cell="c0", source="a = 2", expected="a = 1\n"
    )
    assert good == {"cell": "c0"}
    assert sources(desk) == ["a = 2", "b"]
    assert cells(desk)[0]["metadata"]["jupyter_ai_personas"]["turn"] == "t1"


async def test_a_part_of_a_cell_is_replaced(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a = 1\nb = 1\nc = 2")
    twice = await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", old="1", new="3")
    assert "2 times" in twice["error"]
    await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", old="c = 2", new="c = 3")
    assert sources(desk) == ["a = 1\nb = 1\nc = 3"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"source": "x"},
        {"old": "a"},
        {"new": "a"},
        {"source": "x", "expected": "a", "old": "a", "new": "b"},
        {"expected": "a"},
        {},
        {"old": "", "new": "x"},
    ],
)
async def test_an_edit_that_says_too_little_changes_nothing(
    desk: Desk, make: Any, arguments: dict[str, str]
) -> None:
    make("a.ipynb", "a")
    result = await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", **arguments)
    assert "error" in result
    assert sources(desk) == ["a"]


async def test_a_cell_with_a_secret_is_not_overwritten_by_its_redaction(
    desk: Desk, make: Any
) -> None:
    make("a.ipynb", "key = 'sk-abcdefghijklmnop1234'\nx = 1")
    [cell] = (await desk.call("notebook.read", path="a.ipynb"))["cells"]
    result = await desk.call(
        "notebook.edit_cell", path="a.ipynb", cell="c0", source="new", expected=cell["source"]
    )
    assert "secret" in result["error"]
    assert "abcdefghijklmnop" not in str(result)
    wrong = await desk.call(
        "notebook.edit_cell", path="a.ipynb", cell="c0", source="new", expected="?"
    )
    assert "abcdefghijklmnop" not in str(wrong)
    await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", old="x = 1", new="x = 2")
    assert sources(desk) == ["key = 'sk-abcdefghijklmnop1234'\nx = 2"]


@pytest.mark.parametrize(
    ("cell", "after", "order"),
    [
        ("c0", None, "bca"),
        ("c2", "start", "cab"),
        ("c0", "c1", "bac"),
        ("c2", "c0", "acb"),
        ("c1", "c0", "abc"),
        ("c1", "c1", "abc"),
    ],
)
async def test_a_cell_is_moved(
    desk: Desk, make: Any, cell: str, after: str | None, order: str
) -> None:
    make("a.ipynb", *"abc")
    assert await desk.call("notebook.move_cell", path="a.ipynb", cell=cell, after=after) == {
        "cell": cell
    }
    assert "".join(sources(desk)) == order
    assert {one["id"] for one in cells(desk)} == {"c0", "c1", "c2"}


async def test_a_moved_cell_keeps_its_outputs(desk: Desk) -> None:
    notebook = notebook_of("a", "b")
    outputs = [nbformat.v4.new_output("stream", text="hello")]
    notebook["cells"][0] |= {"outputs": outputs, "execution_count": 3}
    desk.rooms.open_notebook("a.ipynb", notebook)
    (desk.root / "a.ipynb").write_text("{}")
    await desk.call("notebook.move_cell", path="a.ipynb", cell="c0")
    moved = cells(desk)[1]
    assert (moved["outputs"], moved["execution_count"]) == ([dict(outputs[0])], 3)


async def test_a_cell_is_deleted_only_if_it_is_as_expected(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a", "b")
    bad = await desk.call("notebook.delete_cell", path="a.ipynb", cell="c0", expected="A")
    assert bad["current"] == "a"
    assert await desk.call("notebook.delete_cell", path="a.ipynb", cell="c0", expected="a") == {
        "cell": "c0"
    }
    assert sources(desk) == ["b"]


async def test_a_cell_that_is_not_there_is_told(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a")
    for arguments in ({"cell": "x", "after": None}, {"cell": "c0", "after": "x"}):
        result = await desk.call("notebook.move_cell", path="a.ipynb", **arguments)
        assert "no cell `x`" in result["error"]


async def test_typing_of_others_in_the_same_cell_is_kept(desk: Desk) -> None:
    """Only what differs is replaced, so a person's concurrent typing is merged in."""
    document = desk.open("a.ipynb", "first\nsecond\nthird")
    other = type(document)()
    other.ydoc.apply_update(document.ydoc.get_update())
    text = other.ycells[0]["source"]
    text.insert(0, "typed ")
    await desk.call(
        "notebook.edit_cell",
        path="a.ipynb",
        cell="c0",
        source="first\nsecond é\nthird",
        expected="first\nsecond\nthird",
    )
    document.ydoc.apply_update(other.ydoc.get_update())
    assert sources(desk) == ["typed first\nsecond é\nthird"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a", "aa"),
        ("aa", "a"),
        ("", "x"),
        ("x", ""),
        ("aé😀b", "aé😁b"),
        ("日本", "日本語"),
        ("abab", "ab"),
        ("same", "same"),
    ],
)
async def test_texts_are_spliced_at_characters(desk: Desk, old: str, new: str) -> None:
    desk.open("a.ipynb", old)
    await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", source=new, expected=old)
    assert sources(desk) == [new]


async def test_each_change_is_one_transaction(desk: Desk) -> None:
    document = desk.open("a.ipynb", "a", "b", minor=4)
    updates = []
    subscription = document.ydoc.observe(lambda event: updates.append(event))
    await desk.call("notebook.insert_cell", path="a.ipynb", source="x", after="0")
    await desk.call("notebook.move_cell", path="a.ipynb", cell=cells(desk)[0]["id"])
    document.ydoc.unobserve(subscription)
    assert len(updates) == 2


async def test_a_notebook_without_ids_is_addressed_by_index_until_it_is_upgraded(
    desk: Desk, make: Any
) -> None:
    make("a.ipynb", "a", "b", minor=4)
    read = await desk.call("notebook.read", path="a.ipynb", cells=[1])
    assert [cell["cell"] for cell in read["cells"]] == [1]
    assert "no cell `2`" in (await desk.call("notebook.move_cell", path="a.ipynb", cell=2))["error"]
    preview = await desk.preview(
        "notebook.edit_cell", path="a.ipynb", cell=1, source="c", expected="b"
    )
    assert "upgrades" in preview.note
    done = await desk.call("notebook.edit_cell", path="a.ipynb", cell="1", source="c", expected="b")
    assert "note" in done
    found = cells(desk)
    assert [cell["source"] for cell in found] == ["a", "c"]
    assert found[1]["id"] == done["cell"]
    read = await desk.call("notebook.read", path="a.ipynb")
    assert [cell["cell"] for cell in read["cells"]] == [cell["id"] for cell in found]
    assert "no cell `0`" in (await desk.call("notebook.move_cell", path="a.ipynb", cell=0))["error"]


async def test_a_change_that_fails_does_not_upgrade(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a", minor=4)
    await desk.call("notebook.edit_cell", path="a.ipynb", cell=0, source="c", expected="?")
    [cell] = (await desk.call("notebook.read", path="a.ipynb"))["cells"]
    assert cell["cell"] == 0


async def test_a_notebook_of_format_3_is_left_alone(desk: Desk) -> None:
    text = json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []})
    (desk.root / "a.ipynb").write_text(text)
    result = await desk.call("notebook.insert_cell", path="a.ipynb", source="x")
    assert "old format" in result["error"]
    assert (desk.root / "a.ipynb").read_text() == text


async def test_a_notebook_is_created_once_with_its_kernel(desk: Desk) -> None:
    assert await desk.call("notebook.create", path="a.ipynb", kernel="python3") == {
        "path": "a.ipynb"
    }
    notebook = nbformat.read(desk.root / "a.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "already" in (await desk.call("notebook.create", path="a.ipynb"))["error"]
    wrong = await desk.call("notebook.create", path="b.ipynb", kernel="fortran")
    assert "`python3`" in wrong["error"]
    assert not (desk.root / "b.ipynb").exists()


async def test_notebooks_are_listed_without_hidden_ones(desk: Desk) -> None:
    for folder in ("data", ".hidden", ".ipynb_checkpoints", "node_modules"):
        (desk.root / folder).mkdir()
        desk.save(f"{folder}/x.ipynb", "a")
    desk.open("a.ipynb", "a")
    found = (await desk.call("notebook.list"))["files"]
    assert {(one["path"], one["open"]) for one in found} == {
        ("a.ipynb", True),
        ("data/x.ipynb", False),
    }
    found = (await desk.call("notebook.list", folder="data"))["files"]
    assert [one["path"] for one in found] == ["data/x.ipynb"]


@pytest.mark.parametrize(
    "path",
    [
        "../a.ipynb",
        "/etc/a.ipynb",
        "a\0.ipynb",
        ".jupyter/a.ipynb",
        "data/.hidden.ipynb",
        "secrets.ipynb",
        "link/a.ipynb",
        "a.txt",
        "gone.ipynb",
        "",
    ],
)
async def test_what_may_not_be_used_is_refused(desk: Desk, path: str) -> None:
    outside = desk.root.parent / f"{desk.root.name}-outside"
    outside.mkdir()
    (outside / "a.ipynb").write_text(json.dumps(notebook_of("outside")))
    (desk.root / "link").symlink_to(outside)
    (desk.root / "a.txt").write_text("{}")
    (desk.root / ".jupyter").mkdir()
    desk.save(".jupyter/a.ipynb", "x")
    for tool, more in (
        ("notebook.read", {}),
        ("notebook.insert_cell", {"source": "x"}),
        ("notebook.edit_cell", {"cell": "c0", "source": "x", "expected": "outside"}),
    ):
        assert "error" in await desk.call(tool, path=path, **more)
    assert json.loads((outside / "a.ipynb").read_text()) == notebook_of("outside")


async def test_edits_are_shown_as_a_diff_before_they_are_made(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a\nb\nc")
    preview = await desk.preview(
        "notebook.edit_cell", path="a.ipynb", cell="c0", source="a\nB\nc", expected="a\nb\nc"
    )
    assert "\n-b\n+B\n" in preview.diff
    assert preview.target == "a.ipynb, cell 1"
    assert sources(desk) == ["a\nb\nc"]
    with pytest.raises(ToolCallError) as refused:
        await desk.preview(
            "notebook.edit_cell", path="a.ipynb", cell="c0", source="x", expected="y"
        )
    assert refused.value.facts == {"current": "a\nb\nc"}


async def test_two_edits_of_a_saved_notebook_at_once_are_both_made(desk: Desk) -> None:
    desk.save("a.ipynb", "a")
    await asyncio.gather(
        *(desk.call("notebook.insert_cell", path="a.ipynb", source=str(i)) for i in range(8))
    )
    assert sorted(sources(desk)) == ["0", "1", "2", "3", "4", "5", "6", "7", "a"]


async def test_changes_are_recorded(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a")
    done = await desk.call("notebook.insert_cell", path="a.ipynb", source="b")
    await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", source="c", expected="a")
    await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", source="c", expected="a")
    first, second = await desk.changes.of_turn("t1")
    assert (first.kind, first.cell, first.before, first.index) == ("insert", done["cell"], None, 1)
    assert second.before is not None
    assert second.after is not None
    assert (second.before["source"], second.after["source"]) == ("a", "c")
