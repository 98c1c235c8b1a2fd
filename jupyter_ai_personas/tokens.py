"""Estimates the tokens of a text for any model, without a tokenizer."""

from __future__ import annotations

__all__ = ["BYTES_PER_TOKEN", "PER_MESSAGE", "approximate_tokens"]

PER_MESSAGE = 4
"""Tokens of a message besides its text: its role and separators."""

BYTES_PER_TOKEN = 3
"""Bytes of UTF-8: English has about 4 a token, code 3, Chinese and Japanese 3."""


def approximate_tokens(text: str) -> int:
    """Return an estimate of the tokens of ``text``, rather too high than too low."""
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)
