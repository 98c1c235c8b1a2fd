"""The file of secrets that only the server reads: ``NAME=value`` lines, as in a ``.env`` file."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from ..errors import ConfigurationError

__all__ = ["read_secrets_file"]

_LINE_END = re.compile("\r\n|\n|\r")


def read_secrets_file(path: Path) -> dict[str, str]:
    """Read the file as ``python-dotenv`` does, but for ``${NAME}``, which stays as it is.

    A key may contain any character, so nothing in it is replaced. Raises
    :class:`ConfigurationError` when the file cannot be read, when it does not belong to the user
    who runs the server or others may access it, or when a line is not understood; the message
    names the line by its number only.
    """
    try:
        with path.open("rb") as file:
            _check_private(path.name, os.fstat(file.fileno()))
            text = file.read().decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            f"The secrets file `{path.name}` cannot be read: {error.strerror or error}. "
            "Check `c.AiExtension.secrets_file`."
        ) from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"The secrets file `{path.name}` is not UTF-8 text.") from None
    secrets: dict[str, str] = {}
    for line, binding in _bindings(text):
        if binding.error or (binding.key is not None and binding.value is None):
            raise ConfigurationError(
                f"Line {line} of the secrets file `{path.name}` is not `NAME=value`."
            )
        if binding.key is not None:
            secrets[binding.key] = binding.value or ""
    return secrets


def _bindings(text: str) -> Iterator[tuple[int, Binding]]:
    for binding in parse_stream(io.StringIO(text, newline="")):
        # The text of a binding begins with the blank lines before it.
        written = binding.original.string
        blank = written[: len(written) - len(written.lstrip())]
        yield binding.original.line + len(_LINE_END.findall(blank)), binding


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
