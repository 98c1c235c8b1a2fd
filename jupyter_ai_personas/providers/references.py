"""Pure resolution of model names: ``provider_id:model_id``, an alias, or a bare model id."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from ..errors import UnknownModelError, UnknownProviderError, near_matches
from ..redaction import has_a_secrets_shape

__all__ = ["RENAMED", "ModelReference", "find_reference"]

RENAMED = {
    "keyless": "workspace",
    "keyless:repeat": "workspace:search",
    "repeat": "workspace:search",
}
"""Names that configurations and chats may still have: former name → name today."""


@dataclass(frozen=True, slots=True, order=True)
class ModelReference:
    """One model of one provider; ``str()`` gives ``provider_id:model_id``."""

    provider_id: str
    model_id: str

    def __str__(self) -> str:
        return f"{self.provider_id}:{self.model_id}"


def find_reference(
    text: str,
    *,
    models: Mapping[str, Sequence[str]],
    registries: Container[str] = (),
    aliases: Mapping[str, str] | None = None,
) -> ModelReference:
    """Return the model that ``text`` names.

    ``models`` maps each provider's id to its models' ids; providers in ``registries`` take any.
    An alias names a reference or a bare model id, not another alias. A model id may contain
    colons. Raises :class:`UnknownProviderError` and :class:`UnknownModelError`, both with near
    matches; a bare model id that several providers have is unknown, and they are the near matches.
    """
    text = text.strip()
    text = (aliases or {}).get(text, text).strip()
    provider_id, colon, model_id = text.partition(":")
    if colon and provider_id in models:
        known_here = model_id in models[provider_id] or provider_id in registries
        # A registry takes any id, but no key: it would be shown, and sent as a model's name.
        is_key = model_id not in models[provider_id] and has_a_secrets_shape(model_id)
        if known_here and not is_key and model_id not in ("", "*"):
            return ModelReference(provider_id, model_id)
        raise UnknownModelError(model_id, provider_id=provider_id, known=models[provider_id])
    having = [ModelReference(p, text) for p, ids in models.items() if text in ids and text != "*"]
    if len(having) == 1:
        return having[0]
    if having:
        raise UnknownModelError(text, known=map(str, having))
    # Last, since another package may have a provider or a model of that name.
    if ":" in (now := RENAMED.get(text, "")):
        return find_reference(now, models=models, registries=registries)
    ids = [*models, *(former for former, now in RENAMED.items() if now in models)]
    if colon and near_matches(provider_id, ids):
        raise UnknownProviderError(provider_id, ids)
    listed = [ModelReference(p, m) for p, ids in models.items() for m in ids if m != "*"]
    known = [*(aliases or {}), *map(str, listed), *(reference.model_id for reference in listed)]
    if colon and not near_matches(text, known):
        raise UnknownProviderError(provider_id, models)
    raise UnknownModelError(text, known=known)
