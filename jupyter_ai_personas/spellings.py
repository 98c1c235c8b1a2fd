"""Spellings of a secret: verbatim, escaped as in Python, JSON or a URL, or inside Base64."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

__all__ = ["SHORTEST", "without"]

SHORTEST = 6
"""Minimum characters of a secret; shorter ones occur in ordinary words."""
_SHORTEST_LINE = 12  # characters of one line among several
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_BASE64_BEFORE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_PERCENT = re.compile("%..")
_URL_SAFE = str.maketrans("+/", "-_")

_ESCAPES: tuple[Callable[[str], str], ...] = (
    lambda text: repr(text)[1:-1],
    # The repr of a longer text with both kinds of quotes.
    lambda text: repr(f'"{text}')[2:-1],
    lambda text: repr(_bytes(text))[2:-1],
    lambda text: repr(text.encode("latin-1", "replace"))[2:-1],
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
)


def without(secrets: Iterable[str], text: str, redacted: str) -> str:
    """Return ``text`` with each of ``secrets``, in any spelling, replaced by ``redacted``.

    Base64 that contains a secret, such as a header's ``user:key``, is replaced as a whole.
    """
    spelled: set[str] = set()
    cores: set[str] = set()
    for secret in secrets:
        if len(secret) >= SHORTEST:
            plain, encoded = _spellings(secret)
            spelled.update(one for one in plain if one in text)
            cores.update(one for one in encoded if one in text)
    # Base64 first: replacing another spelling inside it would hide the rest.
    for core in sorted(cores, key=len, reverse=True):
        text = _without_base64(core, text, redacted)
    for spelling in sorted(spelled, key=len, reverse=True):
        text = text.replace(spelling, redacted)
    return text


@lru_cache(maxsize=4096)
def _spellings(secret: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the spellings of ``secret``, and the parts that any Base64 of it contains."""
    # White space around a secret is not part of it.
    raw = {secret.strip(), " ".join(secret.split())}
    raw.update(line for line in map(str.strip, secret.splitlines()) if len(line) >= _SHORTEST_LINE)
    plain = set(raw)
    for text in raw:
        once = {escape(text) for escape in _ESCAPES}
        plain |= once | {escape(one) for one in once for escape in _ESCAPES}
        plain.add(html.escape(text))
        for quoted in (quote(_bytes(text)), quote(_bytes(text), safe=""), quote_plus(_bytes(text))):
            plain |= {quoted, _PERCENT.sub(lambda match: match[0].lower(), quoted)}
    cores = {core for text in raw for core in _cores(_bytes(text))}
    return (
        frozenset(text for text in plain if len(text) >= SHORTEST),
        frozenset(core for core in cores if len(core) >= SHORTEST),
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _cores(data: bytes) -> Iterator[str]:
    """Yield the Base64 characters determined by ``data`` alone, for each offset."""
    for before in range(3):
        encoded = b64encode(bytes(before) + data).decode()
        core = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield core
        yield core.translate(_URL_SAFE)


def _without_base64(core: str, text: str, redacted: str) -> str:
    """Replace each run of Base64 that contains ``core``."""
    parts: list[str] = []
    done = 0
    while (at := text.find(core, done)) >= 0:
        start = at
        while start > done and text[start - 1] in _BASE64_BEFORE:
            start -= 1
        match = _BASE64.match(text, at)
        parts += text[done:start], redacted
        done = match.end() if match else at + len(core)
    return "".join([*parts, text[done:]])
