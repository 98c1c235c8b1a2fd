"""Which package may import which, and which imports are deferred."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import jupyter_ai_personas

PACKAGE = Path(jupyter_ai_personas.__file__).parent

BELOW = {
    # package → the packages that it may import
    "__init__": {"errors", "version", "personas", "providers", "magics", "server"},
    "version": set(),
    "spellings": set(),
    "redaction": {"spellings", "text"},
    "errors": {"redaction"},
    "slices": set(),
    "iri_grammar": set(),
    "process_guard": set(),
    "text": set(),
    "tokens": set(),
    "stand_ins": set(),
    "import_errors": {"stand_ins"},
    "discovery": {"errors", "import_errors", "stand_ins"},
    "settings": {"errors", "redaction"},
    "chat": {"errors", "redaction", "text", "tokens"},
    "routing": {"errors"},
    "providers": {"errors", "redaction", "slices", "text", "tokens", "discovery", "settings"},
    "hosts": {
        *("discovery", "errors", "redaction", "settings", "version"),
        *("chat", "personas", "providers", "tools"),
    },
}
BELOW["context"] = BELOW["providers"] | {"chat", "routing", "providers"}
BELOW["tools"] = BELOW["context"] | {"context", "iri_grammar", "process_guard"}
BELOW["personas"] = BELOW["tools"] | {"tools", "stand_ins"}
# What other packages import by Jupyter AI's names; nothing of ours imports it.
BELOW["compat"] = BELOW["personas"] | {"personas"}
BELOW["acp"] = BELOW["personas"] | {"personas"}
BELOW["runtime"] = BELOW["personas"] | {"personas", "hosts"}
BELOW["commands"] = BELOW["runtime"] | {"runtime"}
BELOW["magics"] = BELOW["commands"] | {"commands", "version"}
BELOW["server"] = BELOW["magics"] | {"acp", "stand_ins"}
# The doctor reads the extension's configuration.
BELOW["cli"] = BELOW["server"] | {"server"}
BELOW["testing"] = BELOW["server"] | {"magics", "cli"}

FOREIGN = {
    # library → where it may be imported
    "langchain_core": {"providers", "compat", "chat/history.py", "tools", "testing", "magics"},
    "acp": {"acp"},
    "mcp": {"tools"},
    "tornado": {"server"},
    "jupyter_server": {"server", "cli"},
    "jupyter_events": {"server"},
    "jupyter_server_ydoc": {"server"},
    "distributed": {"hosts/dask.py"},
    "dask": {"hosts/dask.py"},
    "IPython": {"magics"},
    "pycrdt": {"chat"},
    "jupyterlab_chat": {"chat", "personas/adapted/models.py", "compat"},
    "jupyter_ydoc": {"chat"},
    "markdown_it": {"routing", "context", "server"},
    "regex": {"routing"},
    "pathspec": {"context"},
    "pytest": {"testing"},
    "yaml": {"personas"},
    "rapidfuzz": {"context"},
    "tantivy": {"context"},
    "watchfiles": {"context"},
}


def modules_below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        # The packages of the front end's tools have modules, too.
        if path.is_dir() and path != PACKAGE / "frontend":
            found += modules_below(path)
        elif path.suffix == ".py":
            found.append(path)
    return found


MODULES = modules_below(PACKAGE)


def name_of(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def package_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


PACKAGES = {package_of(module) for module in MODULES}


@cache
def imported(module: Path) -> list[tuple[int, str]]:
    """Return line and dotted name of each import anywhere in a module, relative ones resolved.

    The imports of a package that imports its names lazily are in its stub.
    """
    found = []
    package = ["jupyter_ai_personas", *module.relative_to(PACKAGE).parent.parts]
    stub = module.with_suffix(".pyi")
    for node in ast.walk(ast.parse((stub if stub.exists() else module).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.append((node.lineno, alias.name))
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:
                found.append((node.lineno, f"{base}.{alias.name}"))
    return found


def test_a_package_imports_only_packages_below_it() -> None:
    faults = []
    for module in MODULES:
        package = package_of(module)
        allowed = BELOW[package] | {package}
        for line, name in imported(module):
            top, _, rest = name.partition(".")
            if top != "jupyter_ai_personas":
                continue
            target = rest.split(".")[0]
            # A public name, such as a lazily imported class.
            target = target if target in PACKAGES else "__init__"
            if target not in allowed:
                faults.append(f"{name_of(module)}:{line} imports {name}")
    assert faults == []


def dotted(module: Path) -> str:
    return ".".join(module.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports for type checking and in functions count."""
    names = {dotted(module) for module in MODULES}
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        targets = {
            name if name in names else name.rpartition(".")[0] for _, name in imported(module)
        }
        graph[dotted(module)] = (targets & names) - {dotted(module)}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


def test_libraries_are_imported_only_where_they_belong() -> None:
    faults = []
    for module in MODULES:
        here = {package_of(module), name_of(module)}
        for line, name in imported(module):
            top = name.split(".")[0]
            top = "langchain_core" if top.startswith("langchain") else top
            places = FOREIGN.get(top)
            if places is not None and not here & places:
                faults.append(f"{name_of(module)}:{line} imports {name}")
    assert faults == []


def test_names_are_exported_by_all_alone() -> None:
    """Not by ``import X as X``, which says the same to type checkers."""
    assert [
        f"{file}:{node.lineno}"
        for file in [*MODULES, *modules_below(Path(__file__).parent)]
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        if any(name.name == name.asname for name in node.names)
    ] == []


def test_modules_can_be_read_in_one_sitting() -> None:
    lines = {name_of(module): module.read_text("utf-8").count("\n") for module in MODULES}
    assert {name: count for name, count in lines.items() if count > 500} == {}


def loaded_after(*statements: str) -> dict[str, set[str]]:
    """Return each statement's top-level packages, loaded in one new interpreter by then."""
    script = "\n".join(
        [
            "import sys, json",
            *(f"{code}\nprint(json.dumps(sorted(sys.modules)))" for code in statements),
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return {
        code: {name.split(".")[0] for name in json.loads(line)}
        for code, line in zip(statements, done.stdout.splitlines(), strict=True)
    }


HEAVY = {
    "distributed",
    "tantivy",
    "langchain_core",
    "pycrdt",
    "tornado",
    "jupyter_server",
    "IPython",
    "pydantic",
}


LIGHT = (
    "import jupyter_ai_personas",
    "import jupyter_ai_personas.errors",
    "from jupyter_ai_personas.routing import *",
    "from jupyter_ai_personas import BasePersona, PersonaDefaults, Turn",
    "import jupyter_ai_personas.providers",
    "from jupyter_ai_personas.context import *",
    "from jupyter_ai_personas.hosts import *",
    "from jupyter_ai_personas.runtime import *",
    "import jupyter_ai_personas.commands",
    "import jupyter_ai_personas.testing",
    "import jupyter_ai_personas.testing.plugin",
)


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    for code, loaded in loaded_after(*LIGHT).items():
        assert loaded & HEAVY == set(), code


def test_the_server_extension_is_loaded_without_langchain() -> None:
    code = "import jupyter_ai_personas.server"
    unwanted = {"acp", "langchain_core", "tantivy", "watchfiles"}
    assert loaded_after(code)[code] & unwanted == set()


def test_the_server_starts_with_settings_and_routes_only() -> None:
    """Each further module delays the server's first answer."""
    script = "import sys, jupyter_ai_personas.server\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = {name.removeprefix("jupyter_ai_personas.") for name in done.stdout.decode().split()}
    later = {"chat.messages", "commands.table", "hosts.thread", "personas.base"}
    later |= {"runtime.runtime", "server.assembly", "server.chats", "tools.registry"}
    assert later <= {dotted(module).removeprefix("jupyter_ai_personas.") for module in MODULES}
    assert loaded & later == set()
