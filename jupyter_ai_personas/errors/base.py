"""The base of all errors, errors without a group, and helpers for their messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from jupyter_ai_personas.redaction import redact, without_secret

__all__ = [
    "ConfigurationError",
    "MagicsError",
    "PersonaCodeError",
    "PersonasError",
    "SearchOffError",
    "SearchUnavailableError",
    "ServerObjectsError",
    "UnknownPersonaError",
    "as_sentence",
    "did_you_mean",
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


def did_you_mean(near: Sequence[str]) -> str:
    """Return the question with the near matches, after a space; empty without any."""
    return f" Did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""


def as_sentence(text: str) -> str:
    """Return ``text`` with a full stop, unless it ends like a sentence."""
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
        hint = did_you_mean(near_matches(name, names))
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


class ServerObjectsError(PersonasError):
    """A persona needs objects of the server's process, and runs in another one."""

    def __init__(self, persona: str, uses: Sequence[str]) -> None:
        self.persona = persona
        self.uses = uses
        super().__init__(
            f"`{persona}` needs objects of the server's process, and runs in another one: its code "
            f"reads {', '.join(f'`{use}`' for use in uses)}. The operator can set "
            f'`c.AiExtension.hosts = {{"{persona}": "threads", "*": "processes"}}`.'
        )


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
