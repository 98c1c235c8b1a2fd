"""The page on which people decide about a call of a tool."""

from __future__ import annotations

import time
from html import escape

from markdown_it import MarkdownIt

from jupyter_ai_personas.runtime import Approval, may_decide
from jupyter_ai_personas.runtime.wording import duration

__all__ = ["page", "question"]

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ font-family: system-ui, sans-serif; line-height: 1.5; max-width: 50rem; margin: 2rem auto;
padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }}
code {{ background: #8882; border-radius: 3px; padding: .1rem .3rem; }}
pre {{ background: #8882; border-radius: 6px; padding: 1rem; overflow: auto; max-height: 60vh; }}
pre code {{ background: none; padding: 0; }}
.added {{ background: #3a35; }}
.removed {{ background: #c335; }}
button {{ font: inherit; padding: .4rem 1.2rem; margin-right: .5rem; border-radius: 6px;
border: 1px solid #8888; cursor: pointer; }}
button[value=approve] {{ background: #1976d2; color: white; }}
input[type=text] {{ font: inherit; width: 100%; box-sizing: border-box; padding: .3rem; }}
</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""
_ASKED = """{text}
<p>You are {user}. Who may decide: {who}, for another {left}.</p>
"""
_FORM = """<form method="post" action="{action}">
<input type="hidden" name="_xsrf" value="{xsrf}">
<p><label><input type="checkbox" name="scope" value="chat">
Allow this tool for this persona in this chat from now on</label></p>
<p><label>Reason, for a denial: <input type="text" name="reason" maxlength="1000"></label></p>
<button type="submit" name="decision" value="approve">Approve</button>
<button type="submit" name="decision" value="deny">Deny</button>
</form>"""


def _highlighted(text: str, language: str, attributes: str) -> str:
    """Return the inside of a code block: lines of a diff with their colours."""
    if language != "diff":
        return escape(text)
    kinds = {"+": "added", "-": "removed"}
    lines = text.splitlines(keepends=True)
    return "".join(
        f'<span class="{kinds[line[0]]}">{escape(line)}</span>'
        if line[:1] in kinds
        else escape(line)
        for line in lines
    )


# No markup of others has an effect, whatever comes through: no HTML, links or images.
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "highlight": _highlighted}).disable(
    ["link", "image", "autolink", "html_block", "html_inline", "reference"]
)


def _rendered(text: str) -> str:
    """Return the message that asks people as HTML."""
    return str(_MARKDOWN.render(text))


def question(approval: Approval, username: str, shown_name: str, *, address: str, xsrf: str) -> str:
    """Return what a user is asked, with a form that posts to ``address``, if they may decide."""
    asked = _ASKED.format(
        text=_rendered(approval.text),
        user=escape(shown_name),
        who=escape(", ".join(approval.approvers) or "nobody"),
        left=duration(approval.expires - time.time()),
    )
    if not may_decide(approval, username, proven=True):
        return f"{asked}<p>You may not decide this.</p>"
    return asked + _FORM.format(action=escape(address), xsrf=escape(xsrf))


def page(title: str, body: str) -> str:
    """Return a whole page; ``body`` is HTML."""
    return _PAGE.format(title=escape(title), body=body)
