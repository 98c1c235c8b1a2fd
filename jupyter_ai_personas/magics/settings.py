"""What can be set about the magics: traits of their own, and what the server's operator set."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from IPython.core.magic import Magics
from traitlets import Bool, Dict, Float, Int, List, Unicode

from ..providers.settings import Endpoint, ProviderSettings

__all__ = ["OPERATOR_VARIABLE", "MagicsSettings"]

OPERATOR_VARIABLE = "JUPYTER_AI_PERSONAS_CONFIG"
"""Variable in which a server tells its kernels, in JSON, the values of traits of `AiExtension`."""

_DEFAULTS = ProviderSettings()
_SAME_AS = {
    "default_model": "default_model",
    "model_aliases": "aliases",
    "endpoints": "endpoints",
    "allowed_providers": "allowed_providers",
    "blocked_providers": "blocked_providers",
    "fallback_models": "fallback_models",
    "first_chunk_timeout": "first_chunk_timeout",
    "model_timeout": "model_timeout",
    "show_reasoning": "show_reasoning",
}
_LISTS = ("allowed_providers", "blocked_providers")


class MagicsSettings(Magics):
    """The traits; values of the server that started the kernel are the defaults."""

    default_model = Unicode(
        "auto",
        config=True,
        help="The model of cells that name none, as `provider_id:model_id`. `auto` takes the first "
        "provider whose package and credentials are present, else the keyless one.",
    )
    aliases = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="Short names: alias → `provider_id:model_id`. `%ai alias` adds to them.",
    )
    max_history = Int(
        8,
        min=0,
        config=True,
        help="How many exchanges of this notebook, of one prompt and one reply each, a model is "
        "shown with the next prompt; 100 at most.",
    )
    model_parameters = Dict(
        config=True,
        help="Parameters that models are built with: `provider_id:model_id` or `provider_id` → a "
        "dictionary, such as `{'temperature': 0}`.",
    )
    fallback_models = List(
        Unicode(),
        config=True,
        help="Models to try, in this order, when a model fails before it has begun to answer.",
    )
    endpoints = Dict(
        config=True,
        help="Servers that speak the OpenAI protocol, by the name that their provider gets: name "
        "→ `{'base_url': 'http://localhost:8000/v1', 'key_variable': …, 'models': […]}`.",
    )
    allowed_providers = List(
        Unicode(),
        default_value=None,
        allow_none=True,
        config=True,
        help="Providers (`provider_id`) or models (`provider_id:model_id`) that may be used. "
        "Unset: all. What the server's operator set wins over this.",
    )
    blocked_providers = List(
        Unicode(),
        config=True,
        help="Providers (`provider_id`) or models (`provider_id:model_id`) that must not be used. "
        "What the server's operator set wins over this.",
    )
    first_chunk_timeout = Float(
        _DEFAULTS.first_chunk_timeout,
        config=True,
        help="Seconds that a model may take to begin to answer.",
    )
    model_timeout = Float(
        _DEFAULTS.total_timeout, config=True, help="Seconds that a model may take in all."
    )
    show_reasoning = Bool(
        False,
        config=True,
        help="Whether what a model says of its reasoning is shown, collapsed.",
    )

    def __init__(self, shell: Any) -> None:
        own = shell.config.get("AiMagics", {})
        # Keywords win over the configuration.
        super().__init__(
            shell,
            **{
                trait: value
                for trait, value in _operators_values(os.environ).items()
                if trait not in own or (trait in _LISTS and value)
            },
        )

    def provider_settings(self) -> ProviderSettings:
        """Return the traits as the providers want them.

        Raises :class:`ConfigurationError`: an endpoint is not described well enough.
        """
        allowed = self.allowed_providers
        return ProviderSettings(
            default_model=self.default_model,
            aliases=dict(self.aliases),
            allowed_providers=None if allowed is None else frozenset(allowed),
            blocked_providers=frozenset(self.blocked_providers),
            endpoints={
                name: Endpoint.from_config(name, config) for name, config in self.endpoints.items()
            },
            model_parameters=dict(self.model_parameters),
            fallbacks=tuple(self.fallback_models),
            first_chunk_timeout=self.first_chunk_timeout,
            total_timeout=self.model_timeout,
            show_reasoning=self.show_reasoning,
        )


def _operators_values(environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        told = json.loads(environment.get(OPERATOR_VARIABLE) or "{}")
    except ValueError:
        return {}
    return {trait: told[name] for name, trait in _SAME_AS.items() if name in told}
