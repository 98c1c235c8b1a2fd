"""The environment of Jupyternaut as published, with a model behind LiteLLM that a test fakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.published import installed
from support.server import DEFAULT_EXTENSIONS

from jupyter_ai_personas.testing.openai_server import OpenAIServer

PACKAGES = (
    *("jupyter-ai-jupyternaut==0.1.0", "jupyterlab-commands-toolkit>=0.3,<0.4", "deepmerge>=2"),
    *("langchain>=1.5,<1.6", "langchain-litellm>=0.11,<0.12", "litellm>=1.110,<2"),
    *("langgraph>=1.2,<1.3", "langgraph-checkpoint>=4,<5", "langgraph-prebuilt>=1.1,<1.2"),
    *("langgraph-sdk>=0.4,<0.5", "ormsgpack>=1.13", "fastuuid>=0.14"),
    *("h2>=4", "hpack>=4", "hyperframe>=6"),
)


def jupyternaut(folder: Path, model: OpenAIServer) -> dict[str, Any]:
    """Install Jupyternaut into `folder`; return the arguments of a server on which it answers."""
    return {
        "extensions": (*DEFAULT_EXTENSIONS, "jupyter_ai_jupyternaut"),
        "pythonpath": [installed(folder, *PACKAGES)],
        "config": {
            "JupyternautExtension.initial_language_model": "openai/fake",
            "JupyternautExtension.model_parameters": {
                "openai/fake": {"api_base": model.url, "api_key": "none"}
            },
        },
        "env": {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    }
