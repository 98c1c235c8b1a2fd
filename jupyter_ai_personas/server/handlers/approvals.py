"""``approvals``: open approvals of tool calls, by REST and on a page."""

from __future__ import annotations

import json
import time
from html import escape
from typing import Any

from jupyter_server.auth.decorator import authorized
from markdown_it import MarkdownIt
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.errors import ApprovalError, MayNotDecideError, PersonasError
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.runtime import Approval, Decision, may_decide
from jupyter_ai_personas.server.handlers.base import BaseHandler

__all__ = ["ApprovalHandler", "ApprovalsHandler"]

FORM = "application/x-www-form-urlencoded"
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
<p>You are {user}. Who may decide: {who}. Until {until}.</p>
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


class ApprovalsHandler(BaseHandler):
    """Lists the open approvals."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"approvals": [...]}``, with ``?chat_path=`` those of one chat."""
        path = self.get_query_argument("chat_path", None)
        found = [
            approval.as_json()
            for approval in self.runtime.approvals.open()
            if path is None or approval.chat_path.strip("/") == path.strip("/")
        ]
        self.finish(json.dumps({"approvals": found}))


class ApprovalHandler(BaseHandler):
    """Shows one approval on a page, and takes the decision, as JSON or from the page's form."""

    @property
    def content_security_policy(self) -> str:
        """The page has a style and a form, no script, and is shown in no frame."""
        return (
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        )

    @property
    def _is_form(self) -> bool:
        # Clients such as curl name a form if they are told nothing else; no form begins so.
        if self.request.body.lstrip().startswith(b"{"):
            return False
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip() == FORM

    @web.authenticated
    @authorized
    async def get(self, approval_id: str) -> None:
        """Answer an HTML page on which people approve or deny."""
        approval = self.runtime.approvals.get(approval_id)
        self._show("A persona asks for your approval", self._form(approval))

    @web.authenticated
    @authorized
    async def post(self, approval_id: str) -> None:
        """Take ``{"decision", "scope", "reason"}``; answer ``{"status", "by"}``, or a page."""
        given = self._form_body() if self._is_form else self.json_body()
        decision, scope = given.get("decision"), given.get("scope", "once")
        reason = given.get("reason") or ""
        if decision not in ("approve", "deny"):
            raise HTTPError(400, "`decision` must be `approve` or `deny`.")
        if scope not in ("once", "chat"):
            raise HTTPError(400, "`scope` must be `once` or `chat`.")
        if not isinstance(reason, str):
            raise HTTPError(400, "`reason` must be a string.")
        user = self.current_user
        decided = await self.runtime.approvals.decide(
            approval_id,
            Decision(
                "approved" if decision == "approve" else "denied",
                user.username,
                user.display_name or user.name or "",
                reason,
                scope,
            ),
            proven=True,
        )
        if self._is_form:
            what = "Approved" if decided.approved else "Denied"
            self._show(what, "<p>The persona goes on in the chat. You can close this page.</p>")
        else:
            self.finish(json.dumps({"status": decided.status, "by": decided.by}))

    def _form_body(self) -> dict[str, Any]:
        names = ("decision", "scope", "reason")
        found = {name: self.get_body_argument(name, None) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def _form(self, approval: Approval) -> str:
        user = self.current_user
        asked = _ASKED.format(
            text=_rendered(approval.text),
            user=escape(user.display_name or user.name or user.username),
            who=escape(", ".join(approval.approvers) or "nobody"),
            until=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(approval.expires)),
        )
        if not may_decide(approval, user.username, proven=True):
            return f"{asked}<p>You may not decide this.</p>"
        return asked + _FORM.format(
            action=escape(self.request.path), xsrf=escape(self.xsrf_token.decode())
        )

    def _show(self, title: str, body: str) -> None:
        self.set_header("Cache-Control", "no-store")
        page = _PAGE.format(title=escape(title), body=body)
        self.finish(page, set_content_type="text/html; charset=UTF-8")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a page where people see it, else as the other routes do."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        wants_page = self._is_form or "text/html" in self.request.headers.get("Accept", "")
        if isinstance(error, PersonasError) and wants_page:
            self.set_status(self.status_of(error))
            title = "This failed"
            if isinstance(error, MayNotDecideError):
                title = "You may not decide this"
            elif isinstance(error, ApprovalError):
                title = "Nothing to decide"
            self._show(title, f"<p>{escape(for_people(str(error)))}</p>")
        else:
            super().write_error(status_code, **kwargs)
