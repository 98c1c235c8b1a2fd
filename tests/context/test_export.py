from __future__ import annotations

from zoneinfo import ZoneInfo

import nbformat
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.context.export import Said, to_markdown, to_notebook

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC
ANSWER = (
    "Use this:\n\n```python\nimport bees\nbees.count()\n```\n\nand then\n\n"
    "```bash\npip list\n```\n\n```\nplain\n```\n\n- in a list\n\n  ```python\n  x\n  ```\n"
)
CHAT = [
    Said("Ada *the first*", "How many?", NOON, attached=("a.ipynb",)),
    Said("Guide", ANSWER, NOON + 60, model="openai:gpt-5"),
    Said("Guide", "Half an", NOON + 61, note="stopped"),
]


def test_markdown_has_speakers_times_models_and_bodies() -> None:
    text = to_markdown("team", CHAT)
    assert text.startswith("# team\n\n---\n\n**Ada \\*the first\\*** · 2026-01-01 12:00 UTC")
    assert "Attached: `a.ipynb`" in text
    assert "**Guide** · 2026-01-01 12:01 UTC · `openai:gpt-5`\n\nUse this:" in text
    assert ANSWER.strip("\n") in text
    assert "· stopped\n\nHalf an\n" in text


def test_times_are_in_the_zone_that_is_asked_for() -> None:
    assert "2026-01-01 13:00 CET" in to_markdown("t", CHAT, zone=ZoneInfo("Europe/Berlin"))


def test_a_time_that_nobody_knows_is_left_out() -> None:
    assert "**A**\n\nx" in to_markdown("t", [Said("A", "x"), Said("A", "y", 1e290)])


def test_code_blocks_become_cells_of_a_valid_notebook() -> None:
    notebook = to_notebook("team", CHAT)
    nbformat.validate(notebook)
    cells = [(cell["cell_type"], cell["source"]) for cell in notebook["cells"]]
    assert cells[0] == ("markdown", "# team")
    assert [source for kind, source in cells if kind == "code"] == [
        "import bees\nbees.count()",
        "%%bash\npip list",
    ]
    assert cells[2][1].endswith("`openai:gpt-5`\n\nUse this:")
    last = "\n\n".join(source for kind, source in cells[6:])
    assert "```\nplain\n```\n\n- in a list" in last
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_the_notebook_has_the_language_of_most_blocks() -> None:
    said = Said("Guide", "```r\nx <- 1\n```\n```r\ny\n```\n```python\nx\n```\n```bash\nls\n```")
    notebook = to_notebook("t", [said])
    assert notebook["metadata"]["kernelspec"]["name"] == "ir"
    code = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code == ["x <- 1", "y"]


def test_a_block_that_is_not_closed_is_one() -> None:
    notebook = to_notebook("t", [Said("Guide", "Look:\n~~~python\nx = 1\ny = 2")])
    assert notebook["cells"][-1]["source"] == "x = 1\ny = 2"


@given(st.lists(st.text(st.sampled_from("`~ \npython-x1."), max_size=60), max_size=4))
def test_every_chat_becomes_a_valid_notebook_that_lacks_nothing(bodies: list[str]) -> None:
    notebook = to_notebook("t", [Said("A", body, NOON) for body in bodies])
    nbformat.validate(notebook)
    whole = "".join(cell["source"] for cell in notebook["cells"])
    for body in bodies:
        for word in "xptn1":
            assert whole.count(word) >= body.count(word) or "```" in body or "~~~" in body
