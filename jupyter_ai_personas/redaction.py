"""Secrets taken out of texts, and what only the operator may read taken out of what people see.

Who reads secrets tells :func:`remember`; :func:`redact` takes them, and the environment's, out of
whatever is logged, however they are written there (:mod:`.spellings`). :func:`for_people` goes
further, for texts of others that are shown in a chat or by REST: they may quote paths, headers and
tracebacks.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from .spellings import SHORTEST, without

__all__ = [
    "RedactingFilter",
    "for_people",
    "has_a_secrets_shape",
    "looks_like_a_secret",
    "names_a_secret",
    "passwords_in",
    "redact",
    "remember",
    "without_secret",
]

_REDACTED = "[secret]"

_SECRET_NAME = re.compile(
    r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)([_-]|$)"
    r"|(PASS|_PWD|PW|AUTH|AUTHORIZATION|COOKIE)$",
    re.IGNORECASE,
)
# What no variable's name tells: the shapes of the vendors' keys, of headers and parameters that
# carry one, and of the user's part of a URL. Bounded, since a text may be nothing but such
# characters.
_SHAPES = (
    (  # the whole line: a cookie, or a signature, is one of several
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
# A quote may be escaped, more than once, where one text quotes another.
_QUOTE, _ESCAPED_QUOTE = r"['\"]", r"(?:\\{0,7}['\"])"
_SECRETS = [(re.compile(s.replace(_QUOTE, _ESCAPED_QUOTE)), clean) for s, clean in _SHAPES]
_USERINFO = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s/@]*?([^\s/@:]{3,})@")
# Nobody names a model or a provider like this: a long run of letters and digits, or a UUID.
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
# From the first of the spaces before it, or else a text of nothing but spaces takes for ever.
_TRACEBACK = re.compile(r"(?<!\s)\s*Traceback \(most recent call last\).*", re.DOTALL)

_lock = threading.Lock()
_remembered: frozenset[str] = frozenset()  # replaced, never changed: others read it meanwhile


def remember(secrets: Iterable[str]) -> None:
    """Take these values, and the passwords of URLs among them, out of all texts from now on."""
    global _remembered
    secrets = list(secrets)
    secrets += [password for secret in secrets for password in passwords_in(secret)]
    with _lock:
        _remembered |= {secret for secret in secrets if len(secret) >= SHORTEST}


def names_a_secret(variable: str) -> bool:
    """Return whether a variable of that name is likely to hold a secret."""
    return _SECRET_NAME.search(variable) is not None


def looks_like_a_secret(text: str) -> bool:
    """Return whether ``text``, which was typed where a name belongs, is likely to be a secret."""
    return _OPAQUE.search(text) is not None or has_a_secrets_shape(text)


def has_a_secrets_shape(text: str) -> bool:
    """Return whether ``text`` is written as vendors write their keys."""
    return _without_shapes(text) != text


def without_secret(name: str) -> str:
    """Return ``name`` as it may be shown: not at all if it looks like a secret."""
    return _REDACTED if looks_like_a_secret(name) else name


def redact(text: str, *secrets: str) -> str:
    """Return ``text`` without ``secrets``, known ones, the environment's, and what looks like one.

    Known are those of :func:`remember`; of the environment, the values of variables whose names
    say so, and the passwords in those that hold a URL.
    """
    found = {*secrets, *_remembered}
    for name, value in os.environ.items():
        if names_a_secret(name):
            found.add(value)
        elif "@" in value:
            found.update(passwords_in(value))
    return _without_shapes(without(found, text, _REDACTED))


def passwords_in(text: str) -> Iterator[str]:
    """Yield the passwords of the URLs in a text, as they stand there and decoded."""
    for password in _USERINFO.findall(text):
        yield password
        yield unquote(password)


def _without_shapes(text: str) -> str:
    for shape, clean in _SECRETS:
        text = shape.sub(clean, text)
    return text


def for_people(text: str, *secrets: str) -> str:
    """Return a text of others fit to be shown: without secrets, paths, headers and tracebacks.

    Of the environment, no value stays that looks like a token, whatever its variable is called.
    """
    text = _TRACEBACK.sub("", redact(text, *secrets))
    for value in os.environ.values():
        if value in text and _TOKEN.fullmatch(value):
            text = text.replace(value, _REDACTED)
    return _PATH.sub("[path]", text)


class RedactingFilter(logging.Filter):
    """Takes secrets out of what a handler writes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite ``record``; it is always let through."""
        try:
            message = record.getMessage()
        except Exception:
            return True  # logging itself tells who wrote it
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True
