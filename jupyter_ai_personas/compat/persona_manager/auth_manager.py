"""Whether a person has signed in where a persona needs that."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from traitlets.config import LoggingConfigurable

__all__ = ["PersonaAuthManager", "PersonaNotAuthenticated"]


class PersonaNotAuthenticated(Exception):  # noqa: N818 (its name in Jupyter AI)
    """Nobody has signed in; a persona's ``prepare`` raises it."""


class PersonaAuthManager(LoggingConfigurable):  # type: ignore[misc, unused-ignore]
    """Asks ``check_auth_fn``, which may be asynchronous, until it once returns true.

    Without a function the persona needs no sign-in.
    """

    def __init__(
        self,
        *args: Any,
        check_auth_fn: Callable[[], bool | Awaitable[bool]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._check = check_auth_fn
        self._authed = check_auth_fn is None

    @property
    def authed(self) -> bool:
        """Whether the function has returned true."""
        return self._authed

    async def check_auth(self) -> bool:
        """Return whether somebody has signed in; ask if that is not known."""
        if not self._authed and self._check is not None:
            found = self._check()
            self._authed = bool(await found if inspect.isawaitable(found) else found)
        return self._authed

    async def assert_auth(self) -> None:
        """Raise ``PersonaNotAuthenticated`` if nobody has signed in."""
        if not await self.check_auth():
            raise PersonaNotAuthenticated

    def start_poll(self, interval: float | None = None) -> None:
        """Nothing: a persona writes only in a turn, so the next message asks again."""

    def reset(self) -> None:
        """Forget what is known."""
        self._authed = self._check is None

    def stop(self) -> None:
        """Nothing: no poll runs."""
