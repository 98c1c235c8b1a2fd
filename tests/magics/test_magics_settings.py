"""What is set about the magics applies, or no model is asked; so does what the operator set."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.shells import Shell

from jupyter_ai_personas.testing.openai_server import OpenAIServer

VARIABLE = "JUPYTER_AI_PERSONAS_CONFIG"
RELOAD = "%reload_ext jupyter_ai_personas"


@pytest.mark.parametrize(
    "value", ["'loop:small'", "('loop:small',)", "set(['LOOP : small'])", "'loop:s*'"]
)
def test_a_limit_holds_in_whatever_form_it_is_given(
    shell: Shell, loopback: OpenAIServer, value: str
) -> None:
    shell.run(f"%config AiMagics.allowed_providers = {value}")
    assert "`loop:large` is not allowed here" in shell.fail("%%ai loop:large\nhi")
    assert loopback.requests == []
    shell.run("%%ai loop:small\nhi")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("allowed_providers = 3", "`c.AiMagics.allowed_providers` must be a list of names"),
        ("blocked_providers = ''", "`c.AiMagics.blocked_providers[0]` must be a name"),
        ("max_history = '3'", "`c.AiMagics.max_history` must be a whole number"),
        ("endpoints = dict(x='http://y/v1')", '`c.AiMagics.endpoints["x"]` must be a dictionary'),
        ("model_parameters = dict(loop='a=1')", '`c.AiMagics.model_parameters["loop"]` must be'),
        ("blocked_provider = ['loop']", "Did you mean `blocked_providers`?"),
    ],
)
def test_what_does_not_apply_is_refused_at_once_and_changes_nothing(
    shell: Shell, setting: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    shell.run("%config AiMagics.blocked_providers = ['loop:large']")
    shell.run(f"%config AiMagics.{setting}")
    assert says in caplog.text  # IPython logs what `%config` raises
    assert "`loop:large` is not allowed here" in shell.fail("%%ai loop:large\nhi")
    shell.run("%%ai loop:small\nhi")


def test_a_limit_that_matches_nothing_is_told_once(shell: Shell) -> None:
    shell.run("%config AiMagics.blocked_providers = ['lop:large']")
    told = "`lop:large` in `c.AiMagics.blocked_providers` matches no provider. Did you mean `loop`"
    assert told in shell.run("%%ai loop:small\nhi")
    assert told not in shell.run("%%ai loop:small\nhi")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("allowed_providers", 3, "`c.AiMagics.allowed_providers` must be a list of names"),
        ("endpoints", {"x": "http://y/v1"}, '`c.AiMagics.endpoints["x"]` must be a dictionary'),
        ("allowed_provider", ["loop"], "Did you mean `allowed_providers`?"),
    ],
)
def test_what_does_not_apply_at_the_start_is_told_by_each_cell(
    shell: Shell, loopback: OpenAIServer, name: str, value: Any, says: str
) -> None:
    shell.ip.config.AiMagics[name] = value
    shell.run(RELOAD)
    for cell in ("%%ai loop:small\nhi", "%%ai\nhi", "%ai list"):
        assert says in shell.fail(cell)
    assert shell.run("%ai version")
    assert loopback.requests == []


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("{", "is no JSON object"),
        ("[]", "is no JSON object"),
        (json.dumps({"blocked_providers": 3}), "`c.AiExtension.blocked_providers` must be a list"),
        (json.dumps({"endpoints": {"x": 1}}), '`c.AiExtension.endpoints["x"]` must be'),
        (json.dumps({"problem": "Personas are off: why."}), "Personas are off: why."),
    ],
)
def test_what_the_operator_set_applies_or_no_model_is_asked(
    shell: Shell, loopback: OpenAIServer, monkeypatch: pytest.MonkeyPatch, told: str, says: str
) -> None:
    monkeypatch.setenv(VARIABLE, told)
    shell.run(RELOAD)
    assert says in shell.fail("%%ai loop:small\nhi")
    assert loopback.requests == []


def test_limits_of_the_operator_and_those_of_the_notebook_hold_both(
    shell: Shell, loopback: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"allowed_providers": ["loop", "my_provider"], "blocked_providers": ["loop:large"]}
    monkeypatch.setenv(VARIABLE, json.dumps(told))
    shell.ip.config.AiMagics.blocked_providers = ["my_provider:model_b"]
    shell.run(RELOAD)
    for name in ("loop:large", "my_provider:model_b", "plain:one"):
        assert "is not allowed here" in shell.fail(f"%%ai {name}\nhi")
    assert loopback.requests == []
    shell.run("%config AiMagics.allowed_providers = None")
    shell.run("%config AiMagics.blocked_providers = []")
    for name in ("loop:large", "plain:one"):
        assert "is not allowed here" in shell.fail(f"%%ai {name}\nhi")
    assert "model 'b'" in shell.run("%%ai my_provider:model_b\nhi")
