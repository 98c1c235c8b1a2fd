"""A person as the front end describes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class User:
    """Somebody as the front end describes them in awareness and in the document."""

    username: str
    name: str = ""
    display_name: str = ""
    initials: str = ""
    color: str = "var(--jp-collaborator-color1)"
    avatar_url: str | None = None

    @classmethod
    def called(cls, name: str) -> Self:
        """Somebody with this name, whose username is the name in lower case."""
        initials = "".join(word[0] for word in name.split()).upper()
        return cls(name.lower().replace(" ", "-"), name, name, initials)

    @property
    def mention_name(self) -> str:
        return (self.display_name or self.name or self.username).replace(" ", "-")

    def identity(self) -> dict[str, Any]:
        """What awareness says about this person."""
        return asdict(self)

    def entry(self) -> dict[str, Any]:
        """What the front end writes into the document's ``users`` when this person sends."""
        return {**asdict(self), "bot": False, "mention_name": self.mention_name}
