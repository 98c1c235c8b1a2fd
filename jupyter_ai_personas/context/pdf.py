"""The text of PDF files for a model."""

from __future__ import annotations

import logging
import time
from typing import BinaryIO

from jupyter_ai_personas.context.bounds import ContextLimits
from jupyter_ai_personas.context.rendered import Rendered
from jupyter_ai_personas.redaction import for_people

__all__ = ["render_pdf"]

_SECONDS = 20.0
"""How long pages are read; a page that has begun is read to its end."""


def render_pdf(file: BinaryIO, *, title: str, limits: ContextLimits) -> Rendered:
    """Return the text of a PDF's first pages; needs the package ``pypdf``."""
    try:
        import pypdf
    except ImportError:
        return Rendered(
            title,
            problem="PDF files need a package: run `pip install 'jupyter_ai_personas[pdf]'` and "
            "restart the server.",
        )
    # It warns of each small fault of a file; what matters is raised.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            return Rendered(title, problem="it is protected by a password.")
        total = len(reader.pages)
        texts, number, chars, end = [], 0, 0, time.monotonic() + _SECONDS
        while number < min(total, limits.pages) and chars < limits.chars:
            if number and time.monotonic() > end:
                break
            page = reader.pages[number].extract_text()[: limits.chars - chars]
            number += 1
            chars += len(page)
            if page.strip():
                texts.append(f"[page {number}]\n{page.strip()}")
    except Exception as error:  # a file may be damaged in any way; the library raises anything
        reason = for_people(str(error).partition("\n")[0][:200]) or type(error).__name__
        return Rendered(title, problem=f"it is no PDF that can be read: {reason}")
    if not texts:
        return Rendered(title, problem="its pages have no text; they may be scanned images.")
    pages = "1 page" if total == 1 else f"{total} pages"
    about = pages if number == total else f"first {number} of {total:,} pages"
    if chars >= limits.chars:
        about += f", first {limits.chars:,} characters"
    return Rendered(title, f"{title} ({about}):\n\n" + "\n\n".join(texts))
