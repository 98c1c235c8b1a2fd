"""`jupyter-ai-jupyternaut`, as published: the default persona of Jupyter AI 3, with LiteLLM."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from support.server import JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer
from packages.jupyternaut import jupyternaut

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,  # LiteLLM has 100 MB
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, model: OpenAIServer
) -> AsyncIterator[JupyterServer]:
    directory = tmp_path_factory.mktemp("jupyternaut")
    options = jupyternaut(directory / "packages", model)
    async with JupyterServer(directory / "server", **options) as server:
        yield server


async def test_jupyternaut_answers_a_mention_with_its_model(
    server: JupyterServer, model: OpenAIServer
) -> None:
    model.answer(Answer(text="Hello from LiteLLM."))
    async with ChatClient(server, f"{uuid4()}.chat", user="Ada") as ada:
        asked = ada.post("@Jupyternaut hello")
        reply = await ada.wait_for_reply(asked, "Jupyternaut")
        assert reply["body"] == "Hello from LiteLLM."
        sender = "jupyter-ai-personas::jupyter_ai_jupyternaut::JupyternautPersona"
        assert reply["sender"] == sender
        assert reply["metadata"]["jupyter_ai_personas"]["state"] == "done"
        assert len(ada.replies(asked)) == 1
    assert "hello" in str(model.requests[-1].json["messages"])


async def test_a_model_of_jupyternaut_s_list_is_chosen_in_the_chat(
    server: JupyterServer, model: OpenAIServer
) -> None:
    async with ChatClient(server, f"{uuid4()}.chat", user="Ada") as ada:
        model.answer(Answer(text="one"))
        await ada.wait_for_reply(ada.post("@Jupyternaut hello"), "Jupyternaut")
        near = ada.post("/model @Jupyternaut gpt-4o-minj")
        await ada.wait_for(lambda me: "gpt-4o-mini" in str(me.replies(near)))


async def test_in_a_worker_process_it_says_what_to_set_and_with_that_it_answers(
    tmp_path: Path, server: JupyterServer, model: OpenAIServer
) -> None:
    here = {"Jupyternaut": "threads", "*": "processes"}
    options = {"extensions": server.extensions, "env": server.env}
    options["pythonpath"] = server.pythonpath
    config = {**server.config, "AiExtension.hosts": "processes"}
    async with JupyterServer(tmp_path, config=config, **options) as elsewhere:
        async with ChatClient(elsewhere, f"{uuid4()}.chat", user="Ada") as ada:
            asked = ada.post("@Jupyternaut hello")
            reply = await ada.wait_for_reply(asked, "Jupyternaut", "failed")
        assert "its code reads `self.config_manager`" in reply["body"]
        assert f"`c.AiExtension.hosts = {json.dumps(here)}`" in reply["body"]
        elsewhere.config["AiExtension.hosts"] = here
        await elsewhere.restart()
        model.answer(Answer(text="Hello from a thread."))
        async with ChatClient(elsewhere, f"{uuid4()}.chat", user="Ada") as ada:
            reply = await ada.wait_for_reply(ada.post("@Jupyternaut hello"), "Jupyternaut")
        assert reply["body"] == "Hello from a thread."
