"""Settings: each is defined once, as a field of a dataclass.

The field says what values it takes (its :mod:`kind <.kinds>`), its default and its help. Its trait,
its check, its entry in ``--help`` and in the documentation are made from that.

To add a setting, add one field to the dataclass of the package that reads it::

    max_hops: int = setting(4, Whole(minimum=0), "Personas that may pass a message on, in a row.")

:class:`~jupyter_ai_personas.runtime.RuntimeSettings` has the settings of turns,
:class:`~jupyter_ai_personas.providers.ProviderSettings` those of models. A new dataclass has to be
named in ``server/extension.py`` as well, where the traits are made. Pass ``limit=True`` if the
setting restricts something and allows everything while it is unset: a misspelling of its name keeps
personas off then. A structured value is a dataclass of settings, and its kind is :class:`Record`.
"""

from jupyter_ai_personas.settings.fields import Record, Setting, setting, settings_of
from jupyter_ai_personas.settings.kinds import (
    EntryNames,
    File,
    Flag,
    Kind,
    Names,
    OneOf,
    Parameters,
    Seconds,
    Table,
    Text,
    Url,
    Variable,
    Whole,
)

__all__ = [
    "EntryNames",
    "File",
    "Flag",
    "Kind",
    "Names",
    "OneOf",
    "Parameters",
    "Record",
    "Seconds",
    "Setting",
    "Table",
    "Text",
    "Url",
    "Variable",
    "Whole",
    "setting",
    "settings_of",
]
