"""`jupyter ai-personas`, as people run it: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.programs import Run, start

from jupyter_ai_personas import __version__
from jupyter_ai_personas.cli import main


def test_help_names_the_commands() -> None:
    assert "doctor" in start("jupyter-ai-personas", "--help").stdout


def test_version_is_that_of_the_package() -> None:
    result = start("jupyter-ai-personas", "--version")
    assert (result.returncode, result.stdout) == (0, f"{__version__}\n")


def test_help_imports_nothing_but_the_standard_library_and_answers_at_once() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from jupyter_ai_personas.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*new - sys.stdlib_module_names, 'asyncio' in new, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert ran.stderr.split() == ["jupyter_ai_personas", "False"]


@pytest.mark.parametrize("arguments", [[], ["dcotor"], ["list", "--yaml"]])
def test_a_command_line_that_makes_no_sense_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage: jupyter ai-personas" in capsys.readouterr().err


def test_the_jupyter_command_finds_it() -> None:
    result = start("jupyter", "ai-personas", "list")
    assert result.returncode == 0, result.stderr
    guide = next(line for line in result.stdout.splitlines() if line.startswith("@Guide"))
    assert "jupyter_ai_personas" in guide


def test_list_shows_personas_with_their_models_and_names_the_broken(
    run: Run, plugins: Path
) -> None:
    result = run("list", pythonpath=plugins)
    assert result.returncode == 0, result.stderr
    line = next(line for line in result.stdout.splitlines() if line.startswith("@Fine-Persona"))
    assert line.split() == ["@Fine-Persona", "good:one", "plugins", "Does", "nothing."]
    assert "Broken: gone, no_module, stranger. `jupyter ai-personas doctor`" in result.stdout
    assert "Registered" not in result.stdout + result.stderr


def test_models_shows_what_can_be_used_and_what_is_missing(run: Run, plugins: Path) -> None:
    config = {"AiExtension": {"default_model": "good:one"}}
    shown = run("models", pythonpath=plugins, config=config).stdout
    lines = {line.split()[0]: line for line in shown.splitlines() if line}
    assert lines["good"].split() == ["good", "ready", "one"]
    assert "set THE_KEY_OF_THE_VAULT" in lines["vault"]
    assert "pip install a-package-nobody-has" in lines["far"]
    assert "The default is good:one (set by the operator)." in shown
    assert "Broken: exits, no_class." in shown


def test_json_is_for_scripts(run: Run, plugins: Path) -> None:
    listed = json.loads(run("list", "--json", pythonpath=plugins).stdout)
    fine = next(row for row in listed["personas"] if row["name"] == "Fine Persona")
    assert fine == {
        "id": "jupyter-ai-personas::plugins::Fine",
        "name": "Fine Persona",
        "mention_name": "Fine-Persona",
        "description": "Does nothing.",
        "model": "good:one",
        "problem": None,
        "source": "plugins",
    }
    assert {entry["name"] for entry in listed["broken"]} == {"gone", "no_module", "stranger"}
    models = json.loads(run("models", "--json", pythonpath=plugins).stdout)
    vault = next(row for row in models["model_providers"] if row["id"] == "vault")
    assert (vault["available"], vault["problem"]) == (False, "set THE_KEY_OF_THE_VAULT")
    assert models["default_model"]["reference"]
