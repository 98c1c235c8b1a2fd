"""Finds what the source of a Jupyter AI persona uses and is not where it runs."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from textwrap import dedent

from jupyter_ai_personas.personas.adapted.recognition import OF_OTHER_VERSIONS, base_of
from jupyter_ai_personas.personas.adapted.surroundings import Surroundings
from jupyter_ai_personas.personas.adapted.view import ChatView

__all__ = ["missing_uses", "server_uses"]

_CHATS = frozenset({"chat", "ychat"})
_CHAT = frozenset(dir(ChatView)) | {"awareness"}
_PARENT = frozenset(dir(Surroundings)) | {"chat", "ychat", "base_url"}
# They are there, and do nothing that a persona could rely on.
_EMPTY = {
    "observe_messages": "a turn brings each message, and nothing is called",
    "set_attachment": "personas cannot attach files here",
}


def missing_uses(cls: type) -> list[str]:
    """Return what the classes of a persona use that is not here: ``self.chat.x``, and why not.

    Reads their source, as far as there is any; what is reached in another way is not seen.
    """
    base = base_of(cls)
    if base is None:
        return []
    found: dict[str, None] = {}
    parts = cls.__mro__[: cls.__mro__.index(base)]
    trees = [_tree(part) for part in parts]
    for tree in filter(None, trees):
        found.update(dict.fromkeys(_uses(tree)))
    known = [tree for tree in (*trees, _tree(base)) if tree is not None]
    # What has no source, or looks names up, may have any attribute.
    if len(known) == len(parts) + 1 and not any("__getattr__" in vars(part) for part in parts):
        found.update(dict.fromkeys(_unset(cls, known)))
    return sorted(found)


def server_uses(cls: type) -> list[str]:
    """Return the objects of the server's process that a persona's classes use.

    These are the settings of the web application, the server's application, and attributes that
    nothing in the classes sets: server extensions set those on the class. An attribute that is set
    in this process is not among them.
    """
    base = base_of(cls)
    if base is None:
        return []
    parts = [tree for part in cls.__mro__[: cls.__mro__.index(base)] if (tree := _tree(part))]
    found = dict.fromkeys(name for tree in parts for name in _of_server(tree))
    if _has_extension(cls) and (of_base := _tree(base)) is not None:
        read, known = _attributes(cls, [*parts, of_base])
        found.update(dict.fromkeys(f"self.{name}" for name in read - known))
    return sorted(found)


def _of_server(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr == "web_app":
                yield "web_app.settings"
            elif isinstance(node.value, ast.Name) and node.value.id == "ServerApp":
                yield f"ServerApp.{node.attr}"


def _has_extension(cls: type) -> bool:
    """Return whether the package of a class has a server extension."""
    package = sys.modules.get(cls.__module__.partition(".")[0])
    return hasattr(package, "_jupyter_server_extension_points")


def _unset(cls: type, trees: list[ast.AST]) -> Iterator[str]:
    """Return the attributes of `self` that are read and that nothing defines or sets.

    One whose name is in a string is asked for first, with ``hasattr`` perhaps.
    """
    read, known = _attributes(cls, trees)
    nodes = (node for tree in trees for node in ast.walk(tree))
    asked = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    for name in read - known - asked:
        why = OF_OTHER_VERSIONS.get(name)
        yield f"`self.{name}`, which is not here{f': {why}' if why else ''}"


def _attributes(cls: type, trees: list[ast.AST]) -> tuple[set[str], set[str]]:
    """Return the attributes of `self` that are read, and those that something defines or sets."""
    read: set[str] = set()
    known = set(dir(cls))
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            is_read = isinstance(node.ctx, ast.Load) and node.value.id == "self"
            (read if is_read else known).add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            known.add(node.target.id)
    return read, known


def _tree(cls: type) -> ast.AST | None:
    try:
        return ast.parse(dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return None


def _uses(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Attribute):
            continue
        name, owner = node.attr, node.value.attr
        if not isinstance(node.value.value, ast.Name | ast.Attribute):
            continue
        if owner in _CHATS and _is_own(node.value.value):
            if name in _EMPTY:
                yield f"`self.{owner}.{name}`: {_EMPTY[name]}"
            elif name not in _CHAT:
                yield f"`self.{owner}.{name}`, which is not here: the document is the server's"
        elif owner == "parent" and _is_persona(node.value.value) and name not in _PARENT:
            yield f"`self.parent.{name}`, which is not here: other personas run elsewhere"


def _is_own(node: ast.expr) -> bool:
    """Return whether an expression is the persona, or its manager."""
    if isinstance(node, ast.Attribute):
        return node.attr == "parent" and _is_own(node.value)
    return _is_persona(node)


def _is_persona(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "persona")
