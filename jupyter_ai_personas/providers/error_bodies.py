"""Extracts the vendor's message from an error body of any shape.

Known shapes: ``{"error": {"message": …, "code": …}}`` of OpenAI and most others,
``{"error": "…"}`` of Ollama and TGI, ``{"detail": …}`` of FastAPI with its lists of problems,
``{"message": …}`` of Mistral and AWS, an upstream's body inside another one (OpenRouter), a proxy's
web page, and each of these quoted in an exception's text.
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["bodies_of", "codes_in", "is_web_page", "reason_in"]

_REASONS = (
    "message",
    "msg",
    "error_description",
    "error_message",
    "error",
    "detail",
    "errors",
    "fault",
    "faultstring",
    "reason",
    "title",
    "Message",
    "Error",
)
_CODES = ("code", "type", "status", "error_type", "error", "reason", "Code")
_MOST_CHARS = 50_000  # of a body that are looked at
_MOST_PROBLEMS = 3
_DEEPEST = 6
_OBJECT = re.compile(r"\{|\[\s*\{")
_PAGE = re.compile(r"<!doctype html|<html\b|<head\b|<body\b", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)\b[^>]{0,200}>([^<]{1,300})<", re.IGNORECASE)


def bodies_of(error: Exception) -> Iterator[Any]:
    """Yield candidates for the body of the response in ``error``, the best first.

    These are the attributes of the vendors' exceptions; the last one is the exception's text.
    """
    response = getattr(error, "response", None)
    yield getattr(error, "body", None)
    if isinstance(response, Mapping):  # botocore
        yield response
    else:
        try:
            yield response.text if response is not None else None
        except Exception:
            yield None  # It was not read, and never will be.
    yield getattr(error, "details", None)  # Google
    yield getattr(error, "error", None)  # Ollama
    if isinstance(error, OSError) and error.strerror:
        yield error.strerror  # Its text would show a path.
        return
    try:
        yield str(error)
    except Exception:
        yield None


def reason_in(body: Any, *, depth: int = 0) -> str:
    """Return the sentence in an error body, empty if there is none.

    :func:`is_web_page` recognises a web page.
    """
    if depth > _DEEPEST:
        return ""
    if isinstance(body, bytes):
        body = body.decode(errors="replace")
    if isinstance(body, str):
        return _reason_in_text(body[:_MOST_CHARS], depth)
    if isinstance(body, Mapping):
        return _reason_in_mapping(body, depth)
    if isinstance(body, list | tuple):
        problems = [reason_in(item, depth=depth + 1) for item in body[:_MOST_PROBLEMS]]
        return "; ".join(filter(None, problems))
    return ""


def is_web_page(body: Any) -> bool:
    """Return whether ``body`` is HTML, or quotes some."""
    return isinstance(body, str) and _PAGE.search(body[:2000]) is not None


def codes_in(body: Any, *, depth: int = 0) -> set[str]:
    """Return the codes in an error body, such as ``context_length_exceeded``, in lower case."""
    if isinstance(body, str):
        body = _quoted(body[:_MOST_CHARS])
    if not isinstance(body, Mapping) or depth > _DEEPEST:
        return set()
    found = {str(body[key]).lower() for key in _CODES if isinstance(body.get(key), str | int)}
    for value in body.values():
        if isinstance(value, Mapping):
            found |= codes_in(value, depth=depth + 1)
    return found


def _reason_in_mapping(body: Mapping[str, Any], depth: int) -> str:
    reason = next(filter(None, (reason_in(body.get(k), depth=depth + 1) for k in _REASONS)), "")
    where = body.get("loc")
    if reason and isinstance(where, list | tuple):
        location = ".".join(str(part) for part in where if part != "body")
        return f"{location}: {reason}" if location else reason
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping) and (raw := reason_in(metadata.get("raw"), depth=depth + 1)):
        return f"{reason}: {raw}" if reason else raw
    return reason


def _reason_in_text(text: str, depth: int) -> str:
    if is_web_page(text):
        title = _TITLE.search(text)
        return html.unescape(title[2]).strip() if title else ""
    return reason_in(_quoted(text), depth=depth + 1) or text.strip()


def _quoted(text: str) -> Any:
    """Return the JSON or Python object, or list of some, that ``text`` ends with, or ``None``."""
    start = _OBJECT.search(text)
    if start is None:
        return None
    tail = text[start.start() :].strip()
    for parse in (json.loads, ast.literal_eval):
        try:
            value: Any = parse(tail)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return value
    return None
