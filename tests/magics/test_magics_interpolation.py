"""``{name}`` in a prompt: what is replaced, and all that is not."""

from __future__ import annotations

import json
import keyword
import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from jupyter_ai_personas.magics.interpolation import interpolate

NAMES = {
    "x": "5",
    "data": "a\nb",
    "größe": "tall",
    "In[3]": "print(1)",
    "Out[2]": "42",
    "Err[5]": "ZeroDivisionError",
}

identifiers = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)
# Prose, without what makes braces mean something else.
prose = st.text(string.ascii_letters + string.digits + " .,:;!?()\n-+*/<>=äé日", max_size=30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{x}", "5"),
        ("is {x} prime?", "is 5 prime?"),
        ("{x}{x} {data}", "55 a\nb"),
        ("v{x}, Q{x} and ({x})", "v5, Q5 and (5)"),
        ('translate "{data}"', 'translate "a\nb"'),
        ("größer als {größe}?", "größer als tall?"),
        (
            "explain {In[3]} and {Out[2]} and {Err[5]}",
            "explain print(1) and 42 and ZeroDivisionError",
        ),
        ("f'(x) of {x} and g'(x)", "f'(x) of 5 and g'(x)"),
        ("don't {x}, won't", "don't 5, won't"),
        ("it costs $5, {x} of them cost $20", "it costs $5, 5 of them cost $20"),
        ("$20 for {x}, A$30 for {x}", "$20 for 5, A$30 for 5"),
        ("a stray } or { does not matter: {x}", "a stray } or { does not matter: 5"),
        ("while (1) { y(); }\n\nwith {x}", "while (1) { y(); }\n\nwith 5"),
    ],
)
def test_what_is_certainly_meant_is_replaced(text: str, expected: str) -> None:
    assert interpolate(text, NAMES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{unknown}",
        "{}",
        "{ x }",
        "{x.y}",
        "{x!r}",
        "{x:>10}",
        "{x, data}",
        "{0}",
        "{In}",
        "{In[-1]}",
        "{In[x]}",
        "{for}",
        # JSON, dict and set literals, other languages
        '{"x": 1}',
        '{"a": {x}}',
        '{"name": "{x}"}',
        "{'x': x}",
        "{x: 1 for x in data}",
        "function f() { return <b>{x}</b>; }",
        "echo ${x} and `${x}`",
        'puts "#{x}"',
        "%{x}",
        "a{2,3} and [a-z]{x}",
        # LaTeX
        r"\frac{x}{data}",
        r"\sqrt[3]{x}",
        r"x^{x} and y_{x}{data}",
        r"\textbf{x}",
        r"\mathrm*{x}",
        r"$$ {x} $$",
        r"${x}^2$",
        r"$a + {x}$",
        r"\(a + {x}\) and \[{x}\]",
        r"\begin{align*} {x} \end{align*}",
        r"\{x\} or \{x}",
        # strings that Python fills in
        'print(f"{x} of {data}")',
        "print(rf'{x}')",
        "F'''\n{x}\n'''",
        '"{x} of {data}".format(x=1)',
        "'{x}'.format_map(data)",
    ],
)
def test_other_braces_are_left_as_they_are(text: str) -> None:
    assert interpolate(text, NAMES) == text


def test_doubled_braces_stand_for_the_name_itself() -> None:
    assert interpolate("{{x}}, {{Out[2]}} and {x}", NAMES) == "{x}, {Out[2]} and 5"
    assert interpolate("{{unknown}} {{ x }} {{{x}}}", NAMES) == "{{unknown}} {{ x }} {{{x}}}"


def test_a_value_is_inserted_once() -> None:
    assert interpolate("{a} {b}", {"a": "{b}", "b": "{a} {{a}}"}) == "{b} {a} {{a}}"


@given(parts=st.lists(st.tuples(prose, identifiers)), values=st.data())
def test_names_in_prose_are_replaced_wherever_they_stand(
    parts: list[tuple[str, str]], values: st.DataObject
) -> None:
    names = {name: values.draw(st.text(max_size=10), label=name) for _, name in parts}
    # A letter f before a quote would begin an f-string; prose has no quotes here.
    text = "".join(f"{before}{{{name}}}" for before, name in parts)
    expected = "".join(f"{before}{names[name]}" for before, name in parts)
    assert interpolate(text, names) == expected


@given(text=st.text())
@example("{{{{")
@example("}}{{}}{")
def test_text_that_names_nothing_is_unchanged(text: str) -> None:
    assert interpolate(text, {}) == text


@given(text=st.text(alphabet="{}x[]Out2$\\_^'\"f# \n"))
def test_no_text_makes_it_fail_and_only_names_in_braces_change(text: str) -> None:
    result = interpolate(text, {"x": "<5>"})
    assert result.replace("<5>", "{x}").count("x") == text.count("x")
    if "{x}" not in text:
        assert result == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("{x}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(max_size=5), json_values, min_size=1), indent=st.booleans())
def test_json_objects_are_unchanged_whatever_they_hold(
    value: dict[str, object], indent: bool
) -> None:
    text = json.dumps(value, indent=2 if indent else None, ensure_ascii=False)
    # Braces inside of strings may close an object early, as far as counting braces can tell.
    assume(all(balanced(string) for string in strings_in(value)))
    assert interpolate(f"convert {text} please", NAMES) == f"convert {text} please"


@given(value=st.dictionaries(st.sampled_from("xyz"), st.sampled_from(["x", "data"]), min_size=1))
def test_dict_literals_are_unchanged(value: dict[str, str]) -> None:
    assert interpolate(f"d = {value!r}", NAMES) == f"d = {value!r}"


@given(
    command=st.sampled_from([r"\frac", r"\sqrt[3]", r"\textbf", "x^", "y_", r"\hat", r"\sum_"]),
    arguments=st.lists(st.sampled_from(["x", "data", "größe"]), min_size=1, max_size=3),
)
def test_latex_arguments_are_unchanged(command: str, arguments: list[str]) -> None:
    text = command + "".join(f"{{{argument}}}" for argument in arguments)
    assert interpolate(f"simplify {text}, please", NAMES) == f"simplify {text}, please"


@given(
    prefix=st.sampled_from(["f", "F", "rf", "fr", "t"]),
    quote=st.sampled_from(["'", '"', "'''", '"""']),
    before=st.text("ab {}", max_size=5).filter(lambda text: balanced(text)),
)
def test_f_strings_are_unchanged(prefix: str, quote: str, before: str) -> None:
    text = f"print({prefix}{quote}{before}{{x}} {quote})"
    assert interpolate(text, NAMES) == text


def balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0


def strings_in(value: object) -> list[str]:
    if isinstance(value, dict):
        return [s for pair in value.items() for part in pair for s in strings_in(part)]
    if isinstance(value, list):
        return [s for part in value for s in strings_in(part)]
    return [value] if isinstance(value, str) else []
