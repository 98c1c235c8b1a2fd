"""What is taken out of texts, and that it costs little whatever the text is."""

from __future__ import annotations

import html
import json
import logging
import re
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import is_linear

from jupyter_ai_personas.redaction import (
    RedactingFilter,
    for_people,
    looks_like_a_secret,
    redact,
    redact_json,
    remember,
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("GET https://ada:wonder@host/x", "GET https://[secret]@host/x"),
        ("postgres://app:pw@db/x?key=abcdef12&y=1", "postgres://[secret]@db/x?key=[secret]&y=1"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [secret]"),
        ("{'authorization': 'Bearer abcdefgh'}", "{'authorization': 'Bearer [secret]'}"),
        ("x-api-key=abcdefgh, Cookie: a=bcdefgh", "x-api-key=[secret], Cookie: [secret]"),
        ("ChatX(api_key='abcdefgh')", "ChatX(api_key='[secret]')"),
        ("the value remembered", "the value [secret]"),
        ("in the DSN: hunter2pass", "in the DSN: [secret]"),
        ("a cookie\nCookie: a=bcdefgh; b=ijklmnop\nand", "a cookie\nCookie: [secret]\nand"),
        ("X-Auth-Token: abcdefgh", "X-Auth-Token: [secret]"),
        ("x?access_token=abcdefgh&sig=ijklmnop", "x?access_token=[secret]&sig=[secret]"),
        ("api_key: 'abcdefgh', password=ijklmnop", "api_key: '[secret]', password=[secret]"),
        ("glpat-abcdefghij1234567890", "[secret]"),
        ("a JWT eyJhbGciOiJI.eyJzdWIiOiIx.dozjgNry", "a JWT [secret]"),
        ("Proxy: Tr0ub4dor&3x", "Proxy: [secret]"),
        ('Cookie: a="2|1:0|x"; session=ijklmnop', "Cookie: [secret]"),
        ('Authorization: Digest username="u", response="66"', "Authorization: [secret] [secret]"),
        ("Authorization: AWS4-HMAC-SHA256 Signature=a, b", "Authorization: [secret] [secret]"),
        (r"{\'x-api-key\': \'abcdefgh\'}", r"{\'x-api-key\': \'[secret]'}"),
        (r"{\\\"password\\\": \\\"abcdefgh\\\"}", r'{\\\"password\\\": \\\"[secret]"}'),
        ("api_key = abcdefgh", "api_key = [secret]"),
        ("openai_api_key='abcdefgh'", "openai_api_key='[secret]'"),
        ('aws_session_token="abcdefgh"', 'aws_session_token="[secret]"'),
    ],
)
def test_secrets_are_taken_out(text: str, clean: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING", "postgres://u:hunter2pass@db/x")
    monkeypatch.setenv("DB_PASS", "Tr0ub4dor&3x")
    remember(["remembered"])
    assert redact(text) == clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Rejected cookie: domain mismatch. Retry later",
        "Unexpected token: 'SELECT' at 5, token = 'VALUES'",
        "the password is missing; set a password: it must be long",
        "google answered",
        "A key: value pair, and a secret of success",
    ],
)
def test_ordinary_words_stay(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_PROVIDER", "google")
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No such file: '/home/ada/x.txt'", "No such file: '[path]'"),
        ("read:/home/ada/x, C:/Users/ada or \\\\srv\\share\\x", "read:[path], C:[path] or [path]"),
        ("at ~/.aws, C:\\Users\\ada\\x and file:///etc/passwd", "at [path], [path] and [path]"),
        ("it failed\nTraceback (most recent call last):\n  File x", "it failed"),
        ("said abc123def456ghi789", "said [secret]"),
        ("https://api.example.org/v1/chat and/or /model", "https://api.example.org/v1/chat and/or"),
        ("no \ud83d, but \ud83d\ude00", "no \ufffd, but \U0001f600"),
    ],
)
def test_people_are_shown_less(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD", "abc123def456ghi789")
    assert for_people(text).removesuffix(" /model") == shown


@pytest.mark.parametrize(
    "text",
    [
        "The model `gpt-5` failed: maximum context length is 8192 tokens; ask-for-less.",
        "set `OPENAI_API_KEY`; api_key: Field required",
        "write to ada@example.org about `https://example.org/a/b`",
    ],
)
def test_plain_text_stays(text: str) -> None:
    assert for_people(text) == text


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        " \n",
        "/",
        "/a",
        " /a",
        "\\",
        "a:\\",
        "~/",
        "eyJ",
        "Traceback ",
        "://",
        "a=",
        "a1",
        "-_",
        "cGxhaW5zZWNyZXR2YWx1ZQ",
    ],
)
def test_a_long_text_takes_no_more_for_each_character(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "plainsecretvalue")
    assert is_linear(lambda size: for_people("x" + unit * (size // len(unit)) + "y"), 200_000)


AWKWARD = "pa'ss\"wo\\rd/é+&<ü>%0123456\n"
SPELLINGS = {
    "raw": lambda secret: secret,
    "stripped": str.strip,
    "repr": lambda secret: repr(secret)[1:-1],
    "repr inside a longer one": lambda secret: repr(f"\"header': {secret}"),
    "bytes repr": lambda secret: repr(secret.encode()),
    "bytes repr in latin-1": lambda secret: repr(f"api-key: {secret}".encode("latin-1")),
    "JSON": json.dumps,
    "JSON in UTF-8": lambda secret: json.dumps({"key": secret}, ensure_ascii=False),
    "JSON in JSON": lambda secret: json.dumps({"body": json.dumps({"key": secret})}),
    "repr of JSON": lambda secret: repr(json.dumps([secret])),
    "percent": lambda secret: "?q=" + quote(secret, safe=""),
    "percent, lower case": lambda secret: re.sub("%..", lambda m: m[0].lower(), quote(secret)),
    "percent, slashes kept": quote,
    "form": quote_plus,
    "HTML": html.escape,
    "one line": lambda secret: " ".join(secret.split()),
    "Bearer": lambda secret: "Bearer " + b64encode(secret.encode()).decode(),
    "Basic": lambda secret: "Basic " + b64encode(f"user:{secret}".encode()).decode(),
    "Basic, longer": lambda secret: "Basic " + b64encode(f"ada:{secret}:x".encode()).decode(),
    "Basic, no user": lambda secret: b64encode(f":{secret}".encode()).decode(),
    "URL-safe Base64": lambda secret: urlsafe_b64encode(f"{secret}:".encode()).decode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "secret", [AWKWARD, "plainsecretvalue", " spaced-0815 \r\n", "k\tey-x-4711"]
)
def test_a_secret_is_known_however_it_is_spelled(
    spelling: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spell = SPELLINGS[spelling]
    monkeypatch.setenv("ODDLY_SPELLED_KEY", secret)
    clean = redact(f"before | {spell(secret)} | after")
    assert "[secret]" in clean
    assert spell(secret.strip()).strip("\"'b=") not in clean
    assert clean.startswith("before | ")
    assert clean.endswith(" | after")


@given(st.binary(min_size=8, max_size=40), st.binary(max_size=9), st.binary(max_size=9))
def test_base64_that_holds_a_secret_leaves_nothing_of_it(
    secret: bytes, before: bytes, after: bytes
) -> None:
    text = secret.hex()
    encoded = b64encode(before + text.encode() + after).decode()
    assert redact(f"x {encoded} y", text) == "x [secret] y"


def test_each_line_of_a_secret_of_several_lines_is_known() -> None:
    key = "-----BEGIN KEY-----\nbG9uZyBsaW5lIG9mIGE=\n-----END KEY-----"
    assert redact("the second line is bG9uZyBsaW5lIG9mIGE= here", key) == (
        "the second line is [secret] here"
    )


def test_a_password_in_a_url_is_known_as_basic_and_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PROXY", "http://ada:hunter%2Fpass@proxy:3128")
    basic = b64encode(b"ada:hunter/pass").decode()
    assert redact(f"hunter/pass, {basic}") == "[secret], [secret]"


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-abcdefghijkl0123",
        "0123456789abcdef0123456789abcdef",
        "hf_AbCdEfGhIjKlMnOpQrSt",
        "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
        "openai:gsk_0123456789abcdefghij",
        "X7f9Kq2LmN4pRs8TuVwZ",
    ],
)
def test_a_secret_in_place_of_a_name_is_recognised(text: str) -> None:
    assert looks_like_a_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "gpt-4o-mini-2024-07-18",
        "ft:gpt-4o-mini-2024-07-18:acme:suffix:AbC123xy",
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd34ef56",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M",
        "OPENAI_API_KEY_FOR_TEAM_2",
        "gateway",
    ],
)
def test_the_name_of_a_model_is_no_secret(text: str) -> None:
    assert not looks_like_a_secret(text)


def test_secrets_are_taken_out_of_json() -> None:
    key = "glpat-abcdefghij1234567890"
    given = {"a": [key, 1, None, (key,)], key: {"b": True}}
    clean = {"a": ["[secret]", 1, None, ["[secret]"]], "[secret]": {"b": True}}
    assert redact_json(given) == clean


@given(st.text(alphabet=st.sampled_from("a1/@:.~=&? '\\-Bearkycoi")))
def test_what_is_clean_stays_so(text: str) -> None:
    once = for_people(text)
    assert for_people(once) == once


def test_a_log_has_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    remember(["remembered"])
    log = logging.getLogger("tests.redaction")
    caplog.handler.addFilter(RedactingFilter())
    log.error("It said %s", "remembered")
    try:
        raise ValueError("remembered")
    except ValueError:
        log.exception("%d", 5)
    assert "remembered" not in caplog.text
    assert "It said [secret]" in caplog.text
    assert "ValueError: [secret]" in caplog.text
