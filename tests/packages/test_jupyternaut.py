"""`jupyter-ai-jupyternaut`, as published: the default persona of Jupyter AI 3, with LiteLLM."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import pytest_asyncio
from support.published import installed
from support.server import DEFAULT_EXTENSIONS, JupyterServer
from support.yclient import ChatClient

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,  # LiteLLM has 100 MB
    pytest.mark.asyncio(loop_scope="module"),
]

PACKAGES = (
    *("jupyter-ai-jupyternaut==0.1.0", "jupyterlab-commands-toolkit>=0.3,<0.4", "deepmerge>=2"),
    *("langchain>=1.5,<1.6", "langchain-litellm>=0.11,<0.12", "litellm>=1.110,<2"),
    *("langgraph>=1.2,<1.3", "langgraph-checkpoint>=4,<5", "langgraph-prebuilt>=1.1,<1.2"),
    *("langgraph-sdk>=0.4,<0.5", "ormsgpack>=1.13", "fastuuid>=0.14"),
    *("h2>=4", "hpack>=4", "hyperframe>=6"),
)


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, model: OpenAIServer
) -> AsyncIterator[JupyterServer]:
    directory = tmp_path_factory.mktemp("jupyternaut")
    server = JupyterServer(
        directory / "server",
        extensions=(*DEFAULT_EXTENSIONS, "jupyter_ai_jupyternaut"),
        pythonpath=[installed(directory / "packages", *PACKAGES)],
        config={
            "JupyternautExtension.initial_language_model": "openai/fake",
            "JupyternautExtension.model_parameters": {
                "openai/fake": {"api_base": f"{model.url}", "api_key": "none"}
            },
        },
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    async with server:
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
