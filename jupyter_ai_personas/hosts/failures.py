"""Texts for people and the log about an error in a persona's code."""

from __future__ import annotations

import traceback

from jupyter_ai_personas.chat.markdown import code, sentence
from jupyter_ai_personas.errors import PersonasError
from jupyter_ai_personas.personas.wire import TurnFailed, TurnSpec
from jupyter_ai_personas.redaction import for_people, redact

__all__ = ["describe_failure", "in_words", "log_text", "traceback_of"]

MOST_KIND = 80
"""Maximum characters of an exception class's name shown to people."""

MOST_TEXT = 1000
"""Maximum characters of our own error's text shown to people."""

MOST_READ = 50_000
"""Characters of this text that are processed."""

SHOWN_FRAMES = 2
"""Frames of the traceback of an expected failure, for each error in its chain."""

CUT = "…"


def traceback_of(error: BaseException, *, innermost: int | None = None) -> str:
    """Return the traceback of a foreign error for the log, without secrets.

    For each error in its chain, the ``innermost`` frames are shown, or all.
    """
    limit = None if innermost is None else -innermost
    try:
        return redact("".join(traceback.format_exception(error, limit=limit))).rstrip()
    except BaseException:
        # Attributes of a foreign exception may run code that raises.
        return f"{type(error).__name__}, which has no traceback that can be shown"


def describe_failure(error: BaseException, spec: TurnSpec) -> TurnFailed:
    """Return the text about ``error`` for people: our errors in full, other errors by class.

    A foreign error's text may contain paths, keys or headers, so only the log has it. Our own
    errors may quote foreign text, or be raised by foreign code. Never raises.
    """
    error_id = spec.turn_id[:8]
    kind = for_people(type(error).__name__)[:MOST_KIND]
    if issubclass(type(error), PersonasError) and (text := _text_of(error)):
        return TurnFailed(spec.turn_id, kind, text, error_id, expected=True)
    text = (
        f"`{spec.persona_name}` could not answer: its code failed with {code(kind)}. If it "
        f"fails again, tell the operator (error `{error_id}` in the server's log)."
    )
    return TurnFailed(spec.turn_id, kind, text, error_id)


def log_text(error: BaseException, failure: TurnFailed) -> str:
    """Return the log's text about a failure.

    Our own error without a cause says everything in its text. The traceback of an expected
    failure, such as an unreachable model, is shortened.
    """
    try:
        told = failure.expected and error.__cause__ is None and CUT not in failure.text
    except BaseException:
        told = False
    frames = SHOWN_FRAMES if failure.expected else None
    return failure.text if told else f"\n{traceback_of(error, innermost=frames)}"


def in_words(text: str) -> str:
    """Return our text, which may quote foreign text, for display in a chat.

    One line of at most ``MOST_TEXT`` characters, without secrets and paths; of Markdown only code
    spans.
    """
    # Redact first: secrets are recognized only in the original text.
    line = " ".join(for_people(text[:MOST_READ]).split())
    return sentence(line if len(line) <= MOST_TEXT else f"{line[:MOST_TEXT]}{CUT}")


def _text_of(error: BaseException) -> str:
    try:
        return in_words(str(error))
    except BaseException:
        return ""
