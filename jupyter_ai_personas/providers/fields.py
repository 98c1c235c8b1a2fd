"""Inputs besides the model id that a provider's constructor takes, as Jupyter AI v2 names them.

As there, further keywords are ignored: providers write ``required=`` and ``default=``.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pydantic.dataclasses import dataclass

__all__ = ["Field", "IntegerField", "MultilineTextField", "TextField"]

Format = Literal["json", "jsonpath", "text"]


@dataclass(frozen=True, slots=True)
class TextField:
    """One line of text, passed to the constructor as the keyword ``key``."""

    key: str
    label: str
    format: Format = "text"
    type: Literal["text"] = field(default="text", init=False)


@dataclass(frozen=True, slots=True)
class MultilineTextField:
    """Several lines of text, passed to the constructor as the keyword ``key``."""

    key: str
    label: str
    format: Format = "text"
    type: Literal["text-multiline"] = field(default="text-multiline", init=False)


@dataclass(frozen=True, slots=True)
class IntegerField:
    """A whole number, passed to the constructor as the keyword ``key``."""

    key: str
    label: str
    type: Literal["integer"] = field(default="integer", init=False)


Field = TextField | MultilineTextField | IntegerField
