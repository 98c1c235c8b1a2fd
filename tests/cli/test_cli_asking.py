"""`jupyter ai-personas ask` and `chat`: real personas and a real client of a loopback model."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from agents import obedient
from support.plugin import make_plugin

from jupyter_ai_personas.cli import main
from jupyter_ai_personas.testing import Answer, Call, OpenAIServer

WAIT = 60
"""Seconds until a program says something: it starts first."""
WORKING = {"local_personas": "tools", "tool_policy": {"*": "allow"}}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: OpenAIServer,
) -> Run:
    """Runs a command in an empty folder, whose default model is the loopback one."""
    config = tmp_path / "config"
    config.mkdir()
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(config))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(root)

    def run(*arguments: str, stdin: str | bytes = "", **settings: Any) -> tuple[int, str, str]:
        ours = {
            "endpoints": {"loop": {"base_url": model.url, "models": ["small", "large"]}},
            "default_model": "loop:small",
            **settings,
        }
        text = json.dumps({"AiExtension": ours})
        (config / "jupyter_server_config.json").write_text(text)
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def persona(root: Path, name: str, *lines: str, prompt: str = "You are local.") -> None:
    place = root / ".jupyter" / "personas"
    place.mkdir(parents=True, exist_ok=True)
    text = "\n".join(["---", f"name: {name}", *lines, "---", prompt])
    (place / f"{name.lower()}.md").write_text(text)


# -- ask -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["@Guide who is there?", "who is there?", "@guide who?"])
def test_an_answer_is_printed(run: Run, model: OpenAIServer, text: str) -> None:
    model.answer(Answer(text="Nobody but us."))
    assert run("ask", text) == (0, "Nobody but us.\n", "")
    assert text in str(model.requests[-1].json["messages"][-1])


def test_an_agent_of_the_configuration_is_asked(run: Run, tmp_path: Path) -> None:
    env = {"AGENT_MEMORY": str(tmp_path / "memory.jsonl")}
    agent = {"command": [sys.executable, obedient.SCRIPT], "env": env}
    code, out, err = run("ask", "@Bot hello", "--json", acp_agents={"Bot": agent})
    assert (code, err) == (0, "")
    assert json.loads(out)["persona"] == "Bot"


def test_json_has_persona_state_text_and_usage(run: Run, model: OpenAIServer) -> None:
    model.answer(Answer(text="Ünïcode — 数据."))
    code, out, err = run("ask", "@Guide hi", "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert sorted(said) == ["persona", "state", "text", "usage"]
    assert (said["persona"], said["state"], said["text"]) == ("Guide", "done", "Ünïcode — 数据.")
    assert said["usage"]["model"] == "loop:small"
    assert "Ünïcode — 数据." in out


@pytest.mark.parametrize("stdin", ["@Guide read\nthis", b"@Guide read\nthis\n"])
def test_a_dash_reads_standard_input(run: Run, model: OpenAIServer, stdin: Any) -> None:
    model.answer(Answer(text="Read."))
    assert run("ask", "-", stdin=stdin)[:2] == (0, "Read.\n")
    assert "read\nthis" in str(model.requests[-1].json["messages"][-1]["content"])


def test_what_a_model_cannot_answer_is_an_exit_code(run: Run, model: OpenAIServer) -> None:
    model.answer(*[Answer(status=400, text="no such thing")] * 3)
    code, out, err = run("ask", "@Guide hi")
    assert (code, out) == (1, "")
    assert "no such thing" in err
    model.answer(*[Answer(status=400, text="no such thing")] * 3)
    code, out, _ = run("ask", "@Guide hi", "--json")
    assert code == 1
    assert json.loads(out)["state"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (["ask"], "", "TEXT"),
        (["ask", ""], "", "nothing to ask"),
        (["ask", " \n"], "", "nothing to ask"),
        (["ask", "-"], "", "nothing to ask"),
        (["ask", "-"], "x" * 200_001, "longer than 200,000"),
        (["ask", "@Giude hi"], "", "Did you mean `@Guide`?"),
        (["ask", "hi", "--jsn"], "", "unrecognized arguments"),
        (["ask", "@Faulty hi"], "", "faulty.md, line 3: there is no key `nme`"),
        (["ask", "@Guide and @Local hi"], "", "Mention one"),
    ],
)
def test_wrong_usage_is_told(run: Run, arguments: list[str], stdin: str, told: str) -> None:
    persona(Path(), "Local")
    persona(Path(), "Faulty", "nme: x")
    code, out, err = run(*arguments, stdin=stdin)
    assert (code, out) == (2, "")
    assert told in err


def test_nobody_answers_by_default_where_the_operator_wants_that(run: Run) -> None:
    code, _, err = run("ask", "hi", default_persona="")
    assert code == 2
    assert "Mention a persona" in err


def test_a_persona_of_a_file_here_answers(run: Run, model: OpenAIServer) -> None:
    persona(Path(), "Local", prompt="You are a parrot.")
    model.answer(Answer(text="Hi."))
    assert run("ask", "@Local hi")[:2] == (0, "Hi.\n")
    assert "You are a parrot." in str(model.requests[-1].json["messages"][0])
    code, _, err = run("ask", "@Local hi", local_personas="off", default_persona="")
    assert code == 2
    assert "Mention a persona" in err


def test_a_configuration_that_cannot_work_is_told(run: Run) -> None:
    code, _, err = run("ask", "@Guide hi", local_personas="sometimes")
    assert code == 1
    assert "`c.AiExtension.local_personas` must be one of `off`, `text`, `tools`" in err


# -- chat ------------------------------------------------------------------------------------------


def test_a_chat_streams_replies_and_obeys_commands(run: Run, model: OpenAIServer) -> None:
    model.answer(Answer(text="One."), Answer(text="Two."))
    code, out, err = run("chat", stdin="@Guide first\nsecond\n\n/help\n")
    assert (code, err) == (0, "")
    assert out.startswith("Guide: One.\nGuide: Two.\nPersonas: Mention a persona")
    assert "first" in str(model.requests[-1].json["messages"])


def test_several_people_speak(run: Run, model: OpenAIServer) -> None:
    model.answer(Answer(text="Hello both."))
    typed = "Ben: I am here.\nBen is not said by Ben\nADA: @Guide who is here?\n"
    code, out, _ = run("chat", "--as", "Ada", "--as", "Ben", stdin=typed)
    assert (code, out) == (0, "Guide: Hello both.\n")
    asked = str(model.requests[-1].json["messages"])
    assert "Ben: I am here." in asked
    assert "Ada: Ben is not said by Ben" in asked


def test_a_persona_and_a_model_are_chosen(run: Run, model: OpenAIServer) -> None:
    persona(Path(), "Local")
    model.answer(Answer(text="Hi."))
    code, out, _ = run("chat", "--persona", "Local", "--model", "loop:large", stdin="hello\n")
    assert (code, out) == (0, "Local: Hi.\n")
    assert model.requests[-1].json["model"] == "large"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--persona", "Gide"], "There is no persona `Gide`. Did you mean `Guide`?"),
        (["--model", "nowhere:x"], "There is no model provider `nowhere`"),
        (["--file", "."], "cannot be read"),
        (["--file", "no.chat/x.chat"], "There is no folder `"),
        (["--file", "notes.md"], "is no chat"),
    ],
)
def test_what_cannot_be_used_is_told(run: Run, arguments: list[str], told: str) -> None:
    Path("notes.md").write_text("# Notes")
    code, _, err = run("chat", *arguments, stdin="/help\n")
    assert code == 1
    assert told in err


def test_a_file_is_gone_on_with(run: Run, model: OpenAIServer) -> None:
    unreadable = {"type": "msg", "body": 3}
    Path("notes.chat").write_text(json.dumps({"messages": [unreadable], "metadata": {"id": "c1"}}))
    model.answer(Answer(text="Noted."), Answer(text="Blue."))
    run("chat", "--as", "Ada", "--file", "notes.chat", stdin="@Guide my colour is blue\n")
    saved = json.loads(Path("notes.chat").read_text())
    assert saved["messages"][0] == unreadable
    assert [m["body"] for m in saved["messages"][1:]] == ["@Guide my colour is blue", "Noted."]
    assert saved["metadata"]["id"] == "c1"
    assert saved["users"]["ada"]["name"] == "Ada"
    code, out, _ = run("chat", "--as", "Ben", "--file", "notes.chat", stdin="@Guide which?\n")
    assert (code, out) == (0, "Guide: Blue.\n")
    assert "Ada: @Guide my colour is blue" in str(model.requests[-1].json["messages"])
    assert len(json.loads(Path("notes.chat").read_text())["messages"]) == 5


TOOLS = """
from pathlib import Path

from langchain_core.tools import StructuredTool


def wipe() -> str:
    \"\"\"Wipe the table.\"\"\"
    Path("wiped").touch()
    return "wiped"


def kit():
    return [StructuredTool.from_function(wipe, metadata={"effect": "write"})]
"""


@pytest.mark.parametrize(
    ("typed", "wiped"), [("/approve\n", True), ("/deny no\n", False), ("", False)]
)
def test_a_tool_is_approved_by_what_is_typed(
    run: Run,
    model: OpenAIServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    wiped: bool,
) -> None:
    groups = {"jupyter_ai_personas.toolsets": {"kit": "table_kit:kit"}}
    monkeypatch.syspath_prepend(
        make_plugin(tmp_path / "packages", "table_kit", {"__init__.py": TOOLS}, groups)
    )
    persona(Path(), "Local", "tools: [kit]")
    model.answer(Answer(text="I wipe.", calls=[Call("kit__wipe", {})]), Answer(text="Done."))
    code, out, _ = run("chat", stdin=f"@Local please\n{typed}", local_personas="tools")
    assert code == 0
    assert "kit.wipe" in out
    assert Path("wiped").exists() == wiped
    assert ("Done." in out) == bool(typed)


# -- tools in a terminal -----------------------------------------------------------------------


def test_a_notebook_is_written_and_run_in_a_terminal(run: Run, model: OpenAIServer) -> None:
    persona(Path(), "Plotter", "tools: [notebook, kernel]")
    model.answer(
        Answer(text="", calls=[Call("notebook__create", {"path": "new.ipynb"})]),
        Answer(
            text="",
            calls=[Call("notebook__insert_cell", {"path": "new.ipynb", "source": "x = 6\nx * 7"})],
        ),
    )
    code, out, err = run("chat", stdin="@Plotter begin\n", **WORKING)
    assert (code, err) == (0, "")
    cells = json.loads(Path("new.ipynb").read_text())["cells"]
    assert cells[-1]["source"] in ("x = 6\nx * 7", ["x = 6\n", "x * 7"])
    model.answer(
        Answer(
            text="",
            calls=[Call("notebook__run_cell", {"path": "new.ipynb", "cell": cells[-1]["id"]})],
        ),
        Answer(text="", calls=[Call("kernel__inspect", {"path": "new.ipynb", "name": "x"})]),
        Answer(text="It is run."),
    )
    code, out, err = run("chat", stdin="@Plotter run it\n", **WORKING)
    assert (code, err) == (0, "")
    assert out.startswith("Plotter: 🔧 notebook.run_cell · new.ipynb · done · ")
    assert "It is run." in out
    [output] = json.loads(Path("new.ipynb").read_text())["cells"][-1]["outputs"]
    assert "".join(output["data"]["text/plain"]) == "42"
    assert "int" in str(model.requests[-1].json["messages"][-1])


def test_a_change_made_in_a_terminal_is_undone_there(run: Run, model: OpenAIServer) -> None:
    persona(Path(), "Writer", "tools: [workspace]")
    call = Call("workspace__write_file", {"path": "a.txt", "content": "new", "expected": "old"})
    Path("a.txt").write_text("old")
    model.answer(Answer(text="", calls=[call]), Answer(text="Written."))
    code, out, err = run("chat", stdin="@Writer write\n/undo\n", **WORKING)
    assert (code, err) == (0, "")
    assert "Written." in out
    assert Path("a.txt").read_text() == "old"
    assert "\n- `a.txt` (changed)\n" in out  # no server opens a link
    assert "Took back 1 change of `Writer`." in out


@pytest.mark.parametrize("arguments", [(), ("--root", "sub")])
def test_files_of_the_root_are_read_and_searched(
    run: Run, model: OpenAIServer, arguments: tuple[str, ...]
) -> None:
    root = Path(arguments[-1]) if arguments else Path()
    root.mkdir(exist_ok=True)
    persona(root, "Reader", "tools: [workspace]")
    (root / "bees.md").write_text("# Bees\n\nA bee dances where the flowers are.\n")
    model.answer(
        Answer(text="", calls=[Call("workspace__search", {"query": "where do bees dance?"})]),
        Answer(text="", calls=[Call("workspace__read_file", {"path": "bees.md"})]),
        Answer(text="At the flowers."),
    )
    assert run("ask", "@Reader where?", *arguments)[:2] == (0, "At the flowers.\n")
    found = [str(request.json["messages"][-1]) for request in model.requests[-2:]]
    assert all("where the flowers are" in text for text in found)


@pytest.mark.parametrize("tool", ["workspace__write_file", "notebook__run_cell"])
def test_what_must_be_approved_fails_where_nobody_can_be_asked(
    run: Run, model: OpenAIServer, tool: str
) -> None:
    persona(Path(), "Writer", "tools: [workspace, notebook]")
    arguments = {"path": "a.txt", "content": "new"}
    if tool == "notebook__run_cell":
        arguments = {"path": "a.ipynb", "cell": "c1"}
    model.answer(Answer(text="", calls=[Call(tool, arguments)]), Answer(text="I could not."))
    code, out, _ = run("ask", "@Writer write", local_personas="tools")
    assert (code, out) == (0, "I could not.\n")
    assert "needs an approval, which only people" in str(model.requests[-1].json["messages"][-1])
    assert not Path("a.txt").exists()


def test_a_root_that_cannot_be_is_told(run: Run) -> None:
    for arguments in (["ask", "hi"], ["chat"]):
        code, _, err = run(*arguments, "--root", "nowhere")
        assert code == 1
        assert "There is no folder" in err
    Path("sub").mkdir()
    code, _, err = run("chat", "--root", "sub", "--file", "notes.chat")
    assert code == 1
    assert "`notes.chat` is not in the folder" in err


@pytest.mark.parametrize("command", ["ask hello", "chat", "list", "new persona a-b --dry-run"])
def test_a_reader_that_has_ended_is_no_error(run: Run, model: OpenAIServer, command: str) -> None:
    run("ask", "hello")  # writes the configuration
    program = Path(sys.executable).parent / "jupyter-ai-personas"
    with subprocess.Popen(
        [program, *command.split()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, said = process.communicate(b"@Guide hello\n")
    assert (process.returncode, said) == (141, b"")


def test_in_a_terminal_it_prompts_and_ctrl_c_stops_an_answer(
    run: Run, model: OpenAIServer, tmp_path: Path
) -> None:
    run("ask", "hello")  # writes the configuration
    model.answer(Answer(text="One two three", hold_after=1), Answer(text="Gladly."))
    program = Path(sys.executable).parent / "jupyter-ai-personas"
    here = pexpect.spawn(str(program), ["chat", "--as", "Ada"], encoding="utf-8", timeout=WAIT)
    try:
        here.expect("Ctrl-D ends the chat")
        here.expect("Ada> ")
        here.sendline("@Guide count")
        here.expect("Guide: One")
        here.sendintr()
        here.expect("Stopped by Ada")
        here.expect("Ada> ")
        here.sendline("@Guide again")
        here.expect("Guide: Gladly.")
        here.expect("Ada> ")
        here.sendeof()
        here.expect(pexpect.EOF)
    finally:
        here.close(force=True)
    assert here.exitstatus == 0
