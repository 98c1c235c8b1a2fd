"""``GET help/<page>``: a page of the documentation that the package contains."""

from __future__ import annotations

from html import escape
from itertools import pairwise

import anyio.to_thread
from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.server.handlers.base import BaseHandler

__all__ = ["HelpHandler"]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{max-width: 50rem; margin: 2rem auto; padding: 0 1rem; font-family: sans-serif;
line-height: 1.5}} table {{border-collapse: collapse}} td, th {{border: 1px solid #ccc;
padding: .2rem .5rem; vertical-align: top}} pre {{background: #f5f5f5; padding: .5rem;
overflow: auto}}</style></head>
<body>{body}</body></html>
"""


class HelpHandler(BaseHandler):
    """Serves the pages that answers of Guide link to."""

    @web.authenticated
    @authorized
    async def get(self, page: str) -> None:
        """Answer the page as HTML; each heading has its anchor."""
        from jupyter_ai_personas.context.answers.product_help import help_page

        text = await anyio.to_thread.run_sync(help_page, page)
        if not text:
            raise HTTPError(404, "There is no such page of the documentation.")
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        body = await anyio.to_thread.run_sync(_html, text)
        answer = _PAGE.format(title=escape(page), body=body)
        self.finish(answer, set_content_type="text/html; charset=UTF-8")


def _html(text: str) -> str:
    """Return Markdown as HTML; links to other pages lead to those served here, if they are."""
    from markdown_it import MarkdownIt

    from jupyter_ai_personas.context.answers.product_help import anchor

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor(inline.content))
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", _target(str(child.attrGet("href") or "")))
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _target(url: str) -> str:
    from jupyter_ai_personas.context.answers.product_help import help_pages

    page, mark, fragment = url.partition("#")
    if "://" in url or not page:
        return url
    name = page.removesuffix(".md")
    return f"{name}{mark}{fragment}" if name in help_pages() else ""
