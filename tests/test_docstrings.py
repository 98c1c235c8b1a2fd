"""The references in docstrings name something that exists."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jupyter_ai_personas

PACKAGE = Path(jupyter_ai_personas.__file__).parent
TREES = {
    path: ast.parse(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
    if PACKAGE / "frontend" not in path.parents
}
ROLE = re.compile(r":(class|meth|attr|func|data|mod):`~?(?:[^`<]+<)?([^`>]+)>?`")


@dataclass
class Names:
    """What the package defines: the attributes and bases of each class, and all other names."""

    attributes: dict[str, set[str]] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)
    others: set[str] = field(default_factory=lambda: set(dir(builtins)))

    def add(self, node: ast.AST) -> None:
        if isinstance(node, ast.ClassDef):
            attributes = self.attributes.setdefault(node.name, set())
            attributes.update(name for child in node.body for name in defined(child))
            attributes.update(
                child.attr
                for child in ast.walk(node)
                if isinstance(child, ast.Attribute) and ast.unparse(child.value) == "self"
            )
            self.bases.setdefault(node.name, []).extend(
                re.split(r"\W+", ast.unparse(base))[-1] for base in node.bases
            )
        self.others.update(defined(node))

    def has(self, class_name: str, attribute: str) -> bool:
        return attribute in self.attributes.get(class_name, ()) or any(
            self.has(base, attribute) for base in self.bases.get(class_name, ())
        )


def defined(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)


NAMES = Names()
for tree in TREES.values():
    for node in ast.walk(tree):
        NAMES.add(node)


def references(node: ast.AST, class_name: str = "") -> Iterator[tuple[int, str, str, str]]:
    """Yield line, class around it, role and target of each reference in strings below ``node``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            for role, target in ROLE.findall(str(child.value.value)):
                yield child.lineno, class_name, role, target
        yield from references(child, child.name if isinstance(child, ast.ClassDef) else class_name)


def exists(module: Path, class_name: str, role: str, target: str) -> bool:
    *before, name = target.split(".")
    if target.split(".")[0] in sys.stdlib_module_names:
        return True
    if role == "mod":
        path = (
            module.parent / name
            if target.startswith(".")
            else PACKAGE.parent.joinpath(*before, name)
        )
        return path.with_suffix(".py").exists() or path.is_dir()
    if role in ("meth", "attr"):
        return NAMES.has(before[-1] if before else class_name, name)
    return name in NAMES.others


def test_references_in_docstrings_name_what_exists() -> None:
    missing = [
        f"{module.relative_to(PACKAGE)}:{line} {target}"
        for module, tree in TREES.items()
        for line, class_name, role, target in references(tree)
        if not exists(module, class_name, role, target)
    ]
    assert missing == []
