"""The vendors' real classes, with fake keys, each against its own protocol on loopback."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
import pytest
from langchain_core.messages import HumanMessage

from jupyter_ai_personas.errors import MissingPackageError, RefusedCredentialsError
from jupyter_ai_personas.providers import ModelCache, ModelReference, ModelRegistry
from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

# LangChain's package for Hugging Face looks for classes in langchain-community.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset"),
    # Google's package inherits from aiohttp's session.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]

SECRET = "fake-vendor-secret-0123"
ASK = [HumanMessage("why?")]
WAIT = 180.0
"""Seconds after which something is taken never to come: the first use imports the package."""
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def sse(*events: Any, named: bool = False) -> bytes:
    lines = [
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n"
        for event in events
    ]
    return "".join(lines).encode()


def event_stream(*events: tuple[str, Any]) -> bytes:
    """Encode AWS's `application/vnd.amazon.eventstream`."""
    encoded = b""
    for name, payload in events:
        names = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
        head = b"".join(
            struct.pack("!B", len(k)) + k.encode() + struct.pack("!BH", 7, len(v)) + v.encode()
            for k, v in names.items()
        )
        body = json.dumps(payload).encode()
        prelude = struct.pack("!II", len(head) + len(body) + 16, len(head))
        message = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + body
        encoded += message + struct.pack("!I", zlib.crc32(message))
    return encoded


ANTHROPIC = sse(
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 7, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "Hello "},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "there"},
    },
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 3},
    },
    {"type": "message_stop"},
    named=True,
)
GOOGLE = sse(
    {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello "}]}, "index": 0}]},
    {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": "there"}]},
                "index": 0,
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 7,
            "candidatesTokenCount": 3,
            "totalTokenCount": 10,
        },
    },
)
OLLAMA = b"\n".join(
    json.dumps({"model": "m", "created_at": "2026-01-01T00:00:00Z", **line}).encode()
    for line in (
        {"message": {"role": "assistant", "content": "Hello "}, "done": False},
        {"message": {"role": "assistant", "content": "there"}, "done": False},
        {
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 7,
            "eval_count": 3,
        },
    )
)
BEDROCK = event_stream(
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"delta": {"text": "Hello "}, "contentBlockIndex": 0}),
    ("contentBlockDelta", {"delta": {"text": "there"}, "contentBlockIndex": 0}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
    (
        "metadata",
        {
            "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
            "metrics": {"latencyMs": 1},
        },
    ),
)


def responses_api(*said: Any, **ending: Any) -> bytes:
    """Encode an answer in the protocol that OpenAI's newer models and reasoning want."""
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}
    response |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    kind = "response.incomplete" if "incomplete_details" in ending else "response.completed"
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    details = {
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 1},
    }
    events = [
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "reasoning", "id": "rs_1", "summary": []},
        },
        {
            "type": "response.reasoning_summary_text.delta",
            "item_id": "rs_1",
            "output_index": 0,
            "summary_index": 0,
            "delta": "hm",
        },
        *({"item_id": "msg_1", "output_index": 1, "content_index": 0, **one} for one in said),
        {"type": kind, "response": {**response, **ending, "usage": {**usage, **details}}},
    ]
    return sse(
        *({"sequence_number": n, **event} for n, event in enumerate(events)),
        named=True,
    )


@dataclass(frozen=True)
class Vendor:
    """How to point a vendor's class at loopback, and what it then sends and gets."""

    variable: str
    path: str
    parameters: Callable[[str], dict[str, Any]]
    body: bytes | None = None
    content_type: str = "text/event-stream"
    variables: dict[str, str] = field(default_factory=dict)
    model: str = "m"
    closing: dict[str, Any] = field(default_factory=dict)


# Each gets the root URL of the loopback server.
VENDORS = {
    "anthropic": Vendor(
        "ANTHROPIC_API_KEY",
        "/v1/messages",
        lambda root: {"base_url": root, "max_retries": 0},
        body=ANTHROPIC,
    ),
    "azure": Vendor(
        "AZURE_OPENAI_API_KEY",
        "/openai/deployments/m/chat/completions",
        lambda root: {"azure_endpoint": root, "max_retries": 0},
        variables={"AZURE_OPENAI_ENDPOINT": "https://replaced.invalid"},
    ),
    "bedrock": Vendor(
        "AWS_SECRET_ACCESS_KEY",
        "/model/amazon.nova-lite-v1%3A0/converse-stream",
        lambda root: {"endpoint_url": root, "region_name": "eu-west-1"},
        body=BEDROCK,
        content_type="application/vnd.amazon.eventstream",
        variables={"AWS_ACCESS_KEY_ID": "id"},
        model="amazon.nova-lite-v1:0",
    ),
    "google": Vendor(
        "GOOGLE_API_KEY",
        # Behind the version of the protocol, which its package chooses: v1beta, and v1 from 3.6 on.
        "/models/m:streamGenerateContent",
        lambda root: {"base_url": root, "max_retries": 1},
        body=GOOGLE,
    ),
    "groq": Vendor(
        "GROQ_API_KEY",
        "/openai/v1/chat/completions",
        lambda root: {"base_url": root, "max_retries": 0},
        closing={"x_groq": {"id": "req_1", "usage": USAGE}},
    ),
    "huggingface": Vendor(
        "HF_TOKEN",
        "/v1/chat/completions",
        lambda root: {"endpoint_url": root},
    ),
    "mistral": Vendor(
        "MISTRAL_API_KEY",
        "/v1/chat/completions",
        lambda root: {"base_url": f"{root}/v1", "max_retries": 1},
        closing={"usage": USAGE},
    ),
    "ollama": Vendor(
        "",
        "/api/chat",
        lambda root: {"base_url": root},
        body=OLLAMA,
        content_type="application/x-ndjson",
    ),
    "openai": Vendor(
        "OPENAI_API_KEY",
        "/v1/chat/completions",
        lambda root: {"base_url": f"{root}/v1", "max_retries": 0},
    ),
    "openrouter": Vendor(
        "OPENROUTER_API_KEY",
        "/v1/chat/completions",
        lambda root: {"base_url": f"{root}/v1", "max_retries": 0},
    ),
}


@pytest.fixture(params=VENDORS)
def vendor_id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def drain(stream: Any) -> None:
    async for _ in stream:
        pass


def scripted(vendor: Vendor) -> Answer:
    if vendor.body is None:
        return Answer(text="Hello there", closing=vendor.closing)
    return Answer(body=vendor.body, headers={"Content-Type": vendor.content_type})


async def test_a_vendors_class_streams_an_answer(
    vendor_id: str, vendor_cache: ModelCache, vendor_server: OpenAIServer
) -> None:
    vendor = VENDORS[vendor_id]
    vendor_server.answer(scripted(vendor))
    with anyio.fail_after(WAIT):
        chunks = [
            chunk
            async for chunk in vendor_cache.stream(f"{vendor_id}:{VENDORS[vendor_id].model}", ASK)
        ]
    await vendor_cache.aclose()
    assert "".join(chunk.text for chunk in chunks) == "Hello there"
    assert len([chunk for chunk in chunks if chunk.text]) == 2
    (request,) = vendor_server.requests
    assert request.path.partition("?")[0].endswith(vendor.path)
    if vendor.variable and vendor_id not in ("bedrock", "huggingface"):
        assert SECRET in str(request.headers)
    usage = chunks[-1].usage
    assert usage is not None
    assert usage["total_tokens"] == sum((usage["input_tokens"], usage["output_tokens"])) > 0


SAYS_HELLO = {"type": "response.output_text.delta", "delta": "Hello", "logprobs": []}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (responses_api(SAYS_HELLO), "Hello"),
        (responses_api({"type": "response.refusal.done", "refusal": "I cannot."}), "I cannot."),
        (
            responses_api(SAYS_HELLO, incomplete_details={"reason": "max_output_tokens"}),
            "Hello\n\n*The answer ends here: the model's limit of output tokens is reached.*",
        ),
    ],
    ids=["text", "refusal", "cut"],
)
@pytest.mark.parametrize("vendor_id", ["openai"], indirect=True)
async def test_openais_newer_protocol_is_read_as_well(
    body: bytes, text: str, vendor_cache: ModelCache, vendor_server: OpenAIServer
) -> None:
    vendor_server.answer(Answer(body=body, headers={"Content-Type": "text/event-stream"}))
    stream = vendor_cache.stream("openai:m", ASK, parameters={"reasoning": {"summary": "auto"}})
    with anyio.fail_after(WAIT):
        chunks = [chunk async for chunk in stream]
    await vendor_cache.aclose()
    assert vendor_server.requests[0].path == "/v1/responses"
    assert "".join(chunk.text for chunk in chunks) == text
    assert "".join(chunk.reasoning for chunk in chunks) == "hm"
    assert chunks[-1].usage == {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


async def test_a_vendors_refusal_names_the_variable_and_no_secret(
    vendor_id: str, vendor_cache: ModelCache, vendor_server: OpenAIServer
) -> None:
    vendor_server.answer(*[Answer(status=401, text=f"bad key {SECRET}")] * 3)
    with pytest.raises(RefusedCredentialsError) as caught, anyio.fail_after(WAIT):
        await anext(vendor_cache.stream(f"{vendor_id}:{VENDORS[vendor_id].model}", ASK))
    await vendor_cache.aclose()
    assert SECRET not in str(caught.value)
    if vendor_id not in ("bedrock", "ollama"):
        assert VENDORS[vendor_id].variable in str(caught.value)


@pytest.mark.parametrize("vendor_id", sorted(VENDORS.keys() - {"bedrock"}), indirect=True)
async def test_cancelling_closes_a_vendors_request(
    vendor_id: str, vendor_cache: ModelCache, vendor_server: OpenAIServer
) -> None:
    vendor_server.answer(Answer(hold_after=0))
    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as group:
            group.start_soon(
                drain, vendor_cache.stream(f"{vendor_id}:{VENDORS[vendor_id].model}", ASK)
            )
            await anyio.to_thread.run_sync(vendor_server.wait_for_hold)
            group.cancel_scope.cancel()
        await anyio.to_thread.run_sync(vendor_server.wait_for_disconnect)
    await vendor_cache.aclose()


async def test_a_model_does_not_show_its_secret(vendor_id: str, vendor_cache: ModelCache) -> None:
    model = vendor_cache.get(f"{vendor_id}:m")
    assert SECRET not in repr(model) + str(model)
    await vendor_cache.aclose()


def test_a_vendors_models_have_clients_of_their_own(
    vendor_id: str, vendor_cache: ModelCache
) -> None:
    from jupyter_ai_personas.providers.building import _clients

    reference = ModelReference(vendor_id, VENDORS[vendor_id].model)
    models = [vendor_cache.registry.build(reference) for _ in range(2)]
    one, two = ({id(c) for c in _clients(model) if c is not None} for model in models)
    assert not one & two


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_reasoning_of_an_endpoint_is_kept_apart(
    key: str, cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(deltas=[{key: "let me "}, {key: "think"}], text="42"))
    chunks = [chunk async for chunk in cache.stream("loop:small", ASK)]
    assert "".join(chunk.reasoning for chunk in chunks) == "let me think"
    assert "".join(chunk.text for chunk in chunks) == "42"


@pytest.mark.parametrize("vendor_id", VENDORS)
def test_a_vendors_package_that_is_not_installed_is_one_line(
    vendor_id: str,
    make_registry: Callable[[], ModelRegistry],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = make_registry()
    (package,) = registry.providers[vendor_id].pypi_package_deps  # type: ignore[attr-defined]
    # As if it were not there: neither its metadata nor its module can be found.
    monkeypatch.setattr(
        "jupyter_ai_personas.providers.packages._is_installed", lambda name: name != package
    )
    monkeypatch.setitem(sys.modules, package.replace("-", "_"), None)
    info = {info.id: info for info in registry.infos()}[vendor_id]
    assert (info.available, info.problem) == (False, f"pip install {package}")
    with pytest.raises(MissingPackageError, match=f"pip install {package}"):
        registry.check(ModelReference(vendor_id, "m"))
    assert caplog.text == ""
