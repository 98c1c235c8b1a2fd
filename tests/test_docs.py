"""What the README and the documentation show is true: code runs, commands exist, links lead on."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import json
import os
import pydoc
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from traitlets.config import Config, PyFileConfigLoader

from jupyter_ai_personas import BasePersona, stand_ins
from jupyter_ai_personas.cli import main
from jupyter_ai_personas.personas.adapted import is_adapted
from jupyter_ai_personas.personas.base import _ELSEWHERE
from jupyter_ai_personas.providers import ModelRegistry
from jupyter_ai_personas.server import AiExtension
from jupyter_ai_personas.settings import settings_of
from jupyter_ai_personas.testing import ask

REPOSITORY = Path(__file__).parents[1]
ACME = REPOSITORY / "examples" / "acme_personas"
PAGES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "examples").glob("*/README.md")),
]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SCAFFOLDED = re.compile(r"jupyter ai-personas new \w+ ([\w-]+)")
_LINK = re.compile(r"\]\(([^)#][^)]*)\)")


class Block(NamedTuple):
    page: Path
    language: str
    text: str


def blocks(*languages: str) -> list[Any]:
    found = [
        Block(page, language, text)
        for page in PAGES
        for language, text in _BLOCK.findall(page.read_text("utf-8"))
        if language in languages
    ]
    return [pytest.param(b, id=f"{b.page.stem}-{n}") for n, b in enumerate(found)]


def run(block: Block) -> dict[str, Any]:
    stand_ins.install()  # as before plug-ins are imported: some pages show what others wrote
    names: dict[str, Any] = {"__name__": "docs_of_somebody.page"}
    exec(compile(block.text, block.page.name, "exec"), names)
    return names


@pytest.mark.parametrize("name", ["echo.py", "acme.py"])
def test_the_readme_shows_the_example_word_for_word(name: str) -> None:
    source = (ACME / "acme_personas" / name).read_text("utf-8")
    assert f"```python\n{source}```" in (REPOSITORY / "README.md").read_text("utf-8")


@pytest.mark.parametrize("block", blocks("toml"))
def test_entry_points_in_the_docs_are_those_of_the_example(block: Block) -> None:
    shown = tomllib.loads(block.text)["project"]["entry-points"]
    real = tomllib.loads((ACME / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    assert shown.items() <= real.items()


@pytest.mark.parametrize("block", blocks("python"))
async def test_python_in_the_docs_runs(
    block: Block, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "get_config()" in block.text:
        check_configuration(block, tmp_path)
        return
    if "%" in block.text:  # a cell of a notebook; the magics' own tests run those
        return
    if "await " in block.text and "def " not in block.text:
        compile(block.text, block.page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        return
    names = run(block)
    personas = [
        value
        for value in names.values()
        if isinstance(value, type)
        and value.__module__ == names["__name__"]
        and (issubclass(value, BasePersona) or is_adapted(value))
    ]
    for persona in personas:
        replies = await ask(persona, "hello there", model_replies=["As you wish."])
        assert [reply.state for reply in replies] == ["done"]
        assert replies[0].body.strip()
    for name, value in names.items():
        if name.startswith("test_"):
            given = {n: request.getfixturevalue(n) for n in inspect.signature(value).parameters}
            if inspect.iscoroutinefunction(value):
                await value(**given)
            else:  # it runs an event loop of its own
                await asyncio.to_thread(value, **given)


def check_configuration(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "jupyter_server_config.py"
    file.write_text(block.text)
    config = PyFileConfigLoader(file.name, path=str(tmp_path)).load_config()
    assert set(config) == {"AiExtension"}
    assert set(config.AiExtension) <= set(AiExtension.class_own_traits(config=True))
    extension = AiExtension(config=Config(config))
    models = ModelRegistry(extension.provider_settings(), log=extension.log)
    models.load()
    for reference in [
        *([extension.default_model] if "default_model" in config.AiExtension else []),
        *extension.models.values(),
        *extension.model_aliases.values(),
    ]:
        models.resolve(reference, chat=True)


@pytest.mark.parametrize("block", blocks("json"))
def test_json_in_the_docs_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_in_the_docs_is_yaml(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


def scaffolded() -> set[str]:
    """Return the packages that the docs have `jupyter ai-personas new` write."""
    return {name for page in PAGES for name in _SCAFFOLDED.findall(page.read_text("utf-8"))}


def commands() -> Iterator[Any]:
    for param in blocks("bash"):
        (block,) = param.values
        for number, line in enumerate(block.text.splitlines()):
            words = shlex.split(line, comments=True)
            if words:
                yield pytest.param(words, id=f"{param.id}-{number}")


@pytest.mark.parametrize("words", list(commands()))
def test_commands_in_the_docs_exist(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    while "=" in words[0]:  # variables of this one command
        words = words[1:]
    match [re.sub(r"^(\.venv|/tmp/stranger)/bin/", "", words[0]), *words[1:]]:
        case ["make", target, *_]:
            subprocess.run(["make", "--dry-run", target], cwd=REPOSITORY, check=True)
        case ["pip", "install", "-e", *packages] | ["pip", "install", *packages]:
            project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
            for package in packages:
                path, _, extras = package.partition("[")
                for extra in filter(None, extras.rstrip("]").split(",")):
                    assert extra in project["optional-dependencies"]
                if (wheel := Path(path)).suffix == ".whl":
                    assert wheel.name.partition("-")[0].replace("_", "-") in scaffolded()
                else:
                    known = path in ("jupyter_ai_personas", "build", "twine")
                    assert known or (REPOSITORY / path).is_dir()
        case ["jupyter", "ai-personas", *arguments]:
            with pytest.raises(SystemExit) as stop:
                main([*arguments, "--help"])
            assert stop.value.code == 0
        case ["jupyter", "lab", *settings]:
            for setting in settings:
                name = setting.removeprefix("--AiExtension.").partition("=")[0]
                assert name in AiExtension.class_own_traits(config=True)
        case ["jupyter", "labextension", "list" | "disable", *names]:
            package = REPOSITORY / "jupyter_ai_personas" / "labextension" / "package.json"
            assert {*names} <= {json.loads(package.read_text("utf-8"))["name"]}
        case ["pytest", folder]:
            assert (REPOSITORY / folder / "tests").is_dir()
        case ["cd", folder]:
            assert folder in scaffolded()
        case ["pytest" | "ruff" | "mypy" as module, *_] | ["python", "-m", module, *_]:
            # `build` is installed by the page itself, one command before.
            assert module == "build" or importlib.util.find_spec(module)
        case ["export" | "curl" | "chmod" | "git" | "twine", *_]:
            pass
        case ["pip", "uninstall", *packages]:
            assert all(package.startswith("jupyter-ai") for package in packages)
        case _:
            pytest.fail(f"Nothing checks `{shlex.join(words)}`.")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_first_tutorial_ends_in_a_package_whose_tests_pass(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = (REPOSITORY / "docs" / "new.md").read_text("utf-8")
    _, behaviour, tests = (text for language, text in _BLOCK.findall(page) if language == "python")
    main(["new", "persona", "my-reviewer", str(tmp_path)])
    package = tmp_path / "my-reviewer"
    (package / "my_reviewer" / "persona.py").write_text(behaviour)
    file = package / "tests" / "test_persona.py"
    kept, _, _ = file.read_text("utf-8").partition("async def test_it_answers")
    file.write_text(kept + tests[tests.index("async def test_") :])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(package)}
    subprocess.run(command, cwd=package, env=environment, check=True)
    assert "passed" in capfd.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_settings_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    if page.stem.startswith("from-jupyter-ai-"):  # the first column is what the other one has
        text = re.sub(r"^\|[^|]*\|", "", text, flags=re.MULTILINE)
    named = set(re.findall(r"\bc\.AiExtension\.(\w+)", text))
    assert named <= set(AiExtension.class_own_traits(config=True))


def test_who_comes_from_version_3_is_told_of_each_name_that_is_missing() -> None:
    rows = (REPOSITORY / "docs" / "from-jupyter-ai-3.md").read_text("utf-8")
    assert set(_ELSEWHERE) <= set(re.findall(r"`self\.(\w+)", rows))


def docs_module() -> Any:
    spec = importlib.util.spec_from_file_location("generated", REPOSITORY / "docs/generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "module"),
    [
        ("reference", "jupyter_ai_personas"),
        ("errors", "jupyter_ai_personas.errors"),
        ("reference-testing", "jupyter_ai_personas.testing"),
    ],
)
def test_the_reference_has_every_public_name(page: str, module: str) -> None:
    text = (REPOSITORY / "docs" / f"{page}.md").read_text("utf-8")
    assert f"```{{public-names}} {module}\n" in text
    generated = docs_module()
    there = importlib.import_module(module)
    assert set(there.__all__) - set(generated.public_names(module)) <= {"__version__"}
    listed = re.findall(r":: ([\w.]+)", "\n".join(generated.reference(module)))
    assert listed == [f"{module}.{name}" for name in generated.public_names(module)]
    for name in generated.public_names(module):
        assert inspect.getdoc(getattr(there, name)), f"`{name}` has no docstring"


def test_the_reference_has_every_setting_once() -> None:
    generated = docs_module()
    text = (REPOSITORY / "docs" / "settings.md").read_text("utf-8")
    groups = re.findall(r"^:of: (\S+)$", text, re.MULTILINE)
    listed = [
        setting.trait
        for group in groups
        for setting in settings_of(pydoc.locate(group.replace(":", "."))).values()
    ]
    traits = AiExtension.class_own_traits(config=True)
    assert sorted(listed) == sorted(traits)
    for name, one in traits.items():
        shown = generated.entry(name, one)
        assert " ".join(one.help.split()) in shown
        default = re.search(r"^:default: `(.*)`$", shown, re.MULTILINE)
        assert default is not None
        assert ast.literal_eval(default[1]) == getattr(AiExtension(), name)


def test_each_page_is_in_the_index() -> None:
    text = (REPOSITORY / "docs" / "index.md").read_text("utf-8")
    toctrees = re.findall(r"```{toctree}\n(.*?)```", text, re.DOTALL)
    listed = re.findall(r"^(?:[^:\n]+ <)?([a-z0-9-]+)>?$", "".join(toctrees), re.MULTILINE)
    pages = [page.stem for page in (REPOSITORY / "docs").glob("*.md") if page.stem != "index"]
    assert sorted(listed) == sorted(pages)


@pytest.mark.parametrize("page", ["docs/examples.md", "examples/README.md"])
def test_each_example_is_listed(page: str) -> None:
    text = (REPOSITORY / page).read_text("utf-8")
    folders = [path.name for path in (REPOSITORY / "examples").iterdir() if path.is_dir()]
    # A tool may leave a hidden folder.
    shown = [name for name in folders if not name.startswith(".")]
    assert [name for name in shown if name not in text] == []


def test_the_bounds_that_are_promised_are_the_defaults() -> None:
    text = (REPOSITORY / "docs" / "promises.md").read_text("utf-8")
    rows = re.findall(r"^\| [^|]+ \| ((?:`\w+`(?:, )?)+) \| ([\d,. ]+) \|$", text, re.MULTILINE)
    assert len(rows) >= 8
    defaults = AiExtension()
    for names, values in rows:
        shown = [float(value.replace(",", "")) for value in values.split(", ")]
        assert [getattr(defaults, name) for name in re.findall(r"\w+", names)] == shown


@pytest.mark.parametrize("name", sorted(AiExtension.class_own_traits(config=True)))
def test_every_setting_says_what_it_does(name: str) -> None:
    text = AiExtension.class_own_traits(config=True)[name].help
    assert len(text.split()) >= 3
    assert text.endswith(".")
