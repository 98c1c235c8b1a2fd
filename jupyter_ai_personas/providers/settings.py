"""The operator's settings about models."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any

from ..settings import (
    EntryNames,
    File,
    Flag,
    Names,
    Parameters,
    Record,
    Seconds,
    Table,
    Text,
    Url,
    Variable,
    setting,
)
from .limits import Limits
from .references import RENAMED

__all__ = ["OPERATOR_VARIABLE", "Endpoint", "ProviderSettings"]

OPERATOR_VARIABLE = "JUPYTER_AI_PERSONAS_CONFIG"
"""Variable in which a server tells its kernels what its operator set, as a JSON object.

It has the traits' names as keys, or ``problem``: why no model may be used.
"""

_MODEL = Text("openai:gpt-4o")
_PARAMETERS = Parameters({"temperature": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server that speaks the OpenAI chat-completions protocol, named by the operator."""

    base_url: str = setting(
        MISSING, Url("http://localhost:8000/v1"), "Where `/chat/completions` is appended."
    )
    key_variable: str | None = setting(
        None, Variable("VLLM_KEY"), "The variable that holds its key; `None`: it wants none."
    )
    models: Collection[str] = setting((), Names(["llama"]), "Ids to offer; any other is accepted.")
    name: str | None = setting(None, Text("Our gateway", optional=True), "What people see.")
    parameters: Mapping[str, Any] = setting(
        {}, _PARAMETERS, "Keyword arguments of `langchain_openai.ChatOpenAI`.", secret=True
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(self.models))

    @classmethod
    def from_config(cls, provider_id: str, config: Mapping[str, Any]) -> Endpoint:
        """Return the endpoint that a dictionary describes. Raises :class:`ConfigurationError`."""
        read = ENDPOINTS.read({provider_id: config}, "c.AiExtension.endpoints")
        endpoint: Endpoint = read[provider_id]
        return endpoint


ENDPOINTS = Table(
    "vllm",
    Record(Endpoint),
    keys=re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*"),
    wanted_key="letters, digits, `-`, `_` and `.`",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """The operator's settings of models. Times are in seconds; ``None`` means no bound.

    ``operator_limits`` hold besides these, in notebooks. ``owner`` is what people write before the
    name of a setting.
    """

    default_model: str = setting(
        "auto",
        _MODEL,
        "The model where none is named, as `provider_id:model_id`. `auto` takes the first "
        "provider whose package and credentials are present, else `workspace:search`.",
    )
    aliases: Mapping[str, str] = setting(
        {},
        Table("fast", Text("openai:gpt-4o-mini")),
        "Short names: alias → `provider_id:model_id`.",
        trait="model_aliases",
    )
    model_parameters: Mapping[str, Mapping[str, Any]] = setting(
        {},
        Table("openai", _PARAMETERS),
        "Parameters that models are built with: `provider_id:model_id` or `provider_id` → a "
        "dictionary; those of the model win.",
        secret=True,
    )
    fallbacks: Collection[str] = setting(
        [],
        Names(["openai:gpt-4o-mini", "workspace:search"]),
        "Models to try, in this order, when a model fails before it has begun to answer.",
        trait="fallback_models",
    )
    endpoints: Mapping[str, Endpoint] = setting(
        {},
        ENDPOINTS,
        "Servers that speak the OpenAI protocol, by the name that their provider gets: name → a "
        "dictionary with `base_url`, and if you want `key_variable`, `models`, `name` and "
        "`parameters`.",
    )
    allowed_providers: Collection[str] | None = setting(
        None,
        EntryNames(["ollama", "openai:gpt-4o"], optional=True),
        "Providers (`provider_id`) or models (`provider_id:model_id`) that may be used; `*` "
        "stands for anything. `None`: all.",
        limit=True,
    )
    blocked_providers: Collection[str] = setting(
        [],
        EntryNames(["huggingface", "openai:gpt-4*"]),
        "Providers (`provider_id`) or models (`provider_id:model_id`) that must not be used; `*` "
        "stands for anything.",
        limit=True,
    )
    secrets_file: Path | None = setting(
        None,
        File("~/secrets.env"),
        "A file of `NAME=value` lines with credentials, which only the server's user may read.",
    )
    credentials: Mapping[str, str] = setting(
        {},
        Table(
            "OPENAI_API_KEY",
            Text("…", secret=True),
            keys=re.compile(r"[A-Za-z_]\w*"),
            wanted_key="the name of an environment variable",
        ),
        "Credentials by the name of their environment variable. The environment wins over "
        "`secrets_file`, which wins over this. Everyone who can read the configuration "
        "can read them.",
        in_notebooks=False,
        secret=True,
    )
    first_chunk_timeout: float | None = setting(
        60.0, Seconds(60), "Seconds that a model may take to begin to answer."
    )
    total_timeout: float | None = setting(
        600.0, Seconds(600), "Seconds that a model may take in all.", trait="model_timeout"
    )
    show_reasoning: bool = setting(
        False, Flag(), "Whether what a model says of its reasoning is shown, collapsed."
    )
    operator_limits: Limits = field(default=Limits())
    owner: str = "c.AiExtension"

    @property
    def limits(self) -> tuple[Limits, ...]:
        """All limits; each of them must allow what is used."""
        own = Limits(allowed=self.allowed_providers, blocked=self.blocked_providers)
        return own, self.operator_limits

    def allows(self, provider_id: str, model_id: str | None = None) -> bool:
        """Return whether the lists let a provider, or one of its models, be used.

        Without ``model_id``: whether at least some of its models may be allowed.
        """
        return all(limits.allow(provider_id, model_id) for limits in self.limits)

    def parameters_of(self, name: str) -> Mapping[str, Any]:
        """Return the parameters set for a provider id or reference, case and spaces aside."""
        for key, parameters in self.model_parameters.items():
            if _plain(name) in (_plain(key), _plain(RENAMED.get(_plain(key), ""))):
                return parameters
        return {}


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()
