"""Commands that an agent has the server run, after people allowed them."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import STDOUT
from collections.abc import Mapping, Sequence
from contextlib import suppress

from jupyter_ai_personas.acp.process import kill_group, spawn

__all__ = ["Terminal"]

MAX_OUTPUT = 1_000_000
"""Bytes of a command's output that are kept at most, the newest."""


class Terminal:
    """A command that runs, and the newest of its output."""

    def __init__(self, process: asyncio.subprocess.Process, limit: int) -> None:
        self._process = process
        self._limit = limit
        self._kept = bytearray()
        self.is_truncated = False
        """Whether the beginning of the output is gone."""
        self._reading = asyncio.ensure_future(self._read())
        self._ending = asyncio.ensure_future(self._end())

    @classmethod
    async def start(
        cls, command: Sequence[str], *, env: Mapping[str, str], cwd: str, limit: int | None
    ) -> Terminal:
        """Start a command. Raises :class:`OSError` if that is impossible."""
        process = await spawn(command, env=env, cwd=cwd, stderr=STDOUT, reads=False)
        return cls(process, MAX_OUTPUT if limit is None else min(limit, MAX_OUTPUT))

    @property
    def output(self) -> str:
        """The output so far."""
        kept = bytes(self._kept[-self._limit :]) if self._limit else b""
        if self.is_truncated:
            # It begins with a whole character.
            start = next((i for i, byte in enumerate(kept[:4]) if byte & 0xC0 != 0x80), 0)
            kept = kept[start:]
        return kept.decode("utf-8", "replace")

    @property
    def exit_status(self) -> dict[str, int | str | None] | None:
        """How the command ended, ``None`` while it runs; as the protocol has it."""
        code = self._process.returncode
        if code is None:
            return None
        return {"exitCode": None if code < 0 else code, "signal": str(-code) if code < 0 else None}

    async def wait(self) -> dict[str, int | str | None]:
        """Wait until the command has ended, and its output is read."""
        await asyncio.shield(self._ending)
        with suppress(TimeoutError):
            # A child that left the group may keep the output open.
            async with asyncio.timeout(0.5):
                await asyncio.shield(self._reading)
        return self.exit_status or {}

    def kill(self) -> None:
        """Kill the command and its children."""
        if not self._ending.done():
            kill_group(self._process)

    async def _end(self) -> None:
        await self._process.wait()
        # At once: later, the number of its group may be that of others.
        kill_group(self._process)

    async def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while chunk := await stream.read(65_536):
            self._kept += chunk
            if len(self._kept) > self._limit:
                self.is_truncated = True
                del self._kept[: len(self._kept) - self._limit]
            await asyncio.sleep(0)
