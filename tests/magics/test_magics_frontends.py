"""How a reply is shown by what the front end can do, as its requests tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from support.shells import LAB_NOTEBOOK, PATIENCE, WAIT, Done, Kernel

from jupyter_ai_personas.magics.display import PrintedDisplay
from jupyter_ai_personas.magics.frontends import FrontEnd, front_end_of_request
from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

# What front ends send as metadata of `execute_request`. JupyterLab 4: `CodeCell.execute`, which its
# notebook gives `deletedCells` and its console nothing. VS Code: `cellExecution.ts`.
LAB_CONSOLE = {"cellId": "4f1c"}
VSCODE = {"cellId": "vscode-notebook-cell:/home/ada/a.ipynb#W0sZmlsZQ%3D%3D", "tags": []}
VSCODE_REMOTE = {"cellId": "vscode-notebook-cell://ssh-remote%2Bhost/home/a.ipynb#W1sZmlsZQ%3D%3D"}
VSCODE_WINDOW = {"cellId": "vscode-notebook-cell:Interactive-1.interactive#W0sdW50aXRsZWQ%3D"}
NOTHING: Mapping[str, Any] = {}

NOTEBOOK = FrontEnd(rich=True, updates=True, cells=True)
UPDATED = FrontEnd(rich=True, updates=True)
UNKNOWN = FrontEnd(rich=True)

TEXT = "one **two** three"
CODE = Answer(text="Sure:\n```python\nprint(1)\n```")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (LAB_NOTEBOOK, NOTEBOOK),
        ({"deletedCells": ["a"], "cellId": "b", "trusted": True}, NOTEBOOK),
        (VSCODE, NOTEBOOK),
        (VSCODE_REMOTE, NOTEBOOK),
        (LAB_CONSOLE, UPDATED),
        (VSCODE_WINDOW, UPDATED),
        ({"cellId": "http://[not-an-address"}, UPDATED),
        (NOTHING, UNKNOWN),
        (None, UNKNOWN),
        ({"cellId": None}, UNKNOWN),
        ({"cellId": ""}, UNKNOWN),
        ({"cellId": 7}, UNKNOWN),
        ({"deletedCells": []}, UNKNOWN),
        ({"colab": {}}, UNKNOWN),
    ],
)
def test_the_metadata_of_the_request_tell_what_its_sender_shows(
    metadata: Any, expected: FrontEnd
) -> None:
    request = {"metadata": metadata, "content": {"allow_stdin": True}}
    assert front_end_of_request(request) == expected


@pytest.mark.parametrize(
    ("allow_stdin", "in_memory_history", "expected"),
    [
        (False, True, UPDATED),  # nbclient, nbconvert, papermill
        (False, False, UNKNOWN),  # nbval, which drops updates
        (True, True, UNKNOWN),  # a console with `--HistoryManager.hist_file=:memory:`
        (None, True, UNKNOWN),
    ],
)
def test_a_batch_that_takes_no_input_shows_updates_but_has_nobody_to_run_a_cell(
    allow_stdin: bool | None, in_memory_history: bool, expected: FrontEnd
) -> None:
    request = {"metadata": {}, "content": {"allow_stdin": allow_stdin}}
    assert front_end_of_request(request, in_memory_history=in_memory_history) == expected


@pytest.mark.parametrize("request_", [{}, {"metadata": {}}, {"content": None, "metadata": None}])
def test_what_is_no_request_tells_nothing(request_: Mapping[str, Any]) -> None:
    assert front_end_of_request(request_, in_memory_history=True) == UNKNOWN


def test_an_image_that_is_cut_off_is_not_printed_as_its_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = PrintedDisplay(None, "image", FrontEnd())
    display.write("Here: data:image/png;base64,AAAA", {})
    display.keep()
    assert capsys.readouterr().out == "Here: <image/png>\n"


# -- a real kernel ---------------------------------------------------------------------------------


def seen_without_updates(done: Done) -> str:
    """What a person sees in a front end of text that drops `update_display_data`."""
    shown = ""
    for message in done.messages:
        content = message["content"]
        if message["msg_type"] == "stream":
            shown += content["text"]
        elif message["msg_type"] == "display_data":
            shown += content["data"]["text/plain"] + "\n"
    return shown


def ask(kernel: Kernel, metadata: Mapping[str, Any], cell: str) -> Done:
    kernel.metadata = metadata
    try:
        return kernel.run(cell)
    finally:
        kernel.metadata = LAB_NOTEBOOK


@pytest.mark.parametrize(
    ("format", "text", "shown"),
    [
        ("markdown", TEXT, TEXT),
        ("md", TEXT, TEXT),
        ("text", TEXT, TEXT),
        ("code", CODE.text, "print(1)"),
        ("html", "<b>one two</b>", "<b>one two</b>"),
        ("json", '{"a": 1}', '{\n  "a": 1\n}'),
        ("json", "no json at all", "no json at all"),
        ("math", "x ^ 2", "x ^ 2"),
    ],
)
def test_an_unknown_front_end_loses_no_text(
    kernel: Kernel, loopback: OpenAIServer, format: str, text: str, shown: str
) -> None:
    loopback.answer(Answer(text=text))
    done = ask(kernel, NOTHING, f"%%ai -f {format}\nhi")
    assert done.of("update_display_data") == []
    assert seen_without_updates(done).startswith(f"{shown}\n")
    assert done.reply["payload"] == []


def test_an_unknown_front_end_gets_what_it_may_render(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="x^2"))
    (shown,) = ask(kernel, NOTHING, "%%ai -f math\nhi").displayed
    assert shown["data"]["text/latex"] == "$$x^2$$"
    assert shown["metadata"] == {"jupyter_ai": {"provider_id": "light", "model_id": "small"}}
    (shown,) = ask(kernel, NOTHING, "%ai list").displayed
    assert set(shown["data"]) == {"text/markdown", "text/plain"}


def test_an_unknown_front_end_shows_text_as_it_arrives(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="one two three", hold_after=2))
    kernel.metadata = NOTHING
    try:
        request = kernel.start("%%ai\nhi")
    finally:
        kernel.metadata = LAB_NOTEBOOK
    loopback.wait_for_hold()
    came = ""
    for message in kernel.messages(request):
        if message["msg_type"] == "stream":
            came += message["content"]["text"]
        if came == "one two ":
            break
    loopback.release()
    assert kernel.finish(request).printed == "three\n"


@pytest.mark.parametrize("metadata", [LAB_CONSOLE, VSCODE_WINDOW], ids=["lab", "vscode"])
def test_a_code_console_shows_the_code_and_keeps_the_question(
    kernel: Kernel, loopback: OpenAIServer, metadata: Mapping[str, Any]
) -> None:
    loopback.answer(CODE, Answer(text=TEXT))
    done = ask(kernel, metadata, "%%ai -f code\nprint one")
    assert done.reply["payload"] == []
    (shown,) = done.displayed
    assert shown["data"] == {"text/plain": "print(1)"}
    (shown,) = ask(kernel, metadata, "%%ai\nhi").displayed
    assert shown["data"]["text/markdown"] == TEXT


def test_vs_codes_notebook_gets_a_new_cell(kernel: Kernel, loopback: OpenAIServer) -> None:
    loopback.answer(CODE)
    done = ask(kernel, VSCODE, "%%ai -f code\nprint one")
    assert [payload["text"] for payload in done.reply["payload"]] == ["print(1)"]


def test_two_front_ends_of_one_kernel_are_each_shown_what_they_can_show(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    assert ask(kernel, NOTHING, "%%ai\nhi").printed == "Hello from the loopback model.\n"
    assert ask(kernel, LAB_NOTEBOOK, "%%ai\nhi").printed == ""
    assert ask(kernel, NOTHING, "%%ai\nhi").displayed == []


# -- errors that no stored cell raised -------------------------------------------------------------


def last_question(loopback: OpenAIServer) -> str:
    return str(loopback.requests[-1].json["messages"][-1]["content"])


@pytest.mark.parametrize("silent", [False, True])
def test_an_error_that_is_not_in_the_history_is_explained(
    kernel: Kernel, loopback: OpenAIServer, silent: bool
) -> None:
    request = kernel.client.execute("[3][7]", silent=silent, store_history=False)
    assert kernel.finish(request).reply["status"] == "error"
    kernel.run("%ai error")
    assert "IndexError: list index out of range" in last_question(loopback)


def test_an_error_that_a_callback_raised_is_explained(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    kernel.fail("int('an older one')")
    # As the kernel shows what a widget's callback raises: no cell is run.
    kernel.run(
        """
        def answer(comm, message):
            try:
                raise LookupError("in a callback")
            except LookupError:
                get_ipython().showtraceback()
        get_ipython().kernel.comm_manager.register_target("test", answer)
        """
    )
    content = {"comm_id": "1", "target_name": "test", "data": {}}
    session = kernel.client.session
    message = session.msg("comm_open", content)
    kernel.client.shell_channel.send(message)
    list(kernel.messages(message["header"]["msg_id"]))
    kernel.run("%ai error")
    question = last_question(loopback)
    assert "LookupError: in a callback" in question
    assert "an older one" not in question
    kernel.fail("int('a newer one')")
    kernel.run("%ai error")
    assert "int('a newer one')\n```" in last_question(loopback)


# -- other clients ---------------------------------------------------------------------------------


def test_a_plain_client_shows_the_whole_reply(
    kernel: Kernel, loopback: OpenAIServer, capfd: pytest.CaptureFixture[str]
) -> None:
    # The client of `jupyter run`, as it comes. It drops updates, and so does qtconsole.
    loopback.answer(Answer(text=TEXT), CODE)
    for cell in ("%%ai\nhi", "%%ai -f code\nhi"):
        kernel.client.execute_interactive(cell, timeout=WAIT)
    assert capfd.readouterr().out == f"{TEXT}\nprint(1)"


def test_an_output_widget_holds_the_whole_reply(configured: None, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text=" ".join(f"word{n}" for n in range(300))))
    cells = [
        "%load_ext jupyter_ai_personas\nimport ipywidgets\nout = ipywidgets.Output()\nout",
        "with out:\n    get_ipython().run_cell_magic('ai', '', 'hi')",
        "%%ai\nhi",
    ]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(made, **PATIENCE).execute()
    widgets = made.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    (held,) = [w["state"]["outputs"] for w in widgets.values() if w["model_name"] == "OutputModel"]
    text = "".join(output["text"] for output in held if output["output_type"] == "stream")
    assert re.findall(r"\d+", text) == [str(n) for n in range(300)]
    assert made.cells[2].outputs[0].data["text/markdown"] == "Hello from the loopback model."
