from cell_plotter import Plotter
from langchain_core.tools import tool

from jupyter_ai_personas.testing import PersonaContract, tool_calls

CELLS = []


@tool
def insert_cell(path: str, source: str) -> dict:
    """Insert a cell."""
    CELLS.append(source)
    return {"cell": "c9"}


@tool
def run_cell(path: str, cell: str) -> dict:
    """Run a cell."""
    return {"cell": cell, "status": "ok", "outputs": [{"image/png": "a picture"}]}


PLOT = {"path": "bees.ipynb", "source": "plt.plot(visits)"}
SAID = [
    tool_calls(("notebook__insert_cell", PLOT)),
    tool_calls(("notebook__run_cell", {"path": "bees.ipynb", "cell": "c9"})),
    "Visits rise until noon.",
]
NOTEBOOK = {"notebook": lambda: [insert_cell, run_cell]}


class TestPlotter(PersonaContract):
    persona = Plotter


async def test_each_step_is_asked_first(persona_conversation):
    CELLS.clear()
    async with persona_conversation(Plotter, model_replies=SAID, toolsets=NOTEBOOK) as chat:
        asked = chat.post("plot the visits")
        approval = await chat.approve()
        assert (approval.tool, approval.arguments) == ("notebook.insert_cell", PLOT)
        assert (await chat.approve()).tool == "notebook.run_cell"
        [reply] = await chat.replied(asked)
    assert [PLOT["source"]] == CELLS
    assert reply.body.endswith("Visits rise until noon.")


async def test_a_denial_changes_nothing(persona_conversation):
    CELLS.clear()
    said = [SAID[0], "Then I leave it."]
    async with persona_conversation(Plotter, model_replies=said, toolsets=NOTEBOOK) as chat:
        asked = chat.post("plot the visits")
        await chat.deny(reason="Not now.")
        [reply] = await chat.replied(asked)
    assert CELLS == []
    assert reply.body.endswith("Then I leave it.")
