from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.context.beside import Beside, means_notebook, notebook_beside


def person(name: str, **fields: Any) -> dict[str, Any]:
    return {"user": {"username": name}, **fields}


def announced(name: str, notebook: str, cell: str | None = None) -> dict[str, Any]:
    return person(name, jupyter_ai_personas={"live": 1, "notebook": notebook, "cell": cell})


def test_the_current_document_is_it_if_it_is_a_notebook() -> None:
    states = [person("ada", current="notebook:a.ipynb", documents=["a.ipynb", "b.ipynb"])]
    assert notebook_beside("ada", everywhere=states) == Beside("a.ipynb")


def test_a_drive_before_the_path_is_left_out() -> None:
    states = [person("ada", current="notebook:RTC:bees/a.ipynb")]
    assert notebook_beside("ada", everywhere=states) == Beside("bees/a.ipynb")


@pytest.mark.parametrize("current", ["chat:RTC:team.chat", "editor:a.ipynb", None, 3, "x"])
def test_else_the_only_open_notebook_is_it(current: Any) -> None:
    states = [person("ada", current=current, documents=["team.chat", "b.ipynb", "x.py"])]
    assert notebook_beside("ada", everywhere=states) == Beside("b.ipynb")


def test_else_it_is_ambiguous() -> None:
    states = [person("ada", current="chat:team.chat", documents=["b.ipynb", "a.ipynb"])]
    assert notebook_beside("ada", everywhere=states) == Beside(candidates=("a.ipynb", "b.ipynb"))


def test_two_tabs_with_different_notebooks_are_ambiguous() -> None:
    states = [person("ada", current=f"notebook:{name}.ipynb") for name in "ab"]
    assert notebook_beside("ada", everywhere=states).candidates == ("a.ipynb", "b.ipynb")


def test_what_others_have_open_does_not_matter() -> None:
    states = [
        person("bea", current="notebook:b.ipynb", documents=["b.ipynb"]),
        person("ada", current=None, documents=[]),
    ]
    assert notebook_beside("ada", everywhere=states) == Beside()


def test_what_our_front_end_announces_wins() -> None:
    everywhere = [person("ada", current="notebook:b.ipynb", documents=["b.ipynb"])]
    here = [announced("bea", "c.ipynb", "x"), announced("ada", "a.ipynb", "cell-3")]
    assert notebook_beside("ada", here=here, everywhere=everywhere) == Beside("a.ipynb", "cell-3")


def test_two_tabs_on_one_notebook_leave_the_cell_open_unless_they_agree() -> None:
    assert notebook_beside(
        "ada", here=[announced("ada", "a.ipynb", "x"), announced("ada", "a.ipynb", "y")]
    ) == Beside("a.ipynb")
    assert notebook_beside(
        "ada", here=[announced("ada", "a.ipynb", "x"), announced("ada", "a.ipynb")]
    ) == Beside("a.ipynb", "x")
    assert notebook_beside(
        "ada", here=[announced("ada", "b.ipynb"), announced("ada", "a.ipynb")]
    ) == Beside(candidates=("a.ipynb", "b.ipynb"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("notebook:a.ipynb"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["user", "username", "current", "documents", "jupyter_ai_personas"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(st.lists(json_values), st.lists(json_values))
def test_whatever_clients_announce_is_survived(here: list[Any], everywhere: list[Any]) -> None:
    user = {"user": {"username": "ada"}}
    states = [{**state, **user} if isinstance(state, dict) else state for state in everywhere]
    notebook_beside("ada", here=[*here, *states], everywhere=states)


@pytest.mark.parametrize(
    "body",
    [
        "Why does this cell fail?",
        "@Guide what does the notebook do?",
        "explain this error",
        "Explain the error, please",
        "what is wrong in the failing cell",
        "summarize my notebook",
        "make this plot larger",
        "speed up the selected cell",
        "why is this slow",
        "fix cell 3",
        "what does the traceback say",
        "describe this dataframe",
        "Warum schlägt diese Zelle fehl?",
        "Explique cette erreur",
        "explica esta celda",
        "このセルを説明して",
        "解释这个单元格",
    ],
)
def test_a_message_about_what_is_at_hand_means_the_notebook(body: str) -> None:
    assert means_notebook(body)


@pytest.mark.parametrize(
    "body",
    [
        "What is a decorator?",
        "Write a function that sorts words",
        "Who are you?",
        "How do I read a CSV file?",
        "Hello!",
        "What is the capital of Peru?",
        "Say `the notebook` in French",
        "```\nthe error\n```",
        "the result of 3 * 4",
        "",
    ],
)
def test_any_other_message_does_not(body: str) -> None:
    assert not means_notebook(body)
