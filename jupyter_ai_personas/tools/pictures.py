"""Images in the results of tools: apart from the text, and only for models that take them.

A result that has images holds them under ``images``: ``{"name", "type", "data"}`` each, in Base64.
Its text names them by type and size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_ai_personas.context.bounds import ContextLimits
from jupyter_ai_personas.context.images import image_type
from jupyter_ai_personas.context.parsing import decode_base64
from jupyter_ai_personas.context.rendered import Image

__all__ = ["MAX_DATA", "images_of", "with_images", "without_images"]

KEY = "images"

MAX_DATA = 700_000
"""Characters of Base64 that the images of one result may have together: it is recorded."""


def with_images(result: Mapping[str, Any], images: Iterable[Image]) -> dict[str, Any]:
    """Return ``result`` with the first of ``images`` for which there is room."""
    kept: list[dict[str, str]] = []
    size = 0
    for image in images:
        if len(kept) < ContextLimits().images and size + len(image.data) <= MAX_DATA:
            size += len(image.data)
            kept.append({"name": image.name, "type": image.mime_type, "data": image.data})
    return {**result, KEY: kept} if kept else dict(result)


def images_of(tool: str, result: Mapping[str, Any]) -> Sequence[Image]:
    """Return the images in a result, of any tool: what is none, or too much, is left out."""
    found: list[Image] = []
    listed, size = result.get(KEY), 0
    for one in listed if isinstance(listed, list) else ():
        image = _image(one)
        if image is not None and len(found) < ContextLimits().images:
            size += len(image.data)
            if size <= MAX_DATA:
                found.append(replace(image, name=f"{tool}, {image.name}"))
    return found


def without_images(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a result as text shows it: its images are left out."""
    listed = result.get(KEY)
    if isinstance(listed, list) and listed and all(map(_image, listed)):
        return {key: value for key, value in result.items() if key != KEY}
    return result


def _image(one: Any) -> Image | None:
    match one:
        case {"name": str(name), "type": str(), "data": str(data)} if len(data) <= MAX_DATA:
            try:
                known = image_type(decode_base64(data[:64]))
            except ValueError:
                return None
            # Told by its first bytes: a vendor refuses the whole request when a name lies.
            return None if known is None else Image(name, known, data)
    return None
