"""The process of an agent: lines out, lines in, and an end within a bound."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

from jupyter_ai_personas.acp.environment import minimal_environment
from jupyter_ai_personas.process_guard import guarded
from jupyter_ai_personas.redaction import for_people

__all__ = ["AgentProcess", "ProcessBroken", "kill_group", "spawn"]

MAX_LINE = 10_000_000
"""Bytes that one message of an agent may have."""

MAX_SAID = 300
"""Characters of an agent's standard error that people are shown."""

MAX_LOGGED = 200
"""Lines of an agent's standard error that go to the log."""

END_SECONDS = 0.5
"""How long a process may take to end by itself, before it is killed with its children."""

_CHUNK = 65_536


class ProcessBroken(Exception):  # noqa: N818
    """The process ended, or what it writes is no protocol; the text continues "the agent"."""


async def spawn(
    command: Sequence[str], *, env: Mapping[str, str], cwd: str, stderr: int, reads: bool = True
) -> asyncio.subprocess.Process:
    """Start a command in a process group of its own, which ends with this process.

    Raises:
        OSError: it cannot be started.
    """
    environment = minimal_environment(env)
    return await asyncio.create_subprocess_exec(
        *guarded(command, path=environment.get("PATH"), cwd=cwd, reads=reads),
        stdin=PIPE,
        stdout=PIPE,
        stderr=stderr,
        env=environment,
        cwd=cwd,
        start_new_session=True,
    )


def kill_group(process: asyncio.subprocess.Process) -> None:
    """Kill a process and its children at once."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()


class AgentProcess:
    """A running agent. All methods belong to the event loop that started it."""

    def __init__(self, process: asyncio.subprocess.Process, log: logging.Logger) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._log = log
        self._is_killed = False
        self._said: list[str] = []
        self._errors = asyncio.ensure_future(self._log_errors())

    @classmethod
    async def start(
        cls, command: Sequence[str], *, env: Mapping[str, str], cwd: str, log: logging.Logger
    ) -> AgentProcess:
        """Start an agent. Raises :class:`OSError` if that is impossible."""
        process = await spawn(command, env=env, cwd=cwd, stderr=PIPE)
        return cls(process, log)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, as far as it is known."""
        return self._process.returncode is not None

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines that it writes, until it closes its output.

        Raises:
            ProcessBroken: a line is too long.
        """
        held = bytearray()
        while chunk := await self._stdout.read(_CHUNK):
            seen = len(held)
            held += chunk
            start = 0
            while (end := held.find(b"\n", max(seen, start))) >= 0:
                yield bytes(held[start:end])
                start = end + 1
            del held[:start]
            if len(held) > MAX_LINE:
                size = f"{MAX_LINE // 1_000_000} MB"
                raise ProcessBroken(f"sent a message of more than {size} and was ended")
            # Reading what has arrived does not suspend; an agent that floods must not hold the
            # loop of the persona.
            await asyncio.sleep(0)

    async def write(self, line: bytes) -> None:
        """Write a line.

        Raises:
            ProcessBroken: it does not read any more.
        """
        try:
            self._stdin.write(line + b"\n")
            await self._stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise ProcessBroken("does not run any more") from error

    @property
    def said(self) -> str:
        """The beginning of what it wrote to its standard error; of a traceback, the end."""
        lines = self._said
        if any(line.startswith("Traceback") for line in lines):
            lines = lines[-1:]
        return for_people(" ".join(" ".join(lines).split()))[:MAX_SAID]

    async def reason(self) -> str:
        """Return how it ended, after its output is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
                await asyncio.shield(self._errors)
        code = self._process.returncode
        if code is None:
            return "closed its output"
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    async def end(self) -> None:
        """End it, with its children: politely first."""
        with suppress(OSError, RuntimeError):
            self._stdin.close()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await self._process.wait()
        finally:
            # Also the children that it left.
            self.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
                # Its pipes are closed once what is in them is read.
                await self._errors
                while await self._stdout.read(_CHUNK):
                    pass
        self._errors.cancel()

    def kill(self) -> None:
        """Kill it and its children at once; :meth:`end` cleans up."""
        # Once: later, the number of its group may be that of others.
        if not self._is_killed:
            self._is_killed = True
            kill_group(self._process)
            self._stdin.close()

    async def _log_errors(self) -> None:
        """Read what it writes beside the protocol, so that it does not wait for a reader."""
        stream = self._process.stderr
        logged = 0
        while stream is not None and (chunk := await stream.read(_CHUNK)):
            for line in chunk.decode("utf-8", "replace").splitlines():
                if logged < MAX_LOGGED and line.strip():
                    logged += 1
                    self._said.append(line[:MAX_SAID])
                    self._log.info("stderr: %s", line[:500])
            await asyncio.sleep(0)
