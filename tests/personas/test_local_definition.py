"""What a Markdown file may say of a persona, and how mistakes in it are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.personas.local.definition import Definition, parse


def faults(text: str) -> list[str]:
    parsed = parse(text)
    assert parsed.definition is None
    return [str(fault) for fault in parsed.faults]


def defined(text: str) -> Definition:
    parsed = parse(text)
    assert parsed.definition is not None, parsed.faults
    return parsed.definition


def matter(*lines: str) -> str:
    return "\n".join(["---", *lines, "---", "Be brief."])


def test_all_keys_are_read() -> None:
    found = defined(
        "---\n"
        "name: Researcher\n"
        "description: |\n  finds\n  sources\n"
        "avatar: owl.svg\n"
        "model: openai:gpt-4o\n"
        "model_parameters:\n  temperature: 0.2\n  stop: [END]\n"
        "tools:\n  - workspace\n  - notebook.read\n"
        "max_hops: 0\n"
        "---\n\n# You search\n\n---\n\nand cite.\n"
    )
    assert (found.name, found.description, found.avatar) == (
        "Researcher",
        "finds sources",
        "owl.svg",
    )
    assert (found.model, found.max_hops) == ("openai:gpt-4o", 0)
    assert found.model_parameters == {"temperature": 0.2, "stop": ["END"]}
    assert found.tools == ("workspace", "notebook.read")
    assert found.system_prompt == "# You search\n\n---\n\nand cite."


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_a_name_is_enough(begin: str, break_: str) -> None:
    text = begin + break_.join(["---", "name: Données 📊", "description:", "---", "Réponds."])
    found = defined(text)
    assert (found.name, found.description, found.system_prompt) == ("Données 📊", "", "Réponds.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: it must begin with its front matter"),
        ("Be brief.", "line 1: it must begin with its front matter"),
        ("\n---\nname: A\n---\n", "line 1: it must begin with its front matter"),
        ("---\nname: A\n", "line 1: its front matter has no end"),
        (matter(), "line 1: it gives no `name`"),
        (matter("# nothing"), "line 1: it gives no `name`"),
        (matter("description: d"), "line 1: it gives no `name`"),
        (matter("- name"), "line 2: it must be lines of `key: value`"),
        (matter("Researcher"), "line 2: it must be lines of `key: value`"),
        (matter("name:"), "line 2: `name` must be text"),
        (matter("name: 42"), "line 2: `name` must be text; write it in quotes"),
        (matter("name: yes"), "line 2: `name` must be text"),
        (matter("name: [A]"), "line 2: `name` must be text"),
        (matter('name: " "'), "line 2: the name is empty"),
        (matter("name: a/b"), "line 2: the name has a `/`"),
        (matter("name: '@Guide'"), "line 2: the name is longer than 64, or has one of @"),
        (matter('name: "a\\tb"'), "line 2: the name is longer than 64, or has one of @"),
        (matter(f"name: {'x' * 65}"), "line 2: the name is longer than 64"),
        (matter("name: Guide: the best"), "line 2: it is no valid YAML: mapping values are not"),
        (matter("name: A", "description: 'x"), "line 3: it is no valid YAML: found unexpected end"),
        (matter("name: A", "\tmodel: b"), "line 3: it is no valid YAML"),
        (matter("name: A", "name: B"), "line 3: `name` is given twice"),
        (matter("name: A", "temprature: 1"), "line 3: there is no key `temprature`"),
        (matter("name: A", "tool: [workspace]"), "did you mean `tools`?"),
        (matter("name: A", "1: x"), "line 3: there is no key `1`"),
        (matter("name: A", "[a]: x"), "line 3: there is no key ``"),
        (matter("<<: {name: A}"), "line 2: there is no key `<<`"),
        (matter("name: A", "description: 3"), "line 3: `description` must be text"),
        (matter("name: A", "model: 4"), "line 3: `model` must be text"),
        (matter("name: A", "avatar: {}"), "line 3: `avatar` must be text"),
        (matter("name: A", "tools: workspace"), "line 3: `tools` must be a list of names"),
        (matter("name: A", "tools:", "  - 1"), "line 4: `tools` must be a list of names"),
        (matter("name: A", "tools:", "- workspace", "", "- [a]"), "line 6: `tools` must be a list"),
        (matter("name: A", "tools: [", "  a,", "  3]"), "line 5: `tools` must be a list"),
        (matter("name: A", "max_hops: -1"), "line 3: `max_hops` must be a whole number"),
        (matter("name: A", "max_hops: true"), "line 3: `max_hops` must be a whole number"),
        (matter("name: A", "max_hops: 1.5"), "line 3: `max_hops` must be a whole number"),
        (matter("name: A", "model_parameters: 1"), "line 3: `model_parameters` must be keys"),
        (
            matter("name: A", "model_parameters:", "  base_url: http://evil"),
            "line 4: there is no model parameter `base_url`",
        ),
        (
            matter("name: A", "model_parameters:", "  seed: 1", "  base_url: http://evil"),
            "line 5: there is no model parameter `base_url`",
        ),
        (
            matter("name: A", "model_parameters:", "  seed: 1", "  stop: {a: b}", "  top_k: 1"),
            "line 5: `stop` in `model_parameters` must be a number or text",
        ),
        (
            matter("name: A", 'description: "a\u2028b\x85"', "colour: red"),
            "line 4: there is no key",
        ),
        (matter("name: A", "model_parameters: {model: b}"), "there is no model parameter `model`"),
        (matter("name: A", "model_parameters: {seed: .inf}"), "must be a number or text"),
        (matter("name: A", "model_parameters: {stop: {a: b}}"), "must be a number or text"),
        (matter("name: !!python/name:os.system"), "line 2: it is no valid YAML"),
        (matter("name: !!python/object/apply:os.system [ls]"), "line 2: it is no valid YAML"),
        (matter("name: *anchor"), "line 2: it is no valid YAML: found undefined alias"),
        (matter("name: A", "max_hops: 2026-99-99"), "line 3: it is no YAML that can be read"),
        (matter("name: A", f"max_hops: {'9' * 5000}"), "line 3: it is no YAML that can be read"),
        (matter("name: A", f"tools: {'[' * 3000}"), "it is no YAML that can be read"),
        (matter("name: A", "description: a\x07b"), "line 3: it has a character that YAML does not"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, told: str) -> None:
    assert any(told in fault for fault in faults(text)), faults(text)


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    told = faults(matter("colour: red", "tools: 3", "max_hops: x"))
    assert [fault.partition(":")[0] for fault in told] == ["line 1", "line 2", "line 3", "line 4"]


def test_of_very_many_mistakes_a_few_are_told() -> None:
    assert len(faults(matter("name: A", *(f"key{n}: 1" for n in range(1000))))) == 5


def test_aliases_do_not_multiply() -> None:
    bomb = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    assert "there is no key `a0`" in faults(matter("name: A", *bomb))[0]
    inner = "tools: [&a [x, x], &b [*a, *a], &c [*b, *b]]"
    assert "`tools` must be a list of names" in faults(matter("name: A", inner))[0]


def test_a_faulty_file_still_says_what_it_is_called() -> None:
    assert parse(matter("name: Researcher", "tools: 3")).name == "Researcher"
    assert parse(matter("name: [", "tools: 3")).name == ""


@given(st.text())
def test_any_text_is_a_definition_or_has_a_fault(text: str) -> None:
    for whole in (text, f"---\n{text}\n---\n"):
        parsed = parse(whole)
        assert (parsed.definition is None) == bool(parsed.faults)
