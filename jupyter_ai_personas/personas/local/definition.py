"""Reads the Markdown file of a persona: YAML front matter, then the system prompt. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import yaml

from jupyter_ai_personas.errors import near_matches
from jupyter_ai_personas.personas.facts import wrong_with_name
from jupyter_ai_personas.text import well_formed

__all__ = ["PARAMETERS", "Definition", "Fault", "FaultyError", "Parsed", "parse"]

MAX_HOPS = 100

MAX_FAULTS = 5
"""Faults of one file that are reported."""

PARAMETERS = (
    "frequency_penalty",
    "max_tokens",
    "presence_penalty",
    "reasoning_effort",
    "seed",
    "stop",
    "temperature",
    "top_k",
    "top_p",
)
"""What a file may set of its model. Others, such as a base URL, could send the server's keys away.
"""

_MARK = "---"
_EXAMPLE = f"`{_MARK}`, `name: Researcher`, `{_MARK}`, each on a line of its own"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong in a file; ``line`` is 0 where it is about the file as a whole."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A persona as its file describes it. ``lines`` has the line of each key."""

    name: str
    description: str = ""
    avatar: str = ""
    model: str = ""
    model_parameters: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    max_hops: int | None = None
    system_prompt: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A definition, or what is wrong; ``name`` is what a faulty file calls its persona."""

    definition: Definition | None
    faults: tuple[Fault, ...] = ()
    name: str = ""


class FaultyError(Exception):
    """A file cannot be read further; ``line`` is as in :class:`Fault`."""

    def __init__(self, line: int, text: str) -> None:
        self.fault = Fault(line, text)
        super().__init__(text)


def parse(text: str) -> Parsed:
    """Return what the text of a file defines."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    try:
        end = _end_of_front_matter(lines)
        values, at, faults = _values("\n".join(lines[1:end]))
    except FaultyError as error:
        return Parsed(None, (error.fault,))
    name = values.get("name", "")
    if "name" not in at:
        faults.append(Fault(1, "it gives no `name`; add a line such as `name: Researcher`"))
    if faults:
        return Parsed(None, tuple(sorted(faults, key=lambda f: f.line)[:MAX_FAULTS]), name)
    prompt = "\n".join(lines[end + 1 :]).strip()
    return Parsed(Definition(**values, system_prompt=prompt, lines=at), (), name)


def _end_of_front_matter(lines: list[str]) -> int:
    if lines[0].rstrip() != _MARK:
        raise FaultyError(1, f"it must begin with its front matter: {_EXAMPLE}")
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() in (_MARK, "..."):
            return number
    raise FaultyError(1, f"its front matter has no end; close it with a line `{_MARK}`")


def _values(text: str) -> tuple[dict[str, Any], dict[str, int], list[Fault]]:
    """Return the values of the keys, their lines, and what is wrong with them."""
    loader, lines = _loader(text), _Lines(text)
    try:
        node = _guarded(loader.get_single_node, lines, 2)
        if node is None:
            return {}, {}, []
        if not isinstance(node, yaml.MappingNode):
            raise FaultyError(lines.of(node), "it must be lines of `key: value`")
        return _read_keys(loader, node, lines)
    finally:
        loader.dispose()


def _loader(text: str) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = _Lines(text).at(error.position)
        raise FaultyError(line, "it has a character that YAML does not allow") from None


def _read_keys(
    loader: yaml.SafeLoader, node: yaml.MappingNode, lines: _Lines
) -> tuple[dict[str, Any], dict[str, int], list[Fault]]:
    values: dict[str, Any] = {}
    at: dict[str, int] = {}
    faults: list[Fault] = []
    for key_node, value_node in node.value:
        line = lines.of(key_node)
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
        if key not in _READERS:
            faults.append(Fault(line, _unknown("key", str(key), _READERS)))
            continue
        if key in at:
            faults.append(Fault(line, f"`{key}` is given twice; remove one"))
            continue
        at[key] = line
        try:
            value = _guarded(partial(loader.construct_object, value_node, deep=True), lines, line)
        except FaultyError as error:
            faults.append(error.fault)
            continue
        if value is None and key != "name":
            continue  # a key without a value
        read = _READERS[key](value)
        if isinstance(read, _Wrong):
            where = _inside(value_node, read.inside)
            faults.append(Fault(lines.of(where) if value is not None else line, read.text))
        else:
            values[key] = read
    return values, at, faults


def _guarded(step: Callable[[], Any], lines: _Lines, line: int) -> Any:
    try:
        return step()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = lines.at(mark.index) if mark is not None else line
        problem = " ".join(str(error.problem or error.context or "it cannot be read").split())
        raise FaultyError(where, f"it is no valid YAML: {problem}{_hint(problem)}") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        raise FaultyError(line, "it is no YAML that can be read") from None


def _hint(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return "; put a text with a colon in quotes"
    if "'\\t'" in problem:
        return "; indent with spaces, not tabs"
    return ""


class _Lines:
    """The lines of a file whose front matter is ``text``, by places in that.

    YAML's own count has more: some characters break lines there that do not in editors.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def at(self, index: int) -> int:
        """Return the line of a character; the front matter begins on the second."""
        return self._text.count("\n", 0, index) + 2

    def of(self, node: yaml.Node) -> int:
        """Return the line on which a node begins."""
        return self.at(node.start_mark.index)


def _inside(node: yaml.Node, inside: str | int | None) -> yaml.Node:
    """Return the part of a value that is wrong, or the value."""
    if isinstance(node, yaml.MappingNode):
        # The last of a key's values counts.
        for key, _ in reversed(node.value):
            if isinstance(key, yaml.ScalarNode) and key.value == inside:
                return key
    elif isinstance(node, yaml.SequenceNode) and isinstance(inside, int):
        return node.value[inside]  # type: ignore[no-any-return]
    return node


def _unknown(what: str, key: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    near = near_matches(key, known)
    names = " or ".join(f"`{name}`" for name in near)
    hint = f"did you mean {names}?" if near else f"there are {', '.join(f'`{k}`' for k in known)}"
    return f"there is no {what} `{well_formed(key)[:60]}`; {hint}"


# -- the values of keys --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wrong:
    """``inside`` is the key, or the index of the item, that is wrong in a value."""

    text: str
    inside: str | int | None = None


def _name(value: Any) -> str | _Wrong:
    if not isinstance(value, str):
        return _Wrong('`name` must be text; write it in quotes: `name: "Researcher"`')
    if problem := wrong_with_name(value):
        return _Wrong(problem)
    if "/" in value:
        return _Wrong("the name has a `/`, which separates folders here; leave it out")
    return value.strip()


def _text(key: str, example: str) -> Callable[[Any], str | _Wrong]:
    def read(value: Any) -> str | _Wrong:
        if not isinstance(value, str) or value != well_formed(value):
            return _Wrong(f"`{key}` must be text, such as `{key}: {example}`")
        return value.strip()

    return read


def _description(value: Any) -> str | _Wrong:
    read = _text("description", "finds sources")(value)
    return read if isinstance(read, _Wrong) else " ".join(read.split())


def _tools(value: Any) -> tuple[str, ...] | _Wrong:
    text = "`tools` must be a list of names, such as `tools: [workspace, notebook.read]`"
    if not isinstance(value, list):
        return _Wrong(text)
    for index, one in enumerate(value):
        if not isinstance(one, str) or not one.strip():
            return _Wrong(text, inside=index)
    return tuple(dict.fromkeys(one.strip() for one in value))


def _max_hops(value: Any) -> int | _Wrong:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_HOPS:
        return value
    return _Wrong(f"`max_hops` must be a whole number from 0 to {MAX_HOPS}")


def _model_parameters(value: Any) -> dict[str, Any] | _Wrong:
    if not isinstance(value, dict):
        return _Wrong("`model_parameters` must be keys and values, such as `temperature: 0.2`")
    for key, one in value.items():
        if key not in PARAMETERS:
            text = _unknown("model parameter", str(key), PARAMETERS)
            return _Wrong(f"{text}; the operator can set others", inside=str(key))
        if not (_is_plain(one) or (isinstance(one, list) and all(map(_is_plain, one)))):
            wrong = f"`{key}` in `model_parameters` must be a number or text"
            return _Wrong(wrong, inside=str(key))
    return dict(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "name": _name,
    "description": _description,
    "avatar": _text("avatar", "researcher.svg"),
    "model": _text("model", "openai:gpt-4o"),
    "model_parameters": _model_parameters,
    "tools": _tools,
    "max_hops": _max_hops,
}
