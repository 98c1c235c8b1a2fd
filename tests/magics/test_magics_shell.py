"""``%ai`` and ``%%ai`` in a real IPython shell, in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.shells import Shell, asked

from jupyter_ai_personas.testing.openai_server import Answer, OpenAIServer

# -- asking ----------------------------------------------------------------------------------------


def test_a_chat_model_answers_the_cell(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="It **is** prime."))
    assert shell.run("%%ai loop:large\nis 5 prime?\n") == "It **is** prime.\n"
    request = loopback.requests[0].json
    assert request["model"] == "large"
    assert request["stream"] is True
    assert asked(loopback) == [("user", "is 5 prime?\n\nAnswer in Markdown only.")]


def test_a_plain_llm_answers_the_cell(shell: Shell) -> None:
    assert shell.run("%%ai my_provider:model_a\nhi") == "This is a response from model 'a'\n"
    assert shell.run("%%ai my_provider:model_b\nhi") == "This is a response from model 'b'\n"


def test_a_cell_that_names_no_model_asks_the_default_one(
    shell: Shell, loopback: OpenAIServer
) -> None:
    shell.run("%%ai\nhi")
    assert loopback.requests[-1].json["model"] == "small"
    shell.run("%config AiMagics.default_model = 'loop:large'")
    shell.run("%%ai -f text\nhi")
    assert loopback.requests[-1].json["model"] == "large"
    shell.run("%config AiMagics.default_model = 'my_provider:model_a'")
    assert shell.run("%%ai\nhi") == "This is a response from model 'a'\n"


def test_the_default_of_defaults_needs_no_key(shell: Shell) -> None:
    shell.run("%config AiMagics.endpoints = {}")
    shell.run("%config AiMagics.default_model = 'auto'")
    assert "No model is set up here" in shell.run("%%ai\nhello there")
    assert "asks workspace:search (automatically" in shell.run("%ai list")


def test_parameters_reach_the_model(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run('%%ai loop:small -m {"temperature": 0.25, "max_tokens": 7}\nhi')
    request = loopback.requests[-1].json
    assert request["temperature"] == 0.25
    assert 7 in (request.get("max_tokens"), request.get("max_completion_tokens"))
    shell.run("%config AiMagics.model_parameters = {'loop': {'temperature': 0.5}}")
    shell.run("%%ai loop:small\nhi")
    assert loopback.requests[-1].json["temperature"] == 0.5


@pytest.mark.parametrize(
    ("format", "instruction"),
    [("code", "source code only"), ("json", "JSON only"), ("text", "hi"), ("math", "LaTeX only")],
)
def test_the_model_is_told_the_format(
    shell: Shell, loopback: OpenAIServer, format: str, instruction: str
) -> None:
    loopback.answer(Answer(text="[1]"))
    shell.run(f"%%ai loop:small -f {format}\nhi")
    assert instruction in asked(loopback)[0][1]


def test_code_is_printed_where_there_are_no_cells(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="Sure:\n\n```python\nprint(1)\n```\n"))
    assert shell.run("%%ai -f code\nprint one") == "print(1)\n"
    assert shell.run("_") == "Out[2]: 'print(1)'\n"


def test_an_image_that_a_chat_model_sends_is_the_reply(shell: Shell) -> None:
    assert shell.run("%%ai painter:oil -f image\na gecko") == "<image/png>\n"
    assert "data:image/png;base64,PICTURE" in shell.run("_")
    shell.run("%%ai painter:oil -f image\nonce more")
    shown = shell.run("from others import SHOWN\nSHOWN[-1]")
    assert "<image/png>" in shown
    assert "PICTURE" not in shown, "its data would fill the context of the next question"
    printed = shell.run("%%ai painter:oil\na gecko")
    assert "*The model sent an image, which is not shown.*" in printed


def test_what_is_not_in_the_format_is_shown_as_it_is(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="no json"), Answer(text='{"a": 1}'))
    printed = shell.run("%%ai -f json\nhi")
    assert printed.startswith("no json\n")
    assert "not JSON" in printed
    assert shell.run("%%ai -f json\nhi") == '{\n  "a": 1\n}\n'


def test_json_after_reasoning_that_nothing_opens_is_json(
    shell: Shell, loopback: OpenAIServer
) -> None:
    thinks = Answer(text=["a number, ", "I think", "</think>", "\n\n", "[4", "2]"])
    loopback.answer(thinks, thinks)
    for _ in range(2):
        assert shell.run("%%ai -f json\nhi") == "[\n  42\n]\n"
        assert "I think" not in shell.run("_")


def test_reasoning_that_was_printed_is_no_part_of_the_reply(
    shell: Shell, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text=["let me see", "</think>", "42"]))
    assert shell.run("%%ai -f text\nhi") == "let me see\n\n42\n", "what is printed stays"
    assert shell.run("_") == "Out[2]: '42'\n"


def test_the_reply_is_the_value_of_the_cell(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="first"))
    shell.run("%%ai\nhi")
    assert shell.run("_.upper(), Out[1]") == "Out[2]: ('FIRST', 'first')\n"


def test_variables_and_cells_are_inserted(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run("x = [1, 2]; open_ = 3")
    shell.run("x * 2")
    shell.fail("x.y")
    shell.run(
        r"""
        %%ai -f text
        {x} {open} {{x}} {In[2]} {Out[2]} {"a": {x}} \frac{x}{x}
        {Err[3]}
        """
    )
    first, *error = asked(loopback)[0][1].splitlines()
    assert first == r'[1, 2] {open} {x} x * 2 [1, 2, 1, 2] {"a": {x}} \frac{x}{x}'
    assert error[0] == "Traceback (most recent call last):"
    assert error[-1] == "AttributeError: 'list' object has no attribute 'y'"
    assert "IPython/core" not in "\n".join(error)


def test_a_reply_can_be_inserted_into_the_next_question(
    shell: Shell, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="forty-two"))
    shell.run("%%ai\nhi")
    shell.run("%%ai -f text\nwhy {Out[1]}?")
    assert asked(loopback)[-1][1] == "why forty-two?"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("{Out[7]}", "There is no `Out[7]`"),
        ("{In[7]}", "There is no `In[7]`"),
        ("{Err[7]}", "There is no `Err[7]`"),
        ("{bad}", "`bad` cannot be inserted: its `str()` raises ValueError: no text"),
    ],
)
def test_what_cannot_be_inserted_is_not_sent(
    shell: Shell, loopback: OpenAIServer, cell: str, message: str
) -> None:
    shell.run(
        """
        class Bad:
            def __str__(self): raise ValueError("no text")
        bad = Bad()
        """
    )
    assert message in shell.fail(f"%%ai\nexplain {cell}")
    assert loopback.requests == []


def test_the_model_may_be_named_by_a_variable(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run("which = 'large'; model = 'loop:' + which")
    shell.run("%%ai {model} -f text\nhi")
    assert loopback.requests[-1].json["model"] == "large"


def test_cells_can_be_run_from_code(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run(
        """
        for model in ("small", "large"):
            get_ipython().run_cell_magic("ai", f"loop:{model}", "hi")
        """
    )
    assert [request.json["model"] for request in loopback.requests] == ["small", "large"]


# -- the conversation ------------------------------------------------------------------------------


def test_follow_up_cells_have_context_until_it_is_reset(
    shell: Shell, loopback: OpenAIServer
) -> None:
    loopback.answer(Answer(text="I am Ada."), Answer(text="You asked my name."))
    shell.run("%%ai -f text\nwho are you?")
    shell.run("%%ai -f text\nwhat did I ask?")
    first = [("user", "who are you?"), ("assistant", "I am Ada."), ("user", "what did I ask?")]
    assert asked(loopback) == first
    assert shell.run("%ai reset") == "The conversation is forgotten.\n"
    shell.run("%%ai -f text\nand now?")
    assert asked(loopback) == [("user", "and now?")]


def test_plain_llms_get_the_conversation_as_text(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="I am Ada."))
    shell.run("%%ai -f text\nwho are you?")
    printed = shell.run("%%ai plain:one -f text\nwhat did I ask?")
    assert printed == "Human: who are you?\nAI: I am Ada.\nHuman: what did I ask?\nAI:\n"


def test_the_conversation_is_bounded(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run("%config AiMagics.max_history = 2")
    for number in range(4):
        loopback.answer(Answer(text=f"reply {number}"))
        shell.run(f"%%ai -f text\nquestion {number}")
    assert [content for _, content in asked(loopback)] == [
        "question 1",
        "reply 1",
        "question 2",
        "reply 2",
        "question 3",
    ]
    shell.run("%config AiMagics.max_history = 0")
    shell.run("%%ai -f text\nalone")
    assert asked(loopback) == [("user", "alone")]


def test_long_exchanges_are_left_out_of_the_context(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run("long = 'x' * 61_000")
    shell.run("%%ai -f text\n{long}")
    shell.run("%%ai -f text\nshort")
    assert asked(loopback) == [("user", "short")]


def test_what_failed_is_no_part_of_the_conversation(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(status=400, text="Bad question."))
    assert "Bad question." in shell.fail("%%ai -f text\nbad")
    shell.run("%%ai -f text\ngood")
    assert asked(loopback) == [("user", "good")]


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("needs_key:one", "`PLAIN_API_KEY`"),
        ("needs_package:one", "`%pip install no-such-package-anywhere`"),
        ("my_provder:model_a", "Did you mean `my_provider`"),
        ("my_provider:model_c", "Did you mean `model_"),
        ("my_provider:", "has no model"),
        ("model_c", "Did you mean `model_"),
        ("nothing-like-it", "`%ai list` shows what there is"),
        ("@Ekho", "There is no persona `Ekho`. Did you mean `Echo`?"),
        ('my_provider:model_a -m {"model": "model_b"}', "name another model"),
        ('@Echo -m {"x": 1}', "A persona takes no model parameters"),
    ],
)
def test_an_error_says_in_one_line_what_to_do(shell: Shell, line: str, message: str) -> None:
    printed = shell.fail(f"%%ai {line}\nhi")
    assert message in printed
    assert "Traceback" not in printed
    assert "/model" not in printed
    assert len(printed.splitlines()) == 1


def test_refused_credentials_can_be_mended_in_place(
    shell: Shell, loopback: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = os.environ["LOOP_KEY"]
    monkeypatch.setenv("LOOP_KEY", "wrong-secret-0123456789")
    printed = shell.fail("%%ai\nhi")
    assert "refused the credentials. Check `LOOP_KEY`." in printed
    assert "wrong-secret" not in printed
    monkeypatch.setenv("LOOP_KEY", right)
    assert shell.run("%%ai\nhi") == "Hello from the loopback model.\n"


@pytest.mark.parametrize(
    "cell",
    [
        "%%ai sk-proj-abcdefghijkl0123\nhi",
        "%%ai openai:sk-proj-abcdefghijkl0123\nhi",
        "%%ai sk-proj-abcdefghijkl0123:m\nhi",
        "%ai alias sk-proj-abcdefghijkl0123 loop:small",
        "%ai alias fast sk-proj-abcdefghijkl0123",
        "%ai dealias sk-proj-abcdefghijkl0123",
        "%ai list sk-proj-abcdefghijkl0123",
        '%%ai loop:small -m {"api_key": "sk-proj-abc\\ndefghijkl0123"}\nhi',
        '%%ai loop:small -m {"api_key": "sk-proj-abcdefghijkl0123"\nhi',
    ],
)
def test_a_secret_typed_in_the_wrong_place_is_not_shown(shell: Shell, cell: str) -> None:
    said = shell.fail(cell)
    assert said.strip()
    assert "abcdefghijkl" not in said
    assert "defghijkl0123" not in said


def test_a_key_of_the_environment_may_have_a_newline(
    shell: Shell, loopback: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = os.environ["LOOP_KEY"]
    monkeypatch.setenv("OPENAI_API_KEY", f"{key}\n")
    monkeypatch.setenv("OPENAI_BASE_URL", loopback.url)
    assert shell.run("%%ai openai:m\nhi")
    assert loopback.requests[-1].headers["authorization"] == f"Bearer {key}"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-with\na-newline")
    said = shell.fail("%%ai openai:other\nhi")
    assert "`OPENAI_API_KEY` holds a line break" in said
    assert "a-newline" not in said


def test_the_servers_secrets_file_is_read_like_in_the_chat(
    shell: Shell, loopback: OpenAIServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = os.environ["LOOP_KEY"]
    file = tmp_path / "secrets.env"
    file.write_text(f"LOOP_KEY={key}\n")
    file.chmod(0o600)
    monkeypatch.delenv("LOOP_KEY")
    assert "`LOOP_KEY`" in shell.fail("%%ai\nhi")
    shell.run(f"%config AiMagics.secrets_file = {str(file)!r}")
    assert shell.run("%%ai\nhi")
    assert loopback.requests[-1].headers["authorization"] == f"Bearer {key}"


def test_an_answer_that_is_cut_keeps_what_came(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text="one two three", cut_after=2))
    printed = shell.fail("%%ai\nhi")
    assert printed.startswith("one two")
    assert "the connection was cut" in printed


def test_an_empty_question_is_not_sent(shell: Shell, loopback: OpenAIServer) -> None:
    assert "There is no question" in shell.fail("%%ai\n   \n  ")
    assert loopback.requests == []


def test_lists_of_allowed_and_blocked_models_hold(shell: Shell, loopback: OpenAIServer) -> None:
    shell.run("%config AiMagics.blocked_providers = ['loop:large']")
    assert "`loop:large` is not allowed here" in shell.fail("%%ai loop:large\nhi")
    shell.run("%config AiMagics.allowed_providers = ['my_provider']")
    assert "`loop:small` is not allowed here" in shell.fail("%%ai loop:small\nhi")
    assert "response from model 'a'" in shell.run("%%ai my_provider:model_a\nhi")
    assert loopback.requests == []


def test_what_the_servers_operator_set_holds_here(
    shell: Shell, loopback: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "default_model": "loop:large",
        "model_aliases": {"big": "loop:large"},
        "blocked_providers": ["my_provider"],
        "allowed_providers": None,
        "endpoints": {},
    }
    monkeypatch.setenv("JUPYTER_AI_PERSONAS_CONFIG", json.dumps(told))
    shell.ip.config.AiMagics.pop("default_model")
    shell.ip.config.AiMagics.blocked_providers = []
    shell.run("%reload_ext jupyter_ai_personas")
    shell.run("%%ai\nhi")
    shell.run("%%ai big\nhi")
    assert [request.json["model"] for request in loopback.requests] == ["large", "large"]
    assert "is not allowed here" in shell.fail("%%ai my_provider:model_a\nhi")


# -- servers as they are ---------------------------------------------------------------------------


def test_a_file_name_that_is_no_text_stops_neither_this_cell_nor_the_next(
    shell: Shell, loopback: OpenAIServer
) -> None:
    shell.run('f = b"caf\\xe9.csv".decode("utf-8", "surrogateescape")')
    assert shell.run("%%ai -f text\nread {f}") == "Hello from the loopback model.\n"
    assert asked(loopback) == [("user", "read caf\ufffd.csv")]
    shell.fail("raise ValueError(f)")
    assert "Hello" in shell.run("%ai error -f text")
    assert shell.run("%%ai -f text\nagain") == "Hello from the loopback model.\n"


def test_an_emoji_that_is_cut_in_two_is_whole(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.answer(Answer(text=["a ", "\ud83d", "\ude00"]))
    assert shell.run("%%ai -f text\nsmile") == "a 😀\n"
    assert shell.run("%%ai -f text\nagain") == "Hello from the loopback model.\n"


def test_a_conversation_that_is_too_long_goes_on_with_a_note(
    shell: Shell, loopback: OpenAIServer
) -> None:
    shell.run("%%ai -f text\n" + "word " * 50)
    loopback.most_tokens = 20
    printed = shell.run("%%ai -f text\nso?")
    note = "The conversation is longer than the model can read: its beginning was left out."
    assert printed == f"{note}\nHello from the loopback model.\n"
    assert asked(loopback) == [("user", "so?")]
    assert shell.run("_") == "Out[3]: 'Hello from the loopback model.'\n"


def test_a_prompt_that_is_too_long_says_what_to_do(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.most_tokens = 20
    printed = shell.fail("%%ai -f text\n" + "word " * 50)
    assert "maximum context length is 20 tokens" in printed
    assert "forget the conversation with `%ai reset`, or name a model that reads more" in printed
    # What failed is not asked again.
    assert shell.run("%%ai -f text\nhi") == "Hello from the loopback model.\n"


def test_a_strict_server_answers_after_a_failure(shell: Shell, loopback: OpenAIServer) -> None:
    loopback.alternating = True
    shell.run("%%ai -f text\none")
    loopback.answer(Answer(status=400, text="no"), Answer(status=400, text="no"))
    assert "failed: no" in shell.fail("%%ai -f text\ntwo")
    assert shell.run("%%ai -f text\nthree") == "Hello from the loopback model.\n"
    assert [role for role, _ in asked(loopback)] == ["user", "assistant", "user"]
