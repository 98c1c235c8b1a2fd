"""Processes end with the one that started them, also if they do not listen to their input."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_ai_personas import process_guard
from jupyter_ai_personas.process_guard import guarded

DEAF = "import os, time; print(os.getpid(), flush=True); time.sleep(3600)"
WITH_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {DEAF!r}])"
PARENT = (
    "import subprocess, sys, time\n"
    "process = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)\n"
    "time.sleep(3600)\n"
)


@contextmanager
def at_end_of(pid: int) -> Iterator[None]:
    """Wait at the end of the block until a process has ended."""
    fd = os.pidfd_open(pid)
    try:
        yield
        assert select.select([fd], [], [], 60)[0], "it runs still"
    finally:
        os.close(fd)


def start(*command: str, **options: bool) -> subprocess.Popen[str]:
    return subprocess.Popen(
        guarded(command, path=None, **options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_guard, "GRACE_SECONDS", 0.0)


linux = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


@linux
@pytest.mark.parametrize("code", [DEAF, WITH_CHILD])
def test_a_command_that_ignores_its_input_ends_with_a_parent_that_is_killed(code: str) -> None:
    command = guarded([sys.executable, "-c", code], path=None)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *command], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        with at_end_of(int(parent.stdout.readline())):
            parent.kill()


@linux
def test_a_command_without_input_ends_with_its_parent_too() -> None:
    code = f"import sys; assert sys.stdin.read() == ''; {DEAF}"
    with start(sys.executable, "-c", code, reads=False) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with at_end_of(int(process.stdout.readline())):
            process.stdin.close()


def test_a_command_is_what_it_is_without_a_guard() -> None:
    code = (
        "import os, sys\n"
        "print(os.getpid() == os.getpgrp() == os.getsid(0), sys.argv[1:], input())\n"
        "sys.stdout.flush(); print('said', file=sys.stderr); sys.exit(3)"
    )
    with start(sys.executable, "-c", code, "-x", "a b") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write("hello\n")
        process.stdin.flush()
        out, err = process.stdout.read(), process.stderr.read()
    assert (out, err) == ("True ['-x', 'a b'] hello\n", "said\n")
    assert process.returncode == 3


def test_signals_that_python_ignores_are_as_usual_in_the_command() -> None:
    with start("sh", "-c", "kill -PIPE $$") as process:
        process.wait()
    assert process.returncode == -signal.SIGPIPE


def test_a_program_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        guarded(["/nowhere/at-all"], path=None)
    with pytest.raises(FileNotFoundError):
        guarded(["sh"], path=str(tmp_path))
    program = tmp_path / "program"
    program.write_text("no script")
    program.chmod(0o755)
    assert guarded(["./program"], path=None, cwd=str(tmp_path))[-1] == "./program"


def test_a_program_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\0")
    program.chmod(0o755)
    with start(str(program)) as process:
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 1
    assert said == f"{program}: Exec format error\n"
