"""Makes traits from settings, and applies a configuration without dropping errors silently.

traitlets raises at the first invalid value. Its caller logs the error and continues with defaults,
so an error in one setting may drop a list of blocked providers. A :class:`Configured` object
collects errors in :attr:`~Configured.problems` instead, and personas stay off while there are any.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, TypeVar

from traitlets import Dict, TraitError, TraitType
from traitlets.config import Config, Configurable
from traitlets.config.loader import DeferredConfig, LazyConfigValue

from jupyter_ai_personas.errors import ConfigurationError, near_matches
from jupyter_ai_personas.settings.fields import Setting, settings_of
from jupyter_ai_personas.settings.kinds import Kind

__all__ = ["Configured", "SettingTrait", "made_from", "trait", "traits_of"]

_T = TypeVar("_T")
_LIMIT = re.compile(r"allow|block|den[yi]|forbid|permit|restrict|exclude|limit|polic|approv", re.I)
_NEAR = 0.8
_OFF = "This looks like a limit, so no model is used until it is corrected."


class SettingTrait(TraitType[Any, Any]):
    """A trait that accepts the values of its setting."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.kind: Kind = setting.kind
        super().__init__(setting.default, help=_help(setting), config=True)

    def default(self, obj: Any = None) -> Any:
        """Return a new default for each object."""
        return deepcopy(self.default_value)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return ``value`` in its normal form. Raises :class:`TraitError` with path and example."""
        try:
            return self.kind.read(value, f"c.{type(obj).__name__}.{self.name}")
        except ConfigurationError as error:
            raise TraitError(str(error)) from None

    def from_string(self, s: str) -> Any:
        """Return what ``s`` on a command line stands for."""
        return self.kind.parse(s)

    def from_string_list(self, texts: list[str]) -> Any:
        """Return what an option stands for that was given several times."""
        parsed = [self.kind.parse(text) for text in texts]
        if len(parsed) == 1:
            return parsed[0]
        if all(isinstance(one, list) for one in parsed):
            return [item for one in parsed for item in one]
        if all(isinstance(one, dict) for one in parsed):
            return {key: value for one in parsed for key, value in one.items()}
        return texts  # no kind reads this


def _help(setting: Setting) -> str:
    if setting.default or isinstance(setting.default, bool | int | float):
        return setting.help
    return f"{setting.help} Example: `{setting.kind.example!r}`."


def trait(setting: Setting) -> SettingTrait:
    """Return the trait of a setting; ``--help`` shows the name of its kind."""
    name = type(setting.kind).__name__
    made: SettingTrait = type(name, (SettingTrait,), {})(setting)
    return made


def traits_of(*classes: type[Any], in_notebooks: bool = False) -> dict[str, SettingTrait]:
    """Return the traits of all settings of some dataclasses, or of those that notebooks have."""
    return {
        one.trait: trait(one)
        for cls in classes
        for one in settings_of(cls).values()
        if one.in_notebooks or not in_notebooks
    }


def made_from(cls: type[_T], source: Any, **more: Any) -> _T:
    """Return a dataclass of settings with the values that ``source`` has as traits."""
    values = {
        name: getattr(source, one.trait)
        for name, one in settings_of(cls).items()
        if source.has_trait(one.trait)
    }
    return cls(**{**values, **more})


class Configured(Configurable):
    """An object that applies its configuration setting by setting and collects the errors.

    A misspelt name of a limit (``limit`` of a :class:`Setting`, or a name that resembles one) is a
    problem; any other unknown name is a remark.
    """

    _unapplied = Dict()
    _misspelt_limits = Dict()
    _remarks = Dict()

    @property
    def problems(self) -> list[str]:
        """Errors of the configuration that keep personas off."""
        return [*self._unapplied.values(), *self._misspelt_limits.values()]

    @property
    def remarks(self) -> list[str]:
        """Unknown names that restrict nothing."""
        return list(self._remarks.values())

    def _load_config(self, cfg: Config, section_names: Any = None, traits: Any = None) -> None:
        # All ways of traitlets to configure an object call this method. If one does not, it raises
        # as usual.
        known = self.traits(config=True)
        own = type(self).__name__
        if not isinstance(cfg.get(own, Config()), Config):
            self._unapplied[own] = f"`c.{own}` must be a section with settings, a dictionary."
            return
        for name, value in self._find_my_config(cfg).items():
            if name in known:
                self._apply(name, known[name], value)
        for name, text, is_limit in self._misspelt(cfg):
            notes = self._misspelt_limits if is_limit else self._remarks
            notes[name] = f"{text} {_OFF}" if is_limit else text

    def _apply(self, name: str, trait: TraitType[Any, Any], value: Any) -> None:
        at = f"c.{type(self).__name__}.{name}"
        try:
            if isinstance(value, LazyConfigValue):
                value = _changed(getattr(self, name), value, at)
            elif isinstance(value, DeferredConfig):
                value = value.get_value(trait)
            setattr(self, name, deepcopy(value))
        except Exception as error:  # whatever a configuration file may hold
            text = str(error) or type(error).__name__
            self._unapplied[name] = " ".join((text if at in text else f"`{at}`: {text}").split())
        else:
            self._unapplied.pop(name, None)

    def _misspelt(self, cfg: Config) -> Iterator[tuple[str, str, bool]]:
        """Yield names that mean nothing, each with a line about it and whether it is a limit."""
        own = type(self).__name__
        known = self.traits(config=True)
        limits = [
            n for n, one in known.items() if isinstance(one, SettingTrait) and one.setting.limit
        ]
        for section, values in cfg.items():
            if not isinstance(values, Config):
                if _is_near(section, own):
                    yield section, f"`c.{section}` is no section: write `c.{own}`.", True
                elif near := difflib.get_close_matches(section, limits, cutoff=_NEAR):
                    text = f"Config option `{section}` has no effect: write `{own}.{near[0]}`."
                    yield section, text, True
                continue
            if section != own and not _is_near(section, own):
                continue
            for name in values:
                is_limit = bool(near_matches(name, limits) or _LIMIT.search(name))
                if section != own:
                    text = f"`c.{section}.{name}` has no effect: write `c.{own}`."
                    yield f"{section}.{name}", text, is_limit
                elif name not in known and not isinstance(values[name], Config):
                    near = near_matches(name, known)
                    hint = f" Did you mean `{near[0]}`?" if near else ""
                    text = f"Config option `{name}` not recognized by `{own}`: it has no effect."
                    yield name, text + hint, is_limit


def _is_near(section: str, own: str) -> bool:
    if section == own:
        return False
    return difflib.SequenceMatcher(None, section.casefold(), own.casefold()).ratio() >= _NEAR


def _changed(initial: Any, change: LazyConfigValue, at: str) -> Any:
    """Return ``initial`` after ``c.X.y.append(…)`` and the like.

    Raises:
        ConfigurationError: no such change can be made to it; traitlets would leave it out.
    """
    asked = change.to_dict()
    if not asked:
        return initial
    value = change.get_value([] if initial is None else initial)
    if isinstance(value, dict) and isinstance(asked.get("update"), dict) and len(asked) == 1:
        return value
    if isinstance(value, list) and not isinstance(asked.get("update"), dict):
        return [*value, *asked.get("update", ())]
    raise ConfigurationError(f"`{at}` cannot be changed by `{', '.join(asked)}`: set it with `=`.")
