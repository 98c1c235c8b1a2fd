"""``/undo`` on open and saved notebooks and on files, and links to what was changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.desk import Desk

from jupyter_ai_personas.server.tools.undo import UndoReport
from jupyter_ai_personas.tools.changes import Change
from jupyter_ai_personas.tools.links import changed_links


@pytest.fixture(params=["open", "saved"])
def make(request: pytest.FixtureRequest, desk: Desk) -> Any:
    return getattr(desk, "open" if request.param == "open" else "save")


def cells(desk: Desk, path: str = "a.ipynb") -> list[tuple[str, str, Any]]:
    document = desk.rooms.documents.get(f"json:notebook:{path}")
    notebook = document.get() if document else json.loads((desk.root / path).read_text())
    return [
        (cell["id"], "".join(cell["source"]), cell["metadata"].get("jupyter_ai_personas"))
        for cell in notebook["cells"]
    ]


async def undo(desk: Desk, persona: str | None = None) -> UndoReport | None:
    return await desk.tools.undo("chat", persona)


async def act(desk: Desk, turn: str = "t1") -> None:
    """Change a notebook with the cells a, b, c, d in each way."""
    path = "a.ipynb"
    new = await desk.call("notebook.insert_cell", turn, path=path, source="new", after="c0")
    await desk.call("notebook.edit_cell", turn, path=path, cell=new["cell"], old="new", new="NEW")
    await desk.call("notebook.edit_cell", turn, path=path, cell="c1", source="B", expected="b")
    await desk.call("notebook.edit_cell", turn, path=path, cell="c1", source="BB", expected="B")
    await desk.call("notebook.move_cell", turn, path=path, cell="c3", after="start")
    await desk.call("notebook.delete_cell", turn, path=path, cell="c2", expected="c")


async def test_everything_a_turn_did_is_taken_back(desk: Desk, make: Any) -> None:
    make("a.ipynb", *"abcd")
    before = cells(desk)
    await act(desk)
    assert [source for _, source, _ in cells(desk)] == ["d", "a", "NEW", "BB"]
    report = await undo(desk)
    assert report is not None
    assert report.left == ()
    assert cells(desk) == before
    assert report.text("Guide") == "Took back 4 changes of `Guide`."
    assert await undo(desk) is None


async def test_undo_is_one_transaction(desk: Desk) -> None:
    document = desk.open("a.ipynb", *"abcd")
    await act(desk)
    updates = []
    subscription = document.ydoc.observe(lambda event: updates.append(event))
    await undo(desk)
    document.ydoc.unobserve(subscription)
    assert len(updates) == 1


async def test_what_somebody_changed_since_is_left_and_named(desk: Desk) -> None:
    document = desk.open("a.ipynb", *"abcd")
    await act(desk)
    by_source = {str(cell["source"]): cell for cell in document.ycells}
    by_source["BB"]["source"].insert(2, " typed")
    by_source["NEW"]["source"].insert(0, "typed ")
    report = await undo(desk)
    assert report is not None
    assert [source for _, source, _ in cells(desk)] == ["a", "typed NEW", "BB typed", "c", "d"]
    text = report.text("Guide")
    assert "Took back 2 changes" in text
    assert text.count("somebody changed it since") == 2
    assert "`c1`" in text


async def test_a_cell_that_somebody_deleted_or_moved_is_left(desk: Desk) -> None:
    document = desk.open("a.ipynb", *"abc")
    await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", source="A", expected="a")
    await desk.call("notebook.move_cell", path="a.ipynb", cell="c2", after="start")
    await desk.call("notebook.move_cell", "t2", path="a.ipynb", cell="c2")
    del document.ycells[0]
    # Another turn, which could be a person as well, moved it: the first turn's move is not undone.
    assert (await undo(desk)) is not None
    report = await undo(desk)
    assert report is not None
    assert "somebody deleted it since" in report.text("Guide")


async def test_undo_survives_metadata_that_is_stripped(desk: Desk) -> None:
    document = desk.open("a.ipynb", "a")
    await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", source="A", expected="a")
    del document.ycells[0]["metadata"]["jupyter_ai_personas"]
    assert await undo(desk) is not None
    assert cells(desk) == [("c0", "a", None)]


async def test_undo_of_one_persona_leaves_the_others(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a", "b")
    for turn, persona, cell, old in (("t1", "guide", "c0", "a"), ("t2", "acme", "c1", "b")):
        executor = desk.tools.executors["notebook.edit_cell"]
        arguments = {"path": "a.ipynb", "cell": cell, "source": old.upper(), "expected": old}
        await executor.run(desk.context(turn, persona), arguments)
    guide = desk.context().persona_id
    assert await undo(desk, guide) is not None
    assert [source for _, source, _ in cells(desk)] == ["a", "B"]
    assert await undo(desk, guide) is None
    assert await desk.tools.undo("another chat") is None
    assert await undo(desk) is not None
    assert [source for _, source, _ in cells(desk)] == ["a", "b"]


async def test_an_earlier_attribution_comes_back(desk: Desk, make: Any) -> None:
    make("a.ipynb", "a")
    await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", source="b", expected="a")
    first = cells(desk)
    await desk.call("notebook.edit_cell", "t2", path="a.ipynb", cell="c0", source="c", expected="b")
    await undo(desk)
    assert cells(desk) == first


async def test_a_deleted_cell_comes_back_with_its_outputs(desk: Desk) -> None:
    document = desk.open("a.ipynb", "a", "b")
    document.ycells[0]["outputs"].append(
        {"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {}}
    )
    before = document.get()
    await desk.call("notebook.delete_cell", path="a.ipynb", cell="c0", expected="a")
    await undo(desk)
    assert document.get() == before


async def test_files_are_taken_back(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("one\n")
    (desk.root / "b.txt").write_text("one\n")
    for path in ("a.txt", "b.txt"):
        await desk.call("workspace.edit_file", path=path, old="one", new="two")
        await desk.call("workspace.edit_file", path=path, old="two", new="three")
    await desk.call("workspace.write_file", path="new.txt", content="x", expected=None)
    (desk.root / "b.txt").write_text("three and typed\n")
    report = await undo(desk)
    assert report is not None
    assert (desk.root / "a.txt").read_text() == "one\n"
    assert (desk.root / "b.txt").read_text() == "three and typed\n"
    assert not (desk.root / "new.txt").exists()
    assert "- `b.txt`: somebody changed it since" in report.text("Guide")


async def test_a_new_notebook_stays_and_is_named(desk: Desk) -> None:
    await desk.call("notebook.create", path="a.ipynb")
    assert await undo(desk) is None
    await desk.call("notebook.insert_cell", path="a.ipynb", source="x")
    report = await undo(desk)
    assert report is not None
    assert "`a.ipynb`: the notebook is new" in report.text("Guide")
    assert [source for _, source, _ in cells(desk)] == [""]


async def test_a_notebook_that_is_gone_is_named(desk: Desk) -> None:
    desk.save("a.ipynb", "a")
    await desk.call("notebook.edit_cell", path="a.ipynb", cell="c0", source="b", expected="a")
    (desk.root / "a.ipynb").unlink()
    report = await undo(desk)
    assert report is not None
    assert "no such file" in report.text("Guide")


_operation = st.tuples(
    st.sampled_from(["insert", "edit", "move", "delete"]),
    st.integers(0, 9),
    st.integers(-2, 9),
    st.text("xy", max_size=2),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(operations=st.lists(_operation, max_size=8))
async def test_any_turn_can_be_taken_back(
    desk: Desk, operations: list[tuple[str, int, int, str]]
) -> None:
    document = desk.open("a.ipynb", *"abc")
    before = cells(desk)
    for kind, which, place, source in operations:
        ids = [cell["id"] for cell in document.ycells]
        after = None if place == -1 or not ids else "start" if place < 0 else ids[place % len(ids)]
        if kind == "insert":
            arguments: dict[str, Any] = {"source": source, "after": after}
        elif not ids:
            continue
        else:
            cell = ids[which % len(ids)]
            old = str(document.ycells[which % len(ids)]["source"])
            arguments = {"cell": cell}
            if kind == "move":
                arguments["after"] = after
            else:
                arguments["expected"] = old
            if kind == "edit":
                arguments["source"] = source
        done = await desk.call(f"notebook.{kind}_cell", path="a.ipynb", **arguments)
        assert "error" not in done
    report = await undo(desk)
    assert (report is None) == (not operations)
    assert report is None or report.left == ()
    assert cells(desk) == before


async def test_changed_cells_are_linked_once(desk: Desk) -> None:
    desk.open("a.ipynb", *"abcd")
    await act(desk)
    changes = await desk.changes.of_turn("t1")
    new = changes[0].cell
    assert changed_links(changes, base_url="/user/ada/").splitlines() == [
        "Changed:",
        f"- [a.ipynb, cell 2](/user/ada/lab/tree/a.ipynb#cell-id={new}) (changed)",
        "- [a.ipynb, cell 3](/user/ada/lab/tree/a.ipynb#cell-id=c1) (changed)",
        "- [a.ipynb, cell 1](/user/ada/lab/tree/a.ipynb#cell-id=c3) (moved)",
        "- `a.ipynb`, cell 5 (deleted)",
    ]


def test_links_are_quoted_and_bounded() -> None:
    assert changed_links([], base_url="/") == ""
    path = "my [data] `x`/a b.ipynb"
    link = changed_links([Change(kind="insert", path=path, cell="a&b#c")], base_url="/")
    assert "(/lab/tree/my%20%5Bdata%5D%20%60x%60/a%20b.ipynb#cell-id=a%26b%23c) (added)" in link
    new = Change(kind="file", path="a.md", after={"text": "x"})
    assert changed_links([new], base_url="/").endswith("- [a.md](/lab/tree/a.md) (created)")
    many = [Change(kind="edit", path="a.ipynb", cell=str(i), index=i) for i in range(30)]
    lines = changed_links(many, base_url="/").splitlines()
    assert len(lines) == 12
    assert lines[-1] == "- and 20 more"


def test_changes_are_plain_data() -> None:
    change = Change(kind="edit", path="a.ipynb", cell="c0", before={"source": "a"}, index=3)
    assert Change.from_json(json.loads(json.dumps(change.as_json()))) == change
    for data in ({}, {"kind": "burn", "path": "a"}, {"kind": "edit", "path": 3}, {"x": 1}):
        with pytest.raises(ValueError, match="no change"):
            Change.from_json(data)
