"""What stands on the line of ``%ai`` and ``%%ai``."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.errors import MagicsError
from jupyter_ai_personas.magics.formats import FORMATS
from jupyter_ai_personas.magics.options import (
    COMMANDS,
    CellOptions,
    help_text,
    parse_cell_line,
    parse_line,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", CellOptions()),
        ("a:b", CellOptions("a:b")),
        ("a:b -f code", CellOptions("a:b", "code")),
        ("--format=JSON a:b", CellOptions("a:b", "json")),
        ('"@Data Analyst" -f text', CellOptions("@Data Analyst", "text")),
        ('a:b -m {"temperature": 0.5}', CellOptions("a:b", parameters={"temperature": 0.5})),
        ("a:b -m '{\"temperature\": 0.5}'", CellOptions("a:b", parameters={"temperature": 0.5})),
        (
            'a:b --model-parameters {"stop": ["}", "it\'s"], "n": {"x": 1}} -f md',
            CellOptions("a:b", "md", {"stop": ["}", "it's"], "n": {"x": 1}}),
        ),
        ('--model-parameters={"n": 1} a:b', CellOptions("a:b", parameters={"n": 1})),
        ("--help", CellOptions(help=True)),
    ],
)
def test_a_cell_line_names_whom_to_ask_and_how(line: str, expected: CellOptions) -> None:
    assert parse_cell_line(line) == expected


json_objects = st.dictionaries(
    st.text(max_size=8), st.text(max_size=8) | st.integers() | st.lists(st.text(max_size=4))
)


@given(parameters=json_objects, format=st.sampled_from(FORMATS))
def test_parameters_are_taken_as_typed_whatever_json_they_are(
    parameters: dict[str, object], format: str
) -> None:
    line = f"p:m -m {json.dumps(parameters)} -f {format}"
    assert parse_cell_line(line) == CellOptions("p:m", format, parameters)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a:b -f cod", "There is no format `cod`. Did you mean `code`?"),
        ("a:b -f zzz", "There is no format `zzz`. There are code, html, image"),
        ("a:b -f", "`-f/--format` expected one argument"),
        ("a:b --fromat code", "no option `--fromat`. Did you mean `--format`"),
        ("a:b -z", "no option `-z`"),
        ("a:b -m [1]", "are a JSON object"),
        ("a:b -m {'x': 1}", "not JSON, at character 2"),
        ("a:b -m '{x}'", "not JSON, at character 2"),
        ("a:b what is this", "The question goes into the lines below"),
        ("a:b 'open", "cannot be read"),
    ],
)
def test_a_line_that_cannot_be_meant_says_what_is_wrong(line: str, message: str) -> None:
    with pytest.raises(MagicsError) as caught:
        parse_cell_line(line)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "name", "arguments"),
    [
        ("", "help", ()),
        ("help", "help", ()),
        ("--help", "help", ()),
        ("list", "list", ()),
        ("list openai", "list", ("openai",)),
        ("version", "version", ()),
        ("reset", "reset", ()),
        ("alias a b:c", "alias", ("a", "b:c")),
        ("register a b:c", "alias", ("a", "b:c")),
        ("update a b:c", "alias", ("a", "b:c")),
        ("dealias a", "dealias", ("a",)),
        ("delete a", "dealias", ("a",)),
    ],
)
def test_commands_and_the_names_that_people_know(
    line: str, name: str, arguments: tuple[str, ...]
) -> None:
    command = parse_line(line)
    assert (command.name, tuple(command.arguments)) == (name, arguments)


def test_error_takes_the_options_of_a_cell() -> None:
    assert parse_line("error").options == CellOptions()
    assert parse_line("error a:b -f text").options == CellOptions("a:b", "text")
    assert parse_line("error --help").name == "help"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lst", "no command `lst`. Did you mean `list`"),
        ("zzz", "no command `zzz`. `%ai help`"),
        ("alias a", "It goes `%ai alias NAME TARGET`"),
        ("register a", "It goes `%ai register NAME TARGET`"),
        ("reset all", "It goes `%ai reset`"),
        ("openai:gpt what is this", "a cell that begins with `%%ai openai:gpt`"),
        ("@Guide hello", "a cell that begins with `%%ai @Guide`"),
        ("error a:b c", "the last exception"),
    ],
)
def test_a_command_that_cannot_be_meant_says_what_is_wrong(line: str, message: str) -> None:
    with pytest.raises(MagicsError) as caught:
        parse_line(line)
    assert message in str(caught.value)


def test_the_help_names_every_command_option_and_format() -> None:
    text = help_text()
    for command in COMMANDS:
        assert f"%ai {command}" in text
    for word in (*FORMATS, "-f, --format", "-m, --model-parameters", "register", "{Out[2]}"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 100


@given(line=st.text(max_size=40))
def test_any_line_parses_or_says_why_not(line: str) -> None:
    for parse in (parse_cell_line, parse_line):
        with suppress(MagicsError):
            parse(line)
