"""Recognizes vendors' errors about requests that exceed the model's context.

The wordings are those of OpenAI, Azure, Anthropic, Google, Mistral, Groq, Cohere, xAI, AWS Bedrock,
OpenRouter, Hugging Face (TGI), Ollama, llama.cpp, LM Studio, vLLM and SGLang; the tests list them.
"""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["fitting_part", "is_too_long"]

_CODE = re.compile(
    r"context_?(length|window|size|limit)_?(is_)?exceed|exceed_context|contextwindowexceeded"
    r"|(request|prompt|input|message)s?_(is_)?too_(large|long)|tokens?_limit_(reached|exceeded)"
    r"|(prompt|input)_tokens_exceeded|payload_too_large"
)
_ALWAYS = re.compile(
    # The model's context is spoken of when it is too small only.
    r"(context|sequence)[\s_-]?(length|window|size|limit)|\bmodel length\b"
    # A text that is too long, in any unit.
    r"|\b(prompt|input|inputs|conversation|messages?|text|sequence)\b[^.]{0,80}?"
    r"\b(too (long|large|many|big)|longer than|greater than|cannot exceed)\b"
    r"|\b(prompt|input|inputs|conversation|messages?|text|sequence)\b[^.]{0,80}?exceed"
    r"|(too many|exceed\w*)[^.]{0,60}\b(?<!max_)(?<!new_)(tokens|token (count|limit))\b"
    r"|\b(?<!max_)(?<!new_)(tokens?|token (count|limit))\b[^.]{0,60}(exceed|too (large|many|long))"
    r"|maximum (prompt|input|context|sequence) (length|size)|maxlength"
    # TGI: "`inputs` tokens + `max_new_tokens` must be <= 2048".
    r"|`inputs`[^.]{0,40}\bmust (be|have)\b"
    r"|(reduce|shorten)( the| your)? (length|size|number|input|prompt|message|context)"
    r"|shorter (input|prompt|message)",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"request( body| entity)?( is)? too (large|long|big)|request exceeds the"
    r"|reduce your (message|prompt|input)|tokens must be reduced|payload too large",
    re.IGNORECASE,
)
_OUTPUT = re.compile(r"\b(output|completion|generated)\b|max(_\w+)?_tokens", re.IGNORECASE)
_INPUT = re.compile(r"\b(inputs?|prompt|context|messages?|conversation)\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.-])\d{1,3}(?:[,_]\d{3})+(?!\w)|(?<![\w.-])\d+(?![\w-])")
_FEWEST_TOKENS = 64  # a smaller number in a message is no size of a context
_MARGIN = 0.9


def is_too_long(status: int | None, reason: str, codes: Collection[str]) -> bool:
    """Return whether an error says so, by its HTTP status, its sentence and its codes."""
    if status == 413:
        return True
    if status == 429:
        # Mostly the rate; but what is over the rate by itself is refused for ever.
        return bool(_REQUEST.search(reason))
    if status is not None and status not in (400, 422) and status < 500:
        return False
    if any(_CODE.search(code) for code in codes):
        return True
    if _OUTPUT.search(reason) and not _INPUT.search(reason):
        return False  # too much was asked for, not sent
    return bool(_ALWAYS.search(reason) or _REQUEST.search(reason))


def fitting_part(reason: str) -> float | None:
    """Return the part of what was sent that fits, by the numbers that the sentence names.

    These are a limit and a greater one; mostly also what the latter is the sum of, the tokens that
    were sent and those that the answer may have.
    """
    numbers = [int(re.sub(r"[,_]", "", found)) for found in _NUMBER.findall(reason)]
    sizes = {number for number in numbers if number >= _FEWEST_TOKENS}
    parts = {part for total in sizes for part in sizes if total - part in sizes}
    wholes = sizes - parts
    if len(wholes) < 2:
        return None
    sent = max(parts or wholes)
    room = min(wholes) - (min(parts) if len(parts) > 1 else 0)
    return _MARGIN * room / sent if 0 < room < sent else None
