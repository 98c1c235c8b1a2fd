"""Rewords other packages' errors for a notebook, which has no chat and no operator."""

from __future__ import annotations

from ..errors import (
    ContextTooLongError,
    MissingCredentialsError,
    MissingPackageError,
    ModelNotAllowedError,
    ModelTimeoutError,
    NoModelError,
    PersonasError,
    RefusedCredentialsError,
    UnknownModelError,
    UnknownProviderError,
    did_you_mean,
)
from ..redaction import redact

__all__ = ["StoppedError", "explain"]


class StoppedError(KeyboardInterrupt):
    """Ctrl-C cancelled a request; the text so far is kept."""

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows instead of a traceback."""
        return [str(self)]


def explain(error: PersonasError) -> str:
    """Return the problem and the fix for a notebook's user, without secrets."""
    return redact(_explain(error))


def _explain(error: PersonasError) -> str:
    match error:
        case UnknownProviderError():
            known = did_you_mean(error.near) or " `%ai list` shows what there is."
            return f"There is no model provider `{error.provider_id}`.{known}"
        case UnknownModelError():
            where = f"Provider `{error.provider_id}` has" if error.provider_id else "There is"
            known = (
                did_you_mean(error.near) or f" `{_list(error.provider_id)}` shows what there is."
            )
            why = f" It says: {error.reason.rstrip('.')}." if error.reason else ""
            return f"{where} no model `{error.model_id}`.{why}{known}"
        case MissingPackageError():
            names = " ".join(error.packages)
            return (
                f"Provider `{error.provider_id}` needs {_and(error.packages)}. Run `%pip install "
                f"{names}`, then restart the kernel."
            )
        case MissingCredentialsError():
            return (
                f"Provider `{error.provider_id}` needs {_and(error.variables)}: set it in the "
                "environment before Jupyter starts, or in `os.environ` here. It does not belong "
                "into a notebook that others see."
            )
        case RefusedCredentialsError():
            which = _and(error.variables) if error.variables else "its credentials"
            why = f": {error.reason.rstrip('.')}" if error.reason else ""
            return f"Provider `{error.provider_id}` refused the credentials{why}. Check {which}."
        case ModelNotAllowedError():
            return f"`{error.reference}` is not allowed here. `%ai list` shows what is."
        case ContextTooLongError():
            why = error.reason.rstrip(".") or "it was sent more than it can read"
            return (
                f"The model `{error.reference}` failed: {why}. Ask with less text, forget the "
                "conversation with `%ai reset`, or name a model that reads more."
            )
        case ModelTimeoutError():
            what = "begin" if error.first_chunk else "end"
            return f"`{error.reference}` did not {what} its reply within {error.seconds:g} seconds."
        case NoModelError():
            return "There is no model. Name one: `%%ai provider:model`; `%ai list` shows them."
    return str(error)


def _list(provider_id: str | None) -> str:
    return f"%ai list {provider_id}" if provider_id else "%ai list"


def _and(names: list[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
