from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from jupyter_ai_personas.errors import (
    MissingCredentialsError,
    ModelFailedError,
    ModelNotAllowedError,
    RefusedCredentialsError,
    UnknownProviderError,
)
from jupyter_ai_personas.providers import Endpoint, ModelCache
from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

KEY = "loopback-secret-0123456789"
ASK = [HumanMessage("why?")]


async def test_several_endpoints_have_their_own_url_key_and_models(
    make_registry: Any, monkeypatch: pytest.MonkeyPatch, text_of: Any
) -> None:
    monkeypatch.setenv("ONE_KEY", "first-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-endpoints")
    with OpenAIServer(key="first-secret") as one, OpenAIServer() as two:
        registry = make_registry(
            endpoints={
                "one": Endpoint(base_url=one.url, key_variable="ONE_KEY", models=("a",)),
                "two": Endpoint(base_url=two.url, models=("b",), parameters={"temperature": 0.5}),
            }
        )
        cache = ModelCache(registry)
        assert await text_of(cache.stream("a", ASK)) == "Hello from the loopback model."
        assert await text_of(cache.stream("two:b", ASK)) == "Hello from the loopback model."
        await cache.aclose()
    assert one.requests[0].json["model"] == "a"
    assert two.requests[0].json["temperature"] == 0.5
    sent = str(two.requests[0].headers)
    assert "first-secret" not in sent
    assert "not-for-endpoints" not in sent


def test_an_endpoint_lists_its_models_when_asked(
    make_registry: Any, loopback: OpenAIServer
) -> None:
    loopback.models = ["zephyr", "llama"]
    endpoint = Endpoint(base_url=loopback.url, key_variable="LOOP_KEY", models=("llama",))
    registry = make_registry(
        endpoints={"loop": endpoint},
        credentials={"LOOP_KEY": KEY},
        blocked_providers=frozenset({"loop:zephyr"}),
    )
    assert loopback.requests == []
    assert registry.list_models("loop") == ["llama"]
    assert loopback.requests[0].path == "/v1/models"


def test_listing_says_what_went_wrong(make_registry: Any, loopback: OpenAIServer) -> None:
    registry = make_registry(
        endpoints={
            "loop": Endpoint(base_url=loopback.url),
            "gone": Endpoint(base_url="http://127.0.0.1:9/v1"),
        },
        blocked_providers=frozenset({"groq"}),
    )
    with pytest.raises(RefusedCredentialsError):
        registry.list_models("loop")
    loopback.key, loopback.listing = None, Answer(status=503)
    with pytest.raises(ModelFailedError, match="answers with HTTP status 503"):
        registry.list_models("loop")
    with pytest.raises(ModelFailedError, match="cannot be reached"):
        registry.list_models("gone", timeout=60)
    with pytest.raises(UnknownProviderError):
        registry.list_models("unheard-of")
    with pytest.raises(ModelNotAllowedError):
        registry.list_models("groq")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": [1]}', b"\xff"])
def test_a_list_in_another_format_is_a_failure(make_registry: Any, body: bytes) -> None:
    with OpenAIServer() as server:
        server.listing = Answer(body=body)
        registry = make_registry(endpoints={"odd": Endpoint(base_url=server.url)})
        with pytest.raises(ModelFailedError, match="not in OpenAI's format"):
            registry.list_models("odd")


def test_an_endpoint_without_its_key_names_the_variable(make_registry: Any) -> None:
    endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", key_variable="GATE_KEY")
    with pytest.raises(MissingCredentialsError, match="`GATE_KEY`"):
        ModelCache(make_registry(endpoints={"gate": endpoint})).get("gate:m")
