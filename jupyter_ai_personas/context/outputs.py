"""Renders cell outputs for a model: text without terminal codes, images by type and size."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from jupyter_ai_personas.context.bounds import ContextLimits, fence, middle_out, shown_size
from jupyter_ai_personas.context.images import image_type
from jupyter_ai_personas.context.rendered import Image

__all__ = ["plain", "render_output", "source_text"]

# CSI and OSC sequences, and other escapes of two characters (ECMA-48).
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
# Equivalent MIME types, the plainest first.
_TEXTS = ("text/plain", "text/markdown", "text/latex", "application/json", "text/html")


def source_text(value: Any) -> str:
    """Return multi-line text of the notebook format: a string, or a list of lines; total."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return ""


def plain(text: str) -> str:
    """Return ``text`` as a terminal shows it: without codes and overwritten text."""
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    if "\r" not in text:
        return text
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return "\n".join(lines)


def render_output(
    output: Mapping[str, Any], *, name: str, limits: ContextLimits
) -> tuple[str, list[Image]]:
    """Return one output of a cell (nbformat 4) as text, and the images in it."""
    kind = output.get("output_type")
    if kind == "stream":
        stream = "stderr" if output.get("name") == "stderr" else "stdout"
        text = _bounded(source_text(output.get("text")), limits)
        return (f"{stream}:\n{fence(text)}", []) if text.strip() else ("", [])
    if kind == "error":
        return _error(output, limits), []
    data = output.get("data")
    return _bundle(data if isinstance(data, Mapping) else {}, name, limits)


def _bounded(text: str, limits: ContextLimits) -> str:
    return middle_out(text, limits.output_chars, plain)


def _error(output: Mapping[str, Any], limits: ContextLimits) -> str:
    name, value = (source_text(output.get(key)) for key in ("ename", "evalue"))
    lines = output.get("traceback")
    lines = lines if isinstance(lines, list) else []
    text = "\n".join(line for line in lines if isinstance(line, str))
    head = f"error: {_bounded(f'{name}: {value}', limits).strip(': ')}"
    text = _bounded(text, limits)
    return f"{head}\n{fence(text)}" if text.strip() else head


def _bundle(data: Mapping[str, Any], name: str, limits: ContextLimits) -> tuple[str, list[Image]]:
    lines: list[str] = []
    images: list[Image] = []
    for mime_type in _IMAGES:
        if mime_type in data:
            line, image = _image(source_text(data[mime_type]), mime_type, name, limits)
            lines.append(line)
            images += [image] if image else []
    if "image/svg+xml" in data and not images:
        size = len(source_text(data["image/svg+xml"]))
        lines.append(f"[image/svg+xml, {shown_size(size)}, not shown: models take no SVG]")
    for mime_type in _TEXTS:
        if mime_type in data:
            text = _bounded(_as_text(data[mime_type], mime_type), limits)
            if text.strip():
                lines.append(f"result:\n{fence(text)}")
                break
    if not lines and data:
        lines.append(f"[an output of type {', '.join(sorted(map(str, data))[:5])}, not shown]")
    return "\n".join(lines), images


def _image(
    encoded: str, mime_type: str, name: str, limits: ContextLimits
) -> tuple[str, Image | None]:
    encoded = "".join(encoded.split())
    size = len(encoded) * 3 // 4 - encoded.count("=")
    what = f"{mime_type}, {shown_size(size)}"
    if size > limits.image_bytes:
        return f"[{name}: {what}, not shown: models take {shown_size(limits.image_bytes)}]", None
    try:
        found = image_type(base64.b64decode(encoded[:64]))
    except (ValueError, binascii.Error):
        found = None
    if found is None:
        return f"[{name}: {what}, not shown: it is damaged]", None
    return f"[{name}: {what}]", Image(name, found, encoded)


def _as_text(value: Any, mime_type: str) -> str:
    if mime_type == "application/json":
        return json.dumps(value, ensure_ascii=False, indent=1)
    text = source_text(value)
    return _without_tags(text) if mime_type == "text/html" else text


class _Words(HTMLParser):
    """Collects the text of HTML, a line for each block and table row."""

    _BLOCKS = frozenset({"br", "div", "h1", "h2", "h3", "h4", "li", "p", "pre", "table", "tr"})

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self._hidden += tag in ("script", "style")
        if tag in self._BLOCKS:
            self.words.append("\n")
        elif tag in ("td", "th"):
            self.words.append("\t")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.words.append(data.strip("\n"))


def _without_tags(html: str) -> str:
    parser = _Words()
    parser.feed(middle_out(html, 200_000))
    parser.close()
    lines = "".join(parser.words).split("\n")
    return "\n".join(line.strip() for line in lines if line.strip())
