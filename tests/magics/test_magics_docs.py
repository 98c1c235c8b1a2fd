"""The page about the magics and its notebook: what they show is what happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from support.shells import PATIENCE, Shell

from jupyter_ai_personas.magics.formats import FORMATS
from jupyter_ai_personas.magics.options import COMMANDS, help_text
from jupyter_ai_personas.magics.settings import MagicsSettings
from jupyter_ai_personas.testing.openai_server import OpenAIServer

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "magics.md").read_text("utf-8")
NOTEBOOK = DOCS / "magics-example.ipynb"


def test_every_example_of_the_page_runs(
    shell: Shell, loopback: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", str(loopback.key))
    openai = {"openai": {"base_url": loopback.url}}
    shell.run(f"%config AiMagics.model_parameters = {openai!r}")
    # So that the cells that the page mentions have inputs, values and errors.
    shell.run("2")
    shell.run("3")
    shell.run("4")
    shell.fail("1 / 0")
    examples = re.findall(r"^```ipython\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) > 10
    for example in examples:
        shell.run(example.rstrip("\n"))
    contents = [r.json["messages"][-1]["content"] for r in loopback.requests if r.body]
    assert any(
        text.startswith("Sort [3, 1, 2] in the way of 3, and explain 3.") for text in contents
    )


def test_the_page_and_the_help_tell_of_every_command_format_and_trait() -> None:
    for name, (arguments, _) in COMMANDS.items():
        assert f"`%ai {name} {arguments}".rstrip() in PAGE
    for format in FORMATS:
        assert f"`{format}`" in PAGE
        assert format in help_text()
    for name, trait in MagicsSettings.class_own_traits(config=True).items():
        default = trait.default()
        shown = (
            f'"{default}"'
            if isinstance(default, str)
            else f"{default:g}"
            if isinstance(default, float)
            else repr(default)
        )
        assert f"| `{name}` | `{shown}` |" in PAGE


def outputs_of(cell: Any) -> list[Any]:
    """A cell's outputs, without what differs from one version of IPython to another."""
    return [
        {**output, "traceback": []} if output.output_type == "error" else dict(output)
        for output in cell.get("outputs", [])
    ]


def test_the_notebook_of_the_page_has_the_outputs_that_it_would_have_now(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever opens it has none of the tests' providers.
    monkeypatch.delenv("PYTHONPATH")
    committed = nbformat.read(NOTEBOOK, as_version=4)
    executed = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(executed, **PATIENCE, record_timing=False).execute()
    stale = f"execute it anew: jupyter nbconvert --execute --inplace docs/{NOTEBOOK.name}"
    for before, now in zip(committed.cells, executed.cells, strict=True):
        assert outputs_of(before) == outputs_of(now), stale
