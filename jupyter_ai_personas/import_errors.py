"""Explains why a plug-in cannot be imported, and names the fix."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec

import importlib_metadata

from .stand_ins import STAND_INS, is_stand_in

__all__ = ["one_line", "why_not_imported"]

_NO_NAME = re.compile(r"cannot import name '(\w+)' from (?:partially \S+ module )?'([\w.]+)'")
_JUPYTER_AI = {name.partition(".")[0] for name in STAND_INS}


def one_line(error: BaseException) -> str:
    """Return class and text of an error on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def why_not_imported(
    error: BaseException, value: str, distribution: str, fix: str
) -> tuple[str, str]:
    """Explain why an entry point does not load, and name the fix.

    ``value`` is what it names, ``module:object``; ``fix`` says how to correct the entry point.
    """
    module, _, attribute = value.partition("[")[0].strip().partition(":")
    if isinstance(error, ImportError) and (missing := _missing(error)):
        name, member = missing
        # The package of the entry point is there, or else that would be what is missing.
        if not member and "." in name and f"{module}.".startswith(f"{name}."):
            return f"`{distribution}` has no module `{name}`", f"{fix}, or add that module"
        top = name.partition(".")[0]
        what = f"`{member}` of `{name}`" if member else f"`{name}`"
        if top in _JUPYTER_AI:
            return _of_jupyter_ai(top, what, distribution)
        if top == "langchain" and not member:
            return _of_langchain(name, distribution)
        if member and top == module.partition(".")[0]:
            return (
                f"its module `{name}` has no `{member}`",
                f"Fix, upgrade or uninstall `{distribution}`",
            )
        if member:
            return _of_another_version(top, what, distribution)
        install = f"Install the package that provides {what}"
        return one_line(error), f"{install}, or uninstall `{distribution}`"
    # A module whose own code raised is not kept there; one that imports when it is asked for a
    # name may raise for another.
    is_missing = isinstance(error, AttributeError) and error.name in attribute.split(".")
    if is_missing and module in sys.modules:
        return f"the module `{module}` has no `{attribute}`", fix
    return one_line(error), f"Fix, upgrade or uninstall `{distribution}`"


def _missing(error: ImportError) -> tuple[str, str] | None:
    """Return the module that is missing and ``""``, or the module and the name that it lacks."""
    if isinstance(error, ModuleNotFoundError):
        return (error.name, "") if isinstance(error.name, str) else None
    found = _NO_NAME.search(str(error))
    return (found[2], found[1]) if found else None


def _of_jupyter_ai(top: str, what: str, distribution: str) -> tuple[str, str]:
    if is_stand_in(top):
        return (
            f"it is written for Jupyter AI and needs {what}, which does not exist here",
            f"It cannot run here: uninstall `{distribution}`. The page “What works here” of the "
            "documentation says what to use instead",
        )
    installed = _distribution_of(top)
    return (
        f"it is written for another version of Jupyter AI: the installed {installed} has no {what}",
        f"It may run here without that: run `pip uninstall {installed.partition(' ')[0]}`. Or "
        f"uninstall `{distribution}`",
    )


def _of_langchain(name: str, distribution: str) -> tuple[str, str]:
    if name == "langchain":
        return (
            "it needs LangChain, of which only a part is installed",
            f"Run `pip install langchain langchain-classic`, or uninstall `{distribution}`",
        )
    text = f"it is written for an older LangChain: the installed one has no `{name}`"
    if find_spec("langchain_classic") is None:
        return text, f"Run `pip install langchain-classic`, or uninstall `{distribution}`"
    return f"{text}, nor has `langchain_classic`", f"Upgrade or uninstall `{distribution}`"


def _of_another_version(top: str, what: str, distribution: str) -> tuple[str, str]:
    installed = _distribution_of(top)
    name = installed.partition(" ")[0]
    return (
        f"it needs {what}, which the installed {installed} does not have",
        f"Upgrade `{distribution}`, install the version of {name} that it is written for, or "
        f"uninstall `{distribution}`",
    )


def _distribution_of(top: str) -> str:
    """Return name and version of the distribution that provides an import name."""
    for name in importlib_metadata.packages_distributions().get(top, []):
        return f"{name} {importlib_metadata.version(name)}"
    return f"`{top}`"
