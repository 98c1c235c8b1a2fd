"""How many tokens a text has, roughly, for any model and without a tokenizer."""

from __future__ import annotations

__all__ = ["BYTES_PER_TOKEN", "PER_MESSAGE", "approximate_tokens"]

PER_MESSAGE = 4
"""Tokens that a message costs beside its text: its role and the marks around it."""

BYTES_PER_TOKEN = 3
"""Of UTF-8: English has about 4 a token, program code 3, Chinese and Japanese 3."""


def approximate_tokens(text: str) -> int:
    """Return about how many tokens ``text`` has, rather too many than too few."""
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)
