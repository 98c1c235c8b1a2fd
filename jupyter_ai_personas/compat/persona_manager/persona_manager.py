"""The manager's name, for annotations, and the error for what is not installed."""

from __future__ import annotations

from ...personas.adapted.surroundings import Surroundings as PersonaManager

__all__ = ["SYSTEM_USERNAME", "PersonaManager", "PersonaRequirementsUnmet"]

SYSTEM_USERNAME = "hidden::jupyter_ai_system"
"""The sender of system messages; nothing is sent as it here."""


class PersonaRequirementsUnmet(RuntimeError):  # noqa: N818 (its name in Jupyter AI)
    """A persona's module raises it when something that it needs is not installed."""
