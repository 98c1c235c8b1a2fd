"""``approvals``: open approvals of tool calls, by REST and on a page."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.web import HTTPError

from jupyter_ai_personas.errors import ApprovalError, MayNotDecideError, PersonasError
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.server.handlers.base import BaseHandler

__all__ = ["ApprovalHandler", "ApprovalsHandler"]

FORM = "application/x-www-form-urlencoded"


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
        from jupyter_ai_personas.server.approval_page import question

        approval, user = self.runtime.approvals.get(approval_id), self.current_user
        asked = question(
            approval,
            user.username,
            user.display_name or user.name or user.username,
            address=self.request.path,
            xsrf=self.xsrf_token.decode(),
        )
        self._show("A persona asks for your approval", asked)

    @web.authenticated
    @authorized
    async def post(self, approval_id: str) -> None:
        """Take ``{"decision", "scope", "reason"}``; answer ``{"status", "by"}``, or a page."""
        from jupyter_ai_personas.runtime import Decision

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

    def _show(self, title: str, body: str) -> None:
        from jupyter_ai_personas.server.approval_page import page

        self.set_header("Cache-Control", "no-store")
        self.finish(page(title, body), set_content_type="text/html; charset=UTF-8")

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
