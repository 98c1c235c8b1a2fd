"""Whether a provider's packages are installed, seen without importing any."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec

import importlib_metadata

__all__ = ["missing_packages"]

_NAME = re.compile(r"[\w.-]+")


def missing_packages(packages: Iterable[str]) -> list[str]:
    """Return those of ``packages``, named as a provider names them, that are not installed."""
    return [package for package in packages if not _is_installed(package)]


def _is_installed(package: str) -> bool:
    # Authors write distribution names, import names, and requirements alike.
    match = _NAME.match(package.strip())
    name = match[0] if match else package
    try:
        importlib_metadata.distribution(name)
    except (importlib_metadata.PackageNotFoundError, ValueError):
        try:
            return find_spec(name.replace("-", "_")) is not None
        except (ImportError, ValueError):
            return False
    return True
