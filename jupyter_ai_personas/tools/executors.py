"""The protocol of tools that run on the server's side: executor, context of a call, preview."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jupyter_ai_personas.tools.descriptions import ToolInfo

__all__ = ["CallContext", "Preview", "ToolExecutor"]


def _show_nothing(text: str) -> None:
    """Show people nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """The origin of a call: turn, call, persona, chat, and the username of the person who asked.

    ``images``: the model takes images. ``show`` shows people what the call does or waits for,
    beside the persona's name.
    """

    turn_id: str
    call_id: str
    persona_id: str
    persona_name: str
    chat_id: str
    chat_path: str
    person: str
    images: bool = False
    show: Callable[[str], None] = field(default=_show_nothing, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The description of a call for the people who decide, as plain text.

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
    """Runs one tool on the server's event loop. Errors of ours are shown to the model.

    ``info`` is the tool as this server runs it, ``None``: as it is described elsewhere. ``seconds``
    bounds a call, ``None``: ``tool_timeout`` does.
    """

    @property
    def info(self) -> ToolInfo | None:
        """The tool with the bounds of this server."""

    @property
    def seconds(self) -> float | None:
        """How long a call may take in all."""

    async def run(self, context: CallContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run the tool and return its result as JSON. Ends when it is cancelled."""

    async def preview(self, context: CallContext, arguments: Mapping[str, Any]) -> Preview:
        """Return what people are shown; changes nothing."""
