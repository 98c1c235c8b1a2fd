"""Images for models that take them."""

from __future__ import annotations

import base64

from jupyter_ai_personas.context.bounds import ContextLimits, shown_size
from jupyter_ai_personas.context.rendered import Image, Rendered

__all__ = ["image_type", "render_image"]

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def image_type(data: bytes) -> str | None:
    """Return the MIME type of an image that vendors take, or ``None``.

    Told by its first bytes: a vendor refuses the whole request when the name lies.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((type_ for start, type_ in _SIGNATURES if data.startswith(start)), None)


def render_image(
    data: bytes, *, title: str, limits: ContextLimits, size: int | None = None
) -> Rendered:
    """Return an image file for a model; ``size`` is the file's, if ``data`` may be less."""
    mime_type = image_type(data)
    if mime_type is None:
        return Rendered(title, problem="it is no PNG, JPEG, GIF or WebP image.")
    size = len(data) if size is None else size
    if size > limits.image_bytes:
        most = shown_size(limits.image_bytes)
        return Rendered(title, problem=f"the image has {shown_size(size)}; the most is {most}.")
    image = Image(title, mime_type, base64.b64encode(data).decode("ascii"))
    return Rendered(title, f"{title} ({mime_type}, {shown_size(size)})", (image,))
