"""Tools through the vendors' real classes: calls in fragments, several at once, malformed."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from test_provider_vendors import VENDORS, WAIT, event_stream, sse

from jupyter_ai_personas.errors import ModelFailedError
from jupyter_ai_personas.providers import ModelCache, ModelChunk
from jupyter_ai_personas.providers.tool_calling import ModelCall, calls_of, sent_back
from jupyter_ai_personas.testing.openai_server import Answer, Call, OpenAIServer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]

ASK = [HumanMessage("why?")]
TOOL = {
    "type": "function",
    "function": {
        "name": "charts__plot",
        "description": "Plot.",
        "parameters": {"type": "object", "properties": {"column": {"type": "string"}}},
    },
}
ARGUMENTS = {"column": "honey and bees"}


async def chunks_of(cache: ModelCache, model: str, messages: Any = ASK) -> list[ModelChunk]:
    with anyio.fail_after(WAIT):
        return [chunk async for chunk in cache.stream(model, messages, tools=[TOOL])]


def said(chunks: list[ModelChunk]) -> tuple[str, list[ModelCall]]:
    [answer] = [chunk.answer for chunk in chunks if chunk.answer is not None] or [None]
    text = "".join(chunk.text for chunk in chunks)
    return text, calls_of(answer) if answer is not None else []


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
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hm."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t1", "name": "charts__plot", "input": {}},
    },
    *(
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": part},
        }
        for part in ("", '{"column": "honey', ' and bees"}')
    ),
    {"type": "content_block_stop", "index": 1},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 3},
    },
    {"type": "message_stop"},
    named=True,
)
GOOGLE = sse(
    {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "Hm."},
                        {"functionCall": {"name": "charts__plot", "args": ARGUMENTS}},
                    ],
                },
                "index": 0,
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10},
    },
)
OLLAMA = b"\n".join(
    json.dumps({"model": "m", "created_at": "2026-01-01T00:00:00Z", **line}).encode()
    for line in (
        {"message": {"role": "assistant", "content": "Hm."}, "done": False},
        {
            "message": {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "charts__plot", "arguments": ARGUMENTS}}],
            },
            "done": False,
        },
        {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
    )
)
BEDROCK = event_stream(
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"delta": {"text": "Hm."}, "contentBlockIndex": 0}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    (
        "contentBlockStart",
        {"start": {"toolUse": {"toolUseId": "t1", "name": "charts__plot"}}, "contentBlockIndex": 1},
    ),
    *(
        ("contentBlockDelta", {"delta": {"toolUse": {"input": part}}, "contentBlockIndex": 1})
        for part in ('{"column": "honey', ' and bees"}')
    ),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    ("messageStop", {"stopReason": "tool_use"}),
)
BODIES = {"anthropic": ANTHROPIC, "google": GOOGLE, "ollama": OLLAMA, "bedrock": BEDROCK}


@pytest.fixture(params=VENDORS)
def vendor_id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_vendors_class_calls_a_tool_and_is_given_the_result(
    vendor_id: str, vendor_cache: ModelCache, vendor_server: OpenAIServer
) -> None:
    vendor = VENDORS[vendor_id]
    first = Answer(text="Hm.", calls=[Call("charts__plot", ARGUMENTS)], closing=vendor.closing)
    second = Answer(text="Hello there", closing=vendor.closing)
    if vendor_id in BODIES:
        headers = {"Content-Type": vendor.content_type}
        first = Answer(body=BODIES[vendor_id], headers=headers)
        second = Answer(body=vendor.body, headers=headers)
    vendor_server.answer(first, second)
    model = f"{vendor_id}:{vendor.model}"
    chunks = await chunks_of(vendor_cache, model)
    text, calls = said(chunks)
    assert text == "Hm."
    assert [(c.name, c.arguments, c.problem) for c in calls] == [("charts__plot", ARGUMENTS, "")]
    [answer] = [chunk.answer for chunk in chunks if chunk.answer is not None]
    result = ToolMessage("plotted", tool_call_id=calls[0].id, name="charts__plot")
    chunks = await chunks_of(vendor_cache, model, [*ASK, sent_back(answer, calls), result])
    await vendor_cache.aclose()
    assert said(chunks) == ("Hello there", [])
    offered, told = (request.body.decode() for request in vendor_server.requests)
    assert "charts__plot" in offered
    assert "plotted" in told
    assert "honey and bees" in told


async def answered(cache: ModelCache, loopback: OpenAIServer, answer: Answer) -> list[ModelCall]:
    loopback.answer(answer)
    return said(await chunks_of(cache, "loop:small"))[1]


CALLS = [Call("charts__plot", {"column": f"bees {n}"}) for n in range(3)]


@pytest.mark.parametrize("fragments", [True, False])
async def test_several_calls_at_once_are_kept_apart(
    fragments: bool, cache: ModelCache, loopback: OpenAIServer
) -> None:
    calls = await answered(cache, loopback, Answer(text="", calls=CALLS, fragments=fragments))
    assert [call.arguments["column"] for call in calls] == ["bees 0", "bees 1", "bees 2"]
    assert len({call.id for call in calls}) == 3


@pytest.mark.parametrize(
    "odd",
    [{"index": 0}, {"id": None}, {"id": "same"}, {"id": ""}],
    ids=["one index", "no id", "one id", "empty id"],
)
async def test_servers_that_number_calls_oddly_are_understood(
    odd: dict[str, Any], cache: ModelCache, loopback: OpenAIServer
) -> None:
    calls = [Call("charts__plot", {"column": f"bees {n}"}, **odd) for n in range(2)]
    found = await answered(cache, loopback, Answer(text="", calls=calls, fragments=False))
    assert [call.arguments["column"] for call in found] == ["bees 0", "bees 1"]
    assert len({call.id for call in found}) == 2


@pytest.mark.parametrize("text", ['{"column": "bees', "{'column': 1}", "[]", "null and void"])
async def test_malformed_arguments_are_told_apart_and_not_guessed(
    text: str, cache: ModelCache, loopback: OpenAIServer
) -> None:
    [call] = await answered(cache, loopback, Answer(text="", calls=[Call("charts__plot", text)]))
    assert "JSON" in call.problem
    assert call.arguments == {}


@pytest.mark.parametrize("text", ["", "{}", "null"])
async def test_no_arguments_are_an_empty_object(
    text: str, cache: ModelCache, loopback: OpenAIServer
) -> None:
    [call] = await answered(cache, loopback, Answer(text="", calls=[Call("charts__plot", text)]))
    assert (call.arguments, call.problem) == ({}, "")


async def test_an_answer_in_one_piece_may_call_as_well(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    whole = Answer(text="", calls=CALLS, streams=False)
    loopback.answer(whole)  # to the request for a stream
    [one, *_] = await answered(cache, loopback, whole)
    assert one.arguments == {"column": "bees 0"}


REFUSALS = [
    (400, "registry.ollama.ai/library/gemma:2b does not support tools"),
    (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
    (404, "No endpoints found that support tool use."),
    (400, "Function calling is not enabled for this model"),
]


@pytest.mark.parametrize(("status", "text"), REFUSALS)
async def test_a_server_that_refuses_tools_answers_without_and_is_remembered(
    status: int, text: str, cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(status=status, text=text), Answer(text="Words."))
    chunks = await chunks_of(cache, "loop:small")
    assert said(chunks) == ("Words.", [])
    assert [chunk.note for chunk in chunks if chunk.note] == [
        "This model takes no tools: it answers without them."
    ]
    assert [chunk.note for chunk in await chunks_of(cache, "loop:small") if chunk.note] == []
    assert ["tools" in request.json for request in loopback.requests] == [True, False, False]


async def test_a_refusal_of_what_a_tool_looks_like_is_told(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    text = "Invalid schema for function 'charts__plot': true is not of type 'object'."
    loopback.answer(Answer(status=400, text=text))
    with pytest.raises(ModelFailedError, match="Invalid schema"):
        await chunks_of(cache, "loop:small")


async def test_after_its_calls_a_model_may_say_nothing(
    cache: ModelCache, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="", calls=CALLS[:1]), Answer(text=""))
    chunks = await chunks_of(cache, "loop:small")
    [answer] = [chunk.answer for chunk in chunks if chunk.answer is not None]
    calls = calls_of(answer)
    result = ToolMessage("plotted", tool_call_id=calls[0].id)
    chunks = await chunks_of(cache, "loop:small", [*ASK, sent_back(answer, calls), result])
    assert said(chunks) == ("", [])
