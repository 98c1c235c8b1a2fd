"""``%ai`` and ``%%ai`` in terminals: IPython, ``jupyter console`` and scripts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from support.shells import WAIT

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

IPYTHON = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-term-title"]
CONSOLE = ["-m", "jupyter_console", "--simple-prompt", "--InteractiveShell.colors=nocolor"]
PROMPT = r"In \[(\d+)\]: "


class Terminal:
    """A shell in a pseudo-terminal that waits for a cell."""

    def __init__(self, arguments: list[str]) -> None:
        self.child = pexpect.spawn(
            sys.executable,
            arguments,
            encoding="utf-8",
            timeout=WAIT,
            echo=False,
            dimensions=(40, 200),
        )
        self.prompt()

    def prompt(self) -> str:
        """Wait for the next prompt, and return what was printed before it."""
        self.child.expect(PROMPT)
        return str(self.child.before)

    def run(self, line: str) -> str:
        """Run a line, and return what it printed."""
        self.child.sendline(line)
        return self.prompt()

    def start(self, cell: str) -> None:
        """Begin to run a cell of several lines."""
        self.child.sendline(f"{cell}\n\n")

    def load(self) -> None:
        """Load the magics."""
        self.run("%load_ext jupyter_ai_personas")
        self.run("%config AiMagics.default_model = 'light:small'")

    def ask_server(self, url: str) -> None:
        """Let the magics ask the server with this URL, and forget what was said."""
        self.run(f"import os; os.environ['LOOP_URL'] = {url!r}")
        self.run("%ai reset")


@pytest.fixture(scope="module")
def one_terminal(environment: Path) -> Iterator[Terminal]:
    """IPython for all tests of the module, with the magics loaded."""
    terminal = Terminal(IPYTHON)
    terminal.load()
    yield terminal
    terminal.child.close(force=True)


@pytest.fixture
def terminal(one_terminal: Terminal, light_url: str) -> Terminal:
    """IPython that knows the loopback server and remembers no other test."""
    one_terminal.ask_server(light_url)
    return one_terminal


@pytest.fixture(scope="module")
def one_console(environment: Path) -> Iterator[Terminal]:
    """`jupyter console` for all tests of the module, with the magics loaded."""
    console = Terminal(CONSOLE)
    console.load()
    yield console
    console.child.sendline("exit")
    console.child.expect(pexpect.EOF)
    console.child.close(force=True)


@pytest.fixture
def console(one_console: Terminal, light_url: str) -> Terminal:
    """`jupyter console` that knows the loopback server and remembers no other test."""
    one_console.ask_server(light_url)
    return one_console


# -- IPython ---------------------------------------------------------------------------------------


def test_a_reply_is_printed_as_it_arrives(terminal: Terminal, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="one two three", hold_after=2))
    terminal.start("%%ai\nhi")
    terminal.child.expect_exact("one two ")
    loopback.wait_for_hold()
    loopback.release()
    terminal.child.expect_exact("three\r\n")
    terminal.prompt()


def test_code_is_printed_and_no_cell_made(terminal: Terminal, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="Sure:\n```python\nprint(1)\n```"))
    terminal.start("%%ai -f code\nprint one")
    terminal.child.expect_exact("print(1)\r\n")
    assert "Sure" not in terminal.child.before
    terminal.prompt()
    number = terminal.child.match[1]
    assert f"Out[{number}]: 2" in terminal.run("1 + 1")


def test_ctrl_c_stops_the_request_keeps_what_came_and_leaves_the_shell_healthy(
    terminal: Terminal, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="one two three", hold_after=2))
    terminal.start("%%ai\nhi")
    terminal.child.expect_exact("one two ")
    loopback.wait_for_hold()
    terminal.child.sendintr()
    loopback.wait_for_disconnect()
    terminal.child.expect_exact("Stopped; what came of the reply is kept.")
    terminal.prompt()
    terminal.start("%%ai -f text\ngo on")
    terminal.child.expect_exact("Hello from the loopback model.")
    terminal.prompt()
    contents = [message["content"] for message in loopback.requests[-1].json["messages"]]
    assert contents == ["hi", "one two ", "go on"]


def test_the_shell_ends_at_once_and_quietly(terminal: Terminal, loopback: OpenAIServer) -> None:
    terminal.start("%%ai\nhi")
    assert "Hello from the loopback model." in terminal.prompt()
    # The last test of this shell.
    terminal.child.sendline("exit")
    terminal.child.expect(pexpect.EOF)
    assert terminal.child.before.strip() == ""
    terminal.child.wait()
    assert terminal.child.exitstatus == 0


# -- jupyter console -------------------------------------------------------------------------------


def magic(line: str) -> str:
    """A cell on one line: the simple prompt takes no more of a cell magic."""
    return f"get_ipython().run_cell_magic('ai', {line!r}, 'hi')"


def test_a_console_prints_a_reply_as_it_arrives_and_whole(
    console: Terminal, loopback: OpenAIServer
) -> None:
    words = " ".join(f"word{number}" for number in range(200))
    loopback.answer(Answer(text=words, hold_after=2))
    console.child.sendline(magic(""))
    console.child.expect_exact("word0 word1 ")
    loopback.wait_for_hold()
    loopback.release()
    assert f"word0 word1 {console.prompt().strip()}".split() == words.split()


@pytest.mark.parametrize(
    ("format", "text", "shown"),
    [
        ("code", "Sure:\n```python\nprint(1)\n```", "print(1)"),
        ("html", "<b>one two</b>", "<b>one two</b>"),
        ("json", '{"a": 1}', '{\n  "a": 1\n}'),
        ("json", "no json at all", "no json at all"),
    ],
)
def test_a_console_shows_the_whole_reply_in_each_format(
    console: Terminal, loopback: OpenAIServer, format: str, text: str, shown: str
) -> None:
    loopback.answer(Answer(text=text))
    printed = console.run(magic(f"-f {format}")).replace("\r\n", "\n")
    assert printed.startswith(shown)


def test_an_interrupt_in_a_console_keeps_what_came(
    console: Terminal, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="one two three", hold_after=2))
    console.child.sendline(magic(""))
    console.child.expect_exact("one two ")
    loopback.wait_for_hold()
    console.child.sendintr()
    loopback.wait_for_disconnect()
    console.child.expect_exact("Stopped; what came of the reply is kept.")
    console.prompt()


def test_an_error_in_a_console_is_explained(console: Terminal, loopback: OpenAIServer) -> None:
    assert "ZeroDivisionError" in console.run("1/0")
    assert "Hello from the loopback model." in console.run("%ai error")
    question = loopback.requests[-1].json["messages"][-1]["content"]
    assert "```python\n1/0\n```" in question
    assert "ZeroDivisionError: division by zero" in question


# -- without a terminal ----------------------------------------------------------------------------


def test_a_shell_without_a_terminal_prints_the_reply(
    configured: None, loopback: OpenAIServer
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--ext=jupyter_ai_personas", "-c", "%%ai\nhi"],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("Hello from the loopback model.\n", "")


def test_an_error_of_a_script_is_explained_by_its_traceback(
    configured: None, loopback: OpenAIServer, tmp_path: Path
) -> None:
    # The script ends before the magics are loaded: no cell raised the error.
    script = tmp_path / "script.py"
    script.write_text("numbers = [3]\nnumbers[7]\n")
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "-i", str(script)],
        input="%load_ext jupyter_ai_personas\n%ai error\n",
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    assert "Hello from the loopback model." in done.stdout
    question = loopback.requests[-1].json["messages"][-1]["content"]
    assert "IndexError: list index out of range" in question
    assert "script.py" in question
