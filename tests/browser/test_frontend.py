"""The labextension in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage
from support.browser import Join
from support.server import JupyterServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

EXPOSED = {"LabApp.expose_app_in_browser": True}


async def test_it_loads_and_complains_of_nothing(start_server: StartServer, join: Join) -> None:
    server = await start_server(lab=True, config=EXPOSED)
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        said.append(f"{message.type}: {message.text}")

    [ada] = await join("Ada", path="a.chat", server=server)
    ada.page.on("console", note)
    await ada.open()
    assert await ada.page.evaluate(
        "window.jupyterapp.isPluginActivated('jupyter-ai-personas:personas')"
    )
    await ada.screenshot("frontend")
    assert [line for line in said if "personas" in line.lower()] == []
