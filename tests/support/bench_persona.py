"""The persona of a :class:`~support.bench.RemoteBench`, imported where its turns run."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import cloudpickle

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message

_functions: dict[str, Any] = {}
_numbers = count(1)


class Persona(BasePersona):
    defaults = PersonaDefaults(name="Persona")

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._call(context.config, "make")
        self.number = next(_numbers)
        self._note("made")

    def _call(self, config: Any, role: str, *arguments: Any) -> Any:
        key, pickled = config["functions"][role]
        if key not in _functions:
            _functions[key] = cloudpickle.loads(pickled)
        return _functions[key](*arguments)

    def _note(self, what: str) -> None:
        with Path(self.config["journal"]).open("a") as journal:
            journal.write(f"{what} {self.number}\n")

    async def prepare(self) -> None:
        answer = self._call(self.config, "prepare")
        if answer is not None:
            await answer

    async def process_message(self, message: Message) -> None:
        answer = self._call(self.turn.spec.config, "act", self, message)
        if asyncio.iscoroutine(answer):
            await answer

    async def shutdown(self) -> None:
        self._note("shut_down")
        answer = self._call(self.config, "shutdown")
        if answer is not None:
            await answer
