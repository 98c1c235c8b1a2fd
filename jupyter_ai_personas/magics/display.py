"""Displays a streaming and a complete reply, depending on the front end."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import uuid4

from ..chat.pacing import Pacing
from ..text import Anew, extended
from .formats import NotInFormatError, bundle, code_of, inserted_code, preview
from .frontends import FrontEnd, front_end_of

__all__ = ["Display", "PrintedDisplay", "UpdatedDisplay", "make_display"]

_PACING = Pacing()
_AS_IT_COMES = ("markdown", "md", "text")


class Display(Protocol):
    """The display of one reply."""

    text: str
    """The reply so far."""

    def note(self, line: str) -> None:
        """Show a line that is not part of the reply."""

    def write(self, text: str, metadata: Mapping[str, Any]) -> None:
        """Append ``text`` to the reply; ``metadata`` becomes the output's metadata.

        A :class:`~jupyter_ai_personas.text.Anew` replaces the reply so far.
        """

    def tick(self) -> None:
        """Show pending text if it is due; called regularly."""

    def finish(self) -> str:
        """Show the complete reply in its format and return it; for ``code``, only the code."""

    def keep(self) -> None:
        """Show the text of a reply that ends early."""


def make_display(shell: Any, format: str) -> Display:
    """Return the display for the running cell's front end."""
    front_end = front_end_of(shell)
    if front_end.updates:
        return UpdatedDisplay(shell, format, front_end)
    return PrintedDisplay(shell, format, front_end)


class UpdatedDisplay:
    """One output of the cell, updated while the reply streams.

    Each update carries the whole reply, so longer replies are updated less often.
    """

    def __init__(self, shell: Any, format: str, front_end: FrontEnd) -> None:
        self.text = ""
        self._shell = shell
        self._format = format
        self._front_end = front_end
        self._metadata: Mapping[str, Any] = {}
        self._transient = {"display_id": uuid4().hex}
        self._shown_text: str | None = None
        self._next_update = 0.0

    def note(self, line: str) -> None:
        """See :meth:`Display.note`."""
        print(line, flush=True)

    def write(self, text: str, metadata: Mapping[str, Any]) -> None:
        """See :meth:`Display.write`."""
        self.text = extended(self.text, text)
        self._metadata = metadata
        self.tick()

    def tick(self) -> None:
        """See :meth:`Display.tick`."""
        if time.monotonic() >= self._next_update:
            self.keep()
            self._next_update = time.monotonic() + _PACING.pause(chars=len(self.text))

    def finish(self) -> str:
        """See :meth:`Display.finish`."""
        if self._format == "code" and self._front_end.cells:
            code = code_of(self.text)
            self._shell.set_next_input(code, replace=False)
            self._publish(inserted_code(code))
            return code
        try:
            data = bundle(self._format, self.text)
        except NotInFormatError as error:
            self.keep()
            print(error, file=sys.stderr)
            return self.text
        self._publish(data)
        return _value(self._format, self.text, data)

    def keep(self) -> None:
        """See :meth:`Display.keep`."""
        if self.text and self.text != self._shown_text:
            self._publish(preview(self._format, self.text))

    def _publish(self, data: Mapping[str, Any]) -> None:
        self._shell.display_pub.publish(
            dict(data),
            {"jupyter_ai": dict(self._metadata)},
            transient=self._transient,
            update=self._shown_text is not None,
        )
        self._shown_text = self.text


class PrintedDisplay:
    """Prints text as it arrives; shows other formats once, when the reply is complete.

    It needs only standard output, so every front end shows all text.
    """

    def __init__(self, shell: Any, format: str, front_end: FrontEnd) -> None:
        self.text = ""
        self._shell = shell
        self._format = format
        self._front_end = front_end
        self._metadata: Mapping[str, Any] = {}
        self._printed = 0

    def note(self, line: str) -> None:
        """See :meth:`Display.note`."""
        print(line, flush=True)

    def write(self, text: str, metadata: Mapping[str, Any]) -> None:
        """See :meth:`Display.write`."""
        self.text = extended(self.text, text)
        self._metadata = metadata
        if self._format in _AS_IT_COMES:
            if isinstance(text, Anew):
                self._printed = 0
                print("\n", flush=True)
            self._print_rest()

    def tick(self) -> None:
        """See :meth:`Display.tick`."""

    def finish(self) -> str:
        """See :meth:`Display.finish`."""
        if self._format in _AS_IT_COMES:
            self.keep()
            return self.text
        try:
            data = bundle(self._format, self.text)
        except NotInFormatError as error:
            self.keep()
            print(error, file=sys.stderr)
            return self.text
        if self._front_end.rich:
            metadata = {"jupyter_ai": dict(self._metadata)}
            self._shell.display_pub.publish(dict(data), metadata)
        else:
            print(data["text/plain"], flush=True)
        return _value(self._format, self.text, data)

    def keep(self) -> None:
        """See :meth:`Display.keep`."""
        if self._format in _AS_IT_COMES:
            self._print_rest()
            if self.text and not self.text.endswith("\n"):
                print(flush=True)
        elif self.text:
            print(preview(self._format, self.text)["text/plain"], flush=True)

    def _print_rest(self) -> None:
        print(self.text[self._printed :], end="", flush=True)
        self._printed = len(self.text)


def _value(format: str, text: str, data: Mapping[str, Any]) -> str:
    """Return the value of the cell; for ``code``, only the code."""
    return str(data["text/plain"]) if format == "code" else text
