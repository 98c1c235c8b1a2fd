"""What an agent tells of its work, as the Markdown of a reply.

Text is the agent's, as a model's is. Thoughts, plans and calls are collapsed lines, whose details
are indented so that nothing in them has an effect.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_ai_personas.chat.markdown import PLAN, THOUGHT, closing_fence, inert
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.text import well_formed
from jupyter_ai_personas.tools.differences import unified_diff
from jupyter_ai_personas.tools.shown import show_call

__all__ = ["Call", "Reply"]

MAX_THOUGHT = 20_000
MAX_CALLS = 300
"""Calls of one turn that are kept; further ones are not shown."""

MAX_ENTRIES = 100
MAX_PATHS = 20
_ENDED = ("completed", "failed")
_MARKS = {"completed": "[x]", "in_progress": "[-]"}


@dataclass(slots=True)
class Call:
    """A tool call of the agent, as its latest update describes it."""

    id: str
    title: str = ""
    kind: str = "other"
    status: str = "pending"
    arguments: Any = None
    output: Any = None
    paths: list[str] = field(default_factory=list)
    """Where it works, with the number of a line if there is one."""
    diff: str = ""
    texts: list[str] = field(default_factory=list)
    terminals: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def take(self, update: Any, shown: Callable[[str], str]) -> None:
        """Take what an update changes: a model of the protocol; ``shown`` shortens paths."""
        self.title = update.title or self.title
        self.kind = update.kind or self.kind
        self.status = update.status or self.status
        if update.raw_input is not None:
            self.arguments = update.raw_input
        if update.raw_output is not None:
            self.output = update.raw_output
        if update.locations is not None:
            self.paths = [
                shown(one.path) if one.line is None else f"{shown(one.path)}:{one.line}"
                for one in update.locations[:MAX_PATHS]
            ]
        if update.content is not None:
            diffs = []
            self.texts, self.terminals = [], []
            for part in update.content:
                if part.type == "diff":
                    path = shown(part.path)
                    diffs.append(unified_diff(part.old_text or "", part.new_text, path))
                elif part.type == "terminal":
                    self.terminals.append(part.terminal_id)
                elif part.content.type == "text":
                    self.texts.append(part.content.text)
            self.diff = "\n".join(diffs)

    def described(self) -> dict[str, Any]:
        """Return what people are shown of it before it runs."""
        described: dict[str, Any] = {"title": self.title}
        if self.arguments not in (None, {}):
            described["input"] = self.arguments
        if self.paths:
            described["paths"] = self.paths
        if self.diff:
            described["diff"] = self.diff
        return described


class Reply:
    """The reply of one turn. ``status`` shows what the agent does at present.

    ``so_far`` is the text of it that stands already. ``shown`` returns paths as people are shown
    them.
    """

    def __init__(
        self,
        *,
        status: Callable[[str | None], None],
        so_far: str = "",
        shown: Callable[[str], str] = str,
    ) -> None:
        self._status = status
        self._shown = shown
        self.output_of: Callable[[str], str] = lambda terminal: ""
        """Returns what a command of the turn has written."""
        self._text = so_far
        self._message: str | None = None
        self._thought = ""
        self._plan: list[Any] = []
        self._shown_plan = ""
        self.calls: dict[str, Call] = {}
        """The calls of the turn by the agent's ids."""

    def take(self, update: Any) -> Iterator[str]:
        """Yield the text that an update adds; it is a model of the protocol."""
        match update.session_update:
            case "agent_message_chunk":
                yield from self._end_thought()
                yield from self._write(_content(update.content), update.message_id)
            case "agent_thought_chunk":
                if not self._thought:
                    self._status("is thinking")
                if len(self._thought) < MAX_THOUGHT:
                    self._thought += _content(update.content)
            case "plan":
                yield from self._end_thought()
                yield from self._take_plan(update.entries)
            case "tool_call" | "tool_call_update":
                yield from self._end_thought()
                yield from self._take_call(update)

    def finish(self) -> Iterator[str]:
        """Yield what is left to show when the turn ends."""
        yield from self._end_thought()
        for call in self.calls.values():
            if call.status not in _ENDED:
                yield from self._block(_shown(call, {"error": "the turn ended before"}))
        shown = _plan_text(self._plan)
        if shown != self._shown_plan:
            yield from self._block(shown)

    def _write(self, text: str, message: str | None) -> Iterator[str]:
        """Yield text of one of the agent's messages; another message begins a paragraph."""
        if text:
            if message and self._message and message != self._message:
                text = self._gap() + text
            self._message = message or self._message
            self._text += text
            yield text

    def _block(self, block: str) -> Iterator[str]:
        """Yield a block of its own, outside of any code block that is open."""
        yield self._gap() + block
        # The next block stands outside of what came before.
        self._text = "\n\n"

    def _gap(self) -> str:
        """Return what ends the text before: its code block if one is open, and its paragraph."""
        if not self._text:
            return ""
        newline = "" if self._text.endswith("\n") else "\n"
        fence = closing_fence(self._text)
        left = 2 - (len(self._text) - len(self._text.rstrip("\n")))
        return f"{newline}{fence}\n\n" if fence else "\n" * max(0, left)

    def _end_thought(self) -> Iterator[str]:
        thought, self._thought = self._thought.strip(), ""
        if thought:
            self._status(None)
            yield from self._block(_details(f"{THOUGHT}Thought", thought[:MAX_THOUGHT]))

    def _take_plan(self, entries: list[Any]) -> Iterator[str]:
        """Show the first plan; what became of it is shown at the end."""
        is_first = not self._plan
        self._plan = entries[:MAX_ENTRIES]
        current = next((e.content for e in self._plan if e.status == "in_progress"), None)
        self._status(current)
        if is_first and self._plan:
            self._shown_plan = _plan_text(self._plan)
            yield from self._block(self._shown_plan)

    def note(self, update: Any) -> Call | None:
        """Take what an update tells of a call, without showing it; ``None``: there are too many."""
        call = self.calls.get(update.tool_call_id)
        if call is None and len(self.calls) < MAX_CALLS:
            call = self.calls[update.tool_call_id] = Call(update.tool_call_id)
        if call is not None:
            call.take(update, self._shown)
        return call

    def _result(self, call: Call) -> dict[str, Any]:
        text = "\n".join(call.texts)
        if call.status == "failed":
            return {"error": text or str(call.output or "the agent gave no reason")}
        result: dict[str, Any] = {"diff": call.diff} if call.diff else {}
        if text:
            result["text"] = text
        if written := "".join(map(self.output_of, call.terminals)):
            result["output"] = written
        if text or written or call.output is None:
            return result
        output = call.output
        return {**result, **(output if isinstance(output, Mapping) else {"": output})}

    def _take_call(self, update: Any) -> Iterator[str]:
        before = self.calls.get(update.tool_call_id)
        had_ended = before is not None and before.status in _ENDED
        call = self.note(update)
        if call is None or had_ended:
            return
        if call.status in _ENDED:
            self._status(None)
            yield from self._block(_shown(call, self._result(call)))
        else:
            self._status(f"is using {call.title or call.kind}")


def _shown(call: Call, result: Mapping[str, Any]) -> str:
    arguments = call.arguments if isinstance(call.arguments, Mapping) else {"input": call.arguments}
    arguments = {key: value for key, value in arguments.items() if value is not None}
    if call.paths:
        # First, since it tells best what a call is about.
        arguments = {"path": call.paths[0] if len(call.paths) == 1 else call.paths} | arguments
    return show_call(call.title or call.kind, arguments, result, time.monotonic() - call.began)


def _content(content: Any) -> str:
    """Return a content block as Markdown."""
    if content.type == "text":
        return str(content.text)
    name = getattr(content, "name", "") or content.type.replace("_", " ")
    return f"*({inert(redact(str(name)))} is not shown here)*"


def _details(summary: str, text: str) -> str:
    lines = redact(well_formed(text)).splitlines()
    indented = "\n".join(f"    {line}" for line in lines)
    return f"{summary}</summary>\n\n{indented}\n\n</details>\n\n"


def _plan_text(plan: list[Any]) -> str:
    if not plan:
        return ""
    done = sum(entry.status == "completed" for entry in plan)
    lines = [f"{_MARKS.get(e.status, '[ ]')} {' '.join(e.content.split())[:300]}" for e in plan]
    return _details(f"{PLAN}Plan, {done} of {len(plan)} done", "\n".join(lines))
