"""Finds names that the source of a Jupyter AI persona uses and this package lacks."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from textwrap import dedent

from jupyter_ai_personas.personas.adapted.recognition import base_of
from jupyter_ai_personas.personas.adapted.surroundings import Surroundings
from jupyter_ai_personas.personas.adapted.view import ChatView

__all__ = ["missing_uses"]

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
    found: dict[str, None] = {}
    base = base_of(cls)
    for part in cls.__mro__[: cls.__mro__.index(base)] if base is not None else ():
        tree = _tree(part)
        for use in _uses(tree) if tree is not None else ():
            found[use] = None
    return sorted(found)


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
        elif owner == "parent" and _is_own(node.value.value) and name not in _PARENT:
            yield f"`self.parent.{name}`, which is not here: other personas run elsewhere"


def _is_own(node: ast.expr) -> bool:
    """Return whether an expression is the persona, or its manager."""
    if isinstance(node, ast.Attribute):
        return node.attr == "parent" and _is_own(node.value)
    return isinstance(node, ast.Name) and node.id in ("self", "persona")
