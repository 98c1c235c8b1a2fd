"""Secrets from the environment, a file that only the server reads, and the configuration.

Secrets leave this module only as keyword arguments of the model that needs them;
:mod:`~jupyter_ai_personas.redaction` removes them from texts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..redaction import for_people, names_a_secret, redact, remember
from .auth import keyword_of, variables_of
from .parameters import secrets_in
from .secrets_file import read_secrets_file

__all__ = [
    "AWS_KEYS",
    "ILLEGAL",
    "Credentials",
    "is_legal",
    "names_a_secret",
    "read_secrets_file",
    "redact",
]

ILLEGAL = "holds a line break or another character that no HTTP header can carry"
"""The error for a key that :func:`is_legal` refuses."""

AWS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""The variables of the AWS strategy that hold secrets."""

# Further signs, without network, that boto3 will find credentials.
_AWS_VARIABLES = (
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


def is_legal(key: str) -> bool:
    """Return whether HTTP clients can send ``key`` in a header: printable ASCII only."""
    return key.isascii() and key.isprintable()


class Credentials:
    """The secrets that this server has, by the names of their variables.

    The environment wins over the secrets file, which wins over the configuration. White space
    around a value is left out, and a value of nothing else counts as none. ``parameters`` are the
    operator's parameters of models, which may hold secrets too.
    """

    def __init__(
        self,
        *,
        file: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        parameters: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self._stored: dict[str, str] = {}
        for stored in (config or {}, file or {}):
            self._stored |= {k: v.strip() for k, v in stored.items() if v.strip()}
        self._secrets = [*self._stored.values(), *(s for p in parameters for s in secrets_in(p))]
        remember(self._secrets)

    def get(self, variable: str) -> str | None:
        """Return the secret named ``variable``, without white space around it, or ``None``."""
        return os.environ.get(variable, "").strip() or self._stored.get(variable)

    def missing(self, strategy: Any) -> list[str]:
        """Return the variables that ``strategy`` needs and that have no value."""
        return [variable for variable in variables_of(strategy) if not self.get(variable)]

    def illegal(self, strategy: Any) -> list[str]:
        """Return the variables of ``strategy`` whose value no HTTP header can carry."""
        return [v for v in variables_of(strategy) if not is_legal(self.get(v) or "")]

    def present(self, strategy: Any) -> bool:
        """Return whether there are credentials to be seen for ``strategy``, without any network.

        ``False`` without a strategy: nothing shows then that anybody wants the provider used.
        """
        if getattr(strategy, "type", None) == "aws":
            stored = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
            found = any(map(self.get, AWS_KEYS)) or any(map(os.environ.get, _AWS_VARIABLES))
            return found or stored.expanduser().is_file()
        return bool(variables_of(strategy)) and not self.missing(strategy)

    def keywords(self, strategy: Any) -> dict[str, str]:
        """Return the constructor's arguments that pass the secrets of ``strategy``.

        A strategy that names its keyword always gets the secret by it. Without one, the class is
        trusted to read the environment by itself, and gets by keyword what the environment has
        not, or has with white space around it.
        """
        named = bool(getattr(strategy, "keyword_param", None))
        is_aws = getattr(strategy, "type", None) == "aws"
        return {
            keyword_of(strategy, variable): value
            for variable in (AWS_KEYS if is_aws else variables_of(strategy))
            if (value := self.get(variable)) and (named or os.environ.get(variable) != value)
        }

    def optional_keywords(self, strategy: Any) -> dict[str, str]:
        """Return the secret that :meth:`keywords` leaves to the class, by the keyword it may take.

        Jupyter AI v2 passed the one secret of ``EnvAuthStrategy`` in its chat, and left it to the
        environment in notebooks: a class may rely on either.
        """
        if getattr(strategy, "type", None) != "env":
            return {}
        variable = str(strategy.name)
        value = self.get(variable)
        keyword = keyword_of(strategy, variable)
        return {keyword: value} if value and keyword not in self.keywords(strategy) else {}

    def redact(self, text: str) -> str:
        """Return ``text`` without any secret that this server has, or that looks like one."""
        return redact(text, *self._secrets)

    def for_people(self, text: str) -> str:
        """Return a vendor's text as people may see it: no secret, path or header in it."""
        return for_people(text, *self._secrets)
