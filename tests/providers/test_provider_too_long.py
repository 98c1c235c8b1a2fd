"""Vendors' ways to say that they were sent too much, and what resembles them."""

from __future__ import annotations

import pytest

from jupyter_ai_personas.providers.error_bodies import codes_in, reason_in
from jupyter_ai_personas.providers.too_long import fitting_part, is_too_long

TOO_LONG = [
    (
        "OpenAI",
        400,
        {
            "error": {
                "message": "This model's maximum context length is 8192 tokens. However, your "
                "messages resulted in 9000 tokens. Please reduce the length of the messages.",
                "code": "context_length_exceeded",
            }
        },
    ),
    (
        "OpenAI's newer protocol",
        400,
        {
            "error": {
                "message": "Your input exceeds the context window of this model. Please adjust "
                "your input and try again.",
                "code": "context_length_exceeded",
            }
        },
    ),
    ("OpenAI, code only", 400, {"error": {"message": "No.", "code": "context_length_exceeded"}}),
    (
        "OpenAI, a minute's tokens",
        429,
        {
            "error": {
                "message": "Request too large for gpt-4o in organization org-x on tokens per min "
                "(TPM): Limit 30000, Requested 40000. The input or output tokens must be reduced "
                "in order to run successfully.",
                "code": "rate_limit_exceeded",
            }
        },
    ),
    (
        "Azure",
        400,
        {
            "error": {
                "message": "This model's maximum context length is 128000 tokens, however you "
                "requested 130000 tokens (129000 in your prompt; 1000 for the completion). Please "
                "reduce your prompt; or completion length.",
                "type": "invalid_request_error",
                "code": None,
            }
        },
    ),
    (
        "GitHub",
        413,
        {
            "error": {
                "code": "tokens_limit_reached",
                "message": "Request body too large for gpt-4o model. Max size: 8000 tokens.",
            }
        },
    ),
    (
        "Anthropic",
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "prompt is too long: 200251 tokens > 200000 maximum",
            },
        },
    ),
    (
        "Anthropic with its answer",
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "input length and `max_tokens` exceed context limit: 190000 + 20000 > "
                "200000, decrease input length or `max_tokens` and try again",
            },
        },
    ),
    (
        "Anthropic, bytes",
        413,
        {"error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}},
    ),
    (
        "Google",
        400,
        {
            "error": {
                "code": 400,
                "message": "The input token count (1048577) exceeds the maximum number of tokens "
                "allowed (1048576).",
                "status": "INVALID_ARGUMENT",
            }
        },
    ),
    (
        "Vertex",
        400,
        "Unable to submit request because the input token count is 45123 but model only supports "
        "up to 32768. Reduce the input token count and try again.",
    ),
    ("Google, overloaded by it", 500, "Your input context is too long."),
    (
        "Mistral",
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with "
            "32768 maximum context length",
            "type": "invalid_request_prompt",
            "code": "3051",
        },
    ),
    (
        "Groq",
        400,
        {
            "error": {
                "message": "Please reduce the length of the messages or completion.",
                "type": "invalid_request_error",
                "code": "context_length_exceeded",
            }
        },
    ),
    (
        "Groq, a minute's tokens",
        413,
        {
            "error": {
                "message": "Request too large for model `llama-3.1-8b-instant` on tokens per "
                "minute (TPM): Limit 6000, Requested 9000, please reduce your message size and "
                "try again.",
                "type": "tokens",
                "code": "rate_limit_exceeded",
            }
        },
    ),
    ("Ollama", 400, {"error": "the input length exceeds the context length"}),
    (
        "Ollama's cloud",
        400,
        {"error": "prompt too long; exceeded max context length by 812 tokens"},
    ),
    ("plain", 400, {"error": "input is too long"}),
    (
        "Bedrock",
        400,
        {
            "Error": {
                "Code": "ValidationException",
                "Message": "The model returned the following errors: Input is too long for "
                "requested model.",
            }
        },
    ),
    (
        "Bedrock, Nova",
        400,
        "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the "
        "input to try again.",
    ),
    (
        "Bedrock, Titan",
        400,
        "Too many input tokens. Max input tokens: 8192, request input token count: 12000",
    ),
    (
        "Bedrock, characters",
        400,
        "Malformed input request: expected maxLength: 51200, actual: 52015, please reformat your "
        "input and try again.",
    ),
    (
        "TGI",
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. "
            "Given: 3000 `inputs` tokens and 100 `max_new_tokens`",
            "error_type": "validation",
        },
    ),
    (
        "TGI, input only",
        422,
        {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 1500"},
    ),
    (
        "llama.cpp",
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size. try increasing the "
                "context size or enable context shift",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 5000,
                "n_ctx": 4096,
            }
        },
    ),
    (
        "llama.cpp, newer",
        400,
        "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
    ),
    ("llama.cpp, 500", 500, "input is too large to process. increase the physical batch size"),
    (
        "vLLM",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested "
            "5000 tokens (4000 in the messages, 1000 in the completion). Please reduce the length "
            "of the messages or completion.",
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    (
        "vLLM, newer",
        400,
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make "
        "sure that `max_model_len` is no smaller than the number of text tokens.",
    ),
    (
        "vLLM, with its answer",
        400,
        "'max_tokens' or 'max_completion_tokens' is too large: 1024. This model's maximum context "
        "length is 4096 tokens and your request has 3500 input tokens (1024 > 4096 - 3500).",
    ),
    (
        "SGLang",
        400,
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    ),
    (
        "OpenRouter",
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": '{"error": {"message": "This endpoint\'s maximum context length is 8192 '
                    'tokens. However, you requested about 9000 tokens"}}'
                },
            }
        },
    ),
    (
        "LM Studio",
        400,
        {
            "error": "Trying to keep the first 5000 tokens when context the overflows. However, "
            "the model is loaded with context length of only 4096 tokens, which is not enough."
        },
    ),
    (
        "Cohere",
        400,
        {"message": "too many tokens: size limit exceeded by 4000 tokens. Try shorter."},
    ),
    (
        "xAI",
        400,
        "This model's maximum prompt length is 131072 but the request contains 150000 tokens.",
    ),
    ("NIM", 400, "Prompt length (5000) exceeds maximum input length (4096)"),
    (
        "watsonx",
        400,
        "Invalid input argument: the number of input tokens 5000 cannot exceed the total tokens "
        "limit 4096 for this model",
    ),
    ("LiteLLM", 400, "litellm.ContextWindowExceededError: ContextWindowExceededError: too much"),
    ("a proxy", 413, "<html><head><title>413 Request Entity Too Large</title></head></html>"),
    ("a stream's error", None, "This model's maximum context length is 4096 tokens."),
]

OTHERWISE = [
    (429, "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000."),
    (
        429,
        "This request would exceed your organization's rate limit of 30,000 input tokens per "
        "minute.",
    ),
    (429, "You exceeded your current quota, please check your plan and billing details."),
    (401, "Incorrect API key provided."),
    (403, "Your organization's context window add-on is not enabled."),
    (404, "The model `context-length-9000` does not exist."),
    (400, "temperature must be at most 2.0"),
    (400, "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens"),
    (400, "max_tokens is too large: 100000. This model supports at most 16384 completion tokens."),
    (400, "Invalid 'tools[0].function.name': string too long. Expected at most 64."),
    (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
    (400, "This model does not support image input."),
    (422, "messages.0.content: Input should be a valid string"),
    (500, "model requires more system memory (8.4 GiB) than is available (5.6 GiB)"),
    (503, "The server is overloaded."),
    (None, "out of cheese"),
]


@pytest.mark.parametrize(
    ("status", "body"), [case[1:] for case in TOO_LONG], ids=[case[0] for case in TOO_LONG]
)
def test_each_vendors_way_to_say_so_is_understood(status: int | None, body: object) -> None:
    assert is_too_long(status, reason_in(body), codes_in(body))


@pytest.mark.parametrize(("status", "reason"), OTHERWISE)
def test_what_resembles_it_is_something_else(status: int | None, reason: str) -> None:
    assert not is_too_long(status, reason, set())


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("maximum context length is 8000 tokens. However, your messages resulted in 10000", 0.72),
        ("prompt is too long: 220,000 tokens > 200,000 maximum", 0.818),
        ("maximum is 4096, requested 5000 (4000 in the messages, 1000 in the completion)", 0.697),
        ("maximum is 8192, requested 8300 (8172 in the messages, 128 in the completion)", 0.888),
        ("model gpt-4-0613 is limited to 8000, requested 10000", 0.72),
        ("input is too long", None),
        ("request 17 in 3 chats", None),
        ("more than 4096 tokens", None),
    ],
)
def test_the_numbers_tell_how_much_fits(reason: str, part: float | None) -> None:
    assert fitting_part(reason) == (None if part is None else pytest.approx(part, abs=0.002))
