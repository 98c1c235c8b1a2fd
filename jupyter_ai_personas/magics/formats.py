"""The formats of ``-f``: pure functions from a reply's text to a display bundle.

A *bundle* maps MIME types to data, as in ``display_data`` of the Jupyter messaging protocol: text
as strings, images in Base64, ``application/json`` as the value.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = [
    "FORMATS",
    "NotInFormatError",
    "bundle",
    "code_of",
    "inserted_code",
    "preview",
    "without_images",
]

FORMATS = ("code", "html", "image", "json", "markdown", "math", "md", "text")

Bundle = Mapping[str, Any]

_FENCED = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})[^\n`]*\n(?P<code>.*?)^[ \t]*(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
# `data:image/png;base64,…`, with or without `data:`, as image providers of Jupyter AI v2 answer.
_DATA = re.compile(r"(?:data:)?(image/[a-z0-9.+-]+);base64,([A-Za-z0-9+/=\s]+)", re.IGNORECASE)
_SVG = re.compile(r"<svg\b.*</svg>", re.DOTALL | re.IGNORECASE)
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
_DELIMITED = re.compile(r"\s*(\$|\\\(|\\\[|\\begin\{)")


class NotInFormatError(ValueError):
    """The reply is not in the requested format; the message says why."""


def preview(format: str, text: str) -> Bundle:
    """Return the bundle of an incomplete reply."""
    if format in ("markdown", "md"):
        return {"text/markdown": text, "text/plain": text}
    return {"text/plain": without_images(text) if format == "image" else text}


def without_images(text: str) -> str:
    """Return ``text`` with the data of each image replaced by its kind."""
    return _DATA.sub(r"<\1>", text)


def bundle(format: str, text: str) -> Bundle:
    """Return the bundle of a complete reply; ``code`` gives only the code.

    Raises :class:`NotInFormatError` for ``json`` and ``image``.
    """
    if format == "html":
        return {"text/html": unfenced(text), "text/plain": text}
    if format == "math":
        formula = unfenced(text)
        if not _DELIMITED.match(formula):
            formula = f"$${formula}$$"
        return {"text/latex": formula, "text/plain": text}
    if format == "json":
        value = _json(text)
        return {
            "application/json": value,
            "text/plain": json.dumps(value, indent=2, ensure_ascii=False),
        }
    if format == "image":
        return _image(text)
    if format == "code":
        return {"text/plain": code_of(text)}
    return preview(format, text)


def unfenced(text: str) -> str:
    """Return the text without a code fence around all of it, which models often add."""
    found = _FENCED.fullmatch(text.strip())
    return found["code"].strip("\n") if found else text.strip()


def code_of(text: str) -> str:
    """Return the code in a reply: its fenced blocks joined, or the whole text."""
    blocks = [found["code"].strip("\n") for found in _FENCED.finditer(text)]
    return "\n\n".join(blocks) if blocks else text.strip()


def inserted_code(code: str) -> Bundle:
    """Return the bundle for code inserted as a new cell: a note with the code folded in it.

    Programs that cannot insert cells, such as ``nbconvert``, keep the code this way.
    """
    note = "The code is in the cell below"
    folded = f"<details><summary>{note}</summary><pre>{html.escape(code)}</pre></details>"
    return {"text/html": folded, "text/plain": code}


def _json(text: str) -> Any:
    blocks = [found["code"] for found in _FENCED.finditer(text)]
    try:
        return json.loads(blocks[0] if len(blocks) == 1 else text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = f"The reply is not JSON ({error}), so it is shown as text."
        raise NotInFormatError(reason) from None


def _no_constant(name: str) -> None:
    # Python reads NaN and Infinity; front ends do not.
    raise ValueError(f"{name} is no value")


def _image(text: str) -> Bundle:
    if found := _DATA.search(text):
        data = "".join(found[2].split())
        return {found[1].lower(): data, "text/plain": f"<{found[1].lower()}>"}
    if svg := _SVG.search(text):
        return {"image/svg+xml": svg[0], "text/plain": "<image/svg+xml>"}
    data = "".join(text.split())
    try:
        start = base64.b64decode(data, validate=True)[:16]
    except (binascii.Error, ValueError):
        start = b""
    for signature, mime in _SIGNATURES.items():
        if start.startswith(signature):
            return {mime: data, "text/plain": f"<{mime}>"}
    raise NotInFormatError("The reply holds no image, so it is shown as text.")
