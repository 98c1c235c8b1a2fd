"""Content of the workspace as plain data for the code of a persona."""

from __future__ import annotations

import base64
from typing import Any

from jupyter_ai_personas.context.attached import PRIVATE_KEY, Content
from jupyter_ai_personas.context.bounds import shown_size
from jupyter_ai_personas.context.privacy import holds_private_key
from jupyter_ai_personas.context.texts import decode
from jupyter_ai_personas.errors import AttachmentError

__all__ = ["as_plain"]

PLAIN_BYTES = 5_000_000
"""How much of a file is given."""


def as_plain(content: Content) -> dict[str, Any]:
    """Return a file as JSON: ``path``, ``live``, ``cut`` and its content.

    That is ``notebook`` (nbformat), ``text``, ``base64`` or, of a folder, ``names``. ``cut`` says
    how much of a longer file there is, else it is empty. Nothing is taken out of it: what goes
    into a prompt is better taken from ``context()``.

    Raises:
        AttachmentError: it holds a private key.
    """
    plain: dict[str, Any] = {"path": content.path, "live": content.live, "cut": ""}
    if content.names is not None:
        return plain | {"names": list(content.names)}
    if content.notebook is not None:
        return plain | {"notebook": content.notebook}
    if content.text is not None:
        return plain | _text(content.text[:PLAIN_BYTES], len(content.text))
    assert content.file is not None
    data = content.file.read(PLAIN_BYTES)
    size = len(data) if content.size is None else content.size
    found = decode(data, cut=size > len(data))
    if found is not None:
        return plain | _text(found[0], size)
    plain["cut"] = _cut(len(data), size)
    return plain | {"base64": base64.b64encode(data).decode("ascii")}


def _text(text: str, size: int) -> dict[str, Any]:
    if holds_private_key(text):
        raise AttachmentError(PRIVATE_KEY)
    return {"text": text, "cut": _cut(PLAIN_BYTES, size)}


def _cut(shown: int, size: int) -> str:
    return f"first {shown_size(shown)} of {shown_size(size)}" if size > shown else ""
