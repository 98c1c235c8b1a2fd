"""Errors of approvals and of tool calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_ai_personas.errors.base import PersonasError
from jupyter_ai_personas.redaction import without_secret

__all__ = [
    "ApprovalDecidedError",
    "ApprovalError",
    "MayNotDecideError",
    "ToolCallError",
    "UnknownApprovalError",
]


class ToolCallError(PersonasError):
    """A tool does not do what it is called for; the message tells the model what to do.

    ``facts`` go with the message into the result: what is there now, for instance.
    """

    def __init__(self, message: str, **facts: Any) -> None:
        self.facts = facts
        super().__init__(message)


class ApprovalError(PersonasError):
    """A decision that cannot be taken."""


class UnknownApprovalError(ApprovalError):
    """No open approval has that id."""

    def __init__(self, approval_id: str) -> None:
        super().__init__(f"There is no open approval `{without_secret(approval_id[:40])}`.")


class ApprovalDecidedError(ApprovalError):
    """Somebody has decided it, or its time is over."""

    def __init__(self) -> None:
        super().__init__("This approval is decided or closed already.")


class MayNotDecideError(ApprovalError):
    """This user may not decide it."""

    def __init__(self, approvers: Iterable[str], *, proven: bool) -> None:
        if proven:
            names = ("the person who asked" if name == "asker" else name for name in approvers)
            text = f"Only these may decide this: {', '.join(names)}."
        else:
            text = (
                "A message in a chat does not prove who typed it. Decide on the page that the "
                "message links to."
            )
        super().__init__(text)
