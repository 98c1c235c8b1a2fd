"""``notebook.run_cell`` with a real ipykernel and the server's own managers."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from support.desk import Desk, seen
from support.images import png
from support.kernels import with_kernels

from jupyter_ai_personas.errors import PersonasError


@pytest.fixture
async def kernels(desk: Desk) -> AsyncIterator[Any]:
    async with with_kernels(desk) as manager:
        yield manager


async def run(desk: Desk, cell: str = "c0", **arguments: Any) -> dict[str, Any]:
    return await desk.call("notebook.run_cell", path="a.ipynb", cell=cell, **arguments)


def outputs(document: YNotebook, index: int = 0) -> list[dict[str, Any]]:
    return list(document.get()["cells"][index]["outputs"])


async def test_a_cell_runs_and_its_outputs_are_in_the_open_notebook(
    desk: Desk, kernels: Any
) -> None:
    document = desk.open("a.ipynb", "x = 2\nprint('hello')\nx", "y = x + 1\ny", "1 / 0")
    done = await run(desk)
    assert (done["cell"], done["status"]) == ("c0", "ok")
    assert [text.split("\n")[0] for text in done["outputs"]] == ["stdout:", "result:"]
    stream, result = outputs(document)
    assert stream == {"output_type": "stream", "name": "stdout", "text": "hello\n"}
    assert result["data"] == {"text/plain": "2"}
    cell = document.ycells[0]
    assert (cell["execution_count"], cell["execution_state"]) == (1, "idle")
    # The same kernel goes on.
    assert "3" in (await run(desk, "c1"))["outputs"][0]
    failed = await run(desk, "c2")
    assert failed["status"] == "error"
    assert "ZeroDivisionError" in failed["outputs"][0]
    assert outputs(document, 2)[0]["output_type"] == "error"
    assert len(kernels) == 1
    changes = await desk.changes.of_turn("t1")
    assert [(change.kind, change.cell) for change in changes] == [
        ("run", "c0"),
        ("run", "c1"),
        ("run", "c2"),
    ]


async def test_a_notebook_that_nobody_has_open_is_run_and_saved(desk: Desk, kernels: Any) -> None:
    desk.save("a.ipynb", "print('hello')", minor=4)
    done = await run(desk, cell="0")
    [cell] = json.loads((desk.root / "a.ipynb").read_text())["cells"]
    assert cell["id"] == done["cell"]
    assert (cell["outputs"][0]["text"], cell["execution_count"]) == (["hello\n"], 1)


async def test_outputs_are_written_as_they_come(desk: Desk, kernels: Any) -> None:
    source = (
        "import pathlib, time\nprint('first', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)\nprint('second')"
    )
    document = desk.open("a.ipynb", source)
    call = asyncio.create_task(run(desk))
    await seen(document, lambda: "first" in str(outputs(document)))
    assert document.ycells[0]["execution_state"] == "running"
    (desk.root / "go").write_text("")
    assert (await call)["status"] == "ok"
    assert outputs(document)[0]["text"] == "first\nsecond\n"


async def test_displays_are_cleared_and_updated(desk: Desk, kernels: Any) -> None:
    source = (
        "from IPython.display import clear_output, display\nprint('gone')\n"
        "clear_output(wait=True)\nh = display({'text/plain': 'one'}, raw=True, display_id=True)\n"
        "print('between')\nh.update({'text/plain': 'two'}, raw=True)"
    )
    document = desk.open("a.ipynb", source)
    await run(desk)
    shown, stream = outputs(document)
    assert shown["data"] == {"text/plain": "two"}
    assert stream["text"] == "between\n"


async def test_input_is_refused(desk: Desk, kernels: Any) -> None:
    desk.open("a.ipynb", "input('name?')")
    done = await run(desk)
    assert done["status"] == "error"
    assert "StdinNotImplementedError" in done["outputs"][0]


async def test_a_cell_is_interrupted_when_its_time_is_over(desk: Desk, kernels: Any) -> None:
    document = desk.open("a.ipynb", "import time\ntime.sleep(600)", "1")
    done = await run(desk, timeout=1)
    assert done["status"] == "timeout"
    assert "KeyboardInterrupt" in str(outputs(document))
    assert document.ycells[0]["execution_state"] == "idle"
    assert (await run(desk, "c1"))["status"] == "ok"


async def test_a_cell_is_interrupted_when_its_call_is_stopped(desk: Desk, kernels: Any) -> None:
    source = "import time\nprint('begun', flush=True)\ntime.sleep(600)"
    document = desk.open("a.ipynb", source, "1")
    call = asyncio.create_task(run(desk))
    await seen(document, lambda: "begun" in str(outputs(document)))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert "KeyboardInterrupt" in str(outputs(document))
    assert document.ycells[0]["execution_state"] == "idle"
    assert (await run(desk, "c1"))["status"] == "ok"


async def test_a_call_that_waits_for_a_busy_kernel_can_be_stopped(desk: Desk, kernels: Any) -> None:
    """What somebody else runs is not interrupted, and the cell does not run later."""
    source = (
        "import pathlib, time\nprint('begun', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)"
    )
    document = desk.open("a.ipynb", source, "pathlib.Path('second').touch()", "1")
    first = asyncio.create_task(run(desk))
    await seen(document, lambda: "begun" in str(outputs(document)))
    preview = await desk.preview("notebook.run_cell", path="a.ipynb", cell="c1")
    assert "busy" in preview.note
    second = asyncio.create_task(run(desk, "c1"))
    while await desk.shown.get() != "is running a cell of a.ipynb":
        pass
    assert await desk.shown.get() == "is waiting for the kernel of a.ipynb"
    assert document.ycells[1]["execution_state"] == "running"
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert document.ycells[1]["execution_state"] == "idle"
    assert document.ycells[0]["execution_state"] == "running"
    (desk.root / "go").write_text("")
    assert (await first)["status"] == "ok"
    assert (await run(desk, "c2"))["status"] == "ok"
    assert not (desk.root / "second").exists()


async def test_a_kernel_that_dies_ends_the_call(desk: Desk, kernels: Any) -> None:
    document = desk.open("a.ipynb", "print('hello', flush=True)\nimport os\nos._exit(1)", "1 + 1")
    done = await run(desk)
    assert done["status"] == "died"
    assert document.ycells[0]["execution_state"] == "idle"
    # The server restarts it, perhaps on other ports, and the next call finds it.
    assert (await run(desk, "c1"))["status"] == "ok"


@pytest.mark.parametrize("how", ["restart_kernel", "shutdown_kernel"])
async def test_a_kernel_that_somebody_ends_ends_the_call(
    desk: Desk, kernels: Any, how: str
) -> None:
    source = "import time\nprint('begun', flush=True)\ntime.sleep(600)"
    document = desk.open("a.ipynb", source, "1 + 1")
    call = asyncio.create_task(run(desk))
    await seen(document, lambda: "begun" in str(outputs(document)))
    [id_] = kernels.list_kernel_ids()
    await getattr(kernels, how)(id_, now=True)
    assert (await call)["status"] == "died"
    assert document.ycells[0]["execution_state"] == "idle"


async def test_the_approval_says_what_runs_and_which_kernel_is_started(
    desk: Desk, kernels: Any
) -> None:
    desk.open("a.ipynb", "1 + 1")
    preview = await desk.preview("notebook.run_cell", path="a.ipynb", cell="c0")
    assert (preview.code, preview.language, preview.target) == (
        "1 + 1",
        "python",
        "a.ipynb, cell 1",
    )
    assert "starts the kernel `python3`" in preview.note
    assert len(kernels) == 0


async def test_a_cell_that_was_changed_after_its_approval_is_not_run(
    desk: Desk, kernels: Any
) -> None:
    document = desk.open("a.ipynb", "1 + 1")
    await desk.preview("notebook.run_cell", path="a.ipynb", cell="c0")
    document.ycells[0]["source"].insert(0, "import os\n")
    assert "changed the cell" in (await run(desk))["error"]
    assert len(kernels) == 0


async def test_what_cannot_be_run_is_told(desk: Desk, kernels: Any) -> None:
    document = desk.open("a.ipynb", "1")
    await desk.call("notebook.insert_cell", path="a.ipynb", source="# x", cell_type="markdown")
    markdown = document.ycells[1]["id"]
    assert "no code cell" in (await run(desk, markdown))["error"]
    assert "no cell" in (await run(desk, "x"))["error"]
    document.ydoc["meta"]["metadata"] = {"kernelspec": {"name": "fortran"}}
    assert "`fortran`, which is not installed" in (await run(desk))["error"]
    with pytest.raises(PersonasError, match="fortran"):
        await desk.preview("notebook.run_cell", path="a.ipynb", cell="c0")
    assert len(kernels) == 0


async def test_a_cell_that_is_deleted_while_it_runs_is_let_go(desk: Desk, kernels: Any) -> None:
    source = (
        "import pathlib, time\nprint('begun', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)\nprint('end')"
    )
    document = desk.open("a.ipynb", source, "x")
    call = asyncio.create_task(run(desk))
    await seen(document, lambda: "begun" in str(outputs(document)))
    del document.ycells[0]
    (desk.root / "go").write_text("")
    assert (await call)["status"] == "ok"
    assert [cell["source"] for cell in document.get()["cells"]] == ["x"]


async def test_a_cell_may_run_as_long_as_any_call_unless_the_persona_asks_for_more(
    tmp_path: Path,
) -> None:
    desk = await Desk(tmp_path, tool_timeout=1, cell_timeout=600).begin()
    async with with_kernels(desk):
        desk.open("a.ipynb", "import time\ntime.sleep(600)", "time.sleep(1.5)")
        assert (await run(desk))["status"] == "timeout"
        assert (await run(desk, "c1", timeout=60))["status"] == "ok"
        assert "from 1 to 600" in (await run(desk, timeout=601))["error"]
        parameters = desk.tools.executors["notebook.run_cell"].info.parameters
        timeout = parameters["properties"]["timeout"]
        assert (timeout["default"], timeout["maximum"]) == (1, 600)


async def test_images_of_a_run_are_in_its_result_for_a_model_that_takes_them(
    desk: Desk, kernels: Any
) -> None:
    data = base64.b64encode(png()).decode()
    source = f"from IPython.display import display\ndisplay({{'image/png': '{data}'}}, raw=True)"
    desk.open("a.ipynb", source)
    context = replace(desk.context(), images=True)
    executor = desk.tools.executors["notebook.run_cell"]
    done = await executor.run(context, {"path": "a.ipynb", "cell": "c0"})
    assert done["images"] == [{"name": "cell c0, output 1", "type": "image/png", "data": data}]
    assert "images" not in await run(desk)
