"""Help on this software, found in its own documentation, which the package contains."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from jupyter_ai_personas.context.answers.questions import content_words
from jupyter_ai_personas.context.answers.quoting import Size, excerpt, link, prose
from jupyter_ai_personas.context.prose import markdown

__all__ = ["PAGES", "HelpPassage", "anchor", "find_help", "help_page", "help_text"]

PAGES = (
    "start",
    "commands",
    "guide",
    "context",
    "workspace-search",
    "tools",
    "providers",
    "magics",
    "operating",
    "writing-a-persona",
)
"""The pages that people are helped with, those that most need first."""

_NO_WORDS = frozenset({"set", "setup", "work", "works", "something", "help", "show", "possible"})
"""Words of questions that are all over the documentation."""


@dataclass(frozen=True, slots=True)
class HelpPassage:
    """A section of a page; ``heading`` begins with the page's title."""

    page: str
    heading: str
    text: str


def help_page(page: str) -> str:
    """Return a page as Markdown, or an empty string if this installation lacks it. Blocking."""
    if page not in PAGES:
        return ""
    package = Path(__file__).parents[2]
    # In a clone, the pages are beside the package.
    for folder in (package / "docs", package.parent / "docs"):
        try:
            return (folder / f"{page}.md").read_text("utf-8")
        except OSError:
            continue
    return ""


def find_help(question: str, limit: int = 2) -> list[HelpPassage]:
    """Return the sections that answer a question best. Blocking, for milliseconds."""
    words = [word for word in content_words(question) if word.isalnum() and word not in _NO_WORDS]
    if not words:
        return []
    with closing(sqlite3.connect(":memory:")) as pages:
        pages.execute(
            "create virtual table help using"
            " fts5(page, heading, text, number unindexed, tokenize=porter)"
        )
        pages.executemany(
            "insert into help values (?, ?, ?, ?)",
            [
                (page, passage.heading, passage.text, number)
                for number, page in enumerate(PAGES)
                for passage in markdown(help_page(page))
            ],
        )
        wanted = " OR ".join(f'"{word}"' for word in words)
        rows = pages.execute(
            "select page, heading, text from help where help match ?"
            " order by bm25(help, 2.0, 6.0, 1.0) * (1 - 0.03 * number) limit ?",
            (wanted, limit),
        ).fetchall()
    return [HelpPassage(*row) for row in rows]


def anchor(heading: str) -> str:
    """Return what leads to a section of a page: its title in lower case, with hyphens."""
    title = re.sub(r"[^\w\s-]", "", heading.rpartition(" › ")[2].lower())
    return re.sub(r"\s+", "-", title.strip())


def help_text(question: str, found: Sequence[HelpPassage], base_url: str, size: Size) -> str:
    """Return sections of the documentation as Markdown, each with a link to its page."""
    words = content_words(question)
    parts = []
    for passage in found:
        url = f"{base_url or '/'}api/ai/help/{passage.page}#{anchor(passage.heading)}"
        body = "\n".join(passage.text.strip("\n").split("\n")[1:]).strip("\n")
        body = excerpt(body, words, chars=2 * size.chars, lines=2 * size.lines)
        parts.append(f"**{link(passage.heading, url)}**\n\n{prose(body)}")
    return "\n\n".join(parts)
