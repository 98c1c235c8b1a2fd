"""``chat``: a chat with personas in the terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from jupyter_ai_personas.chat import User
from jupyter_ai_personas.cli.chat_file import TerminalFile
from jupyter_ai_personas.cli.terminal import person, run_here
from jupyter_ai_personas.cli.terminal_chat import TerminalChat
from jupyter_ai_personas.errors import PersonasError

if TYPE_CHECKING:
    from jupyter_ai_personas.runtime import Runtime, Session

__all__ = ["chat"]

LOOK_SECONDS = 0.02
_HELP = "Type a message, or `/help`. Ctrl-C stops an answer, Ctrl-D ends the chat."


def chat(
    *,
    persona: str | None,
    model: str | None,
    users: Sequence[str],
    file: Path | None,
    root: Path | None = None,
) -> int:
    """Chat until standard input ends; return the exit code.

    ``users`` are the people who take part; the first speaks where a line does not begin with
    ``Name:``. ``root`` is the folder that tools work in, by default that of ``file``, else this.

    Raises:
        PersonasError: a persona, a model, the file or a setting cannot be used.
        BrokenPipeError: nobody reads the output any more.
    """
    people = [person(name) for name in users] or [person()]
    root = (root or (Path() if file is None else file.parent)).absolute()
    saved = TerminalFile(file, root) if file is not None else None
    error = anyio.run(_chat, persona, model, people, saved, root)
    if error is not None:
        raise error
    return 0


async def _chat(
    persona: str | None,
    model: str | None,
    people: Sequence[User],
    saved: TerminalFile | None,
    root: Path,
) -> PersonasError | BrokenPipeError | None:
    changes = {} if persona is None else {"default_persona": persona}
    async with run_here(root, **changes) as runtime:
        # Returned: what is raised here comes out of the runtime's task group as a group.
        try:
            await _Terminal(runtime, people, saved).run(persona, model)
        except (PersonasError, BrokenPipeError) as error:
            return error
    return None


class _Terminal:
    """One chat: posts typed lines and prints replies."""

    def __init__(self, runtime: Runtime, people: Sequence[User], file: TerminalFile | None) -> None:
        self._runtime = runtime
        self._people = {user.shown_name.casefold(): user for user in people}
        self._speaker = people[0]
        self._file = file
        path = "terminal.chat" if file is None else file.chat_path
        self._is_cut_off = False
        self._chat = TerminalChat(path, self._print, id=None if file is None else file.id)
        if file is not None:
            file.fill(self._chat)
        self._chat.users.update({user.username: user for user in people})
        self._chat.begin()
        self._is_tty = sys.stdin.isatty()

    async def run(self, persona: str | None, model: str | None) -> None:
        """Chat until standard input ends.

        Raises:
            PersonasError: the persona or the model is not there, or the file cannot be written.
            BrokenPipeError: nobody reads the output any more.
        """
        if persona is not None:
            (await self._runtime.personas_at(self._chat.path)).find(persona)
        session = self._runtime.open_chat(self._chat)
        await session.ready.wait()
        if model is not None:
            chosen = [session.personas.find(persona)] if persona else session.personas.values()
            for one in list(chosen):
                await self._runtime.choose_model(self._chat.path, one.id, model)
        if self._is_tty:
            self._print(f"{_HELP}\n")
        await self._settle(session)
        while not self._is_cut_off and (line := await self._line()) is not None:
            speaker, body = self._said(line)
            if body:
                self._chat.post(body, sender=speaker.username)
                await self._settle(session)
                if self._file is not None:
                    self._file.save(self._chat)
        if self._is_cut_off:
            raise BrokenPipeError

    def _said(self, line: str) -> tuple[User, str]:
        """Return speaker and text of a line: ``Ben: hello`` is by Ben, if Ben is here."""
        name, colon, rest = line.partition(":")
        speaker = self._people.get(name.strip().casefold())
        if colon and speaker is not None:
            return speaker, rest.strip()
        return self._speaker, line.strip()

    async def _line(self) -> str | None:
        """Return the next line of standard input, ``None`` at its end."""
        if self._is_tty:
            self._print(f"{self._chat.break_()}{self._speaker.shown_name}> ")
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        lines: list[str] = []

        def read() -> None:
            lines.append(sys.stdin.readline())
            loop.call_soon_threadsafe(done.set)

        # A daemon: nothing ends a thread that waits for a terminal.
        threading.Thread(target=read, name="stdin", daemon=True).start()
        await done.wait()
        return lines[0] or None

    async def _settle(self, session: Session) -> None:
        """Wait until no turn runs, or those that run wait for people."""
        with self._stopping(session):
            while not session.is_idle and not self._is_cut_off:
                if session.has_handled_all and self._waits_for_people(session):
                    return
                await anyio.sleep(LOOK_SECONDS)

    def _waits_for_people(self, session: Session) -> bool:
        """Return whether each turn waits for a decision that is open."""
        turns = session.turns.values()
        open_ = self._runtime.approvals.open(chat_id=self._chat.id)
        waiting = all(turn.waiting_since is not None for turn in turns)
        return bool(turns) and waiting and len(open_) >= len(turns)

    @contextmanager
    def _stopping(self, session: Session) -> Iterator[None]:
        """Have Ctrl-C stop the turns."""
        loop = asyncio.get_running_loop()
        try:
            loop.add_signal_handler(
                signal.SIGINT, lambda: self._chat.post("/stop all", sender=self._speaker.username)
            )
        except (NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
            yield
            return
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    def _print(self, text: str) -> None:
        try:
            print(text, end="", flush=True)
        except BrokenPipeError:
            # Raised again once no turn is in the way: this is called while one writes.
            self._is_cut_off = True
