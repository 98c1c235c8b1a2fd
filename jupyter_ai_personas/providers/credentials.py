"""Where secrets come from: the environment, a file that only the server reads, the configuration.

Secrets leave this module in two ways only: as keyword arguments of the model that needs them, and
not at all: :mod:`~jupyter_ai_personas.redaction` takes them out of texts.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..redaction import for_people, names_a_secret, redact, remember
from .auth import keyword_of, variables_of

__all__ = ["Credentials", "names_a_secret", "read_secrets_file", "redact"]

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
# Signs that boto3 will find credentials, seen without asking the network.
_AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


def read_secrets_file(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines, as in a ``.env`` file: comments, quotes and ``export`` are known.

    Raises :class:`ConfigurationError` when the file cannot be read, when it does not belong to
    the user who runs the server or others may access it, or when a line is none of these; the
    message names the line by its number only.
    """
    try:
        with path.open(encoding="utf-8") as file:
            _check_private(path.name, os.fstat(file.fileno()))
            lines = file.read().splitlines()
    except OSError as error:
        raise ConfigurationError(
            f"The secrets file `{path.name}` cannot be read: {error.strerror or error}. "
            "Check `c.AiExtension.secrets_file`."
        ) from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"The secrets file `{path.name}` is not UTF-8 text.") from None
    secrets: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ConfigurationError(
                f"Line {number} of the secrets file `{path.name}` is not `NAME=value`."
            )
        secrets[match[1]] = _unquoted(match[2])
    return secrets


def _check_private(name: str, status: os.stat_result) -> None:
    if os.name != "posix":
        return  # No mode bits there; the file's access list is the operator's business.
    if status.st_uid != os.geteuid():
        raise ConfigurationError(
            f"The secrets file `{name}` must belong to the user who runs the server."
        )
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(
            f"The secrets file `{name}` can be accessed by others, so it is not read. "
            f"Run `chmod 600 {name}` and restart the server."
        )


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return re.split(r"\s#", value, maxsplit=1)[0].rstrip()


class Credentials:
    """The secrets that this server has, by the names of their variables.

    The environment wins over the secrets file, which wins over the configuration. An empty value
    counts as none. ``parameters`` are the operator's parameters of models, which may hold secrets
    too.
    """

    def __init__(
        self,
        *,
        file: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        parameters: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self._stored = {k: v for k, v in {**(config or {}), **(file or {})}.items() if v}
        self._secrets = [
            *self._stored.values(),
            *(str(v) for p in parameters for k, v in p.items() if names_a_secret(k)),
        ]
        remember(self._secrets)

    def get(self, variable: str) -> str | None:
        """Return the secret named ``variable``, or ``None``."""
        return os.environ.get(variable) or self._stored.get(variable)

    def missing(self, strategy: Any) -> list[str]:
        """Return the variables that ``strategy`` needs and that have no value."""
        return [variable for variable in variables_of(strategy) if not self.get(variable)]

    def present(self, strategy: Any) -> bool:
        """Return whether there are credentials to be seen for ``strategy``, without any network.

        ``False`` without a strategy: nothing shows then that anybody wants the provider used.
        """
        if getattr(strategy, "type", None) == "aws":
            stored = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
            return any(map(self.get, _AWS_VARIABLES)) or stored.expanduser().is_file()
        return bool(variables_of(strategy)) and not self.missing(strategy)

    def keywords(self, strategy: Any) -> dict[str, str]:
        """Return the constructor's arguments that pass the secrets of ``strategy``.

        A strategy that names its keyword always gets the secret by it. Without one, the class is
        trusted to read the environment by itself, and gets by keyword what is stored elsewhere.
        """
        named = bool(getattr(strategy, "keyword_param", None))
        return {
            keyword_of(strategy, variable): value
            for variable in variables_of(strategy)
            if (value := self.get(variable)) and (named or not os.environ.get(variable))
        }

    def redact(self, text: str) -> str:
        """Return ``text`` without any secret that this server has, or that looks like one."""
        return redact(text, *self._secrets)

    def for_people(self, text: str) -> str:
        """Return a vendor's text as people may see it: no secret, path or header in it."""
        return for_people(text, *self._secrets)
