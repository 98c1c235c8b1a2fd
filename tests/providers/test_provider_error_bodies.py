"""The vendor's own sentence, whatever shape the body of its error has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_ai_personas.providers.error_bodies import codes_in, is_web_page, reason_in


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": {"message": "no", "type": "t", "param": None, "code": "c"}}, "no"),
        ({"message": "no", "object": "error"}, "no"),
        ({"error": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"detail": {"error": {"message": "no"}}}, "no"),
        ({"error": "invalid_request", "error_description": "no"}, "no"),
        ({"status": 400, "error": "Bad Request", "message": "no", "path": "/x"}, "no"),
        ({"errors": [{"code": 7, "message": "no"}], "success": False}, "no"),
        ([{"error": {"code": 400, "message": "no"}}], "no"),
        ({"Error": {"Code": "ValidationException", "Message": "no"}}, "no"),
        (
            {
                "detail": [
                    {"loc": ["body", "messages", 0, "content"], "msg": "must be a string"},
                    {"loc": ["body", "temperature"], "msg": "must be a number"},
                ]
            },
            "messages.0.content: must be a string; temperature: must be a number",
        ),
        ({"detail": [{"loc": ["body"], "msg": "no"}]}, "no"),
        (
            {"error": {"message": "upstream", "metadata": {"raw": '{"error": {"message": "no"}}'}}},
            "upstream: no",
        ),
        ("no", "no"),
        (b'{"error": "no"}', "no"),
        ('Error response 400 while fetching http://h/v1: {"error": "no"}', "no"),
        ("Error calling model 'm' (None): 400 None. {'error': {'message': 'no'}}", "no"),
        ('Bad request: [{"msg": "no"}]', "no"),
        ("Supported values are: ['a', 'b']", "Supported values are: ['a', 'b']"),
        ("set {temperature}", "set {temperature}"),
        ("<html><head><title>502 Bad &amp; Gateway</title></head></html>", "502 Bad & Gateway"),
        ("<!DOCTYPE html><body><h1>Sign in</h1></body>", "Sign in"),
        ("<html></html>", ""),
        ({}, ""),
        ({"error": None}, ""),
        ({"error": {}}, ""),
        (None, ""),
        (7, ""),
        ([], ""),
    ],
)
def test_the_sentence_is_found(body: Any, reason: str) -> None:
    assert reason_in(body) == reason


def test_a_body_without_an_end_is_no_trouble() -> None:
    endless: dict[str, Any] = {}
    endless["error"] = endless
    assert reason_in(endless) == ""
    assert codes_in(endless) == set()
    assert reason_in("[" * 100_000 + "{" * 100_000)
    nested = json.dumps("no")
    for _ in range(10):
        nested = json.dumps({"error": nested})
    assert isinstance(reason_in(nested), str)


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ({"error": {"code": "A", "type": "b"}}, {"a", "b"}),
        ('400: {"error": {"code": 7}}', {"7"}),
        ({"Error": {"Code": "ValidationException"}}, {"validationexception"}),
        ("text", set()),
        ([], set()),
    ],
)
def test_the_codes_are_found(body: Any, codes: set[str]) -> None:
    assert codes_in(body) == codes


@pytest.mark.parametrize("body", ["<html>", "  <!doctype HTML>", 'raw: <html lang="en">'])
def test_a_web_page_is_known_as_one(body: str) -> None:
    assert is_web_page(body)


@pytest.mark.parametrize("body", ["", "2 < 3", "<think>", None, {"html": "<b>"}])
def test_what_is_no_web_page_is_not_taken_for_one(body: Any) -> None:
    assert not is_web_page(body)
