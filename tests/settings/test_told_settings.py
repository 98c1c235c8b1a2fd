"""What a server tells its kernels is what the magics read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.magics.settings import operators_values
from jupyter_ai_personas.providers import Endpoint, ProviderSettings
from jupyter_ai_personas.server.kernels import tell_kernels

SECRET = "sk-planted-4711"


def test_all_but_secrets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_AI_PERSONAS_CONFIG", "")
    parameters = {"api_key": SECRET}
    endpoint = Endpoint(
        base_url="http://x/v1", key_variable="X_KEY", models=["a"], name="X", parameters=parameters
    )
    tell_kernels(
        ProviderSettings(
            default_model="x:a",
            aliases={"fast": "x:a"},
            endpoints={"x": endpoint},
            allowed_providers=["x", "openai:*"],
            blocked_providers=["openai:o3"],
            fallbacks=["keyless:repeat"],
            credentials={"X_KEY": SECRET},
            secrets_file=Path("secrets.env"),
            model_parameters={"x": parameters},
            total_timeout=5,
        )
    )
    assert SECRET not in os.environ["JUPYTER_AI_PERSONAS_CONFIG"]
    told = operators_values(os.environ)
    assert told == {
        "default_model": "x:a",
        "model_aliases": {"fast": "x:a"},
        "endpoints": {
            "x": Endpoint(base_url="http://x/v1", key_variable="X_KEY", models=["a"], name="X")
        },
        "allowed_providers": ["x", "openai:*"],
        "blocked_providers": ["openai:o3"],
        "fallback_models": ["keyless:repeat"],
        "first_chunk_timeout": 60,
        "model_timeout": 5,
        "show_reasoning": False,
        "secrets_file": Path.cwd() / "secrets.env",
    }


def test_a_problem_is_told_in_place_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_AI_PERSONAS_CONFIG", "")
    tell_kernels(None, problem="Personas are off.")
    with pytest.raises(ConfigurationError, match="Personas are off"):
        operators_values(os.environ)
