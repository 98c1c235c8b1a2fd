"""Reports of personas about their models, settings, usage and commands, by chat."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from jupyter_ai_personas.errors import ModelError, near_matches
from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.text import well_formed

__all__ = ["ReportedModel", "Reports"]

MAX_REPORTS = 500
"""How many reports are held, one for each persona and chat; the oldest are dropped first."""

MAX_OPTIONS = 5000
MAX_COMMANDS = 100

MAX_NAME, MAX_ABOUT = 80, 200
"""Maximum characters of a command's name and of its description."""


class ReportedModel(NamedTuple):
    """The models that a persona reports: the ``current`` id, and ``options``, id → name."""

    current: str | None
    options: Mapping[str, str]


class Reports:
    """Reports by chat and persona, in memory. A new object of a persona reports again."""

    def __init__(self) -> None:
        self._reports: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    def note(self, chat_id: str, persona_id: str, parts: Mapping[str, Any]) -> None:
        """Replace the given ``parts`` of a report, which are plain JSON."""
        key = chat_id, persona_id
        self._reports[key] = {**self._reports.pop(key, {}), **parts}
        while len(self._reports) > MAX_REPORTS:
            self._reports.popitem(last=False)

    def model(self, chat_id: str, persona_id: str) -> ReportedModel:
        """Return the reported models of a persona; without options if it reports none."""
        found = self._reports.get((chat_id, persona_id), {}).get("model")
        found = found if isinstance(found, Mapping) else {}
        current, given = found.get("current"), found.get("options")
        options = {}
        for option in given[:MAX_OPTIONS] if isinstance(given, list) else ():
            if isinstance(option, Mapping) and isinstance(id_ := option.get("id"), str):
                options[well_formed(id_)] = well_formed(str(option.get("name") or id_))
        return ReportedModel(current if isinstance(current, str) else None, options)

    def commands(self, chat_id: str, persona: Persona) -> Mapping[str, str]:
        """Return the commands of a persona, its class's and the reported: ``/name`` → what it does.

        Names have the slash and no capitals; a name that is not one word is left out.
        """
        found = self._reports.get((chat_id, persona.id), {}).get("commands")
        commands = {}
        for each in found[:MAX_COMMANDS] if isinstance(found, list) else ():
            if not isinstance(each, Mapping) or not isinstance(name := each.get("name"), str):
                continue
            name = well_formed(name.strip().removeprefix("/").casefold())
            if 0 < len(name) <= MAX_NAME and not re.search(r"[\s/@]", name):
                about = each.get("description")
                text = about if isinstance(about, str) else ""
                commands[f"/{name}"] = well_formed(" ".join(text.split()))[:MAX_ABOUT]
        return {**commands, **persona.commands}

    def resolve(self, chat_id: str, persona_id: str, wanted: str) -> str:
        """Return the id of a model that a persona has, by its id or name.

        Raises:
            ModelError: it reports models, and none by that name.
        """
        options = self.model(chat_id, persona_id).options
        if not options or wanted in options:
            return wanted
        for id_, name in options.items():
            if wanted.casefold() in (id_.casefold(), name.casefold()):
                return id_
        near = near_matches(wanted, options) or list(options)[:5]
        shown = " or ".join(f"`{one}`" for one in near)
        raise ModelError(f"It has no model `{wanted[:80]}`. Did you mean {shown}?")
