"""The pytest plug-in: fixtures for :mod:`jupyter_ai_personas.testing`.

pytest loads it in every environment with this package (entry-point group ``pytest11``), so it
imports nothing heavy until a test uses a fixture. Such a test may be asynchronous without another
plug-in.
"""

from __future__ import annotations

from inspect import iscoroutinefunction, signature
from typing import Any

import pytest

from jupyter_ai_personas import stand_ins

__all__ = ["ask_persona", "persona_conversation", "pytest_pyfunc_call", "replay"]

_FIXTURES = {"ask_persona", "persona_conversation", "replay"}

# Test modules import the plug-in under test at their top, before any fixture.
stand_ins.install()


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


@pytest.fixture
def replay() -> Any:
    """The function :func:`jupyter_ai_personas.testing.replay`: a recorded chat, asked again."""
    from jupyter_ai_personas.testing import replay

    return replay


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an asynchronous test that asks for a fixture of this plug-in; leave all others alone."""
    test = pyfuncitem.obj
    # A plug-in that runs such tests, such as pytest-asyncio, has put a plain function here.
    if not iscoroutinefunction(test) or _FIXTURES.isdisjoint(pyfuncitem.fixturenames):
        return None
    import asyncio

    names = signature(test).parameters
    asyncio.run(test(**{k: v for k, v in pyfuncitem.funcargs.items() if k in names}))
    return True
