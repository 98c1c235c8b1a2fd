"""Errors of models."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_ai_personas.errors.base import PersonasError, as_sentence, did_you_mean, near_matches
from jupyter_ai_personas.redaction import without_secret

__all__ = [
    "ContextTooLongError",
    "MissingCredentialsError",
    "MissingPackageError",
    "ModelError",
    "ModelFailedError",
    "ModelNotAllowedError",
    "ModelTimeoutError",
    "NoModelError",
    "NotAChatModelError",
    "RateLimitError",
    "RefusedCredentialsError",
    "UnknownModelError",
    "UnknownProviderError",
]


class ModelError(PersonasError):
    """A model cannot be used; the message says why and what to do."""


class NoModelError(ModelError):
    """Neither the persona, the chat, nor the operator chose a model."""

    def __init__(self, persona: str | None = None) -> None:
        who = f"`{persona}` has" if persona else "There is"
        super().__init__(
            f"{who} no model. Set `c.AiExtension.default_model`, or choose one with "
            f"`/model{f' @{persona}' if persona else ' @Name'} provider:model`."
        )


class UnknownProviderError(ModelError):
    """The part before the colon names no provider."""

    def __init__(self, provider_id: str, known: Iterable[str] = ()) -> None:
        self.provider_id = without_secret(provider_id)
        self.near = near_matches(provider_id, known)
        hint = did_you_mean(self.near)
        super().__init__(
            f"There is no model provider `{self.provider_id}`.{hint} "
            "`/models` lists what is installed; a provider comes with a package, "
            "`jupyter ai-personas doctor` shows those that failed to load."
        )


class UnknownModelError(ModelError):
    """The provider does not have that model, or a bare model id is ambiguous or unknown.

    ``reason`` is the vendor's sentence, if it was the vendor who said so.
    """

    def __init__(
        self,
        model_id: str,
        *,
        provider_id: str | None = None,
        known: Iterable[str] = (),
        reason: str = "",
    ) -> None:
        self.model_id = without_secret(model_id)
        self.provider_id = provider_id
        self.reason = reason
        self.near = near_matches(model_id, known)
        where = f"Provider `{provider_id}` has no model" if provider_id else "There is no model"
        why = f" It says: {as_sentence(reason)}" if reason else ""
        hint = did_you_mean(self.near)
        super().__init__(f"{where} `{self.model_id}`.{hint}{why} `/models` lists what there is.")


class ModelNotAllowedError(ModelError):
    """The operator's allowed or blocked lists exclude the provider or model."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        super().__init__(
            f"`{reference}` is not allowed on this server. Choose another with `/model @Name "
            "provider:model`, or ask "
            "the operator to change `c.AiExtension.allowed_providers` or `blocked_providers`."
        )


class NotAChatModelError(ModelError):
    """The provider is not a chat model: it serves the magics only."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        super().__init__(
            f"`{reference}` is not a chat model, so no persona can use it. It serves the magics: "
            f"`%%ai {reference}` in a notebook. Choose a chat model with "
            "`/model @Name provider:model`."
        )


class MissingPackageError(ModelError):
    """The provider needs a package that is not installed."""

    def __init__(self, provider_id: str, packages: Iterable[str]) -> None:
        self.provider_id = provider_id
        self.packages = list(packages)
        names = " ".join(self.packages)
        super().__init__(
            f"Provider `{provider_id}` needs {' and '.join(f'`{p}`' for p in self.packages)}, "
            f"which cannot be imported here. The operator can run `pip install {names}` and "
            "restart the server."
        )


class MissingCredentialsError(ModelError):
    """The provider needs environment variables that are not set."""

    def __init__(self, provider_id: str, variables: Iterable[str]) -> None:
        self.provider_id = provider_id
        self.variables = [without_secret(variable) for variable in variables]
        names = " and ".join(f"`{v}`" for v in self.variables)
        super().__init__(
            f"Provider `{provider_id}` needs {names}, which the operator must set before the "
            "server starts. Or choose another with `/model @Name provider:model`."
        )


class RefusedCredentialsError(ModelError):
    """The vendor refused the credentials, or what they may do; ``reason`` is its sentence."""

    def __init__(self, provider_id: str, variables: Iterable[str] = (), reason: str = "") -> None:
        self.provider_id = provider_id
        self.variables = [without_secret(variable) for variable in variables]
        self.reason = reason
        names = " and ".join(f"`{v}`" for v in self.variables) or "its credentials"
        why = f": {as_sentence(reason)}" if reason else "."
        super().__init__(
            f"Provider `{provider_id}` refused the credentials{why} The operator must check "
            f"{names}."
        )


class RateLimitError(ModelError):
    """The vendor asks to slow down, after the retries that we make."""

    def __init__(self, provider_id: str, retry_after: float | None = None) -> None:
        self.provider_id = provider_id
        self.retry_after = retry_after
        when = f" in {retry_after:.0f} seconds" if retry_after else " in a minute"
        super().__init__(
            f"Provider `{provider_id}` is busy or your quota is used up. Try again{when}."
        )


class ModelTimeoutError(ModelError):
    """No first chunk, or no end, within the operator's bound (seconds)."""

    def __init__(self, reference: str, seconds: float, *, first_chunk: bool) -> None:
        self.reference = reference
        self.seconds = seconds
        self.first_chunk = first_chunk
        what = "did not begin to answer" if first_chunk else "did not finish"
        super().__init__(
            f"The model `{reference}` {what} within {seconds:g} seconds. Try again, or choose "
            "another with `/model @Name provider:model`."
        )


class ModelFailedError(ModelError):
    """The vendor answered with an error that has no more precise class.

    ``refused``: it refuses the request for what is in it, so that the same one fails again.
    """

    def __init__(self, reference: str, reason: str, *, refused: bool = False) -> None:
        self.reference = reference
        self.reason = reason
        self.refused = refused
        super().__init__(f"The model `{reference}` failed: {reason}")


class ContextTooLongError(ModelFailedError):
    """The model cannot read as much as it was sent; ``reason`` is the vendor's sentence.

    ``fits`` is the part of what was sent, between 0 and 1, that would fit, as far as it is known.
    """

    def __init__(self, reference: str, reason: str = "", *, fits: float | None = None) -> None:
        super().__init__(
            reference,
            f"{as_sentence(reason or 'the conversation is too long')} Send less at once, start a "
            "new chat, or choose a model that reads more with `/model @Name provider:model`; the "
            "operator can lower `c.AiExtension.history_tokens`.",
            refused=True,
        )
        self.reason = reason
        self.fits = fits
