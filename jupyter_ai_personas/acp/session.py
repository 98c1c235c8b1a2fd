"""What an agent tells of its session: its models, its modes, and its commands.

Models are a configuration option of the category ``model``. Agents of before told them in the
field ``models``, which the library does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from acp import schema
from pydantic import ValidationError

__all__ = ["SessionFacts"]

MOST_COMMANDS = 100
MOST_MODELS = 500


@dataclass(slots=True)
class SessionFacts:
    """The facts of one session, as the latest update tells them. Ids are mapped to names."""

    models: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    modes: dict[str, str] = field(default_factory=dict)
    mode: str | None = None
    commands: dict[str, str] = field(default_factory=dict)
    """Names without the slash, mapped to what they do."""
    _option: str | None = None

    def take_answer(self, answer: Any) -> None:
        """Take the answer to a request that begins or continues the session."""
        if not isinstance(answer, Mapping):
            return
        older = answer.get("models")
        if isinstance(older, Mapping) and isinstance(listed := older.get("availableModels"), list):
            pairs = [
                (one.get("modelId"), one.get("name")) for one in listed if isinstance(one, Mapping)
            ]
            self.models = _named(pairs)
            self.model = _text(older.get("currentModelId"))
        try:
            # What all answers have in common.
            known = schema.LoadSessionResponse.model_validate(
                {key: answer.get(key) for key in ("modes", "configOptions")}
            )
        except ValidationError:
            return
        if known.modes is not None:
            self.modes = _named((mode.id, mode.name) for mode in known.modes.available_modes)
            self.mode = known.modes.current_mode_id
        self._take_options(known.config_options or ())

    def take_update(self, update: Any) -> bool:
        """Take an update of the session; return whether it is of this kind."""
        match update.session_update:
            case "available_commands_update":
                listed = update.available_commands[:MOST_COMMANDS]
                self.commands = {one.name.lstrip("/"): one.description for one in listed}
            case "current_mode_update":
                self.mode = update.current_mode_id
            case "config_option_update":
                self._take_options(update.config_options)
            case _:
                return False
        return True

    def _take_options(self, options: Iterable[Any]) -> None:
        for option in options:
            if option.category == "model" and option.type == "select":
                flat = [
                    one
                    for each in option.options
                    for one in getattr(each, "options", None) or [each]
                ]
                self.models = _named((one.value, one.name) for one in flat)
                self.model, self._option = option.current_value, option.id

    def choice_of_model(self, wanted: str) -> tuple[str, dict[str, str]]:
        """Return the method and parameters that choose a model, but for the session."""
        if self._option is not None:
            return "session/set_config_option", {"configId": self._option, "value": wanted}
        return "session/set_model", {"modelId": wanted}

    def report(self) -> dict[str, Any]:
        """Return what people are told of it; see ``chat.report``."""
        options = [{"id": id_, "name": name} for id_, name in self.models.items()]
        commands = [
            {"name": f"/{name}", "description": text} for name, text in self.commands.items()
        ]
        return {"model": {"current": self.model, "options": options}, "commands": commands}


def _named(pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    texts = ((id_, _text(name) or id_) for id_, name in pairs if isinstance(id_, str))
    return dict(list(texts)[:MOST_MODELS])


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
