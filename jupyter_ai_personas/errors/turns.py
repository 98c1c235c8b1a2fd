"""Errors of turns."""

from __future__ import annotations

from jupyter_ai_personas.errors.base import PersonasError

__all__ = [
    "AgentError",
    "HostLostError",
    "HostUnavailableError",
    "NoTurnError",
    "ReplyTooLongError",
    "RequestRefusedError",
    "TurnEndedError",
    "TurnError",
    "TurnStateError",
    "TurnTimeoutError",
    "UnknownTurnError",
]


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


class UnknownTurnError(TurnError):
    """No open chat has that turn."""

    def __init__(self) -> None:
        super().__init__(
            "No open chat has this turn: somebody has retried it meanwhile, or its chat is closed. "
            "Open its chat, and look."
        )


class TurnStateError(TurnError):
    """The turn is not in a state for what is asked."""
