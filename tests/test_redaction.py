"""What is taken out of texts, and that it costs little whatever the text is."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import is_linear

from jupyter_ai_personas.redaction import RedactingFilter, for_people, redact, remember


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
    ],
)
def test_a_long_text_takes_no_more_for_each_character(unit: str) -> None:
    assert is_linear(lambda size: for_people("x" + unit * (size // len(unit)) + "y"), 200_000)


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
