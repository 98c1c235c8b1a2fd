"""The toolset ``kernel`` with a real ipykernel, and its probe without one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pandas as pd
import pytest
from support.desk import Desk
from support.kernels import with_kernels

from jupyter_ai_personas.errors import PersonasError
from jupyter_ai_personas.server.tools import probe
from jupyter_ai_personas.server.tools.inspecting import without_secrets


@pytest.fixture
async def kernels(desk: Desk) -> AsyncIterator[Any]:
    async with with_kernels(desk) as manager:
        yield manager


SOURCE = """
import collections, pandas as pd
exec_ = exec
exec = eval = compile = len = "shadowed"
class Nosy:
    ran = []
    def __repr__(self):
        Nosy.ran.append("repr"); return "x"
    def __len__(self):
        Nosy.ran.append("len"); return 1
    def __getattr__(self, name):
        Nosy.ran.append(name); raise AttributeError(name)
    @property
    def shape(self):
        Nosy.ran.append("shape"); return (1,)
    def method(self, a, b=collections, *, c: int = 3) -> str:
        "What it does."
nosy = Nosy()
inside = [nosy, {"a": nosy}]
df = pd.DataFrame({"city": ["Bern", "Wien"], "n": [1, 2], "api_key": ["hunter2", "hunter3"]})
password = "hunter2"
text = "x" * 10_000
big = 10 ** 5000
_hidden = 1
"""


async def test_variables_are_told_and_the_kernel_keeps_no_trace(desk: Desk, kernels: Any) -> None:
    trace = (
        "import json; print(json.dumps([sorted(k for k in globals()), Nosy.ran, len_(In), "
        "sorted(Out), list(get_ipython().history_manager.get_range())[-1][1]]))"
    )
    desk.open("a.ipynb", "len_ = len\n" + SOURCE, trace, trace)

    async def count() -> Any:
        return desk.rooms.documents["json:notebook:a.ipynb"].ycells

    assert (await desk.call("notebook.run_cell", path="a.ipynb", cell="c0"))["status"] == "ok"
    await desk.call("notebook.run_cell", path="a.ipynb", cell="c1")
    found = await desk.call("kernel.variables", path="a.ipynb")
    by_name = {one["name"]: one for one in found["variables"]}
    assert by_name["df"]["type"].endswith("DataFrame")
    assert by_name["df"]["shape"] == [2, 3]
    assert [name for name, _ in by_name["df"]["columns"]] == ["city", "n", "api_key"]
    assert by_name["df"]["head"] == [["Bern", 1, "(not shown)"], ["Wien", 2, "(not shown)"]]
    assert by_name["nosy"] == {"name": "nosy", "type": "Nosy"}
    assert by_name["inside"]["value"] == ["<Nosy>", {"a": "<Nosy>"}]
    assert len(by_name["text"]["value"]) < 300
    assert "_hidden" not in by_name
    assert "In" not in by_name
    assert "hunter" not in str(found)
    described = await desk.call("kernel.inspect", path="a.ipynb", name="Nosy.method")
    assert described["docstring"] == "What it does."
    assert described["signature"] == "(self, a, b=<module>, *, c: int = 3) -> str"
    assert (await desk.call("kernel.inspect", path="a.ipynb", name="nosy.shape"))["type"] == (
        "property"
    )
    assert (
        "no attribute"
        in (await desk.call("kernel.inspect", path="a.ipynb", name="nosy.anything"))["error"]
    )
    frame = await desk.call("kernel.inspect", path="a.ipynb", name="df")
    assert frame["shape"] == [2, 3]
    merge = await desk.call("kernel.inspect", path="a.ipynb", name="pd.DataFrame.merge")
    assert "right" in merge["signature"]
    await desk.call("notebook.run_cell", path="a.ipynb", cell="c2")
    ycells = await count()
    before, after = (json.loads(str(ycells[i]["outputs"][0]["text"])) for i in (1, 2))
    assert ycells[2]["execution_count"] == 3
    # `_i…`, `_ih` and so on are of the cell itself.
    assert {name for name in after[0] if not name.startswith("_")} == {
        name for name in before[0] if not name.startswith("_")
    }
    assert not {name for name in after[0] if "personas" in name}
    assert after[1] == []
    assert after[2] == before[2] + 1


async def test_what_cannot_be_read_is_told(desk: Desk, kernels: Any) -> None:
    desk.open("a.ipynb", "x = 1")
    assert "no kernel that runs" in (await desk.call("kernel.variables", path="a.ipynb"))["error"]
    with pytest.raises(PersonasError, match="no kernel that runs"):
        await desk.preview("kernel.variables", path="a.ipynb")
    for name in ("x()", "x; y", "x.__class__ ", "1", "", "x..y", "x[0]"):
        result = await desk.call("kernel.inspect", path="a.ipynb", name=name)
        assert "error" in result
    await desk.call("notebook.run_cell", path="a.ipynb", cell="c0")
    assert "no `y`" in (await desk.call("kernel.inspect", path="a.ipynb", name="y"))["error"]
    preview = await desk.preview("kernel.inspect", path="a.ipynb", name="x")
    assert "python3, x" in preview.target
    assert "values" in preview.note


async def test_a_kernel_of_another_language_is_not_read(desk: Desk, kernels: Any) -> None:
    desk.open("a.ipynb", "x = 1")
    await desk.call("notebook.run_cell", path="a.ipynb", cell="c0")

    class Specs:
        async def get_all_specs(self) -> dict[str, Any]:
            return {"python3": {"spec": {"language": "R"}}}

    desk.settings["kernel_spec_manager"] = Specs()
    assert "only Python" in (await desk.call("kernel.variables", path="a.ipynb"))["error"]


def test_the_probe_bounds_what_it_tells() -> None:
    space: dict[str, Any] = {f"v{i}": "x" * 1_000 for i in range(500)}
    found = probe.variables(space)
    assert len(found["variables"]) == probe.MAX_NAMES
    assert "300 of 500" in found["left_out"]
    assert len(json.dumps(found)) < 2 * probe.MAX_VALUES
    wide = pd.DataFrame({f"c{i}": range(100) for i in range(1_000)})
    told = probe.about(wide)
    assert (len(told["columns"]), len(told["head"]), len(told["head"][0])) == (50, 5, 50)


@pytest.mark.parametrize(
    "value",
    [
        10**5000,
        float("nan"),
        float("inf"),
        b"\xff" * 1000,
        1j,
        "\ud800",
        [[[[1]]]],
        {(1, 2): {3}},
        pd.Series([1, None]),
        pd.DataFrame(),
        pd.DataFrame({("a", 1): [pd.Timestamp("2026-01-01")]}),
        pd.Timestamp("2026-01-01"),
        type("X", (pd.DataFrame,), {})({"a": [1]}),
        type,
        json,
        print,
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_can_be_told(value: Any) -> None:
    told = probe.variables({"value": value})
    assert json.loads(repr(probe.Answer(told)))["variables"][0]["name"] == "value"
    described = probe.described({"value": value}, "value")
    assert len(repr(probe.Answer(described))) < 10_000


def test_values_that_are_named_as_secrets_are_not_told() -> None:
    told = without_secrets({"name": "db_password", "type": "str", "value": "hunter2"})
    assert "hunter2" not in str(told)
    nested = without_secrets({"name": "config", "value": {"token": "hunter2", "n": 1}})
    assert nested["value"] == {"token": "(not shown)", "n": 1}
    shape = without_secrets({"name": "x", "value": "key is sk-abcdefghijklmnop1234"})
    assert "abcdefghij" not in str(shape)
