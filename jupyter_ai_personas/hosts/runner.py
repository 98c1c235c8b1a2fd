"""Runs turns of one persona on the current event loop, for all hosts."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_ai_personas.errors import PersonaCodeError
from jupyter_ai_personas.hosts.environment import HostEnvironment
from jupyter_ai_personas.hosts.failures import describe_failure, log_text, traceback_of
from jupyter_ai_personas.personas import BasePersona, PersonaContext, Turn
from jupyter_ai_personas.personas.base import current_turn
from jupyter_ai_personas.personas.making import make_persona
from jupyter_ai_personas.personas.wire import (
    HostEvent,
    TurnAnswer,
    TurnEnd,
    TurnFinished,
    TurnSpec,
)

if TYPE_CHECKING:
    from jupyter_ai_personas.providers import ModelCache

__all__ = ["TurnRunner"]

SHUTDOWN_SECONDS = 1.5
"""How long a persona's ``shutdown`` may take, and turns to notice that they are cancelled."""


async def _finished(answer: Any) -> Any:
    """Await the result of a persona's method, unless it is a plain function."""
    return await answer if inspect.isawaitable(answer) else answer


def _how_to_send(answer: Any) -> str:
    if inspect.isawaitable(answer):
        return "await it"
    if inspect.isasyncgen(answer) or inspect.isgenerator(answer):
        return "pass it to `await self.stream_message(...)`"
    return "send it with `self.send_message(...)`"


class TurnRunner:
    """Persona objects, one a chat, and their turns, one task each.

    Foreign code is called and guarded here: any exception, ``SystemExit`` included, fails its own
    turn only.
    """

    def __init__(self, environment: HostEnvironment, emit: Callable[[HostEvent], None]) -> None:
        self._environment = environment
        self._log = environment.log
        self._emit = emit
        self._models: ModelCache | None = None
        self._objects: dict[str, asyncio.Task[BasePersona | BaseException]] = {}
        self._turns: dict[str, tuple[asyncio.Task[TurnEnd], Turn]] = {}
        self._cancelled: set[str] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def start(self, spec: TurnSpec) -> None:
        """Begin a turn."""
        turn = Turn(spec, self._emit)
        task = asyncio.get_running_loop().create_task(self._run(spec, turn), name=spec.turn_id)
        self._turns[spec.turn_id] = task, turn
        task.add_done_callback(lambda task: self._ended(task, spec.turn_id))

    def _ended(self, task: asyncio.Task[TurnEnd], turn_id: str) -> None:
        self._turns.pop(turn_id, None)
        self._cancelled.discard(turn_id)
        # A task that was cancelled before its first step has no result.
        self._emit(TurnFinished(turn_id) if task.cancelled() else task.result())

    def cancel(self, turn_id: str) -> None:
        """Cancel a turn; may be repeated if the turn swallows the cancellation."""
        if turn_id in self._turns:
            task, turn = self._turns[turn_id]
            turn.end()
            self._cancelled.add(turn_id)
            task.cancel()

    def answer(self, turn_id: str, answer: TurnAnswer) -> None:
        """Hand an answer to its turn, if the turn runs."""
        if turn_id in self._turns:
            self._turns[turn_id][1].answer(answer)

    def release(self, chat_id: str) -> None:
        """Shut down the persona's object for a chat."""
        making = self._objects.pop(chat_id, None)
        if making is not None:
            task = asyncio.get_running_loop().create_task(self._shut_down(making))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    @property
    def turns(self) -> Collection[str]:
        """The turns that run."""
        return self._turns.keys()

    async def close(self) -> None:
        """Cancel all turns and shut all objects down; bounded by ``SHUTDOWN_SECONDS``, twice."""
        for turn_id in list(self._turns):
            self.cancel(turn_id)
        if self._turns:
            await asyncio.wait([task for task, _ in self._turns.values()], timeout=SHUTDOWN_SECONDS)
        for chat_id in list(self._objects):
            self.release(chat_id)
        if self._closing:
            await asyncio.wait(self._closing, timeout=SHUTDOWN_SECONDS)
        if self._models is not None:
            await self._models.aclose()

    async def _run(self, spec: TurnSpec, turn: Turn) -> TurnEnd:
        current_turn.set(turn)
        outcome: TurnEnd = TurnFinished(spec.turn_id)
        try:
            persona = await self._object(spec)
            persona._turns.add(turn)
            try:
                await turn.load_attachments()
                answer = await _finished(persona.process_message(spec.message))
            finally:
                persona._turns.discard(turn)
                forgotten = turn.drop_forgotten()
            if forgotten:
                advice = "write `await self.stream_message(...)`, it was called without `await`"
                raise PersonaCodeError(spec.persona_name, advice)
            if answer is not None and turn.is_silent:
                self._warn_of_returned(spec, answer)
        except BaseException as error:
            if spec.turn_id not in self._cancelled:
                outcome = failure = describe_failure(error, spec)
                self._log.log(
                    logging.WARNING if failure.expected else logging.ERROR,
                    "Persona %s failed in chat %s (error %s): %s",
                    spec.persona_name,
                    spec.chat_path or "of its own",
                    failure.error_id,
                    log_text(error, failure),
                )
        turn.end()
        return outcome

    def _warn_of_returned(self, spec: TurnSpec, answer: Any) -> None:
        """Warn that a returned value is not shown; its author may expect that it is."""
        self._log.getChild(spec.persona_name).warning(
            "`process_message` of %s returned a value of type %s, which nobody sees; %s",
            spec.persona_name,
            type(answer).__name__,
            _how_to_send(answer),
        )

    async def _object(self, spec: TurnSpec) -> BasePersona:
        making = self._objects.get(spec.chat_id)
        if making is None:
            # A separate task: the object outlives the turn that needs it first.
            making = asyncio.get_running_loop().create_task(self._make_guarded(spec))
            self._objects[spec.chat_id] = making
        made = await asyncio.shield(making)
        if isinstance(made, BaseException):
            if self._objects.get(spec.chat_id) is making:
                del self._objects[spec.chat_id]
            raise made
        return made

    async def _make_guarded(self, spec: TurnSpec) -> BasePersona | BaseException:
        try:
            return await self._make(spec)
        except BaseException as error:
            # Returned: a raised SystemExit would leave the loop. Each waiting turn raises it.
            return error

    async def _make(self, spec: TurnSpec) -> BasePersona:
        if self._models is None:
            await self._environment.until_loaded()
            self._models = self._environment.new_models()
        cls = self._environment.persona_class(spec.persona_class)
        context = PersonaContext(
            id=spec.persona_id,
            name=spec.persona_name,
            log=self._log.getChild(spec.persona_name),
            models=self._models,
            config=dict(spec.config),
            chat_path=lambda: turn.chat_path if (turn := current_turn.get()) else spec.chat_path,
            packages=self._environment.packages,
            chat_id=spec.chat_id,
            base_url=spec.base_url,
            workspace_dir=Path(spec.root_dir) if spec.root_dir is not None else None,
        )
        persona = make_persona(cls, context)
        await _finished(persona.prepare())
        return persona

    async def _shut_down(self, making: asyncio.Task[BasePersona | BaseException]) -> None:
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                made = await making
                if isinstance(made, BasePersona):
                    await _finished(made.shutdown())
        except BaseException as error:
            self._log.error("A persona failed to shut down\n%s", traceback_of(error))
