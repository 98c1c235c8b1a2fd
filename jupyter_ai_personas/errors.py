"""One tree of errors; a constructor takes facts, the message names the fix.

::

    PersonasError
    ├── ConfigurationError            a setting that cannot work
    ├── UnknownPersonaError           no persona of that name
    ├── PersonaCodeError              a mistake in a persona's code that is known by its signs
    ├── ModelError
    │   ├── NoModelError              neither persona nor operator chose a model
    │   ├── UnknownProviderError      `provider_id` names no provider
    │   ├── UnknownModelError         the provider has no such model
    │   ├── ModelNotAllowedError      the operator's lists exclude it
    │   ├── NotAChatModelError        serves the magics only
    │   ├── MissingPackageError       the vendor's package is not installed
    │   ├── MissingCredentialsError   a variable is not set
    │   ├── RefusedCredentialsError   the vendor refused the credentials
    │   ├── RateLimitError            the vendor asks to slow down
    │   ├── ModelTimeoutError         no first chunk, or no end, in time
    │   └── ModelFailedError          anything else that the vendor answered
    │       └── ContextTooLongError   more text than the model can read
    ├── TurnError
    │   ├── TurnEndedError            written to after its end
    │   ├── NoTurnError               asked for `turn` outside of one
    │   ├── TurnTimeoutError          the persona took too long
    │   ├── ReplyTooLongError         the reply passed its bound
    │   ├── RequestRefusedError       the server does not do what a turn asks for
    │   ├── UnknownTurnError          no open chat has that turn
    │   ├── TurnStateError            the turn is not in a state for that
    │   ├── AgentError                an agent's process does not run or breaks the protocol
    │   ├── HostLostError             the persona's host hung or died
    │   └── HostUnavailableError      there is no worker that could run the persona
    ├── ChatError
    │   ├── ChatNotOpenError          no open chat at that path
    │   ├── RecordingError            a chat cannot be recorded or replayed
    │   ├── UnknownReplyError         the chat has no such reply
    │   ├── FeedbackError             a vote cannot be taken now
    │   └── AttachmentError           an attachment that cannot be read
    ├── ApprovalError
    │   ├── UnknownApprovalError      no open approval has that id
    │   ├── ApprovalDecidedError      somebody has decided it, or its time is over
    │   └── MayNotDecideError         this user may not decide it
    ├── ToolCallError                 a tool does not do what it is called for
    ├── SearchUnavailableError        the workspace's index cannot answer now
    │   └── SearchOffError            there is no index of the workspace here
    └── MagicsError                   `%ai` or `%%ai` cannot do what was typed

Messages are shown to people: one short paragraph, no path, no secret, no traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from .redaction import redact, without_secret

__all__ = [
    "AgentError",
    "ApprovalDecidedError",
    "ApprovalError",
    "AttachmentError",
    "ChatError",
    "ChatNotOpenError",
    "ConfigurationError",
    "ContextTooLongError",
    "FeedbackError",
    "HostLostError",
    "HostUnavailableError",
    "MagicsError",
    "MayNotDecideError",
    "MissingCredentialsError",
    "MissingPackageError",
    "ModelError",
    "ModelFailedError",
    "ModelNotAllowedError",
    "ModelTimeoutError",
    "NoModelError",
    "NoTurnError",
    "NotAChatModelError",
    "PersonaCodeError",
    "PersonasError",
    "RateLimitError",
    "RecordingError",
    "RefusedCredentialsError",
    "ReplyTooLongError",
    "RequestRefusedError",
    "SearchOffError",
    "SearchUnavailableError",
    "ToolCallError",
    "TurnEndedError",
    "TurnError",
    "TurnStateError",
    "TurnTimeoutError",
    "UnknownApprovalError",
    "UnknownModelError",
    "UnknownPersonaError",
    "UnknownProviderError",
    "UnknownReplyError",
    "UnknownTurnError",
    "near_matches",
]


def near_matches(word: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Return up to ``most`` of ``known`` that ``word`` may have been meant as, nearest first.

    Case is ignored; a known word that contains ``word`` counts as near.
    """
    by_fold: dict[str, str] = {}
    for candidate in known:
        by_fold.setdefault(candidate.casefold(), candidate)
    fold = word.casefold()
    near = difflib.get_close_matches(fold, list(by_fold), n=most, cutoff=0.6)
    near += [k for k in by_fold if len(fold) >= 3 and fold in k and k not in near]
    return [without_secret(by_fold[k]) for k in near[:most]]


def _did_you_mean(near: list[str]) -> str:
    return f" Did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""


def _as_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


class PersonasError(Exception):
    """Base of all errors that this package raises on purpose."""


class ConfigurationError(PersonasError):
    """A setting that cannot work. The message names the trait or file and the fix."""


class UnknownPersonaError(PersonasError):
    """No persona has that name."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        names = list(known)
        hint = _did_you_mean(near_matches(name, names))
        if not hint and names:
            hint = f" Here are: {', '.join(f'`{n}`' for n in names)}."
        super().__init__(f"There is no persona `{name}`.{hint}")


class PersonaCodeError(PersonasError):
    """A mistake in a persona's code that is known by its signs; ``advice`` is for its author."""

    def __init__(self, persona: str, advice: str) -> None:
        self.persona = persona
        self.advice = advice
        super().__init__(
            f"The code of `{persona}` has a mistake that its author can mend: {advice}."
        )


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
        hint = _did_you_mean(self.near)
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
        why = f" It says: {_as_sentence(reason)}" if reason else ""
        hint = _did_you_mean(self.near)
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
        why = f": {_as_sentence(reason)}" if reason else "."
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
            f"{_as_sentence(reason or 'the conversation is too long')} Send less at once, start a "
            "new chat, or choose a model that reads more with `/model @Name provider:model`; the "
            "operator can lower `c.AiExtension.history_tokens`.",
            refused=True,
        )
        self.reason = reason
        self.fits = fits


class TurnError(PersonasError):
    """A turn cannot go on."""


class TurnEndedError(TurnError):
    """A persona wrote to a turn that has ended or was cancelled."""

    def __init__(self) -> None:
        super().__init__("This turn has ended: nothing can be written to it any more.")


class NoTurnError(TurnError):
    """``self.turn`` was asked for outside of a turn."""

    def __init__(self) -> None:
        super().__init__(
            "There is no current turn here. In a thread of your own, take `turn = self.turn` "
            "inside process_message and use `turn` in the thread."
        )


class TurnTimeoutError(TurnError):
    """The persona took longer than the operator allows (seconds)."""

    def __init__(self, persona: str, seconds: float) -> None:
        self.persona = persona
        self.seconds = seconds
        super().__init__(
            f"`{persona}` did not finish within {seconds:g} seconds. Try again with a smaller "
            "question; the operator can raise `c.AiExtension.turn_timeout`."
        )


class ReplyTooLongError(TurnError):
    """The turn passed its bound: of characters, or of ``messages``."""

    def __init__(self, persona: str, limit: int, *, messages: bool = False) -> None:
        self.persona = persona
        self.limit = limit
        self.messages = messages
        super().__init__(
            f"`{persona}` wrote {limit:,} messages, as many as one turn may write; the rest was "
            "left out. Ask for less."
            if messages
            else f"The reply of `{persona}` passed {limit:,} characters and was cut. Ask for less; "
            "the operator can raise `c.AiExtension.max_reply_chars`."
        )


class RequestRefusedError(TurnError):
    """The server refuses what a turn asks for; the message says why and what to do."""


class AgentError(TurnError):
    """An agent could not answer; ``reason`` goes on after its name, as one or more sentences."""

    def __init__(self, agent: str, reason: str) -> None:
        self.agent = agent
        super().__init__(f"`{agent}` {reason}")


class HostLostError(TurnError):
    """The persona's host hung or died; it is replaced."""

    def __init__(self, persona: str, reason: str = "") -> None:
        self.persona = persona
        text = f"`{persona}` stopped responding and was restarted. Try again."
        if reason:
            text = f"`{persona}` could not finish: {reason} Try again."
        super().__init__(text)


class HostUnavailableError(TurnError):
    """There is no worker that could run the persona; the message says what to do."""


class ChatError(PersonasError):
    """Something about a chat."""


class RecordingError(ChatError):
    """A chat cannot be recorded, or a recording cannot be replayed."""


class ChatNotOpenError(ChatError):
    """No open chat at that path."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"No open chat at `{path}`. Open it in JupyterLab first; the path is relative to the "
            "server's root."
        )


class UnknownReplyError(ChatError):
    """The chat has no such reply."""

    def __init__(self) -> None:
        super().__init__("There is no reply of a persona with that id in this chat.")


class FeedbackError(ChatError):
    """A vote cannot be taken now."""


class AttachmentError(ChatError):
    """An attachment or file cannot be read, or written; the message says why."""


class ToolCallError(PersonasError):
    """A tool does not do what it is called for; the message tells the model what to do.

    ``facts`` go with the message into the result: what is there now, for instance.
    """

    def __init__(self, message: str, **facts: Any) -> None:
        self.facts = facts
        super().__init__(message)


class SearchUnavailableError(PersonasError):
    """The workspace's index cannot answer now."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"Workspace search cannot answer now: {why}. Try again in a minute.")


class SearchOffError(SearchUnavailableError):
    """There is no index of the workspace here."""

    def __init__(self) -> None:
        self.why = "it is turned off"
        PersonasError.__init__(
            self,
            "Workspace search is turned off here. The operator can set "
            "`c.AiExtension.workspace_search = True`; the server's files must be on a disk.",
        )


class MagicsError(PersonasError):
    """``%ai`` or ``%%ai`` cannot do what was typed; the message says why and what to do."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback: lines of text."""
        return [redact(str(self))]


class UnknownTurnError(TurnError):
    """No open chat has that turn."""

    def __init__(self) -> None:
        super().__init__(
            "No open chat has this turn: somebody has retried it meanwhile, or its chat is closed. "
            "Open its chat, and look."
        )


class TurnStateError(TurnError):
    """The turn is not in a state for what is asked."""


class ApprovalError(PersonasError):
    """A decision that cannot be taken."""


class UnknownApprovalError(ApprovalError):
    """No open approval has that id."""

    def __init__(self, approval_id: str) -> None:
        super().__init__(f"There is no open approval `{without_secret(approval_id[:40])}`.")


class ApprovalDecidedError(ApprovalError):
    """Somebody has decided it, or its time is over."""

    def __init__(self) -> None:
        super().__init__("This approval is decided or closed already.")


class MayNotDecideError(ApprovalError):
    """This user may not decide it."""

    def __init__(self, approvers: Iterable[str], *, proven: bool) -> None:
        if proven:
            text = f"Only these may decide this: {', '.join(f'`{name}`' for name in approvers)}."
        else:
            text = (
                "What is typed in a chat does not prove who typed it. Decide on the page that the "
                "message links to."
            )
        super().__init__(text)
