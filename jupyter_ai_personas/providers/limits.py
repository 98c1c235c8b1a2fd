"""Limits which providers and models may be used: lists of names with ``*`` as wildcard."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Limits", "matches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``allowed`` and ``blocked`` hold entries as :func:`matches` reads them.

    ``None`` allows everything. Blocking overrides allowing.
    """

    allowed: Collection[str] | None = None
    blocked: Collection[str] = ()

    def allow(self, provider_id: str, model_id: str | None = None) -> bool:
        """Return whether a provider, or one of its models, may be used.

        Without ``model_id``: whether some of its models may be allowed. To block an id blocks the
        provider of that id of each package (``package/id``); to allow it does not.
        """
        for one in {provider_id, provider_id.rpartition("/")[2]}:
            if any(matches(entry, one, model_id) for entry in self.blocked):
                return False
        if self.allowed is None:
            return True
        if model_id is None:
            return any(matches(_provider(entry), provider_id) for entry in self.allowed)
        return any(matches(entry, provider_id, model_id) for entry in self.allowed)


def matches(entry: str, provider_id: str, model_id: str | None = None) -> bool:
    """Return whether ``entry`` means all models of a provider, or ``model_id`` if it is given.

    An entry is ``provider_id`` or ``provider_id:model_id``; ``*`` stands for any characters, case
    and spaces do not count. A provider that was renamed is meant by its former name as well.
    """
    former_id, former_model = _FORMER.get(provider_id, (provider_id, model_id))
    return _matches(entry, provider_id, model_id) or _matches(
        entry, former_id, None if model_id is None else former_model
    )


def _matches(entry: str, provider_id: str, model_id: str | None) -> bool:
    provider, model = _patterns(entry)
    if provider.fullmatch(provider_id.casefold()) is None:
        return False
    if model is None or model.pattern == _ANYTHING:
        return True
    return model_id is not None and model.fullmatch(model_id.casefold()) is not None


_ANYTHING = ".*"
_FORMER = {"workspace": ("keyless", "repeat")}


def _provider(entry: str) -> str:
    return entry.partition(":")[0]


@lru_cache(maxsize=1000)
def _patterns(entry: str) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    provider, colon, model = "".join(entry.split()).casefold().partition(":")
    return _pattern(provider), _pattern(model) if colon else None


def _pattern(text: str) -> re.Pattern[str]:
    # `**` would make a pattern that takes long to fail.
    parts = re.split(r"\*+", text)
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
