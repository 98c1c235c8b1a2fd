"""Help on this software, found in its own documentation, which the package contains."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jupyter_ai_personas.chat.markdown import inert
from jupyter_ai_personas.context.answers.questions import content_words
from jupyter_ai_personas.context.answers.quoting import Size, excerpt, link, prose
from jupyter_ai_personas.context.prose import markdown

__all__ = [
    "HelpPassage",
    "anchor",
    "find_help",
    "help_page",
    "help_pages",
    "help_text",
]

FIRST = (
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
"""The pages that most people need, in this order; after them come all others."""

_LESS_A_PAGE = 0.03
"""How much less a section counts for each page that more people need."""

_DIRECTIVE = re.compile(r"^(`{3,})\{([\w-]+)\} *(.*)\n((?:.*\n)*?)\1 *$\n?", re.MULTILINE)
_CONTAINER = re.compile(r"^:{3,}(?:\{.*)?\n", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_GENERATED = frozenset({"eval-rst", "public-names", "settings", "toctree"})
"""Directives that only the site's build can carry out. A page with one is no help page."""

_NO_WORDS = frozenset(
    {"set", "setup", "work", "works", "something", "help", "show", "possible", "put"}
)
"""Words of questions that are all over the documentation."""


@dataclass(frozen=True, slots=True)
class HelpPassage:
    """A section of a page; ``heading`` begins with the page's title."""

    page: str
    heading: str
    text: str


@cache
def help_pages() -> tuple[str, ...]:
    """Return the names of the pages that people are helped with. Blocking."""
    found = {
        file.stem
        for file in _folder().glob("*.md")
        # Figures are no help, and their page has the words of all questions.
        if file.stem != "benchmarks" and not _directives(file.read_text("utf-8")) & _GENERATED
    }
    return (*(page for page in FIRST if page in found), *sorted(found.difference(FIRST)))


def help_page(page: str) -> str:
    """Return a page as plain Markdown, or an empty string if there is none. Blocking."""
    if page not in help_pages():
        return ""
    text = (_folder() / f"{page}.md").read_text("utf-8")
    return _CONTAINER.sub("", _DIRECTIVE.sub(_plain, _FRONT_MATTER.sub("", text)))


def _folder() -> Path:
    package = Path(__file__).parents[2]
    # In a clone, the pages are beside the package.
    installed = package / "docs"
    return installed if installed.is_dir() else package.parent / "docs"


def _directives(text: str) -> set[str]:
    return {found[2] for found in _DIRECTIVE.finditer(text)}


def _plain(directive: re.Match[str]) -> str:
    """Return what a page says here to readers who have not the site."""
    fence, name, argument, body = directive.groups()
    if name == "literalinclude":
        return f"See `{argument.removeprefix('../')}` in the repository.\n"
    return f"{fence}{argument}\n{body}{fence}\n" if name == "code-block" else ""


def find_help(question: str, limit: int = 2) -> list[HelpPassage]:
    """Return the sections that answer a question best. Blocking, for milliseconds."""
    words = [word for word in content_words(question) if word.isalnum() and word not in _NO_WORDS]
    if not words:
        return []
    with closing(sqlite3.connect(":memory:")) as pages:
        pages.execute(
            "create virtual table help using"
            " fts5(page, title, heading, text, number unindexed, tokenize=porter)"
        )
        pages.executemany(
            "insert into help values (?, ?, ?, ?, ?)",
            [
                (page, *_parted(passage.heading), passage.text, min(number, len(FIRST)))
                for number, page in enumerate(help_pages())
                for passage in markdown(help_page(page))
            ],
        )
        wanted = " OR ".join(f'"{word}"' for word in words)
        rows = pages.execute(
            "select page, title || heading, text from help where help match ?"
            " order by bm25(help, 12.0, 8.0, 4.0, 1.0) * (1 - ? * number) limit ?",
            (wanted, _LESS_A_PAGE, limit),
        ).fetchall()
    return [HelpPassage(*row) for row in rows]


def _parted(heading: str) -> tuple[str, str]:
    title, arrow, rest = heading.partition(" › ")
    return title, arrow + rest


def anchor(heading: str) -> str:
    """Return what leads to a section of a page: its title in lower case, with hyphens."""
    title = re.sub(r"[^\w\s-]", "", heading.rpartition(" › ")[2].lower())
    return re.sub(r"\s+", "-", title.strip())


def help_text(question: str, found: Sequence[HelpPassage], base_url: str, size: Size) -> str:
    """Return sections of the documentation as Markdown, each with a link to its page.

    Without a server, whose ``base_url`` is empty then, there are no pages.
    """
    words = content_words(question)
    parts = []
    for passage in found:
        title = inert(passage.heading.replace("@", ""))
        if base_url:  # the server has the pages
            url = f"{base_url}api/ai/help/{passage.page}#{anchor(passage.heading)}"
            title = link(passage.heading, url)
        body = "\n".join(passage.text.strip("\n").split("\n")[1:]).strip("\n")
        body = excerpt(body, words, chars=2 * size.chars, lines=2 * size.lines)
        parts.append(f"**{title}**\n\n{prose(body)}")
    return "\n\n".join(parts)
