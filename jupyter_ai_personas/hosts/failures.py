"""What people and the log are told of an error in a persona's code."""

from __future__ import annotations

import traceback

from jupyter_ai_personas.chat.markdown import code, sentence
from jupyter_ai_personas.errors import PersonasError
from jupyter_ai_personas.personas.wire import TurnFailed, TurnSpec
from jupyter_ai_personas.redaction import for_people, redact

__all__ = ["describe_failure", "in_words", "log_text", "traceback_of"]

MOST_KIND = 80
"""Characters of the name of an exception's class that people are shown."""

MOST_TEXT = 1000
"""Characters of what an error of ours says that people are shown."""

MOST_READ = 50_000
"""Characters of it that are looked at."""

SHOWN_FRAMES = 2
"""Of the traceback of a failure that is understood, for each error in its chain."""

CUT = "…"


def traceback_of(error: BaseException, *, innermost: int | None = None) -> str:
    """Return the traceback of a foreign error for the log, without secrets: it may quote them.

    Of each error in its chain the ``innermost`` frames are shown, or all.
    """
    limit = None if innermost is None else -innermost
    try:
        return redact("".join(traceback.format_exception(error, limit=limit))).rstrip()
    except BaseException:
        # An exception's own attributes may be code that raises.
        return f"{type(error).__name__}, which has no traceback that can be shown"


def describe_failure(error: BaseException, spec: TurnSpec) -> TurnFailed:
    """Return what people are told of ``error``: our own errors in full, of others the class.

    The text of a foreign error may hold paths, keys or headers; it goes to the log only. One of
    ours may quote others, or be raised by them. Total: the class may be anybody's.
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
    """Return what the log says of a failure: one of ours without a cause has it all in its text.

    Of one that is understood, as a model that cannot be reached, the way there is long and known.
    """
    try:
        told = failure.expected and error.__cause__ is None and CUT not in failure.text
    except BaseException:
        told = False
    frames = SHOWN_FRAMES if failure.expected else None
    return failure.text if told else f"\n{traceback_of(error, innermost=frames)}"


def in_words(text: str) -> str:
    """Return a text of ours, which may quote others, as people are shown it in a chat.

    On one line of at most ``MOST_TEXT`` characters, without secrets and paths; of Markdown only
    code spans.
    """
    # As it is, or else what is secret in it is not found; its end is cut off in any case.
    line = " ".join(for_people(text[:MOST_READ]).split())
    return sentence(line if len(line) <= MOST_TEXT else f"{line[:MOST_TEXT]}{CUT}")


def _text_of(error: BaseException) -> str:
    try:
        return in_words(str(error))
    except BaseException:
        return ""
