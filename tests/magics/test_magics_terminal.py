"""``%ai`` and ``%%ai`` in IPython in a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest
from support.shells import WAIT

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

ARGUMENTS = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-term-title"]


@pytest.fixture
def terminal(configured: None) -> Iterator[Any]:
    """IPython in a pseudo-terminal, with the magics loaded."""
    child = pexpect.spawn(
        sys.executable, ARGUMENTS, encoding="utf-8", timeout=WAIT, echo=False, dimensions=(40, 200)
    )
    child.expect_exact("In [1]: ")
    child.sendline("%load_ext jupyter_ai_personas")
    child.expect_exact("In [2]: ")
    yield child
    child.close(force=True)


def test_a_reply_is_printed_as_it_arrives(terminal: Any, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="one two three", hold_after=2))
    terminal.sendline("%%ai\nhi\n\n")
    terminal.expect_exact("one two ")
    loopback.wait_for_hold()
    loopback.release()
    terminal.expect_exact("three\r\n")
    terminal.expect_exact("In [3]: ")


def test_code_is_printed_and_no_cell_made(terminal: Any, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="Sure:\n```python\nprint(1)\n```"))
    terminal.sendline("%%ai -f code\nprint one\n\n")
    terminal.expect_exact("print(1)\r\n")
    assert "Sure" not in terminal.before
    terminal.expect_exact("In [3]: ")
    terminal.sendline("1 + 1")
    terminal.expect_exact("Out[3]: 2")


def test_ctrl_c_stops_the_request_keeps_what_came_and_leaves_the_shell_healthy(
    terminal: Any, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="one two three", hold_after=2))
    terminal.sendline("%%ai\nhi\n\n")
    terminal.expect_exact("one two ")
    loopback.wait_for_hold()
    terminal.sendintr()
    loopback.wait_for_disconnect()
    terminal.expect_exact("Stopped; what came of the reply is kept.")
    terminal.expect_exact("In [3]: ")
    terminal.sendline("%%ai -f text\ngo on\n\n")
    terminal.expect_exact("Hello from the loopback model.")
    contents = [message["content"] for message in loopback.requests[-1].json["messages"]]
    assert contents == ["hi", "one two ", "go on"]


def test_the_shell_ends_at_once_and_quietly(terminal: Any, loopback: OpenAIServer) -> None:
    terminal.sendline("%%ai\nhi\n\n")
    terminal.expect_exact("In [3]: ")
    terminal.sendline("exit")
    terminal.expect(pexpect.EOF)
    assert terminal.before.strip() == ""
    terminal.wait()
    assert terminal.exitstatus == 0


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
