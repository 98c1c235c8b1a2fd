"""Servers as they are: strict ones, small ones, and ones whose answers are not what was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from jupyter_ai_personas.errors import (
    ContextTooLongError,
    ModelFailedError,
    RefusedCredentialsError,
    UnknownModelError,
)
from jupyter_ai_personas.providers import Endpoint, ModelCache, ModelChunk
from jupyter_ai_personas.testing import FakeModel, FakeModels
from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset"),
]

KEY = "loopback-secret-0123456789"
HELLO = "Hello from the loopback model."
ASK = [HumanMessage("why?")]
TALK: list[BaseMessage] = [
    SystemMessage("You are brief."),
    HumanMessage("one " * 20),
    AIMessage("two " * 20),
    HumanMessage("three"),
]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
async def models(server: OpenAIServer, make_registry: Any) -> AsyncIterator[ModelCache]:
    """Each vendor's real class, all of them sent to the loopback server."""
    root = server.url.removesuffix("/v1")
    registry = make_registry(
        endpoints={
            "loop": Endpoint(base_url=server.url, parameters={"max_retries": 0}),
            "root": Endpoint(base_url=root, parameters={"max_retries": 0}),
        },
        credentials={
            **{
                f"{name}_API_KEY": KEY
                for name in ("OPENAI", "GROQ", "MISTRAL", "ANTHROPIC", "OPENROUTER")
            },
            "HF_TOKEN": KEY,
        },
        model_parameters={
            "openai": {"base_url": server.url, "max_retries": 0},
            "groq": {"base_url": root, "max_retries": 0},
            "mistral": {"base_url": server.url, "max_retries": 1},
            "anthropic": {"base_url": root, "max_retries": 0},
            "ollama": {"base_url": root},
            "openrouter": {"base_url": server.url, "max_retries": 0},
            "bedrock": {"endpoint_url": root, "region_name": "us-east-1"},
            "huggingface": {"endpoint_url": server.url},
        },
    )
    cache = ModelCache(registry)
    yield cache
    await cache.aclose()


async def answer(
    models: ModelCache, reference: str = "loop:m", messages: list[BaseMessage] = ASK, **more: Any
) -> list[ModelChunk]:
    return [chunk async for chunk in models.stream(reference, messages, **more)]


def text(chunks: list[ModelChunk]) -> str:
    left = ""
    for chunk in chunks:
        left = chunk.text if chunk.anew else left + chunk.text
    return left


def notes(chunks: list[ModelChunk]) -> list[str]:
    return [chunk.note for chunk in chunks if chunk.note]


def roles(server: OpenAIServer, request: int = -1) -> list[str]:
    return [message["role"] for message in server.requests[request].json["messages"]]


# -- strict ones ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "messages",
    [
        [HumanMessage("failed"), HumanMessage("next")],
        [HumanMessage("a"), AIMessage("b"), AIMessage("c"), HumanMessage("d")],
        [AIMessage("hello, I am here"), HumanMessage("a")],
        [SystemMessage("s"), AIMessage("b"), HumanMessage("a"), AIMessage(""), HumanMessage("c")],
        [HumanMessage("a"), SystemMessage("t"), HumanMessage("b")],
        [SystemMessage("only this")],
        [HumanMessage("caf\udce9.csv")],
    ],
)
async def test_a_server_that_demands_alternating_roles_answers(
    server: OpenAIServer, models: ModelCache, messages: list[BaseMessage]
) -> None:
    server.alternating = True
    assert text(await answer(models, messages=messages)) == HELLO
    assert len(server.requests) == 1


async def test_what_a_server_refuses_of_the_past_does_not_refuse_the_question(
    server: OpenAIServer, models: ModelCache
) -> None:
    refusal = Answer(status=400, code="content_filter", text="The prompt was filtered.")
    server.answer(refusal)
    chunks = await answer(models, messages=TALK)
    assert text(chunks) == HELLO
    assert notes(chunks) == [
        "The model refused the conversation so far: this answers the last message alone."
    ]
    assert roles(server) == ["system", "user"]
    # The question itself is not asked again and again.
    server.answer(refusal, refusal, refusal)
    with pytest.raises(ModelFailedError, match=r"failed: The prompt was filtered\."):
        await answer(models, messages=TALK)
    assert len(server.requests) == 4


async def test_a_question_that_is_refused_alone_is_asked_once(
    server: OpenAIServer, models: ModelCache
) -> None:
    server.answer(Answer(status=400, text="no"))
    with pytest.raises(ModelFailedError, match="failed: no"):
        await answer(models, messages=[TALK[0], TALK[-1]])
    assert len(server.requests) == 1


# -- small ones -------------------------------------------------------------------------------


async def test_a_conversation_that_is_too_long_is_asked_with_less_of_it(
    server: OpenAIServer, models: ModelCache
) -> None:
    server.most_tokens = 20
    chunks = await answer(models, messages=TALK)
    assert text(chunks) == HELLO
    assert notes(chunks) == [
        "The conversation is longer than the model can read: its beginning was left out."
    ]
    assert chunks[0].note
    assert roles(server) == ["system", "user"]
    assert len(server.requests) == 2
    # What it can read is known from then on.
    chunks = await answer(models, messages=TALK)
    assert (text(chunks), notes(chunks)) == (HELLO, [])
    assert len(server.requests) == 3


async def test_as_much_is_kept_as_the_vendor_says_that_fits(
    server: OpenAIServer, models: ModelCache
) -> None:
    server.most_tokens = 300
    turns = [HumanMessage(f"{n} " + "word " * 49) for n in range(8)]
    talk: list[BaseMessage] = [m for turn in turns for m in (turn, AIMessage("ok"))]
    chunks = await answer(models, messages=[*talk, HumanMessage("so?")])
    assert text(chunks) == HELLO
    sent = server.requests[-1].json["messages"]
    assert 150 < sum(len(message["content"].split()) for message in sent) <= 300
    assert sent[-1]["content"] == "so?"


@pytest.mark.parametrize(
    ("reference", "status", "body"),
    [
        ("openai:m", 400, {"error": {"message": "No.", "code": "context_length_exceeded"}}),
        (
            "groq:m",
            413,
            {"error": {"message": "Request too large for model `m`", "type": "tokens"}},
        ),
        ("mistral:m", 400, {"message": "Prompt contains 9 tokens, too large for model", "code": 1}),
        ("huggingface:m", 422, {"error": "`inputs` must have less than 1024 tokens. Given: 1500"}),
        ("ollama:m", 400, {"error": "the input length exceeds the context length"}),
        ("openrouter:m", 400, {"error": {"message": "maximum context length is 9", "code": 400}}),
        (
            "anthropic:m",
            400,
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "prompt is too long: 200251 tokens > 200000 maximum",
                },
            },
        ),
        ("bedrock:m", 400, {"message": "Input is too long for requested model."}),
    ],
)
async def test_each_vendors_class_lets_it_be_understood(
    server: OpenAIServer,
    models: ModelCache,
    monkeypatch: pytest.MonkeyPatch,
    reference: str,
    status: int,
    body: dict[str, Any],
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    name = {"x-amzn-errortype": "ValidationException"} if reference == "bedrock:m" else {}
    server.answer(*[Answer(status=status, json=body, headers=name)] * 2)
    with pytest.raises(ContextTooLongError):
        await answer(models, reference)
    assert len(server.requests) == 1, "there is nothing to leave out"


async def test_a_question_that_is_too_long_by_itself_says_what_to_do(
    server: OpenAIServer, models: ModelCache
) -> None:
    server.most_tokens = 20
    with pytest.raises(ContextTooLongError) as caught:
        await answer(models, messages=[*TALK, HumanMessage("word " * 100)])
    said = str(caught.value)
    assert "maximum context length is 20 tokens" in said
    assert "start a new chat, or choose a model that reads more with `/model" in said
    assert len(server.requests) == 2


async def test_nothing_is_asked_twice_once_an_answer_has_begun(
    server: OpenAIServer, models: ModelCache
) -> None:
    error = '{"error": {"message": "maximum context length is 20 tokens"}}'
    server.answer(Answer(text="Hel", deltas=[{"content": "Hel"}], events=[error]))
    with pytest.raises(ContextTooLongError):
        await answer(models, messages=TALK)
    assert len(server.requests) == 1


async def test_the_models_own_size_bounds_what_it_is_sent() -> None:
    model = FakeModel(custom_get_token_ids=lambda text: list(range(len(text.split()))))
    object.__setattr__(model, "profile", {"max_input_tokens": 20})
    registry = FakeModels(model)
    registry.load()
    cache = ModelCache(registry)
    await answer(cache, "fake:model", TALK)
    assert [message.type for message in model.prompts[0]] == ["system", "human"]
    object.__setattr__(model, "profile", {"max_input_tokens": 200})
    await answer(cache, "fake:model", TALK)
    assert [message.type for message in model.prompts[1]] == ["system", "human", "ai", "human"]


async def test_a_fallback_is_tried_after_less_did_not_help(
    server: OpenAIServer, models: ModelCache
) -> None:
    object.__setattr__(models.registry.settings, "fallbacks", ("loop:other",))
    refusal = Answer(status=400, text="input is too long")
    server.answer(refusal, refusal)
    chunks = await answer(models, messages=TALK)
    assert [chunk.model for chunk in chunks[:1]] == ["loop:other"]
    assert roles(server) == ["system", "user", "assistant", "user"], "it may read more"


# -- what they say ----------------------------------------------------------------------------

EVERY = ["loop:m", "openai:m", "groq:m", "mistral:m", "huggingface:m", "ollama:m"]


@pytest.mark.parametrize("reference", [*EVERY, "anthropic:m"])
@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, {"error": "no such thing"}, r"failed: no such thing$"),
        (400, {"detail": "no such thing"}, r"failed: no such thing$"),
        (
            422,
            {"detail": [{"loc": ["body", "top_p"], "msg": "must be < 1", "type": "x"}]},
            r"failed: top_p: must be < 1$",
        ),
        (
            500,
            {"error": "model requires more system memory"},
            r"HTTP status 500\. Try again later\. It says: model requires more system memory$",
        ),
    ],
)
async def test_the_vendors_reason_reaches_the_person(
    server: OpenAIServer,
    models: ModelCache,
    reference: str,
    status: int,
    body: dict[str, Any],
    says: str,
) -> None:
    server.answer(Answer(status=status, json=body))
    with pytest.raises(ModelFailedError, match=says) as caught:
        await answer(models, reference)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reference", EVERY)
async def test_a_model_that_is_not_pulled_can_be_pulled(
    server: OpenAIServer, models: ModelCache, reference: str
) -> None:
    body = {"error": 'model "m" not found, try pulling it first'}
    server.answer(Answer(status=404, json=body))
    with pytest.raises(UnknownModelError, match="the operator can run `ollama pull m`"):
        await answer(models, reference)


async def test_what_a_vendor_quotes_is_redacted_and_on_one_line(
    server: OpenAIServer, models: ModelCache
) -> None:
    text = f"no:\n  key {KEY}\n  in /home/ada/models/x"
    server.answer(Answer(status=400, json={"detail": text}))
    with pytest.raises(ModelFailedError, match=r"failed: no: key \[secret\] in \[path\]$"):
        await answer(models, "groq:m")


async def test_a_refused_permission_says_why_and_a_refused_key_does_not(
    server: OpenAIServer, models: ModelCache
) -> None:
    server.answer(Answer(status=403, json={"error": "This model is not in your plan."}))
    with pytest.raises(RefusedCredentialsError, match=r"not in your plan\. The operator must"):
        await answer(models, "openai:m")
    server.answer(Answer(status=401, text="Incorrect key: sk-abc***xyz"))
    with pytest.raises(RefusedCredentialsError) as caught:
        await answer(models, "openai:m")
    assert "xyz" not in str(caught.value)


@pytest.mark.parametrize("reference", [r for r in EVERY if r != "huggingface:m"])
async def test_a_web_page_with_status_200_is_named_and_so_is_the_fix(
    server: OpenAIServer, models: ModelCache, reference: str
) -> None:
    server.answer(Answer(html="<html><head><title>Sign in</title></head></html>"))
    with pytest.raises(ModelFailedError, match=r"a web page \(`Sign in`\).*must check its base"):
        await answer(models, reference)
    assert len(server.requests) == 1


async def test_a_web_page_is_not_in_the_providers_format(
    server: OpenAIServer, models: ModelCache
) -> None:
    # Its package makes an HTTP client for each request.
    server.answer(*[Answer(html="<html><head><title>Sign in</title></head></html>")] * 2)
    with pytest.raises(ModelFailedError, match=r"not in the provider's format\. The operator must"):
        await answer(models, "huggingface:m")


@pytest.mark.parametrize("reference", ["loop:m", "openai:m", "groq:m", "mistral:m", "anthropic:m"])
@pytest.mark.parametrize("body", [{"error": {"message": "spent"}}, {"error": "spent"}])
async def test_an_error_with_status_200_is_an_error(
    server: OpenAIServer, models: ModelCache, reference: str, body: dict[str, Any]
) -> None:
    server.answer(Answer(json=body))
    with pytest.raises(ModelFailedError, match=r"failed: spent$"):
        await answer(models, reference)


@pytest.mark.parametrize(
    "event",
    [
        '{"error": {"message": "out of memory", "code": 500}}',
        '{"error": "out of memory"}',
        '{"object": "error", "message": "out of memory", "code": 400}',
        '{"detail": "out of memory"}',
        '{"detail": [{"loc": ["body"], "msg": "out of memory"}]}',
    ],
)
async def test_a_stream_that_begins_with_an_error_is_one(
    server: OpenAIServer, models: ModelCache, event: str
) -> None:
    server.answer(Answer(opens=False, text="", events=[event]))
    with pytest.raises(ModelFailedError, match="out of memory"):
        await answer(models)


async def test_a_base_url_without_v1_is_said_to_lack_it(
    server: OpenAIServer, models: ModelCache
) -> None:
    server.only_v1 = True
    with pytest.raises(ModelFailedError, match=r"404: Not Found\).*which mostly ends in `/v1`"):
        await answer(models, "root:m")
    assert text(await answer(models, "loop:m")) == HELLO


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize("reference", EVERY)
async def test_another_base_url_is_said_to_be_wrong(
    server: OpenAIServer, models: ModelCache, reference: str, status: int
) -> None:
    server.answer(Answer(status=status, json={"detail": "Not here"}))
    with pytest.raises(
        ModelFailedError, match=r"Not here\)\. The operator must check its base URL\."
    ):
        await answer(models, reference)


# -- what they answer -------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["loop:m", "openai:m", "mistral:m", "huggingface:m"])
async def test_usage_that_is_told_with_each_chunk_is_not_summed(
    server: OpenAIServer, models: ModelCache, reference: str
) -> None:
    server.answer(Answer(usage_in_each=True))
    chunks = await answer(models, reference)
    assert chunks[-1].usage == {"input_tokens": 1, "output_tokens": 5, "total_tokens": 6}


@pytest.mark.parametrize("reference", ["loop:m", "openai:m"])
async def test_of_several_choices_the_first_is_the_answer(
    server: OpenAIServer, models: ModelCache, reference: str
) -> None:
    server.answer(Answer(alternatives=["Good bye from another one."]))
    assert text(await answer(models, reference)) == HELLO


@pytest.mark.parametrize("reference", ["loop:m", "openai:m", "groq:m", "huggingface:m"])
async def test_one_answer_is_asked_for(
    server: OpenAIServer, models: ModelCache, reference: str
) -> None:
    assert text(await answer(models, reference, parameters={"n": 2})) == HELLO
    assert server.requests[-1].json.get("n") in (None, 1)


@pytest.mark.parametrize(
    "reference", ["loop:m", "openai:m", "groq:m", "mistral:m", "huggingface:m"]
)
async def test_an_answer_in_one_piece_is_an_answer(
    server: OpenAIServer, models: ModelCache, reference: str
) -> None:
    server.answer(*[Answer(streams=False)] * 3)
    assert text(await answer(models, reference)) == HELLO
    assert text(await answer(models, reference)) == HELLO
    assert len(server.requests) == 3, "once it is known, it is not asked to stream"


async def test_a_server_that_failed_for_another_reason_is_asked_to_stream_again(
    server: OpenAIServer, models: ModelCache
) -> None:
    server.answer(Answer(body=b"", headers={"Content-Type": "text/event-stream"}))
    server.answer(Answer(status=400, text="no"))
    with pytest.raises(ModelFailedError, match="failed: no"):
        await answer(models)
    assert [c.text for c in await answer(models)][:2] == ["Hello ", "from "]


async def test_a_thought_that_nothing_opens_is_no_part_of_the_answer(
    server: OpenAIServer, models: ModelCache
) -> None:
    thinks = Answer(text=["let me ", "see", "</think>", "\n\n", "42"])
    server.answer(thinks, thinks)
    first = await answer(models)
    assert (text(first), first[0].text) == ("42", "let me ")
    # It is known from then on, so that nothing is shown and taken back.
    second = await answer(models)
    assert "".join(chunk.text for chunk in second) == "42"
    assert "".join(chunk.reasoning for chunk in second) == "let me see"
    assert "".join(chunk.text for chunk in await answer(models)) == HELLO


@pytest.mark.parametrize(
    "reference", ["loop:m", "openai:m", "groq:m", "mistral:m", "huggingface:m"]
)
async def test_an_emoji_that_is_cut_in_two_arrives(
    server: OpenAIServer, models: ModelCache, reference: str
) -> None:
    server.answer(Answer(text=["a ", "\ud83d", "\ude00", " b", "\ud83d"]))
    assert text(await answer(models, reference)) == "a 😀 b\ufffd"
