"""Removes secrets from texts, and operators' details from texts for people.

Code that reads secrets passes them to :func:`remember`. :func:`redact` removes these and the
environment's secrets from logged text, in any spelling (:mod:`.spellings`). :func:`for_people` also
removes paths, headers and tracebacks, for foreign text shown in a chat or by REST.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from .spellings import SHORTEST, without
from .text import well_formed

__all__ = [
    "RedactingFilter",
    "for_people",
    "has_a_secrets_shape",
    "looks_like_a_secret",
    "names_a_secret",
    "passwords_in",
    "redact",
    "redact_json",
    "remember",
    "without_secret",
]

_REDACTED = "[secret]"

_SECRET_NAME = re.compile(
    r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)([_-]|$)"
    r"|(PASS|_PWD|PW|AUTH|AUTHORIZATION|COOKIE)$",
    re.IGNORECASE,
)
# Secrets recognized by shape: vendors' keys, headers and parameters with a key, and the user part
# of a URL. Repetitions are bounded, because a text may consist of such characters alone.
_SHAPES = (
    (  # the whole line: it may have several cookies or signatures
        r"(?i)(\b(?:set-cookie|cookie)['\"]?[ \t]{0,9}[:=][ \t]{0,9}b?(?=['\"]?[\w.-]{1,99}=)"
        r"|\bauthorization['\"]?[ \t]{0,9}[:=][ \t]{0,9}b?['\"]?(?:digest|aws4-hmac-sha256)\s)"
        r"(?:'[^'\r\n]{6,}|[^\r\n]{6,})",
        rf"\1{_REDACTED}",
    ),
    (
        r"\b(?:sk|gsk|hf|pplx|nvapi|xai|AIza|AKIA|ghp|r8|glpat|xox[abprs])[-_]?[A-Za-z0-9*_-]{12,}"
        r"|(?<=Bearer )[^\s'\",]{6,}"
        # A JSON Web Token (RFC 7519): three parts in base64, the first of them a JSON object.
        r"|(?<![\w-])eyJ[A-Za-z0-9_-]{8,2000}+\.[A-Za-z0-9_-]{4,4000}+\.[A-Za-z0-9_-]{0,2000}",
        _REDACTED,
    ),
    (
        r"(?i)([?&](?:[a-z]{1,20}[-_])?(?:key|token|secret|password|sig|signature)=|\bsignature="
        r"|\b(?:[a-z0-9]{1,20}[-_]){0,4}(?:api[-_]?key|secret|passw(?:or)?d|(?<=[-_])token)['\"]?"
        r"(?:\s{0,9}=\s{0,9}['\"]?|\s{0,9}:\s{0,9}['\"])"
        r"|\btoken['\"]?\s{0,9}[=:]\s{0,9}['\"](?=[^\s'\"]{0,40}\d))[^\s&'\"<>,)]{6,}",
        rf"\1{_REDACTED}",
    ),
    (
        r"(?i)(\b(?:proxy-authorization|authorization|(?:x-)?(?:goog-)?api-key|x-api-token|x-auth-token"
        r"|x-amz-security-token)\b['\"]?\s{0,9}[:=]\s{0,9}b?['\"]?(?:(?:basic|bearer|token)\s{1,9})?+)"
        r"[^\s'\",;}\[\])]{6,}",
        rf"\1{_REDACTED}",
    ),
    (r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@'\"<>]{1,300}@", rf"\1{_REDACTED}@"),
)
# A quote may be escaped several times if one text quotes another.
_QUOTE, _ESCAPED_QUOTE = r"['\"]", r"(?:\\{0,7}['\"])"
_SECRETS = [(re.compile(s.replace(_QUOTE, _ESCAPED_QUOTE)), clean) for s, clean in _SHAPES]
_USERINFO = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s/@]*?([^\s/@:]{3,})@")
# No name of a model or provider: a long run of letters and digits, or a UUID.
_OPAQUE = re.compile(
    r"(?=[A-Za-z]*\d[A-Za-z]*\d)(?=\d*[A-Za-z]\d*[A-Za-z])[A-Za-z0-9]{20,}"
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
)
_TOKEN = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[^\s/:;,=]{16,}")
_PATH = re.compile(
    r"(?:(?<![\w:/.\\])|(?<=[A-Za-z]:)(?!//))"
    r"(?:~(?:/[\w.@+%~-]+)+|(?:\.\.?)?(?:/[\w.@+%~-]+){2,})/?"
    r"|\bfile:/[^\s'\"]+|(?<!\w)[A-Za-z]:(?:\\{1,2}[\w.@+%~-]+)+"
    r"|(?<![\w\\])\\\\[\w.-]{2,}(?:\\{1,2}[\w.@+%~-]+)+"
)
# Match from the first space: otherwise a text of spaces takes quadratic time.
_TRACEBACK = re.compile(r"(?<!\s)\s*Traceback \(most recent call last\).*", re.DOTALL)

_lock = threading.Lock()
_remembered: frozenset[str] = frozenset()  # replaced, never changed: others read it meanwhile


def remember(secrets: Iterable[str]) -> None:
    """Remove these values, and passwords of URLs in them, from all texts from now on."""
    global _remembered
    secrets = list(secrets)
    secrets += [password for secret in secrets for password in passwords_in(secret)]
    with _lock:
        _remembered |= {secret for secret in secrets if len(secret) >= SHORTEST}


def names_a_secret(variable: str) -> bool:
    """Return whether the name suggests that the variable holds a secret."""
    return _SECRET_NAME.search(variable) is not None


def looks_like_a_secret(text: str) -> bool:
    """Return whether ``text``, typed in place of a name, is likely to be a secret."""
    return _OPAQUE.search(text) is not None or has_a_secrets_shape(text)


def has_a_secrets_shape(text: str) -> bool:
    """Return whether ``text`` has the shape of a vendor's key."""
    return _without_shapes(text) != text


def without_secret(name: str) -> str:
    """Return ``name``, or a placeholder if it looks like a secret."""
    return _REDACTED if looks_like_a_secret(name) else name


def redact(text: str, *secrets: str) -> str:
    """Return ``text`` without secrets.

    Removes ``secrets``, the values passed to :func:`remember`, values of environment variables with
    secret-like names, passwords in URLs of the environment, and text shaped like a secret.
    """
    found = {*secrets, *_remembered}
    for name, value in os.environ.items():
        if names_a_secret(name):
            found.add(value)
        elif "@" in value:
            found.update(passwords_in(value))
    return _without_shapes(without(found, text, _REDACTED))


def redact_json(value: Any) -> Any:
    """Return JSON with secrets taken out of its strings, including keys; see :func:`redact`."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): redact_json(each) for key, each in value.items()}
    return [redact_json(each) for each in value] if isinstance(value, list | tuple) else value


def passwords_in(text: str) -> Iterator[str]:
    """Yield the passwords of the URLs in a text, verbatim and decoded."""
    for password in _USERINFO.findall(text):
        yield password
        yield unquote(password)


def _without_shapes(text: str) -> str:
    for shape, clean in _SECRETS:
        text = shape.sub(clean, text)
    return text


def for_people(text: str, *secrets: str) -> str:
    """Return foreign text, well-formed, without secrets, paths, headers and tracebacks.

    Also removes values of the environment that look like a token, under any name.
    """
    text = _TRACEBACK.sub("", redact(well_formed(text), *secrets))
    for value in os.environ.values():
        if value in text and _TOKEN.fullmatch(value):
            text = text.replace(value, _REDACTED)
    return _PATH.sub("[path]", text)


class RedactingFilter(logging.Filter):
    """Removes secrets from a handler's records."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite ``record`` and always let it pass."""
        try:
            message = record.getMessage()
        except Exception:
            return True  # logging reports the faulty call itself
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True
