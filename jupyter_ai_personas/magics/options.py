"""Pure parser for the lines of ``%ai`` and ``%%ai``."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..errors import MagicsError, did_you_mean, near_matches
from .formats import FORMATS

__all__ = ["COMMANDS", "CellOptions", "Command", "help_text", "parse_cell_line", "parse_line"]

COMMANDS: Mapping[str, tuple[str, str]] = {
    "help": ("", "shows this"),
    "list": ("[PROVIDER]", "lists the providers, or the models of one"),
    "version": ("", "shows the version of jupyter_ai_personas"),
    "error": ("[MODEL] [options]", "explains the last exception"),
    "alias": ("NAME TARGET", "lets NAME stand for a model (also: register, update)"),
    "dealias": ("NAME", "takes that back (also: delete)"),
    "reset": ("", "forgets the conversation of this notebook"),
}
"""Commands of ``%ai``: arguments (optional ones in brackets) and help."""

_SYNONYMS = {"register": "alias", "update": "alias", "delete": "dealias"}

_OPTIONS = f"""\
  -f, --format FORMAT            {", ".join(FORMATS)}
  -m, --model-parameters JSON    arguments of the model, such as {{"temperature": 0}}
  -h, --help                     shows this"""

_PARAMETERS = re.compile(r"(?<!\S)(?:-m|--model-parameters)(?:\s*=\s*|\s*)(?=\{)")


@dataclass(frozen=True, slots=True)
class CellOptions:
    """A request; ``target`` is a model, an alias, ``@Persona`` or ``None``."""

    target: str | None = None
    format: str = "markdown"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    help: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ``%ai`` by its first name; ``options`` is set only for ``error``."""

    name: str
    arguments: Sequence[str] = ()
    options: CellOptions = field(default_factory=CellOptions)


def help_text() -> str:
    """Return the text of ``%ai help``."""
    usages = {name: f"%ai {name} {arguments}".rstrip() for name, (arguments, _) in COMMANDS.items()}
    width = max(map(len, usages.values()))
    lines = [f"  {usages[name]:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "%%ai [MODEL | @Persona] [options]",
            "the question, in the lines below; {name} inserts a variable, {In[3]}, {Out[2]} and",
            "{Err[5]} what a cell was given, gave and raised; {{name}} stays {name}",
            "",
            _OPTIONS,
            "",
            *lines,
        ]
    )


def parse_cell_line(line: str) -> CellOptions:
    """Parse the text after ``%%ai``. Raises :class:`MagicsError`."""
    return _parse_options("%%ai", _split(line))


def parse_line(line: str) -> Command:
    """Parse the text after ``%ai``; an empty one means ``help``. Raises :class:`MagicsError`."""
    first, *rest = _split(line) or ["help"]
    name = _SYNONYMS.get(first, first)
    if first in ("-h", "--help"):
        name = "help"
    if name not in COMMANDS:
        raise MagicsError(_unknown_command(first))
    if name == "error":
        options = _parse_options("%ai error", rest)
        return Command("help") if options.help else Command(name, options=options)
    usage = COMMANDS[name][0].split()
    needed = sum(not word.startswith("[") for word in usage)
    if not needed <= len(rest) <= len(usage):
        raise MagicsError(f"It goes `{' '.join(['%ai', first, *usage])}`. `%ai help` shows more.")
    return Command(name, tuple(rest))


def _unknown_command(word: str) -> str:
    if word.startswith("@") or ":" in word:
        return (
            f"`%ai {word}` is not complete: write the question into a cell that begins with "
            f"`%%ai {word}`."
        )
    return f"`%ai` has no command `{word}`.{_hint(word, [*COMMANDS, *_SYNONYMS])}"


def _hint(word: str, known: Sequence[str]) -> str:
    return did_you_mean(near_matches(word, known)) or " `%ai help` shows what there is."


def _split(line: str) -> list[str]:
    """Split a line as a shell does, but keep the JSON object after ``-m`` verbatim."""
    found = _PARAMETERS.search(line)
    try:
        if found is None:
            return shlex.split(line)
        before = shlex.split(line[: found.start()])
    except ValueError as error:
        raise MagicsError(f"The line cannot be read: {str(error).lower()}.") from None
    try:
        _, end = json.JSONDecoder().raw_decode(line, found.end())
    except json.JSONDecodeError as error:
        raise MagicsError(_not_json(error, error.pos - found.end())) from None
    return [*before, "-m", line[found.end() : end], *_split(line[end:])]


def _not_json(error: json.JSONDecodeError, position: int) -> str:
    return (
        f"The model parameters are not JSON, at character {position + 1}: {error.msg}. They look "
        'like `-m {"temperature": 0}`.'
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        option, colon, reason = message.removeprefix("argument ").partition(": ")
        if reason.startswith("expected"):
            raise MagicsError(f"`{option}` {reason}. `%ai help` shows what there is.")
        raise MagicsError(reason if colon else message)


def _parse_options(magic: str, words: Sequence[str]) -> CellOptions:
    parser = _Parser(prog=magic, add_help=False, allow_abbrev=False)
    parser.add_argument("target", nargs="?")
    parser.add_argument("-f", "--format", type=_format, default="markdown")
    parser.add_argument("-m", "--model-parameters", type=_parameters, default={})
    parser.add_argument("-h", "--help", action="store_true")
    found, extra = parser.parse_known_args(words)
    if extra and extra[0].startswith("-"):
        known = ["--format", "--model-parameters", "--help", "-f", "-m", "-h"]
        raise MagicsError(f"`{magic}` has no option `{extra[0]}`.{_hint(extra[0], known)}")
    if extra:
        where = "into the lines below" if magic == "%%ai" else "nowhere: it is the last exception"
        raise MagicsError(
            f"`{magic}` takes one model or `@Persona`, not `{' '.join([found.target, *extra])}`. "
            f"The question goes {where}."
        )
    return CellOptions(found.target, found.format, found.model_parameters, found.help)


def _format(text: str) -> str:
    if text.lower() in FORMATS:
        return text.lower()
    near = near_matches(text, FORMATS)
    hint = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(FORMATS)}."
    raise argparse.ArgumentTypeError(f"There is no format `{text}`. {hint}")


def _parameters(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(_not_json(error, error.pos)) from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(
            f'The model parameters are a JSON object, such as {{"temperature": 0}}, not `{text}`.'
        )
    return value
