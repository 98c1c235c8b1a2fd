"""The import names of Jupyter AI: there once plug-ins load, and never in an installed one's way."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from jupyter_ai_personas.stand_ins import STAND_INS


def run(code: str, site: Path | None = None) -> Any:
    """Run `code` in a new interpreter; return what it prints, from JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import importlib.util, json, sys\n{code}"],
        env={**os.environ, **({"PYTHONPATH": str(site)} if site else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ABSENT = {"langchain_cohere", "langchain_google_vertexai", "langchain_nvidia_ai_endpoints"}

LOAD = """
from jupyter_ai_personas.discovery import discover
discover("jupyter_ai.nothing", entry_points=[])
discover("jupyter_ai.nothing", entry_points=[])
"""


def test_the_names_exist_from_the_first_loading_of_plug_ins_on() -> None:
    found = run(
        "import jupyter_ai_personas, jupyter_ai_personas.discovery\n"
        "before = importlib.util.find_spec('jupyter_ai_magics') is not None\n"
        f"{LOAD}"
        "finders = [str(type(finder)) for finder in sys.meta_path]\n"
        "from jupyter_ai_magics.providers import BaseProvider\n"
        "import jupyter_ai_magics, jupyter_ai\n"
        "same = jupyter_ai.BaseProvider is jupyter_ai_magics.BaseProvider is BaseProvider\n"
        "print(json.dumps([before, same, sum('stand_ins' in name for name in finders),\n"
        "                  'stand_ins' in finders[-1], BaseProvider.__module__]))"
    )
    assert found == [False, True, 1, True, "jupyter_ai_personas.providers.base"]


# One interpreter for all names, which forks for each: none profits from what another imported,
# and the libraries below are imported once.
EACH_NAME = """
import os
from langchain_core.language_models import *
for name in sorted(stand_ins.STAND_INS):
    if os.fork():
        assert os.wait()[1] == 0, name
        continue
    module = importlib.import_module(name)
    names, missing = {}, None
    try:
        exec(f"from {name} import *", names)
        assert names.keys() - {"__builtins__"} == set(module.__all__)
    except ModuleNotFoundError as error:
        missing = error.name
    assert set(dir(module)) == set(module.__all__)
    assert not hasattr(module, "anything_else")
    print(json.dumps([name, sorted(module.__all__), missing]), flush=True)
    os._exit(0)
"""


def test_each_name_can_be_imported_with_all_that_it_lists() -> None:
    script = f"import importlib, json\nfrom jupyter_ai_personas import stand_ins\n{LOAD}{EACH_NAME}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, _, _ in found] == sorted(STAND_INS)
    for name, listed, missing in found:
        assert "." not in name or name.rpartition(".")[0] in STAND_INS
        assert listed, name
        # The class of a vendor whose package is not installed here.
        assert missing is None or missing in ABSENT, name
        assert missing is None or importlib.util.find_spec(missing) is None, name


def test_a_name_costs_no_langchain_before_something_of_it_is_used() -> None:
    loaded = run(f"{LOAD}import jupyter_ai, jupyter_ai_magics\nprint(json.dumps([*sys.modules]))")
    assert not [name for name in loaded if name.startswith("langchain_core")]


def test_an_installed_package_wins_also_over_submodules_that_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "jupyter_ai_magics").mkdir()
    (tmp_path / "jupyter_ai_magics" / "__init__.py").write_text("real = True\n")
    found = run(
        f"{LOAD}"
        "import jupyter_ai_magics, jupyter_ai\n"
        "lacks = importlib.util.find_spec('jupyter_ai_magics.providers')\n"
        "from jupyter_ai_personas.stand_ins import is_stand_in\n"
        "names = ['jupyter_ai_magics', 'jupyter_ai', 'json', 'not_imported']\n"
        "print(json.dumps([jupyter_ai_magics.real, lacks, [is_stand_in(n) for n in names]]))",
        tmp_path,
    )
    assert found == [True, None, [False, True, False, False]]


def test_a_package_that_is_installed_but_not_imported_yet_wins_too(tmp_path: Path) -> None:
    (tmp_path / "jupyter_ai_magics.py").write_text("real = True\n")
    found = run(
        f"{LOAD}import jupyter_ai_magics\nprint(json.dumps(jupyter_ai_magics.real))",
        tmp_path,
    )
    assert found is True


def test_what_langchain_has_moved_is_found_by_its_old_name() -> None:
    found = run(
        f"{LOAD}"
        "from langchain.prompts import HumanMessagePromptTemplate, PromptTemplate\n"
        "from langchain.llms.base import LLM\n"
        "import langchain_core.language_models, langchain_core.prompts\n"
        "print(json.dumps([LLM is langchain_core.language_models.LLM,\n"
        "                  PromptTemplate is langchain_core.prompts.PromptTemplate,\n"
        "                  importlib.util.find_spec('langchain.nothing_like_it') is None]))"
    )
    assert found == [True, True, True]


def test_an_older_langchain_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "langchain").mkdir()
    (tmp_path / "langchain" / "__init__.py").write_text("")
    (tmp_path / "langchain" / "prompts.py").write_text("real = True\n")
    found = run(
        f"{LOAD}"
        "import langchain.prompts, langchain.schema\n"
        "print(json.dumps([langchain.prompts.real, hasattr(langchain.schema, 'HumanMessage')]))",
        tmp_path,
    )
    assert found == [True, True]
