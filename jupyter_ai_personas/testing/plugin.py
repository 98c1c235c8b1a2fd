"""The pytest plug-in: the doors of :mod:`jupyter_ai_personas.testing` as fixtures.

It is loaded with the package (entry point group ``pytest11``), so it imports nothing before a test
asks for a fixture.
"""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["ask_persona", "persona_conversation"]


@pytest.fixture
def ask_persona() -> Any:
    """The function :func:`jupyter_ai_personas.testing.ask`: one turn of a persona."""
    from jupyter_ai_personas.testing import ask

    return ask


@pytest.fixture
def persona_conversation() -> Any:
    """The function :func:`jupyter_ai_personas.testing.converse`: a chat with personas in it."""
    from jupyter_ai_personas.testing import converse

    return converse
