"""The text of a Markdown body in which a mention counts: no code, quotes, comments or escapes."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

__all__ = ["SIGNS", "has_sign", "visible_text"]

SIGNS = "@\uff20\ufe6b"
"""The characters that begin a mention: the commercial at, full-width and small as well."""

# Without any of these, nothing is hidden, and nothing need be parsed.
_BLOCKS = ("`", "<", ">", "\\", "\t", "~~~", "    ")
_SPANS = re.compile(r"[`<\\]")

# An unclosed comment hides the rest, as in a browser.
_MARKUP = re.compile(r"<!--.*?(?:-->|\Z)|<[^<>]*>", re.DOTALL)

_IRRELEVANT = [
    # Core rules: paragraphs are parsed one by one, and only if they can hold a mention.
    *("inline", "linkify", "replacements", "smartquotes", "text_join"),
    # Block and inline rules that hide nothing.
    *("heading", "hr", "lheading", "reference", "newline"),
    *(
        "autolink",
        "backticks",
        "emphasis",
        "entity",
        "image",
        "link",
        "balance_pairs",
        "fragments_join",
    ),
]

_PIECE = re.compile(r"[^`<\\]+|(`+)")
_BACKTICKS = re.compile("`+")


def _text(state: StateInline, silent: bool) -> bool:
    """The inline rule for text and code spans, which stops only where another rule begins.

    The library's rules look at each character, and make a token of each span.
    """
    source, starts, parts = state.src, state.env, list[str]()
    while (found := _PIECE.match(source, state.pos)) is not None:
        piece, backticks = found.group(0, 1)
        state.pos = found.end()
        if backticks:
            if not starts:  # of each run of backticks
                for run in _BACKTICKS.finditer(source):
                    starts.setdefault(run[0], []).append(run.start())
            same = starts.get(backticks, [])
            closing = bisect(same, found.start())
            if closing < len(same):
                piece, state.pos = "`", same[closing] + len(backticks)
        parts.append(piece)
    if parts:
        state.push("text", "", 0).content = "".join(parts)
    return bool(parts)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").disable(_IRRELEVANT)
    parser.inline.ruler.at("text", _text)
    return parser


def has_sign(text: str) -> bool:
    """Return whether ``text`` has one of :data:`SIGNS`."""
    return any(sign in text for sign in SIGNS)  # a pattern takes ten times as long


def visible_text(body: str) -> Iterator[str]:
    """Yield those texts of ``body`` that can hold a mention, in order.

    A code span is left as one backtick, an HTML tag as ``<``, and an escaped character keeps its
    backslash if it is one of :data:`SIGNS`. Time is linear in the length of ``body``.
    """
    if not has_sign(body):
        return
    if not any(mark in body for mark in _BLOCKS):
        yield body
        return
    quotes = 0
    lines: list[str] = []
    # The parser looks at the end of the last line, too.
    for token in _parser().parse(f"{body}\n"):
        if token.type in ("blockquote_open", "blockquote_close"):
            quotes += token.nesting
            lines = lines or re.split(r"\r\n?|\n", body)
        elif token.type == "inline":
            text = _unquoted(token, lines) if quotes else token.content
            if has_sign(text):
                yield _without_code(text)
        elif token.type == "html_block" and not quotes:
            yield _MARKUP.sub("<", token.content)


def _unquoted(paragraph: Token, lines: Sequence[str]) -> str:
    """Return the lines of a quoted paragraph that have no quote mark of their own.

    Markdown counts them to the quote, but they are the answer of a person who left out the blank
    line before it.
    """
    first = paragraph.map[0] if paragraph.map else 0
    own = [
        line
        for number, line in enumerate(paragraph.content.split("\n"))
        # The mark of the first line may follow that of a list item.
        if number and not lines[first + number].lstrip().startswith(">")
    ]
    return "\n".join(own)


def _without_code(text: str) -> str:
    if not _SPANS.search(text):
        return text
    parser, tokens = _parser(), list[Token]()
    parser.inline.parse(text, parser, {}, tokens)
    return "".join(map(_shown, tokens))


def _shown(token: Token) -> str:
    if token.type == "text":
        return token.content
    if token.type == "text_special":
        return f"\\{token.content}" if token.content in SIGNS else token.content
    if token.type == "hardbreak":
        return "\n"
    return "<"
