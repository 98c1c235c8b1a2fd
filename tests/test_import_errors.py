"""What is said of a plug-in that does not load: what is wrong, and what to do."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import importlib_metadata
import pytest
from support.plugin import make_plugin

from jupyter_ai_personas.discovery import Broken, discover

GROUP = "jupyter_ai.model_providers"
MADE = ("acme", "jupyter_ai", "jupyter_ai_magics", "langchain", "other")

Load = Callable[..., Broken]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Installs a package `acme` with one entry point, and loads that; it must not load."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] in MADE]:
        monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)

    def load(source: str, *, value: str = "acme:Provider", **modules: str) -> Broken:
        make_plugin(tmp_path, "acme", {"__init__.py": source}, {GROUP: {"acme": value}})
        for name, text in modules.items():
            make_plugin(tmp_path, name, {"__init__.py": text}, {}, version="9.9")
            record = tmp_path / f"{name}-9.9.dist-info" / "RECORD"
            record.write_text(f"{name}/__init__.py,,\n")
        importlib.invalidate_caches()
        points = importlib_metadata.distribution("acme").entry_points
        found, broken = discover(GROUP, entry_points=points)
        assert not found
        return broken[0]

    yield load
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in MADE:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "needs"),
    [
        (
            "from jupyter_ai.chat_handlers.base import BaseChatHandler",
            "`jupyter_ai.chat_handlers`",
        ),
        ("import jupyter_ai.config_manager", "`jupyter_ai.config_manager`"),
        ("from jupyter_ai_magics import AiMagics", "`AiMagics` of `jupyter_ai_magics`"),
        (
            "from jupyter_ai_magics.providers import AI21Provider",
            "`AI21Provider` of `jupyter_ai_magics.providers`",
        ),
        ("import jupyter_ai_magics.utils", "`jupyter_ai_magics.utils`"),
    ],
)
def test_what_jupyter_ai_has_and_we_have_not_is_named(load: Load, source: str, needs: str) -> None:
    broken = load(source)
    assert broken.error == (
        f"it is written for Jupyter AI and needs {needs}, which does not exist here"
    )
    assert broken.fix.startswith("It cannot run here: uninstall `acme`.")
    assert "What works here" in broken.fix


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ("from jupyter_ai import BaseProvider", "`BaseProvider` of `jupyter_ai`"),
        ("import jupyter_ai.providers", "`jupyter_ai.providers`"),
    ],
)
def test_an_installed_jupyter_ai_that_lacks_it_is_named(
    load: Load, source: str, lacks: str
) -> None:
    broken = load(source, jupyter_ai="")
    assert broken.error == (
        "it is written for another version of Jupyter AI: the installed jupyter_ai 9.9 has no "
        f"{lacks}"
    )
    assert "run `pip uninstall jupyter_ai`. Or uninstall `acme`" in broken.fix


def test_what_no_langchain_has_is_not_asked_for(load: Load) -> None:
    broken = load("import langchain.no_such_module")
    assert broken.error == (
        "it is written for an older LangChain: the installed one has no `langchain.no_such_module`"
        ", nor has `langchain_classic`"
    )
    assert broken.fix == "Upgrade or uninstall `acme`"


def test_what_langchain_classic_would_have_says_so(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_ai_personas.stand_ins._NEW", "not_installed")
    monkeypatch.setattr(
        "jupyter_ai_personas.import_errors.find_spec",
        lambda name: None if name == "langchain_classic" else object(),
    )
    broken = load("from langchain.prompts import PromptTemplate", langchain="")
    assert "has no `langchain.prompts`" in broken.error
    assert broken.fix == "Run `pip install langchain-classic`, or uninstall `acme`"


def test_no_langchain_at_all_says_what_to_install(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_ai_personas.stand_ins._NEW", "not_installed")
    broken = load("from langchain.prompts import PromptTemplate")
    assert "Run `pip install langchain langchain-classic`" in broken.fix


def test_a_name_that_the_installed_version_lacks_names_both(load: Load) -> None:
    broken = load("from other import Chat", other="")
    assert broken.error == "it needs `Chat` of `other`, which the installed other 9.9 does not have"
    assert "install the version of other that it is written for" in broken.fix


def test_a_name_that_the_package_itself_lacks_shows_no_path(load: Load, tmp_path: Path) -> None:
    broken = load("from acme import Nothing")
    assert str(tmp_path) not in str(broken)


def test_a_missing_package_is_asked_for(load: Load) -> None:
    broken = load("import no_such_package")
    assert broken.error == "ModuleNotFoundError: No module named 'no_such_package'"
    assert broken.fix == (
        "Install the package that provides `no_such_package`, or uninstall `acme`"
    )
