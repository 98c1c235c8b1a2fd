"""Finds names in the operator's settings that do not exist here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import ModelError, did_you_mean, near_matches
from .catalogue import ModelCatalogue
from .limits import matches
from .references import RENAMED, ModelReference

__all__ = ["Unmatched", "unmatched_models"]


_FORMER = [ModelReference(*name.split(":")) for name in RENAMED if ":" in name]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """``setting`` is the name of the trait; ``text`` says which name, and what may be meant."""

    setting: str
    text: str


def unmatched_models(registry: ModelCatalogue) -> Iterator[Unmatched]:
    """Yield the names of providers and models in a loaded registry's settings that are none."""
    settings = registry.settings
    for name, entries in (
        ("allowed_providers", settings.allowed_providers or ()),
        ("blocked_providers", settings.blocked_providers),
        ("model_parameters", settings.model_parameters),
    ):
        for entry in entries:
            if text := _matches_nothing(entry, registry):
                yield Unmatched(name, f"`{entry}` in `{settings.owner}.{name}` {text}")
    for name, references in (
        ("model_aliases", settings.aliases.values()),
        ("fallback_models", settings.fallbacks),
    ):
        yield from unresolved(name, references, registry)


def unresolved(
    name: str, references: Iterable[str], registry: ModelCatalogue
) -> Iterator[Unmatched]:
    """Yield the references that cannot be used; ``name`` is the setting that they are in."""
    for reference in references:
        try:
            registry.resolve(reference)
        except ModelError as error:
            where = f"`{registry.settings.owner}.{name}`"
            yield Unmatched(name, f"`{reference}` in {where} cannot be used: {error}")


def _matches_nothing(entry: str, registry: ModelCatalogue) -> str:
    """Return what is wrong with an entry of a list, or nothing."""
    provider, colon, model = entry.partition(":")
    # A package that failed to load may provide what its entry point is named after.
    ids = {id_.rpartition("/")[2] for id_ in registry.known}
    ids.update(registry.known, (broken.name for broken in registry.broken))
    listed = [*registry.listed(), *_FORMER]
    ids.update(former.provider_id for former in _FORMER)
    if not any(matches(provider, id_) for id_ in ids):
        near = near_matches(provider.strip(), ids)
        near = near or [str(one) for one in listed if one.model_id == entry.strip()]
        return f"matches no provider.{did_you_mean(near)} `jupyter ai-personas models` lists them."
    if not colon or registry.takes_any_model(provider):
        return ""
    if any(matches(entry, one.provider_id, one.model_id) for one in listed):
        return ""
    known = [one.model_id for one in listed if matches(provider, one.provider_id)]
    near = [f"{provider}:{one}" for one in near_matches(model.strip(), known)]
    return f"matches no model of that provider.{did_you_mean(near)}"
