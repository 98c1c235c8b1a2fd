"""A client that notes when how much of each reply arrived, and does little else."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from pycrdt import ArrayEvent, Map, MapEvent, TextEvent
from support.yclient import ChatClient


@dataclass
class Growth:
    """One reply as a client saw it: ``(Unix time, characters)`` for each update."""

    sender: str
    reply_to: str | None
    seen: list[tuple[float, int]] = field(default_factory=list)
    body: Any = ""
    first_body: str = ""

    def note(self, length: int) -> None:
        if length:
            self.seen.append((time.time(), length))

    def at(self, length: int) -> float | None:
        """When the body had ``length`` characters."""
        return next((at for at, seen in self.seen if seen >= length), None)


class Watcher(ChatClient):
    """A `ChatClient` whose `replies_seen` grows with each message of a persona."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.replies_seen: dict[str, Growth] = {}
        self._of_map: dict[int, Growth] = {}
        self._deep = self._messages.observe_deep(self._on_messages)

    def _on_messages(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, ArrayEvent):
                for step in event.delta:
                    for item in step.get("insert", ()):
                        if isinstance(item, Map) and item.get("sender", "").count("::") == 2:
                            self._inserted(item)
            elif isinstance(event, MapEvent) and "body" in event.keys:
                growth = self.replies_seen.get(str(event.target.get("id")))
                if growth is not None:
                    growth.body = event.keys["body"]["newValue"]
                    growth.note(len(growth.body))
                    growth.first_body = growth.first_body or growth.body
            elif isinstance(event, TextEvent):
                growth = self._growth_of(event)
                if growth is not None:
                    growth.note(len(growth.body))

    def _inserted(self, item: Map[Any]) -> None:
        about = item.get("metadata")
        about = about.to_py() if hasattr(about, "to_py") else about
        reply_to = ((about or {}).get("jupyter_ai_personas") or {}).get("reply_to")
        growth = self.replies_seen.setdefault(str(item["id"]), Growth(item["sender"], reply_to))
        body = item["body"]
        growth.body = body
        growth.note(len(body))
        growth.first_body = growth.first_body or str(body)

    def _growth_of(self, event: TextEvent) -> Growth | None:
        path: list[Any] = event.path
        return self.replies_seen.get(str(self._messages[path[0]].get("id")))
