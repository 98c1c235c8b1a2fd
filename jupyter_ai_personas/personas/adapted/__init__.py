"""Runs personas of packages that are written for Jupyter AI 3, unmodified.

An :class:`AdaptedPersona` holds an object of such a class. It gives the object a view of the chat,
and turns its writes into replies of the turn.
"""

from jupyter_ai_personas.personas.adapted.persona import AdaptedPersona
from jupyter_ai_personas.personas.adapted.recognition import is_adapted, is_of_jupyter_ai

__all__ = ["AdaptedPersona", "is_adapted", "is_of_jupyter_ai"]
