"""A package in which whatever can be wrong with a persona or a provider is wrong with one."""

from __future__ import annotations

from pathlib import Path

from .plugin import make_plugin

PERSONAS = """
from jupyter_ai_personas import BasePersona, PersonaDefaults


class Fine(BasePersona):
    defaults = PersonaDefaults(name="Fine Persona", description="Does nothing.", model="good:one")


class Fragile(BasePersona):
    defaults = PersonaDefaults(name="Fragile")

    def __init__(self, context):
        raise RuntimeError("the glass is broken")


class Poor(BasePersona):
    defaults = PersonaDefaults(name="Poor", model="vault:gold")


class Stranger:
    pass
"""

PROVIDERS = """
from langchain_core.language_models import FakeListChatModel

from jupyter_ai_personas import BaseProvider, EnvAuthStrategy


class Good(BaseProvider, FakeListChatModel):
    id = "good"
    name = "Good"
    models = ["one"]
    responses: list[str] = ["fine"]


class Vault(Good):
    id = "vault"
    name = "Vault"
    models = ["gold"]
    auth_strategy = EnvAuthStrategy(name="THE_KEY_OF_THE_VAULT")


class Far(Good):
    id = "far"
    name = "Far"
    pypi_package_deps = ["a-package-nobody-has"]


class Crash(Good):
    id = "crash"
    name = "Crash"

    def __init__(self, **kwargs):
        raise ValueError("it does not start")
"""


def make_broken_plugins(directory: Path) -> Path:
    """Write the package `plugins`; return what goes on ``PYTHONPATH``."""
    return make_plugin(
        directory,
        "plugins",
        {
            "personas.py": PERSONAS,
            "providers.py": PROVIDERS,
            "no_module.py": "import a_module_nobody_has",
            "no_class.py": "class Layout(int, str): ...",
            "exits.py": "raise SystemExit(3)",
        },
        {
            "jupyter_ai.personas": {
                "fine": "plugins.personas:Fine",
                "fragile": "plugins.personas:Fragile",
                "poor": "plugins.personas:Poor",
                "stranger": "plugins.personas:Stranger",
                "no_module": "plugins.no_module:Persona",
                "gone": "plugins.personas:Gone",
            },
            "jupyter_ai.model_providers": {
                "good": "plugins.providers:Good",
                "vault": "plugins.providers:Vault",
                "far": "plugins.providers:Far",
                "crash": "plugins.providers:Crash",
                "no_class": "plugins.no_class:Layout",
                "exits": "plugins.exits:Provider",
            },
        },
    )
