"""What can be set about the magics: traits of their own, and what the server's operator set."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from IPython.core.magic import Magics
from traitlets.config import Config

from ..errors import ConfigurationError
from ..providers.limits import Limits
from ..providers.settings import OPERATOR_VARIABLE, ProviderSettings
from ..settings import Setting, Whole, setting, settings_of
from ..settings.traits import Configured, SettingTrait, made_from, traits_of

__all__ = ["MagicsSettings", "operators_values", "settings_of_models"]

_ALIASES = {"model_aliases": "aliases"}
"""Traits of `AiExtension` that have another name here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnSettings:
    max_history: int = setting(
        8,
        Whole(8),
        "How many exchanges of this notebook, of one prompt and one reply each, a model is shown "
        "with the next prompt; 100 at most.",
    )


def settings_of_models() -> dict[str, SettingTrait]:
    """Return the traits that models are made from, by their names here."""
    traits = traits_of(ProviderSettings, in_notebooks=True)
    return {_ALIASES.get(name, name): one for name, one in traits.items()}


class MagicsSettings(Configured, Magics):
    """The traits; values of the server that started the kernel are the defaults.

    Its limits hold besides those that are set here.
    """

    max_history: int
    aliases: dict[str, str]
    locals().update(traits_of(_OwnSettings), **settings_of_models())

    def __init__(self, shell: Any) -> None:
        self._is_ready = False
        own = shell.config.get("AiMagics", {})
        self._operators_problem = ""
        told: dict[str, Any] = {}
        try:
            told = operators_values(os.environ)
        except ConfigurationError as error:
            self._operators_problem = str(error)
        self._operator_limits = Limits(
            allowed=told.pop("allowed_providers", None), blocked=told.pop("blocked_providers", ())
        )
        told = {_ALIASES.get(name, name): value for name, value in told.items()}
        self._told = {name for name in told if name not in own}
        # Keywords win over the configuration.
        super().__init__(shell, **{name: told[name] for name in self._told})
        self._is_ready = True

    def _load_config(self, cfg: Config, section_names: Any = None, traits: Any = None) -> None:
        super()._load_config(cfg, section_names, traits)
        # `%config` shows what is raised. At the start, the first cell says it.
        if self._is_ready and self.problems:
            problems = " ".join(self.problems)
            self._unapplied.clear()
            self._misspelt_limits.clear()
            raise ConfigurationError(problems)

    def provider_settings(self) -> ProviderSettings:
        """Return the traits as the providers want them.

        Raises :class:`ConfigurationError`: some of the configuration could not be applied.
        """
        problems = [*filter(None, [self._operators_problem]), *self.problems]
        if problems:
            raise ConfigurationError(" ".join(problems))
        owner = "c.AiExtension" if "endpoints" in self._told else "c.AiMagics"
        return made_from(
            ProviderSettings,
            self,
            operator_limits=self._operator_limits,
            aliases=self.aliases,
            owner=owner,
        )


def operators_values(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what the server's operator set, by the names of traits of `AiExtension`.

    Raises :class:`ConfigurationError` when it cannot be read: it may limit what is allowed.
    """
    text = environment.get(OPERATOR_VARIABLE)
    if not text:
        return {}
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ConfigurationError(f"The variable `{OPERATOR_VARIABLE}` is no JSON object.")
    if problem := told.pop("problem", None):
        raise ConfigurationError(str(problem))
    known: dict[str, Setting] = {s.trait: s for s in settings_of(ProviderSettings).values()}
    return {
        name: known[name].kind.read(value, f"c.AiExtension.{name}")
        for name, value in told.items()
        if name in known and known[name].in_notebooks
    }
