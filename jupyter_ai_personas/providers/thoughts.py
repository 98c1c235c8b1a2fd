"""Separates reasoning between ``<think>`` and ``</think>`` from a model's text.

Reasoning models behind plain endpoints write it into the text. Some chat templates end with the
opening tag, so that the answer has only the closing one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from .pieces import ModelChunk

__all__ = ["ThoughtSplitter"]

_OPEN, _CLOSE = "<think>", "</think>"


class ThoughtSplitter:
    """Takes the reasoning at the beginning out of a text that comes in pieces.

    States: ``start``, nothing but white space or part of a tag has come; ``thought``, between the
    tags; ``gap``, between the closing tag and the answer; ``text``, the answer; ``unsure``, what
    comes may be a thought that no tag opened, and is held back.
    """

    def __init__(self, *, thinks_first: bool = False) -> None:
        self.thinks_first = False
        self._held = ""
        self._state: Literal["start", "thought", "gap", "text", "unsure"]
        self._state = "unsure" if thinks_first else "start"
        self._watches = True  # for a closing tag
        self._shown: list[str] = []
        self._end = ""

    def feed(self, text: str) -> Iterator[ModelChunk]:
        """Yield the certain part of the pending text and ``text``."""
        if self._state == "text":
            yield from self._text(text)
            return
        self._held += text
        if self._state in ("start", "unsure"):
            beginning = self._held.lstrip()
            is_text = _CLOSE in self._held or (
                self._state == "start" and not _OPEN.startswith(beginning)
            )
            if beginning.startswith(_OPEN):
                self._state, self._held = "thought", beginning.removeprefix(_OPEN).lstrip("\n")
                self._watches = False
            elif is_text:
                yield from self._release()
        if self._state == "thought":
            yield from self._thought()
        if self._state == "gap":
            yield from self._gap()

    def finish(self) -> Iterator[ModelChunk]:
        """Yield what is held back: no more comes."""
        if self._state == "thought":
            held, self._held = self._held, ""
            if held:
                yield ModelChunk(reasoning=held)
        elif self._state != "gap":
            yield from self._release()

    def _release(self) -> Iterator[ModelChunk]:
        held, self._held = self._held, ""
        self._state = "text"
        yield from self._text(held)

    def _thought(self) -> Iterator[ModelChunk]:
        reasoning, end, rest = self._held.partition(_CLOSE)
        if end:
            # The answer's white space at its start is dropped, however it is cut into chunks.
            self._state, self._held = "gap", rest
        else:
            keep = next(n for n in range(len(_CLOSE) - 1, -1, -1) if reasoning.endswith(_CLOSE[:n]))
            self._held = reasoning[len(reasoning) - keep :]
            reasoning = reasoning[: len(reasoning) - keep]
        if reasoning:
            yield ModelChunk(reasoning=reasoning)

    def _gap(self) -> Iterator[ModelChunk]:
        if rest := self._held.lstrip():
            self._held, self._state = "", "text"
            yield from self._text(rest)

    def _text(self, text: str) -> Iterator[ModelChunk]:
        window = self._end + text
        if self._watches and _CLOSE in window:
            self._watches = False  # There is one thought, at the beginning.
            thought, _, rest = ("".join(self._shown) + text).partition(_CLOSE)
            if not _is_about_tags(thought):
                self.thinks_first = True
                if self._shown or thought.strip():
                    yield ModelChunk(reasoning=thought.strip("\n"), anew=bool(self._shown))
                self._state, self._held = "gap", rest
                yield from self._gap()
                return
        if self._watches:
            self._shown.append(text)
            self._end = window[1 - len(_CLOSE) :]
        if text:
            yield ModelChunk(text=text)


def _is_about_tags(text: str) -> bool:
    """Return whether the closing tag after ``text`` closes no thought: it is quoted."""
    in_block = text.count("```") % 2
    in_span = text.rpartition("\n")[2].count("`") % 2
    return bool(_OPEN in text or in_block or in_span)
