"""``%ai`` and ``%%ai`` in a real kernel, as a front end sees it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from support.shells import PATIENCE, WAIT, Kernel

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

SMALL = {"jupyter_ai": {"provider_id": "light", "model_id": "small"}}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()


def next_display(messages: Any) -> dict[str, Any]:
    """The content of the next message that displays something."""
    return next(m["content"] for m in messages if "display_data" in m["msg_type"])


def test_a_reply_streams_into_one_output_and_ends_as_markdown(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="one **two** three", hold_after=2))
    request = kernel.start("%%ai light:small\nhi")
    messages = kernel.messages(request)
    loopback.wait_for_hold()
    # The model is in the middle of its reply, and the cell shows what has come.
    shown = next_display(messages)
    identity = shown["transient"]
    while "**two**" not in shown["data"]["text/plain"]:
        shown = next_display(messages)
    assert shown["data"] == {"text/markdown": "one **two** ", "text/plain": "one **two** "}
    assert shown["metadata"] == SMALL
    loopback.release()
    done = kernel.finish(request)
    assert done.reply["status"] == "ok"
    (final,) = done.displayed
    assert final["data"]["text/markdown"] == "one **two** three"
    assert final["metadata"] == SMALL
    assert final["transient"] == identity
    assert done.of("execute_result", "stream") == []


def test_the_output_ends_in_the_format_that_was_asked(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    for format, text, mime, data in [
        ("html", "```html\n<b>x</b>\n```", "text/html", "<b>x</b>"),
        ("image", f"data:image/png;base64,{PNG}", "image/png", PNG),
        ("json", '{"a": 1}', "application/json", {"a": 1}),
        ("markdown", "*x*", "text/markdown", "*x*"),
        ("math", "x^2", "text/latex", "$$x^2$$"),
        ("md", "*x*", "text/markdown", "*x*"),
        ("text", "*x*", "text/plain", "*x*"),
    ]:
        loopback.answer(Answer(text=text))
        (shown,) = kernel.run(f"%%ai -f {format}\nhi").displayed
        assert shown["data"][mime] == data
        assert shown["metadata"] == SMALL
        assert set(shown["data"]) == {mime, "text/plain"}


def test_code_creates_a_new_cell_below(kernel: Kernel, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="Sure:\n```python\nprint(1 < 2)\n```"))
    done = kernel.run("%%ai -f code\ncompare")
    assert done.reply["payload"] == [
        {"source": "set_next_input", "text": "print(1 < 2)", "replace": False}
    ]
    (shown,) = done.displayed
    assert shown["data"]["text/plain"] == "print(1 < 2)"
    assert "<pre>print(1 &lt; 2)</pre>" in shown["data"]["text/html"]
    assert shown["metadata"] == SMALL


def test_an_interrupt_stops_the_request_keeps_what_came_and_leaves_the_kernel_healthy(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="one two three", hold_after=2))
    request = kernel.start("%%ai\nhi")
    messages = kernel.messages(request)
    while next_display(messages)["data"]["text/plain"] != "one two ":
        pass
    loopback.wait_for_hold()
    kernel.manager.interrupt_kernel()
    loopback.wait_for_disconnect()
    done = kernel.finish(request)
    (error,) = done.of("error")
    assert error["traceback"] == ["Stopped; what came of the reply is kept."]
    assert all(shown["data"]["text/plain"] == "one two " for shown in done.displayed)
    assert "payload" not in done.reply or done.reply["payload"] == []
    # Healthy: other cells run, the next question works, and knows of what came.
    assert kernel.run("1 + 1").of("execute_result")[0]["data"]["text/plain"] == "2"
    kernel.run("%%ai -f text\ngo on")
    contents = [message["content"] for message in loopback.requests[-1].json["messages"]]
    assert contents == ["hi", "one two ", "go on"]


def test_an_interrupt_before_the_first_word_ends_the_request(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(hold_after=0))
    request = kernel.start("%%ai\nhi")
    loopback.wait_for_hold()
    kernel.manager.interrupt_kernel()
    loopback.wait_for_disconnect()
    done = kernel.finish(request)
    assert done.reply["status"] == "error"
    assert done.displayed == []
    (shown,) = kernel.run("%%ai\nagain").displayed
    assert shown["data"]["text/plain"] == "Hello from the loopback model."


def test_an_interrupted_reply_makes_no_new_cell(kernel: Kernel, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="```python\nx = 1\n", hold_after=2))
    request = kernel.start("%%ai -f code\nhi")
    messages = kernel.messages(request)
    while "x" not in next_display(messages)["data"]["text/plain"]:
        pass
    kernel.manager.interrupt_kernel()
    done = kernel.finish(request)
    assert done.reply.get("payload", []) == []
    assert done.of("error")
    assert all("text/html" not in shown["data"] for shown in done.displayed)


def test_a_model_that_holds_its_event_loop_for_good_costs_its_own_cell(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    request = kernel.start("%%ai stuck:one -f text\nhi")
    messages = kernel.messages(request)
    assert next_display(messages)["data"]["text/plain"] == "before "
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request).of("error")
    (shown,) = kernel.run("%%ai -f text\nagain").displayed
    assert shown["data"]["text/plain"] == "Hello from the loopback model."


def test_errors_are_one_line_and_an_error_for_the_front_end(kernel: Kernel) -> None:
    done = kernel.fail("%%ai needs_key:one\nhi")
    (error,) = done.of("error")
    assert error["ename"] == "MagicsError"
    assert "`PLAIN_API_KEY`" in error["evalue"]
    assert error["traceback"] == [error["evalue"]]


def test_the_kernels_running_event_loop_is_left_alone(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    done = kernel.run(
        """
        import asyncio
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(asyncio.sleep(0, "went on"))
        get_ipython().run_cell_magic("ai", "light:small", "hi")
        assert asyncio.get_running_loop() is loop
        await task
        """
    )
    assert done.of("execute_result")[0]["data"]["text/plain"] == "'went on'"
    assert len(loopback.requests) == 1


def test_list_is_a_table(kernel: Kernel) -> None:
    (shown,) = kernel.run("%ai list").displayed
    row = "| `plain` | yes, for the magics only | `one` |"
    assert row in shown["data"]["text/markdown"]


def test_loading_imports_little_and_so_takes_no_time(environment: Path) -> None:
    with Kernel() as kernel:
        done = kernel.run(
            """
            import sys
            before = set(sys.modules)
            get_ipython().run_line_magic("load_ext", "jupyter_ai_personas")
            new = {name.partition(".")[0] for name in set(sys.modules) - before}
            print(*sorted(new - sys.stdlib_module_names))
            """
        )
        ours = {"jupyter_ai_personas", "lazy_loader"}
        assert set(done.printed.split()) <= {"IPython", "anyio", *ours}
        kernel.run("%ai help")
        kernel.run("%ai version")
        done = kernel.run("any(name.startswith('langchain') for name in sys.modules)")
        assert done.of("execute_result")[0]["data"]["text/plain"] == "False"


# -- personas in this process ---------------------------------------------------------------------


def test_a_reply_of_a_persona_grows_in_its_cell(kernel: Kernel, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="one two three", hold_after=2))
    request = kernel.start("%%ai @Guide\nhi")
    messages = kernel.messages(request)
    loopback.wait_for_hold()
    shown = next(m["content"] for m in messages if m["msg_type"] == "display_data")
    assert shown["data"]["text/markdown"].startswith("one")
    loopback.release()
    done = kernel.finish(request)
    (final,) = done.displayed
    assert final["data"]["text/markdown"] == "one two three"
    assert final["metadata"] == {"jupyter_ai": {"persona": "Guide", "through": "process"}}


def test_an_interrupt_stops_a_persona_in_this_process(
    kernel: Kernel, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="one two three", hold_after=2))
    request = kernel.start("%%ai @Guide\nhi")
    loopback.wait_for_hold()
    kernel.manager.interrupt_kernel()
    loopback.wait_for_disconnect()
    assert kernel.finish(request).of("error")
    assert kernel.run("%%ai @Echo\nhi").displayed[-1]["data"]["text/plain"].startswith("hi")


# -- notebooks that are executed without a front end -----------------------------------------------


def notebook(*cells: str) -> Any:
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )


class Watching(NotebookClient):
    """A client that keeps what each display showed, one after the other."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.shown: list[str] = []

    def process_message(self, msg: dict[str, Any], *args: Any) -> Any:
        if "display_data" in msg["msg_type"]:
            self.shown.append(msg["content"]["data"]["text/plain"])
        return super().process_message(msg, *args)


def test_a_notebook_is_executed_with_streamed_outputs_and_metadata_until_a_cell_fails(
    configured: None,
    plugins: Path,
    light: Path,
    documented: Path,
    loopback: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = os.pathsep.join(map(str, (plugins, light, documented)))
    monkeypatch.setenv("PYTHONPATH", paths, os.pathsep)
    words = " ".join(f"word{number}" for number in range(2000))
    half = words.partition("word1000")[0]
    loopback.answer(Answer(text=words, hold_after=1000), Answer(text="```python\nprint(1)\n```"))
    made = notebook(
        "%load_ext jupyter_ai_personas",
        "name = 'Ada'",
        "%%ai light:small\nwho is {name}?",
        "%%ai light:large -f code\nprint one",
        "%%ai my_provider:model_a -f text\nhi",
        "%ai version",
        "%%ai needs_key:one\nhi",
        "1",
    )
    client = Watching(made, **PATIENCE)

    def hold_until_half_is_shown() -> None:
        loopback.wait_for_hold()
        until = time.monotonic() + WAIT
        while half not in client.shown and time.monotonic() < until:
            time.sleep(0.01)
        loopback.release()

    holding = threading.Thread(target=hold_until_half_is_shown)
    holding.start()
    with pytest.raises(CellExecutionError, match="PLAIN_API_KEY"):
        client.execute()
    holding.join()
    _, _, reply, code, plain, version, failed, not_run = made.cells
    (output,) = reply.outputs
    assert output.data["text/markdown"] == words
    assert output.metadata == SMALL
    streamed = [shown for shown in client.shown if words.startswith(shown)]
    assert half in streamed
    assert streamed == sorted(streamed, key=len)
    assert code.outputs[0].data["text/plain"] == "print(1)"
    assert code.outputs[0].metadata.jupyter_ai.model_id == "large"
    assert plain.outputs[0].data == {"text/plain": "This is a response from model 'a'"}
    assert plain.outputs[0].metadata.jupyter_ai == {
        "provider_id": "my_provider",
        "model_id": "model_a",
    }
    assert version.outputs[0].text.startswith("jupyter_ai_personas ")
    assert "who is Ada?" in loopback.requests[0].json["messages"][0]["content"]
    assert failed.outputs[0].ename == "MagicsError"
    assert not_run.execution_count is None
    nbformat.validate(made)


@pytest.mark.parametrize(
    "command",
    [
        [
            *("nbconvert", "--to", "notebook", "--execute", "--output", "out.ipynb", "in.ipynb"),
            *(f"--ExecutePreprocessor.{name}={value:g}" for name, value in PATIENCE.items()),
        ],
        ["papermill", f"--start-timeout={WAIT:g}", "in.ipynb", "out.ipynb"],
    ],
    ids=["nbconvert", "papermill"],
)
def test_a_notebook_is_executed_from_the_command_line(
    configured: None, loopback: OpenAIServer, tmp_path: Path, command: list[str]
) -> None:
    made = notebook("%load_ext jupyter_ai_personas", "%%ai\nhi", "Out[2]")
    nbformat.write(made, tmp_path / "in.ipynb")
    subprocess.run(
        [sys.executable, "-m", *command], cwd=tmp_path, check=True, capture_output=True, timeout=300
    )
    _, reply, value = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert reply.outputs[0].data["text/markdown"] == "Hello from the loopback model."
    assert reply.outputs[0].metadata == SMALL
    assert value.outputs[0].data["text/plain"] == "'Hello from the loopback model.'"
