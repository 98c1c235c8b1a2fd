"""Deciding by REST and on the page, in a real server: statuses, XSRF, users, events, metrics."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import pytest_asyncio
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]

SOURCE = """
import json

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Plotter(BasePersona):
    defaults = PersonaDefaults(name="Plotter")

    async def process_message(self, message):
        tool = {"name": "Plotter.plot", "description": "Plots."}
        await self.turn.request("tool.announce", {"tools": [tool]})
        what = message.body.partition(" ")[2]
        call = {"call": "1", "tool": "Plotter.plot", "arguments": {"what": what}}
        answer = await self.turn.request("tool.call", call)
        if answer == {"run": True}:
            answer = {"result": {"plotted": what}}
            await self.turn.request("tool.result", {"call": "1", **answer, "seconds": 0.5})
        self.send_message(json.dumps(answer["result"]))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterServer]:
    packages = tmp_path_factory.mktemp("packages")
    entry_points = {"jupyter_ai.personas": {"plotter": "plotting:Plotter"}}
    package = make_plugin(packages, "plotting", {"__init__.py": SOURCE}, entry_points)
    async with JupyterServer(tmp_path_factory.mktemp("server"), pythonpath=[package]) as server:
        yield server


async def open_approvals(server: JupyterServer, path: str) -> list[dict[str, Any]]:
    response = await server.request("GET", "/api/ai/approvals", params={"chat_path": path})
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()["approvals"]
    return found


async def asked(server: JupyterServer, me: ChatClient, path: str, what: str = "x") -> Any:
    """Ask Plotter; return the message's id and the approval that is open then."""
    message_id = me.post(f"@Plotter {what}")
    await me.wait_for(
        lambda client: any(
            "approval" in ((m.get("metadata") or {}).get("jupyter_ai_personas") or {})
            and "decision" not in m["metadata"]["jupyter_ai_personas"]
            for m in client.messages()
        )
    )
    [approval] = await open_approvals(server, path)
    return message_id, approval


async def test_an_approval_is_listed_decided_and_then_decided_already(
    server: JupyterServer,
) -> None:
    server.create_chat("list.chat", {})
    async with ChatClient(server, "list.chat", "Ada") as me:
        message_id, approval = await asked(server, me, "list.chat")
        assert approval["chat_path"] == "list.chat"
        assert approval["tool"] == "Plotter.plot"
        assert approval["arguments"] == {"what": "x"}
        assert approval["asked_by"] == me.user.username
        assert approval["may_decide"] == ["anyone"]
        assert await open_approvals(server, "other.chat") == []
        route = f"/api/ai/approvals/{approval['id']}"
        for wrong in ({}, {"decision": "yes"}, {"decision": "approve", "scope": "all"},
                      {"decision": "deny", "reason": 3}):  # fmt: skip
            assert (await server.request("POST", route, json=wrong)).status_code == 400
        # As `curl -d` sends it, which names a form.
        curl = {"Content-Type": "application/x-www-form-urlencoded"}
        body = '{"decision": "approve"}'
        response = await server.request("POST", route, content=body, headers=curl)
        assert response.status_code == 200
        assert response.json()["status"] == "approved"
        assert response.json()["by"]
        reply = await me.wait_for_reply(message_id)
        assert json.loads(reply["body"]) == {"plotted": "x"}
        response = await server.request("POST", route, json={"decision": "deny"})
        assert response.status_code == 409
        assert set(response.json()) == {"message"}
        assert (
            await server.request("POST", f"{route}0", json={"decision": "deny"})
        ).status_code == 404
        assert (await server.request("GET", route)).status_code == 409


def browser(server: JupyterServer) -> httpx.AsyncClient:
    """Return somebody with a cookie, as a browser is."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", follow_redirects=True)


async def test_the_page_needs_no_script_and_its_form_decides(server: JupyterServer) -> None:
    server.create_chat("page.chat", {})
    async with ChatClient(server, "page.chat", "Ada") as me, browser(server) as tab:
        message_id, approval = await asked(server, me, "page.chat", "<script>alert(1)</script>")
        link = f"/api/ai/approvals/{approval['id']}"
        shown = next(m for m in me.messages() if m["id"] == approval["id"])
        assert f"]({link})" in shown["body"]
        await tab.get("/api/me", params={"token": server.token})  # the login cookie
        page = await tab.get(link)
        assert page.status_code == 200
        assert page.headers["Content-Type"].startswith("text/html")
        assert "<script" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert token is not None
        form = {"decision": "deny", "reason": "not <b>now</b>"}
        # Another site's form does not know the token.
        refused = await tab.post(link, data=form)
        assert refused.status_code == 403
        assert len(await open_approvals(server, "page.chat")) == 1
        decided = await tab.post(link, data={**form, "_xsrf": token[1]})
        assert decided.status_code == 200
        assert "Denied" in decided.text
        who = (await tab.get("/api/me")).json()["identity"]["display_name"]
        reply = await me.wait_for_reply(message_id)
        assert json.loads(reply["body"])["error"] == f"{who} denied this. not <b>now</b>"
        late = await tab.post(link, data={**form, "_xsrf": token[1]})
        assert late.status_code == 409
        assert late.headers["Content-Type"].startswith("text/html")


async def test_a_deleted_chat_closes_what_it_asked_and_a_renamed_one_keeps_it(
    server: JupyterServer,
) -> None:
    server.create_chat("old.chat", {})
    async with ChatClient(server, "old.chat", "Ada") as me:
        message_id, approval = await asked(server, me, "old.chat")
        renamed = await server.request("PATCH", "/api/contents/old.chat", json={"path": "new.chat"})
        assert renamed.status_code == 200
        with anyio.fail_after(30):
            while not (found := await open_approvals(server, "new.chat")):
                await anyio.lowlevel.checkpoint()
        assert found[0]["id"] == approval["id"]
        await server.request("DELETE", "/api/contents/new.chat")
        reply = await me.wait_for_reply(message_id)
        assert "The chat was deleted" in reply["body"]


async def test_one_turn_is_cancelled_and_runs_again(server: JupyterServer) -> None:
    server.create_chat("turn.chat", {})
    async with ChatClient(server, "turn.chat", "Ada") as me:
        message_id, _ = await asked(server, me, "turn.chat")
        asking = next(m for m in me.messages() if "approval" in str(m.get("metadata")))
        turn = asking["metadata"]["jupyter_ai_personas"]["turn"]
        early = await server.request("POST", f"/api/ai/turns/{turn}/retry")
        assert early.status_code == 409
        response = await server.request("POST", f"/api/ai/turns/{turn}/cancel")
        assert (response.status_code, response.json()) == (200, {"status": "cancelled"})
        await me.wait_for_reply(message_id, state="stopped")
        assert await open_approvals(server, "turn.chat") == []
        again = await server.request("POST", f"/api/ai/turns/{turn}/cancel")
        assert again.status_code == 409
        response = await server.request("POST", f"/api/ai/turns/{turn}/retry")
        assert response.status_code == 200
        assert response.json()["status"] == "accepted"
        new = response.json()["turn"]
        assert new != turn
        response = await server.request("POST", f"/api/ai/turns/{new}/cancel")
        assert response.status_code == 200
        for what in ("cancel", "retry"):
            assert (await server.request("POST", f"/api/ai/turns/none/{what}")).status_code == 404


async def test_operators_see_calls_and_approvals(server: JupyterServer) -> None:
    server.create_chat("seen.chat", {})
    async with ChatClient(server, "seen.chat", "Ada") as me:
        message_id, approval = await asked(server, me, "seen.chat")
        await server.request(
            "POST", f"/api/ai/approvals/{approval['id']}", json={"decision": "approve"}
        )
        await me.wait_for_reply(message_id)
        text = (await server.request("GET", "/metrics")).text
        assert 'jupyter_ai_personas_tool_calls_total{outcome="done",tool="Plotter.plot"}' in text
        assert 'jupyter_ai_personas_approvals_total{by="person",decision="approved"}' in text
        assert "jupyter_ai_personas_turns_waiting 0" in text
    assert not server.lines("could not be emitted")


async def test_the_page_gives_no_buttons_to_who_may_not_decide(tmp_path: Path) -> None:
    entry_points = {"jupyter_ai.personas": {"plotter": "plotting:Plotter"}}
    package = make_plugin(tmp_path, "plotting", {"__init__.py": SOURCE}, entry_points)
    config = {"AiExtension.approvers": ["somebody"]}
    server = JupyterServer(tmp_path / "s", config=config, pythonpath=[package])
    async with server, ChatClient(server, "a.chat", "Ada") as me, browser(server) as tab:
        _, approval = await asked(server, me, "a.chat")
        link = f"/api/ai/approvals/{approval['id']}"
        await tab.get("/api/me", params={"token": server.token})
        await tab.get("/nowhere")  # any page sets the cookie of the XSRF check
        page = await tab.get(link)
        assert page.status_code == 200
        assert "You may not decide this." in page.text
        assert "<button" not in page.text
        form = {"decision": "approve", "_xsrf": tab.cookies["_xsrf"]}
        refused = await tab.post(link, data=form)
        assert refused.status_code == 403
        assert "You may not decide this" in refused.text
        answer = await server.request("POST", link, json={"decision": "approve"})
        assert answer.status_code == 403
        assert set(answer.json()) == {"message"}
        assert len(await open_approvals(server, "a.chat")) == 1
