"""An emoji as an avatar."""

from __future__ import annotations

import unicodedata
from html import escape
from urllib.parse import quote

__all__ = ["emoji_image", "is_emoji"]

MAX_EMOJI = 12
"""Code points: a family of four with skin tones has eleven."""

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<text x="16" y="25" font-size="24" text-anchor="middle">{}</text></svg>'
)


def is_emoji(text: str) -> bool:
    """Return whether ``text`` is made of symbols and what joins them."""
    kinds = [unicodedata.category(char) for char in text]
    return "So" in kinds and len(text) <= MAX_EMOJI and set(kinds) <= {"So", "Sk", "Mn", "Cf"}


def emoji_image(text: str) -> str:
    """Return the URL of an image that shows ``text``; it holds the image itself."""
    return f"data:image/svg+xml,{quote(_SVG.format(escape(text)))}"
