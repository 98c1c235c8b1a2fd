"""Values that settings take, and what is said of others."""

from __future__ import annotations

import math
import re
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ids import shown

from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.settings import (
    EntryNames,
    File,
    Flag,
    Kind,
    Names,
    Parameters,
    Record,
    Seconds,
    Table,
    Text,
    Url,
    Variable,
    Whole,
    setting,
)

ENTRIES = EntryNames(["ollama", "openai:gpt-4o"], optional=True)
MODELS = Table("Guide", Text("openai:gpt-4o"))
PARAMETERS = Table("openai", Parameters({"temperature": 0}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    url: str = setting(MISSING, Url("http://x/v1"), "Where it is.")
    key: str | None = setting(None, Variable("X_KEY"), "Its key.")
    count: int = setting(1, Whole(1, minimum=1), "How many.")


SERVERS = Table("vllm", Record(Server), keys=re.compile(r"\w+"), wanted_key="letters")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (["a", "b:c"], ["a", "b:c"]),
        (("a", "b"), ["a", "b"]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({"a"}), ["a"]),
        ({"a": 1}.keys(), ["a"]),
        ("a", ["a"]),
        (" a , b:c ,", ["a", "b:c"]),
        ('["a", "b"]', ["a", "b"]),
        ("['a']", ["a"]),
        ("('a', 'b')", ["a", "b"]),
        ("{'a'}", ["a"]),
        (["openai : gpt-4*"], ["openai:gpt-4*"]),
        (["ollama:llama3.2:3b"], ["ollama:llama3.2:3b"]),
        (["package/id:a/b@1+c"], ["package/id:a/b@1+c"]),
        ([], []),
        ("[]", []),
        (None, None),
    ],
)
def test_a_list_of_entries_is_read(value: Any, names: Any) -> None:
    assert ENTRIES.read(value, "c.X.y") == names
    assert ENTRIES.read(names, "c.X.y") == names, "its own result stays as it is"


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ",",
        "[a, b]",
        "['a'",
        "a b",
        "a;b",
        "'a'",
        "a:",
        ":b",
        [""],
        ["a", None],
        ["a", 3],
        ["a b"],
        ["a,b"],
        [["a"]],
        {"a": True},
        "{'a': 1}",
        0,
        False,
        True,
        b"a",
        object(),
        iter(["a"]),
    ],
    ids=shown,
)
def test_what_is_no_list_of_entries_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"`c\.X\.y.* must be .*, such as `"):
        ENTRIES.read(value, "c.X.y")


def test_none_is_a_list_only_where_it_means_something() -> None:
    with pytest.raises(ConfigurationError, match="it is None"):
        EntryNames(["a"]).read(None, "c.X.y")
    assert ENTRIES.parse("None") is None
    assert EntryNames(["a"]).parse("None") == ["None"]


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (Whole(60), "1000", "`c.X.y` must be a whole number of at least 0, such as `60`; "),
        (Whole(60), "1000", "it is `'1000'`."),
        (Whole(60), 1.5, "it is `1.5`"),
        (Whole(60), True, "it is `True`"),
        (Whole(4, minimum=1), 0, "at least 1"),
        (Whole(4), None, "it is None"),
        (Seconds(60), "60", "a number of seconds, such as `60`; it is `'60'`"),
        (Seconds(60), math.nan, "it is `nan`"),
        (Seconds(60), -1, "it is `-1`"),
        (Flag(), "true", "`True` or `False`"),
        (Flag(), 1, "it is `1`"),
        (Text("openai:gpt-4o"), 3, "`c.X.y` must be text, such as `'openai:gpt-4o'`; it is `3`"),
        (Text("a"), "  ", "must be text"),
        (Text("a"), ["a"], "it is a list"),
        (File("~/x"), 3, "the path of a file"),
        (File("~/x"), "a\0b", "the path of a file"),
        (Url("http://x/v1"), "localhost:8000", "begins with `http://` or `https://`"),
        (Url("http://x/v1"), "http://", "a URL"),
        (Names(["a"]), 3, "a list of names, such as `['a']`; it is a number"),
        (MODELS, {"Guide": None}, '`c.X.y["Guide"]` must be text'),
        (MODELS, ["Guide"], "a dictionary, such as `{'Guide': 'openai:gpt-4o'}`; it is a list"),
        (MODELS, "Guide", "it is text"),
        (MODELS, "{'Guide'='x'}", "it is text"),
        (MODELS, {3: "x"}, "the name in c.X.y"),
        (PARAMETERS, {"openai": "temperature=0"}, '`c.X.y["openai"]` must be a dictionary, such'),
        (PARAMETERS, {"openai": {1: 2}}, "must be text"),
        (SERVERS, {"x": "http://localhost:8000/v1"}, '`c.X.y["x"]` must be a dictionary, such as'),
        (SERVERS, {"x": "http://x/v1"}, "`{'url': 'http://x/v1'}`; it is text"),
        (SERVERS, {"x": {}}, "`c.X.y[\"x\"]` needs a `url`, such as `'http://x/v1'`"),
        (SERVERS, {"x": {"url": "x"}}, '`c.X.y["x"].url` must be a URL'),
        (SERVERS, {"x": {"url": "http://x", "cuont": 1}}, "Did you mean `count`?"),
        (SERVERS, {"x": {"url": "http://x", "zzzz": 1}}, "Known are: url, key, count."),
        (SERVERS, {"x": {"url": "http://x", "count": "2"}}, '`c.X.y["x"].count` must be a whole'),
        (SERVERS, {"a:b": {"url": "http://x"}}, "must be letters, such as `'vllm'`; it is `'a:b'`"),
    ],
)
def test_a_wrong_value_is_named_by_its_path_with_an_example(
    kind: Kind, value: Any, says: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        kind.read(value, "c.X.y")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Table("A_KEY", Text("…", secret=True)), {"A_KEY": ["sk-planted"]}),
        (Table("A_KEY", Text("…", secret=True)), {"A_KEY": 47114711}),
        (Table("A_KEY", Text("…", secret=True)), "sk-planted-47114711"),
        (PARAMETERS, {"openai": "api_key=sk-planted"}),
        (PARAMETERS, {"openai": 47114711}),
        (SERVERS, {"x": {"url": "http://x", "key": "sk-planted"}}),
        (SERVERS, {"x": {"url": "user:sk-planted@x"}}),
        (SERVERS, {"x": "http://user:sk-planted@x"}),
    ],
)
def test_what_may_be_a_secret_is_not_quoted(kind: Kind, value: Any) -> None:
    with pytest.raises(ConfigurationError) as raised:
        kind.read(value, "c.X.y")
    assert "planted" not in str(raised.value)
    assert "4711" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Whole(1), "12", 12),
        (Seconds(1), "1.5", 1.5),
        (Flag(), "True", True),
        (Flag(), "0", False),
        (Text("a"), "x:y", "x:y"),
        (Text("a", optional=True), "", None),
        (File("~/x"), "~/y", Path("~/y").expanduser()),
        (Names(["a"]), "a,b", ["a", "b"]),
        (MODELS, "Guide=openai:gpt-4o", {"Guide": "openai:gpt-4o"}),
        (MODELS, "Guide=a:b,Other=c:d", {"Guide": "a:b", "Other": "c:d"}),
        (MODELS, '{"Guide": "a:b"}', {"Guide": "a:b"}),
        (MODELS, "{'Guide': 'a:b'}", {"Guide": "a:b"}),
        (
            PARAMETERS,
            'openai={"temperature": 0, "top_p": 1}',
            {"openai": {"temperature": 0, "top_p": 1}},
        ),
        (SERVERS, "x={'url': 'http://x/v1'}", {"x": Server(url="http://x/v1")}),
    ],
)
def test_a_command_line_gives_the_same_values(kind: Kind, text: str, value: Any) -> None:
    assert kind.read(kind.parse(text), "c.X.y") == value


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)


@given(value=anything)
def test_any_value_is_read_or_refused(value: Any) -> None:
    for kind in (
        ENTRIES,
        MODELS,
        PARAMETERS,
        SERVERS,
        Whole(1),
        Seconds(1),
        Flag(),
        Url("http://x"),
    ):
        try:
            read = kind.read(value, "c.X.y")
        except ConfigurationError:
            continue
        assert kind.read(read, "c.X.y") == read


@given(text=st.text())
def test_any_text_of_a_command_line_is_read_or_refused(text: str) -> None:
    for kind in (ENTRIES, MODELS, PARAMETERS, SERVERS, Whole(1), Seconds(1), Flag()):
        try:
            kind.read(kind.parse(text), "c.X.y")
        except ConfigurationError:
            continue
