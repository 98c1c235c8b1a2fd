"""What providers see of the server that they run in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.plugin import make_plugin
from support.server import JupyterServer

StartServer = Callable[..., Coroutine[Any, Any, JupyterServer]]

pytestmark = pytest.mark.server

PROVIDER = """
from jupyter_ai_personas import BaseProvider
from langchain_core.language_models import FakeListChatModel

class Curious(BaseProvider, FakeListChatModel):
    id = "curious"
    name = "Curious"
    models = ["one"]

    def __init__(self, **kwargs):
        settings = self.server_settings
        said = f"{type(settings).__name__} {settings['base_url']}"
        super().__init__(**{**kwargs, "responses": [said]})
"""


async def test_a_provider_sees_the_settings_of_the_web_application(
    start_server: StartServer, tmp_path: Path
) -> None:
    plugin = make_plugin(
        tmp_path / "plugin",
        "curious",
        {"__init__.py": PROVIDER},
        {"jupyter_ai.model_providers": {"curious": "curious:Curious"}},
    )
    server = await start_server(
        pythonpath=[plugin], config={"AiExtension.default_model": "curious:one"}
    )
    status, answer = await server.post("/api/ai/message/Guide", json={"message": "Where?"})
    assert status == 200
    # The first reply tells that this model takes none of the tools.
    assert answer["response"].endswith("mappingproxy /")
