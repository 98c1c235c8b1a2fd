"""Operators' settings for the index."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_EXCLUDE", "IndexSettings"]

DEFAULT_EXCLUDE = ("__pycache__/", "node_modules/", "site-packages/")


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """``exclude``: patterns in the syntax of ``.gitignore``; ``private``: files, never indexed."""

    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    private: tuple[str, ...] = ()
