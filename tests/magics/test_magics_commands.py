"""Commands of %ai, and loading and unloading the magics."""

from __future__ import annotations

import sys
import threading

import pytest
from support.shells import Shell, asked

from jupyter_ai_personas import __version__
from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer


def test_help_and_version(shell: Shell) -> None:
    printed = shell.run("%ai help")
    assert printed.startswith("%%ai [MODEL | @Persona] [options]")
    assert shell.run("%ai") == shell.run("%%ai --help\n\n") == printed
    assert shell.run("%ai version") == f"jupyter_ai_personas {__version__}\n"


def test_list_shows_providers_what_they_lack_and_the_default(shell: Shell) -> None:
    lines = {line.split()[0]: line for line in shell.run("%ai list").splitlines()}
    assert "yes, for the magics only" in lines["my_provider"]
    assert lines["my_provider"].endswith("model_a, model_b")
    assert "set PLAIN_API_KEY" in lines["needs_key"]
    assert "pip install no-such-package-anywhere" in lines["needs_package"]
    assert "set OPENAI_API_KEY" in lines["openai"]
    names = list(lines)
    assert names.index("plain") < names.index("anthropic"), "those that are ready come first"
    assert lines["A"] == "A cell that names no model asks loop:small (set by the operator)."


def test_list_of_one_provider_shows_its_models(shell: Shell, loopback: OpenAIServer) -> None:
    printed = shell.run("%ai list my_provider")
    assert "my_provider:model_a\nmy_provider:model_b\n" in printed
    assert "My Provider: yes, for the magics only." in printed
    assert "loop:loopback" in shell.run("%ai list loop")
    assert loopback.requests[-1].path.endswith("/models")
    loopback.close()
    printed = shell.run("%ai list loop")
    assert "loop:small\nloop:large\n" in printed
    assert "These were configured: its list of models cannot be reached." in printed
    assert "Did you mean `my_provider`" in shell.fail("%ai list my_provder")


@pytest.mark.parametrize(("set_", "unset"), [("alias", "dealias"), ("register", "delete")])
def test_an_alias_stands_for_a_model(
    shell: Shell, loopback: OpenAIServer, set_: str, unset: str
) -> None:
    assert shell.run(f"%ai {set_} mine loop:large") == "mine stands for loop:large now.\n"
    shell.run("%%ai mine\nhi")
    assert loopback.requests[-1].json["model"] == "large"
    assert "mine stands for loop:large." in shell.run("%ai list")
    assert shell.run("%ai update mine small") == "mine stands for loop:small now.\n"
    shell.run("%%ai mine\nhi")
    assert loopback.requests[-1].json["model"] == "small"
    assert "{'mine': 'loop:small'}" in shell.run("%config AiMagics.aliases")
    assert "Did you mean `mine`?" in shell.fail(f"%ai {unset} min")
    shell.run(f"%ai {unset} mine")
    assert "There is no model `mine`" in shell.fail("%%ai mine\nhi")


def test_an_alias_is_checked_when_it_is_made(shell: Shell) -> None:
    assert "Did you mean `my_provider`" in shell.fail("%ai alias mine my_provder:model_a")
    assert "cannot be an alias" in shell.fail("%ai alias a:b loop:small")


def test_aliases_can_be_configured(shell: Shell, loopback: OpenAIServer) -> None:
    shell.ip.config.AiMagics.aliases = {"mine": "loop:large"}
    shell.run("%reload_ext jupyter_ai_personas")
    shell.run("%%ai mine\nhi")
    assert loopback.requests[-1].json["model"] == "large"


def test_error_explains_the_last_exception(shell: Shell, loopback: OpenAIServer) -> None:
    assert "There is no error to explain" in shell.fail("%ai error")
    shell.fail("def f(n):\n    return 1 / n\nf(0)")
    shell.run("1 + 1")
    loopback.answer(Answer(text="You divide by zero."), Answer(text="Do not."))
    assert shell.run("%ai error") == "You divide by zero.\n"
    ((_, prompt),) = asked(loopback)
    assert "return 1 / n\nf(0)" in prompt
    assert "ZeroDivisionError: division by zero" in prompt
    shell.run("%%ai -f text\nhow do I avoid it?")
    assert [role for role, _ in asked(loopback)] == ["user", "assistant", "user"]
    assert shell.run("%ai error my_provider:model_a -f text").startswith("This is a response")


def test_errors_of_the_magics_are_not_what_error_explains(
    shell: Shell, loopback: OpenAIServer
) -> None:
    shell.fail("int('x')")
    shell.fail("%%ai nothing:here\nhi")
    shell.fail("%ai lst")
    shell.run("%ai error")
    assert "invalid literal for int()" in asked(loopback)[0][1]


def test_a_syntax_error_is_explained_too(shell: Shell, loopback: OpenAIServer) -> None:
    shell.fail("a b c")
    shell.run("%ai error")
    assert "SyntaxError: invalid syntax" in asked(loopback)[0][1]


def test_loading_twice_leaves_one_of_everything(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run("%reload_ext jupyter_ai_personas")
    names = [type(one).__name__ for one in shell.ip.configurables]
    assert names.count("AiMagics") == 1
    shell.fail("1/0")
    shell.run("%ai error")
    assert len(loopback.requests) == 1


def test_unloading_takes_everything_back(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run("%%ai\nhi")
    shell.run("%unload_ext jupyter_ai_personas")
    assert "not found" in shell.fail("%ai help")
    assert "AiMagics" not in [type(one).__name__ for one in shell.ip.configurables]
    for thread in threading.enumerate():
        if thread.name == "%ai":
            thread.join(60)
            assert not thread.is_alive()
    shell.run("%load_ext jupyter_ai_personas")
    shell.run("%%ai\nhi")


def test_a_cell_may_await_while_the_magics_work(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run(
        """
        import asyncio
        await asyncio.sleep(0)
        get_ipython().run_cell_magic("ai", "loop:small", "hi")
        await asyncio.sleep(0)
        """
    )
    assert len(loopback.requests) == 1
    assert "nest_asyncio" not in sys.modules
