"""Search results sent along with a question: the answer if no model writes one."""

from __future__ import annotations

from langchain_core.messages import BaseMessage

__all__ = ["extract_of", "with_extract"]

_KEY = "jupyter_ai_personas_extract"


def with_extract(message: BaseMessage, extract: str) -> BaseMessage:
    """Return ``message`` with the Markdown that `workspace:search` answers to it.

    It is no part of the content: other models, which may have that one as their fallback, are not
    sent it.
    """
    kept = {**message.additional_kwargs, _KEY: extract}
    return message.model_copy(update={"additional_kwargs": kept})


def extract_of(message: BaseMessage) -> str:
    """Return what :func:`with_extract` put into ``message``, or an empty string."""
    found = message.additional_kwargs.get(_KEY)
    return found if isinstance(found, str) else ""
