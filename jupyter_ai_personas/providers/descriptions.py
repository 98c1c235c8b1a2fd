"""The declarations of a provider class as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from .auth import AuthStrategy

__all__ = ["Description"]


@dataclass(frozen=True, slots=True)
class Description:
    """The declarations of a provider class, read once, since reading may run its code.

    ``strategy`` is one of ours, also for a class that has another package's.
    """

    name: str
    models: tuple[str, ...]
    chat_models: tuple[str, ...]
    chat: bool
    registry: bool
    packages: tuple[str, ...]
    strategy: AuthStrategy
    keys_in_headers: bool
    allows_concurrency: bool
