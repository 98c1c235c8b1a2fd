"""Build a model of the provider that an extra brings: ``python construct.py EXTRA``.

Without an argument, the extras are printed.

Run by ``make test-oldest`` in an environment that has the lowest versions of what the extra names,
and nothing else: so it uses no test tools. No network is needed.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module

MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "azure": "a-deployment",
    "bedrock": "anthropic.claude-3-haiku-20240307-v1:0",
    "google": "gemini-2.5-flash",
    "groq": "llama-3.3-70b-versatile",
    "huggingface": "openai/gpt-oss-20b",
    "mistral": "mistral-small-latest",
    "ollama": "llama3.2",
    "openai": "gpt-4o",
    "openrouter": "openai/gpt-4o",
}
VARIABLES = {
    "ANTHROPIC_API_KEY": "x",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AZURE_OPENAI_API_KEY": "x",
    "AZURE_OPENAI_ENDPOINT": "https://localhost:1",
    "GOOGLE_API_KEY": "x",
    "GROQ_API_KEY": "x",
    "HF_TOKEN": "hf_x",
    "MISTRAL_API_KEY": "x",
    "OPENAI_API_KEY": "x",
    "OPENROUTER_API_KEY": "x",
}


def main(extra: str) -> None:
    """Import what every server imports, then build the model."""
    for module in ("server", "chat.document", "cli.doctor"):
        import_module(f"jupyter_ai_personas.{module}")
    from jupyter_ai_personas.providers import (
        Endpoint,
        ModelReference,
        ModelRegistry,
        ProviderSettings,
    )

    os.environ.update(VARIABLES)
    endpoint = Endpoint(base_url="http://localhost:1/v1", models=("small",))
    log = logging.getLogger("ranges")
    registry = ModelRegistry(ProviderSettings(endpoints={"gateway": endpoint}), log=log)
    registry.load()
    references = [ModelReference(extra, MODELS[extra])]
    if extra == "openai":
        references.append(ModelReference("gateway", "small"))
    for reference in references:
        print(reference, type(registry.build(reference)).__mro__[1].__name__)


if __name__ == "__main__":
    if sys.argv[1:]:
        main(sys.argv[1])
    else:
        print(*MODELS)
