"""What the operator decides about models: plain data, made from traits where those are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, near_matches
from ..redaction import looks_like_a_secret, remember

__all__ = ["Endpoint", "ProviderSettings"]

_PROVIDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PASSWORD = re.compile(r"(?=.*[a-z])(?=.*[0-9])[A-Za-z0-9]*")  # such as `hunter2pass`


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server that speaks the OpenAI chat-completions protocol, named by the operator.

    ``base_url`` ends where ``/chat/completions`` is appended, mostly in ``/v1``. ``key_variable``
    names the variable that holds its key; ``None`` when it wants none. ``models`` are the ids to
    offer, any other is accepted too. ``name`` is what people see. ``parameters`` are passed to
    ``langchain_openai.ChatOpenAI``, such as ``{"temperature": 0.2}``.
    """

    base_url: str
    key_variable: str | None = None
    models: tuple[str, ...] = ()
    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_config(cls, provider_id: str, config: Mapping[str, Any]) -> Endpoint:
        """Build the endpoint ``provider_id`` from a dictionary with the fields' names as keys.

        Raises :class:`ConfigurationError` for an unfit id, an unknown key, or a URL that is none.
        """
        where = f"The endpoint `{provider_id}` in `c.AiExtension.endpoints`"
        if looks_like_a_secret(provider_id):
            remember([provider_id])
            raise ConfigurationError(
                "The name of an endpoint in `c.AiExtension.endpoints` looks like a secret. Give "
                "the endpoint a name such as `gateway`; `key_variable` names the variable that "
                "holds its key."
            )
        if not _PROVIDER_ID.fullmatch(provider_id):
            raise ConfigurationError(
                f"{where} needs a name of letters, digits, `-`, `_` and `.`, such as `vllm`."
            )
        known = [f.name for f in fields(cls)]
        for key in config:
            if key not in known:
                near = near_matches(key, known)
                hint = f"Did you mean `{near[0]}`?" if near else f"Known are: {', '.join(known)}."
                raise ConfigurationError(f"{where} has no setting `{key}`. {hint}")
        url = str(config.get("base_url", ""))
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"{where} needs a `base_url` such as `http://localhost:8000/v1`."
            )
        _check_variable(where, config.get("key_variable"))
        models = config.get("models", ())
        if isinstance(models, str):
            raise ConfigurationError(f'{where}: `models` is a list, such as `["{models}"]`.')
        return cls(**{**config, "base_url": url.rstrip("/"), "models": tuple(models)})


def _check_variable(where: str, variable: Any) -> None:
    """Refuse a secret in place of a variable's name, without showing it."""
    if not isinstance(variable, str) or not variable:
        return
    is_name = _VARIABLE.fullmatch(variable) and not _PASSWORD.fullmatch(variable)
    if not is_name or looks_like_a_secret(variable):
        remember([variable])
        raise ConfigurationError(
            f"{where}: `key_variable` does not hold the name of a variable, but maybe the secret "
            "itself. Write a name such as `GATEWAY_KEY` there, and set that variable to the secret "
            "in the server's environment or in `c.AiExtension.secrets_file`."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """The operator's settings of this room. Times are in seconds; ``None`` means no bound.

    ``allowed_providers`` and ``blocked_providers`` hold provider ids and full references
    (``provider_id:model_id``); ``None`` allows everything, or blocks nothing. A blocked one stays
    blocked when it is allowed too; blocking an id blocks each package's provider of that id.
    ``model_parameters`` holds keyword arguments by provider id or full reference, the latter win.
    ``fallbacks`` are references tried in order when a model fails before its first chunk.
    ``credentials`` maps variable names to secrets.
    """

    default_model: str = "auto"
    aliases: Mapping[str, str] = field(default_factory=dict)
    allowed_providers: frozenset[str] | None = None
    blocked_providers: frozenset[str] | None = None
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    secrets_file: Path | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    model_parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    fallbacks: tuple[str, ...] = ()
    first_chunk_timeout: float | None = 60
    total_timeout: float | None = 600
    show_reasoning: bool = False

    def allows(self, provider_id: str, model_id: str | None = None) -> bool:
        """Return whether the lists let ``provider_id``, or one of its models, be used.

        Without ``model_id``: whether at least some of its models may be allowed.
        """
        ids = {provider_id, provider_id.rpartition("/")[2]}
        if self._names(ids, model_id) & (self.blocked_providers or frozenset()):
            return False
        names = self._names({provider_id}, model_id)
        if self.allowed_providers is None or names & self.allowed_providers:
            return True
        return model_id is None and any(
            entry.startswith(f"{provider_id}:") for entry in self.allowed_providers
        )

    @staticmethod
    def _names(ids: set[str], model_id: str | None) -> set[str]:
        return ids if model_id is None else ids | {f"{one}:{model_id}" for one in ids}
