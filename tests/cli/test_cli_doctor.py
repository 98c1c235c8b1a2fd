"""What `jupyter ai-personas doctor` finds, and how to mend it."""

from __future__ import annotations

import json
import logging
import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest
import support
from support.plugin import make_plugin
from support.programs import Run, findings, start

from jupyter_ai_personas.cli.doctor import Finding, _environment, _providers, _summary
from jupyter_ai_personas.providers import ModelRegistry, ProviderSettings

PROBLEMS = {
    "no_module": ("No module named 'a_module_nobody_has'", "provides `a_module_nobody_has`"),
    "no_class": ("TypeError: multiple bases", "uninstall `plugins`"),
    "exits": ("SystemExit: 3", "uninstall `plugins`"),
    "stranger": (
        "does not inherit `jupyter_ai_personas.BasePersona`",
        "group `jupyter_ai.personas`",
    ),
    "gone": ("`plugins.personas` has no `Gone`", "group `jupyter_ai.personas`"),
    "Fragile": ("RuntimeError: the glass is broken", "uninstall `plugins`"),
    "crash": ("cannot be set up: ValueError: it does not start", "uninstall `plugins`"),
}


def test_doctor_finds_a_sound_installation_well(run: Run) -> None:
    result = run("doctor")
    assert result.returncode == 0, result.stdout + result.stderr
    for text in ("All is well.", "jupyter_ai_personas is enabled", "jupyterlab-chat", "pycrdt"):
        assert text in result.stdout
    assert "Guide (@Guide, from jupyter_ai_personas) uses" in result.stdout
    assert "bedrock may be ready: no AWS credentials are seen" in result.stdout


def test_doctor_says_that_there_are_no_chats_where_nothing_else_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = importlib_metadata.version

    def version(name: str) -> str:
        if name in ("jupyterlab", "jupyterlab-chat", "jupyter-collaboration"):
            raise importlib_metadata.PackageNotFoundError(name)
        return installed(name)

    assert _summary(list(_environment())) == "All is well."
    monkeypatch.setattr(importlib_metadata, "version", version)
    found = list(_environment())
    assert [finding.state for finding in found].count("note") == 3
    assert _summary(found) == (
        "Nothing is broken, but there are no chats for personas to join: "
        "run `pip install 'jupyter_ai_personas[lab]'`"
    )
    broken = [*found, Finding("Personas", "broken", "x")]
    assert _summary(broken) == "1 broken: see the lines with !!"


def test_doctor_names_each_broken_entry_point_and_the_way_to_mend_it(
    run: Run, plugins: Path
) -> None:
    result = run("doctor", "--json", pythonpath=plugins)
    assert result.returncode == 1
    broken = findings(result, "broken")
    for name, (text, fix) in PROBLEMS.items():
        found = [f for f in broken if f["text"].startswith((f"{name} (", f"{name}:"))]
        assert len(found) == 1, (name, broken)
        assert text in found[0]["text"]
        assert fix in found[0]["fix"]
    poor = next(finding for finding in broken if finding["text"].startswith("Poor"))
    assert "`THE_KEY_OF_THE_VAULT`" in poor["fix"]
    # Whoever reads this is at a terminal.
    assert "`/model` is typed in a chat" in poor["fix"]
    assert "in the configuration, set `c.AiExtension.models`" in poor["fix"]
    assert len(broken) == len(PROBLEMS) + 1

    well = {finding["text"] for finding in findings(result, "ok")}
    assert "Fine Persona (@Fine-Persona, from plugins) uses good:one" in well
    assert "good is ready" in well
    notes = {finding["text"] for finding in findings(result, "note")}
    assert "far is not ready: pip install a-package-nobody-has" in notes


def test_doctor_names_the_package_to_mend_as_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
from langchain_core.language_models import FakeListChatModel
from jupyter_ai_personas import BaseProvider

class Careless(BaseProvider, FakeListChatModel):
    id = "careless"
    name = "Careless"
    models = ["one"]

    def __init__(self, **kwargs):
        raise KeyError("model")
"""
    make_plugin(tmp_path, "careless_code", {"__init__.py": source}, {})
    points = {"jupyter_ai.model_providers": {"careless": "careless_code:Careless"}}
    make_plugin(tmp_path, "careless-package", {}, points)
    monkeypatch.syspath_prepend(tmp_path)
    models = ModelRegistry(ProviderSettings(), log=logging.getLogger("tests.cli"))
    models.load()
    [finding] = [found for found in _providers(models) if found.state == "broken"]
    assert "it cannot be set up: KeyError: 'model'" in finding.text
    assert "uninstall `careless-package`" in finding.fix


def test_doctor_survives_what_a_lean_server_survives_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = {"jupyter_ai.personas": {"ends": "ending:Persona"}}
    package = make_plugin(tmp_path, "ending", {"__init__.py": "import os; os._exit(7)"}, point)
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "jupyter_server_config.json").write_text('{"AiExtension": {"hosts": "processes"}}')
    monkeypatch.setenv("PYTHONPATH", f"{package}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(folder))
    ran = start("jupyter", "ai-personas", "doctor", "--json")
    [finding] = [one for one in findings(ran, "broken") if "ends (ending:Persona" in one["text"]]
    assert "exit code 7" in finding["text"]
    assert finding["fix"] == "Fix, upgrade or uninstall `ending`"


def test_doctor_says_why_the_default_model_cannot_answer(run: Run, plugins: Path) -> None:
    for model, reason in (
        ("vault:gold", "`THE_KEY_OF_THE_VAULT`"),
        ("far:one", "`a-package-nobody-has`"),
        ("god:one", "Did you mean `good`?"),
    ):
        config = {"AiExtension": {"default_model": model}}
        result = run("doctor", "--json", pythonpath=plugins, config=config)
        found = [f for f in findings(result, "broken") if f["section"] == "Default model"]
        assert reason in found[0]["fix"]


def test_doctor_finds_settings_that_lead_nowhere(run: Run) -> None:
    config = {
        "AiExtension": {
            "default_modle": "x",
            "default_persona": "Gude",
            "models": {"Guide": "kyless:repeat"},
            "blocked_providers": ["opnai"],
            "secrets_file": "/nowhere/secrets.env",
        },
        "YDocExtension": {"disable_rtc": True},
    }
    result = run("doctor", config=config)
    assert result.returncode == 1
    for text in (
        "`default_modle` not recognized",
        "Did you mean `Guide`?",
        "Did you mean `keyless`?",
        "`opnai` in `c.AiExtension.blocked_providers` matches no provider. Did you mean `openai`?",
        "`secrets.env` cannot be read",
        "real-time collaboration is off",
    ):
        assert result.stdout.count(text) >= 1, result.stdout
    assert "!!  Guide" in result.stdout


def test_doctor_shows_no_secret(run: Run) -> None:
    secret = "sk-proj-abcdefghijkl0123"
    at = {"base_url": "http://127.0.0.1:9/v1"}
    for settings in (
        {"default_model": secret, "models": {"Guide": f"openai:{secret}"}},
        {"endpoints": {"gate": {**at, "key_variable": secret}}},
        {"endpoints": {secret: at}},
        {"model_aliases": {"fast": secret}, "fallback_models": [secret]},
        {
            "endpoints": {"gate": {**at, "parameters": {"api_key": "sk-proj-abc\ndefghijkl0123"}}},
            "default_model": "gate:m",
        },
    ):
        result = run("doctor", config={"AiExtension": settings})
        assert result.returncode == 1
        assert "abcdefghijkl" not in result.stdout + result.stderr
        assert "defghijkl0123" not in result.stdout + result.stderr


def test_doctor_says_when_an_extension_is_switched_off(run: Run) -> None:
    off = {"jupyter_ai_personas": False, "jupyterlab_chat": False}
    result = run("doctor", "--json", config={"ServerApp": {"jpserver_extensions": off}})
    assert result.returncode == 1
    assert [(f["text"], f["fix"]) for f in findings(result, "broken")] == [
        (f"{name} is not enabled", f"Run `jupyter server extension enable {name}`") for name in off
    ]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"models": 3}, "`c.AiExtension.models` must be a dictionary"),
        ({"model_parameters": {"openai": "temperature=0"}}, '`c.AiExtension.model_parameters["op'),
        (
            {"endpoints": {"x": "http://x/v1"}},
            '`c.AiExtension.endpoints["x"]` must be a dictionary',
        ),
        ({"blocked_provider": ["openai"]}, "Did you mean `blocked_providers`?"),
    ],
)
def test_a_setting_that_does_not_apply_is_named(run: Run, config: Any, says: str) -> None:
    listed = run("list", config={"AiExtension": config})
    assert (listed.returncode, listed.stdout) == (1, "")
    assert says in listed.stderr
    assert "Traceback" not in listed.stderr
    result = run("doctor", "--json", config={"AiExtension": config})
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    (broken,) = findings(result, "broken")
    assert says in broken["text"]
    assert "Personas stay off until this is corrected" in broken["fix"]


def test_a_server_that_would_not_start_is_told_without_a_traceback(run: Run) -> None:
    config = {"ServerApp": {"port": "x"}}
    result = run("doctor", "--json", config=config)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert any("'port' trait" in found["text"] for found in findings(result, "broken"))
    assert run("list", config=config).stderr.startswith("A server would not start")


def test_a_configuration_file_that_does_not_apply_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "jupyter_server_config.py"
    file.write_text("c.AiExtension.blocked_providers = ['openai']\nnonsense")
    result = run("doctor", "--json")
    assert result.returncode == 1
    assert any(
        "`jupyter_server_config.py` cannot be read (NameError" in found["text"]
        for found in findings(result, "broken")
    )
    file.unlink()
    folder = tmp_path / "config" / "jupyter_server_config.d"
    folder.mkdir()
    limits = {"AiExtension": {"blocked_providers": ["openai"]}}
    (folder / "limits.json").write_text(json.dumps(limits))
    (broken,) = findings(run("doctor", "--json"), "broken")
    assert "`jupyter_server_config.d/limits.json` does not apply" in broken["text"]
    (folder / "limits.json").write_text("{}")
    file.write_text("# c.AiExtension.default_model = 'auto'\n")
    assert run("doctor").returncode == 0


def test_doctor_shows_toolsets_and_how_to_mend_one(run: Run, tmp_path: Path) -> None:
    source = """
        from langchain_core.tools import tool

        @tool
        def plot(column: str) -> str:
            "Plot a column."
            return column

        def charts(): return [plot]
        def torn(): raise ValueError("no data")
    """
    points = {"charts": "acme:charts", "torn": "acme:torn"}
    packages = make_plugin(
        tmp_path / "packages",
        "acme",
        {"__init__.py": textwrap.dedent(source)},
        {"jupyter_ai_personas.toolsets": points},
    )
    weather = str(Path(support.__file__).parent / "weather_server.py")
    servers = {
        "weather": {"command": sys.executable, "args": [weather, "stdio"]},
        "gone": {"command": "/nowhere/at-all"},
    }
    config = {"AiExtension": {"mcp_servers": servers, "persona_tools": {"Guide": ["chart"]}}}
    result = run("doctor", "--json", pythonpath=packages, config=config)
    well = {finding["text"] for finding in findings(result, "ok")}
    assert "charts (from acme): 1 tool" in well
    assert "mcp:weather (from c.AiExtension.mcp_servers): 9 tools" in well
    broken = {finding["text"]: finding["fix"] for finding in findings(result, "broken")}
    about = "mcp:gone (from c.AiExtension.mcp_servers) cannot be used"
    assert "FileNotFoundError" in broken[about]
    assert (
        "uninstall `acme`"
        in broken["torn (acme:torn, from acme): calling it raised ValueError: no data"]
    )
    assert any("there is none of that name" in text and "`chart`" in text for text in broken)


def test_doctor_tells_of_another_runtime_and_who_brought_it(run: Run, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    source = """
        from jupyter_ai import BaseProvider
        from langchain_core.language_models import FakeListLLM

        class Company(BaseProvider, FakeListLLM):
            id = "company"
            name = "Company"
            models = ["one"]

            def __init__(self, **kwargs):
                super().__init__(**{"responses": ["hi"], **kwargs})
    """
    make_plugin(
        packages,
        "acme_company",
        {"__init__.py": textwrap.dedent(source)},
        {
            "jupyter_ai.model_providers": {"company": "acme_company:Company"},
            "jupyter_ai.chat_handlers": {"login": "acme_company.login:Login"},
        },
        requires=["jupyter_ai", "langchain-core"],
    )
    make_plugin(packages, "jupyter_ai_persona_manager", {}, {}, version="0.3.0")
    enabled = {"jupyter_ai_persona_manager": True}
    result = run("doctor", "--json", pythonpath=packages)
    assert not any("Another runtime is enabled" in one["text"] for one in findings(result, "note"))
    config = {"ServerApp": {"jpserver_extensions": enabled}}
    result = run("doctor", "--json", pythonpath=packages, config=config)
    notes = {finding["text"]: finding["fix"] for finding in findings(result, "note")}
    (told,) = [text for text in notes if "Another runtime is enabled" in text]
    assert "on this server: jupyter_ai_persona_manager 0.3.0, which acme_company requires." in told
    assert "pip uninstall jupyter-ai-persona-manager" in notes[told]
    assert "acme_company runs without: install it with `--no-deps`" in notes[told]
    unused = "login (from acme_company, in group `jupyter_ai.chat_handlers`) has no use here"
    assert notes[unused] == "Write a persona, or a toolset for its model, instead"
    assert "company is ready (magics only)" in {f["text"] for f in findings(result, "ok")}
