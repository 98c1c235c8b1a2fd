"""Guide without a model on a real server: index, open documents, links and help pages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = pytest.mark.server

EXAMPLE = Path(__file__).parents[2] / "examples" / "workspace"
WAIT = 90.0
"""Seconds until the index has a file: a process of low priority starts and builds it."""


async def until_indexed(server: JupyterServer, query: str, path: str) -> None:
    """Wait until a search finds ``path`` first."""
    told: Any = None
    with anyio.move_on_after(WAIT):
        while True:
            response = await server.request("GET", "/api/ai/search", params={"q": query})
            told = response.json()
            if response.status_code == 200 and [r["path"] for r in told["results"]][:1] == [path]:
                return
            await anyio.sleep(0.05)
    raise AssertionError(told)


async def test_the_example_workspace_is_answered_from_without_a_key(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "server-0" / "root")
    (tmp_path / "server-0" / "root" / ".env").write_text("STORM=the fourth day is low")
    server = await start_server(config={"AiExtension.workspace_search": True})
    await until_indexed(server, "why is the fourth day so low?", "field-notes.md")
    async with ChatClient(server, "welcome.chat", "Ada") as ada:
        reply = await ada.wait_for_reply(ada.post("@Guide why is the fourth day so low?"), "Guide")
        assert "(/lab/tree/field-notes.md#line=10)" in reply["body"]
        assert "> A thunderstorm began at half past eleven." in reply["body"]
        assert "STORM" not in reply["body"]
        (help_url,) = re.findall(r"\[How to set one up\]\((.*?)#give-it-a-model\)", reply["body"])

        reply = await ada.wait_for_reply(ada.post("@Guide what is in this folder?"), "Guide")
        assert "[hive.py](/lab/tree/hive.py): Counts of bees" in reply["body"]
        reply = await ada.wait_for_reply(
            ada.post("@Guide which errors does honey/Honey yield.ipynb show?"), "Guide"
        )
        assert "raised `KeyError: 'kilograms'` in its line 3" in reply["body"]

        # Asked again, the question and the first answer are in the index: neither is quoted.
        await until_indexed(server, "thunderstorm began", "field-notes.md")
        again = await ada.wait_for_reply(ada.post("@Guide why is the fourth day so low?"), "Guide")
        assert "welcome.chat" not in re.sub(r"^> .*$", "", again["body"], flags=re.MULTILINE)
        assert "why is the fourth day so low?" not in again["body"]

    page = await server.request("GET", help_url)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'id="give-it-a-model"' in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    linked = re.findall(r'href="([a-z-]+)(?:#[^"]*)?"', page.text)
    assert {"commands", "guide"} <= set(linked)
    for name in set(linked):
        assert (await server.request("GET", f"/api/ai/help/{name}")).status_code == 200
    assert (await server.request("GET", "/api/ai/help/nowhere")).status_code == 404

    status, answer = await server.post(
        "/api/ai/message/Guide", json={"message": "where is without_day defined?"}
    )
    assert status == 200
    assert "(/lab/tree/hive.py#line=6)" in answer["response"]
    assert not server.lines("Traceback")


async def test_it_answers_by_its_former_name_and_without_search(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "server-0" / "root")
    server = await start_server(
        config={
            "AiExtension.allowed_providers": ["keyless"],
            "AiExtension.default_model": "keyless:repeat",
        }
    )
    status, answer = await server.post(
        "/api/ai/message/Guide", json={"message": "what is in this folder?"}
    )
    assert status == 200
    assert "[README.md](/lab/tree/README.md)" in answer["response"]
    assert "No model is set up" in answer["response"]
