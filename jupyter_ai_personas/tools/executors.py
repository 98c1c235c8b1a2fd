"""What runs a tool on the server's side: its protocol, who calls, what people are shown before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["CallContext", "Preview", "ToolExecutor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Who calls a tool: turn, call, persona, chat, and the username of who asked the persona."""

    turn_id: str
    call_id: str
    persona_id: str
    persona_name: str
    chat_id: str
    chat_path: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What people are shown of a call before they decide, as plain text.

    ``target`` is what is changed or run, such as a path. ``diff`` is a unified diff, ``code`` what
    is to run, in ``language``. ``note`` says what else follows, such as a kernel that is started.
    ``covers`` are the arguments that these show in full; the others are shown as they are.
    """

    target: str = ""
    diff: str = ""
    code: str = ""
    language: str = ""
    note: str = ""
    covers: Sequence[str] = field(default=())


class ToolExecutor(Protocol):
    """Runs one tool on the server's event loop. Errors of ours are shown to the model."""

    async def run(self, context: CallContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run the tool and return its result as JSON. Ends when it is cancelled."""

    async def preview(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        """Return what people are shown; changes nothing."""
