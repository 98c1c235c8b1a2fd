"""Finds faults in the environment variables that vendors' packages read.

A vendor's error seldom names the faulty variable: a broken ``NO_PROXY`` gives only "Invalid port".
If a model cannot be built or reached, this module looks for the cause.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .auth import variables_of

__all__ = ["cannot_be_reached", "environment_problem", "mentioned", "why_unsent"]

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
_URLS = ("_PROXY", "_URL", "_BASE", "_ENDPOINT")
_SCHEMES = ("http", "https", "socks5", "socks5h")
_HEADER_ERRORS = {"LocalProtocolError", "InvalidHeader"}
_HEADER_TEXTS = ("illegal header", "invalid header value", "header injection")
_UNSENT = {
    "FileNotFoundError",
    "ImportError",
    "InvalidProxyURL",
    "InvalidURL",
    "SSLError",
    "UnsupportedProtocol",
}
_NETWORK = re.compile("proxy|url|port|protocol|address|certificate", re.IGNORECASE)


def why_unsent(causes: Sequence[BaseException], provider: Any) -> str | None:
    """Return why a request was not sent, if a key or a variable of the environment is the cause.

    ``causes`` are an error and what it was raised from; ``provider`` is a provider's class or one
    of its models.
    """
    names = {cls.__name__ for cause in causes for cls in type(cause).__mro__}
    if any(map(_is_of_a_header, causes)):
        keys = " and ".join(f"`{name}`" for name in _keys(provider)) or "its key"
        problem = next(_unprintable(provider), None)
        return problem or (
            "a key or a header holds a line break or another character that no HTTP header can "
            f"carry. The operator must check {keys} and the headers among the parameters."
        )
    return environment_problem(provider) if names & _UNSENT else None


def environment_problem(provider: Any, error: Exception | None = None) -> str | None:
    """Return a sentence about a variable that no vendor's package can use, or ``None``.

    With ``error``: only if that may be what came of it. No value of an address is shown: it may
    hold a password.
    """
    if error is not None and not (
        isinstance(error, OSError | ImportError) or _NETWORK.search(str(error))
    ):
        return None
    return next(_problems(provider), None)


def cannot_be_reached(provider: Any) -> str:
    """Return a sentence that names the variables which decide where requests go."""
    if problem := environment_problem(provider):
        return problem
    proxies = getattr(provider, "proxies", _PROXIES)
    names = [*_urls(provider), *filter(os.environ.get, map(_effective, proxies))]
    text = "its server cannot be reached. The operator must check its address"
    if names:
        text += f", and {' and '.join(f'`{name}`' for name in names)} in the server's environment"
    unread = [name for name in map(_effective, _PROXIES) if name.upper() not in proxies]
    if unread and os.environ.get(unread[0]) and not os.environ.get(_effective("HTTPS_PROXY")):
        text += f". `{unread[0]}` is not read for this provider: set `HTTPS_PROXY`"
    return f"{text}."


def mentioned(text: str, provider: Any) -> str:
    """Return the variables that are set and whose last word occurs in an error's text, if any."""
    names = [
        name
        for name in getattr(provider, "vendor_variables", ())
        if os.environ.get(name) and name.rpartition("_")[2].lower() in text.lower()
    ]
    return f" (the environment sets {' and '.join(f'`{n}`' for n in names)})" if names else ""


def _is_of_a_header(error: BaseException) -> bool:
    if isinstance(error, UnicodeEncodeError):  # of a body, which is UTF-8, it says another thing
        return error.encoding in ("ascii", "latin-1")
    text = str(error).lower()
    return any(one in text for one in _HEADER_TEXTS) or (
        type(error).__name__ in _HEADER_ERRORS and "header" in text
    )


def _urls(provider: Any) -> list[str]:
    names = getattr(provider, "vendor_variables", ())
    return [n for n in names if os.environ.get(n) and n.endswith((*_URLS, "_HOST"))]


def _problems(provider: Any) -> Iterator[str]:
    for name in [*_urls(provider), *map(_effective, _PROXIES)]:
        value = os.environ.get(name)
        if value and (reason := _wrong_address(name, value)):
            yield f"`{name}` {reason}"
    for name in _CERTIFICATES:
        value = os.environ.get(name)
        if value and (reason := _wrong_certificates(Path(value))):
            yield f"`{name}` {reason}. Correct or unset it."
    name = _effective("NO_PROXY")
    for entry in map(str.strip, os.environ.get(name, "").split(",")):
        if entry and _wrong_exception(entry):
            yield (
                f"`{name}` has the entry `{entry}`, which this provider's HTTP client cannot read. "
                "Leave it out: networks must be of IPv4, and addresses without brackets."
            )
    yield from _unprintable(provider)
    for name in getattr(provider, "vendor_variables", ()):
        # Most packages take an empty address for one.
        if name.endswith(_URLS) and name in os.environ and not os.environ[name]:
            yield f"`{name}` is set and empty. Unset it."


def _unprintable(provider: Any) -> Iterator[str]:
    """Yield what to say of variables that a vendor reads as they are and puts into a header."""
    for name in getattr(provider, "vendor_variables", ()):
        if not name.endswith("_HEADERS") and not os.environ.get(name, "").isprintable():
            yield f"`{name}` holds a line break or another control character. Enter it again."


def _keys(provider: Any) -> tuple[str, ...]:
    return variables_of(getattr(provider, "auth_strategy", None))


def _effective(variable: str) -> str:
    """Return the spelling that is read: the one in lower case wins where it is set."""
    return variable.lower() if variable.lower() in os.environ else variable


def _wrong_address(name: str, value: str) -> str | None:
    if value != value.strip() or not value.isprintable():
        return "has white space around it or in it. Remove that."
    is_proxy = name.upper().endswith("_PROXY")
    # A proxy, and Ollama's host, may be written without the scheme.
    is_short = is_proxy or name.endswith("_HOST")
    try:
        parts = urlsplit(value if "://" in value or not is_short else f"http://{value}")
        is_url = parts.port != 0 and bool(parts.hostname or name.endswith("_HOST"))
    except ValueError:
        is_url = False
    if not is_url or parts.scheme.lower() not in (_SCHEMES if is_proxy else _SCHEMES[:2]):
        example = "http://proxy.example.org:3128" if is_proxy else "https://models.example.org/v1"
        return f"is not an address such as `{example}`. Correct or unset it."
    if parts.scheme.lower().startswith("socks") and find_spec("socksio") is None:
        return "names a SOCKS proxy. Run `pip install socksio` and restart the server."
    return None


def _wrong_certificates(path: Path) -> str | None:
    if not path.exists():
        return "names a file or folder that is not there"
    try:
        if path.is_file():
            ssl.create_default_context(cafile=str(path))
    except OSError:  # an SSLError is one
        return "names a file without certificates that can be read"
    return None


def _wrong_exception(entry: str) -> bool:
    """Return whether ``httpx`` fails at this entry of ``NO_PROXY``."""
    import httpx

    try:
        version: int = ipaddress.ip_address(entry.partition("/")[0]).version
    except ValueError:
        version = 0
    pattern = {4: f"all://{entry}", 6: f"all://[{entry}]"}.get(version, f"all://*{entry}")
    try:
        httpx.URL(entry if "://" in entry else pattern)
    except httpx.InvalidURL:
        return True
    return False
