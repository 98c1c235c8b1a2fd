"""Reports of a persona about itself: models, settings, usage, commands."""

from __future__ import annotations

from pydantic import BaseModel, Field

__all__ = [
    "CommandOption",
    "ModelConfiguration",
    "ModelOption",
    "ModelSpec",
    "PersonaOption",
    "SettingConfiguration",
    "SettingOption",
    "Usage",
]


class PersonaOption(BaseModel):
    """A persona of the chat."""

    id: str
    name: str
    avatar_url: str | None = None
    yjs_client_id: int = 0


class _Option(BaseModel):
    id: str
    name: str | None = None
    description: str | None = None


class ModelOption(_Option):
    """A model that can be chosen."""


class SettingOption(_Option):
    """A value of a setting that can be chosen."""


class SettingConfiguration(_Option):
    """A setting: its value, ``None`` for the default, and what can be chosen."""

    current: str | None = None
    options: list[SettingOption] = Field(default_factory=list)


class ModelConfiguration(BaseModel):
    """The persona's model, ``None`` for the default, what can be chosen, and the model's settings.

    These are shown beside the choice of the model.
    """

    current: str | None = None
    options: list[ModelOption] = Field(default_factory=list)
    settings: list[SettingConfiguration] = Field(default_factory=list)


class Usage(BaseModel):
    """Tokens and cost of a session so far; the context's numbers are those of now."""

    context_tokens: int | None = None
    context_size: int | None = None
    context_percent: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_read_tokens: int | None = None
    cached_write_tokens: int | None = None
    thought_tokens: int | None = None
    total_tokens: int | None = None
    cost_amount: float | None = None
    cost_currency: str | None = None


class CommandOption(BaseModel):
    """A command that the persona takes: its name with the slash."""

    name: str
    description: str | None = None


class ModelSpec(BaseModel):
    """A choice of a model and its settings; ``None`` keeps what is."""

    id: str | None = None
    settings: dict[str, str | None] = Field(default_factory=dict)
