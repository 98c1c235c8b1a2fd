"""Rendered content for a model: text, images and problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from jupyter_ai_personas.chat.markdown import sentence
from jupyter_ai_personas.context.bounds import ContextLimits

__all__ = [
    "Image",
    "Rendered",
    "bounded_images",
    "image_blocks",
    "message_content",
    "problems_line",
]


@dataclass(frozen=True, slots=True)
class Image:
    """An image as models take it: ``data`` is base64; ``name`` is how the text refers to it."""

    name: str
    mime_type: str
    data: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """One file, or a part of it, for a model.

    ``title`` names it for people; ``text`` says what it is and holds its content; ``problem`` is
    why it could not be read, a sentence without its name.
    """

    title: str
    text: str = ""
    images: tuple[Image, ...] = ()
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return this as plain data; what :meth:`from_json` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rendered:
        """Return what :meth:`as_json` was called on."""
        images = tuple(Image(**image) for image in data["images"])
        return cls(data["title"], data["text"], images, data["problem"])

    @property
    def is_image(self) -> bool:
        """Whether it is an image, and not something with images in it."""
        return any(image.name == self.title for image in self.images)

    @property
    def shown(self) -> str:
        """The text for a model; where nothing could be read, the reason."""
        if not self.problem:
            return self.text
        return f"{self.title} could not be read: {self.problem}"


def bounded_images(parts: Sequence[Rendered], limits: ContextLimits) -> list[Rendered]:
    """Return ``parts`` with the first images that one message may have; the text says which."""
    number, size, bounded = 0, 0, []
    for part in parts:
        kept: list[Image] = []
        for image in part.images:
            size += len(image.data) * 3 // 4
            if number < limits.images and size <= limits.total_image_bytes:
                number += 1
                kept.append(image)
        left = ", ".join(image.name for image in part.images if image not in kept)
        text = (
            f"{part.text}\n[not shown, since there is no more room: {left}]" if left else part.text
        )
        bounded.append(replace(part, text=text, images=tuple(kept)))
    return bounded


def message_content(
    body: str, parts: Sequence[Rendered], *, takes_images: bool
) -> str | list[str | dict[str, Any]]:
    """Return the content of a LangChain message: ``body`` and what goes with it.

    A string, unless there are images and the model takes them. Images are in the form of
    ``image_url`` blocks with data URLs, which every vendor's package takes.
    """
    images = [image for part in parts for image in part.images]
    texts = [part.shown for part in parts]
    if images and not takes_images:
        names = ", ".join(image.name for image in images)
        texts.append(f"Images that are not shown, since you are not known to take images: {names}")
    text = "\n\n".join(["\n\n".join(texts), body] if texts else [body])
    if not images or not takes_images:
        return text
    return [{"type": "text", "text": text}, *image_blocks(images)]


def image_blocks(images: Sequence[Image]) -> list[str | dict[str, Any]]:
    """Return images as blocks of a LangChain message, each after its name."""
    content: list[str | dict[str, Any]] = []
    for image in images:
        url = f"data:{image.mime_type};base64,{image.data}"
        content.append({"type": "text", "text": f"{image.name}:"})
        content.append({"type": "image_url", "image_url": {"url": url}})
    return content


def problems_line(parts: Sequence[Rendered], *, takes_images: bool) -> str:
    """Return Markdown that tells people what the model was not given, or an empty string."""
    lines = [f"{part.title} was not read: {part.problem}" for part in parts if part.problem]
    # Images in outputs of a notebook go with its text, for the model only.
    images = [] if takes_images else [part for part in parts if part.is_image]
    lines += [
        f"{part.title} is not shown to the model, which is not known to take images."
        for part in images
    ]
    return "".join(f"> {sentence(line)}\n" for line in lines) + "\n" if lines else ""
