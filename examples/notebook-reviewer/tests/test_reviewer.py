import json

from notebook_reviewer import WHERE, Reviewer

from jupyter_ai_personas.chat import Attachment
from jupyter_ai_personas.runtime import RuntimeSettings
from jupyter_ai_personas.testing import PersonaContract


def notebook(*sources):
    cells = [
        {"id": f"c{i}", "cell_type": "code", "source": source, "metadata": {}, "outputs": []}
        for i, source in enumerate(sources)
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


class TestReviewer(PersonaContract):
    persona = Reviewer


async def test_it_reviews_each_cell_and_links_to_it(ask_persona, tmp_path):
    (tmp_path / "bees.ipynb").write_text(notebook("x = 1", "1 / 0"))
    [reply] = await ask_persona(
        Reviewer,
        "please",
        attachments=[Attachment("a", "bees.ipynb", "notebook")],
        model_replies=["Fine.", "It divides by zero."],
        settings=RuntimeSettings(root_dir=str(tmp_path), base_url="/"),
    )
    assert reply.body == (
        "**[Cell 1](/lab/tree/bees.ipynb#cell-id=c0)**: Fine.\n\n"
        "**[Cell 2](/lab/tree/bees.ipynb#cell-id=c1)**: It divides by zero.\n\n"
    )


async def test_it_says_what_it_needs(ask_persona):
    [reply] = await ask_persona(Reviewer, "please")
    assert reply.body == WHERE
