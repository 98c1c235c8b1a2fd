"""A package with providers that are right, wrong and strange, and its installation."""

from __future__ import annotations

from typing import Any

SOURCE = """
from typing import ClassVar

from jupyter_ai_personas import BasePersona, BaseProvider, EnvAuthStrategy
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel

class Chatty(BaseProvider, FakeListChatModel):
    id = "{id}"
    name = "Chatty"
    models = ["{id}-one", "two"]
    auth_strategy = EnvAuthStrategy(name="{id}_KEY")

    def __init__(self, **kwargs):
        super().__init__(responses=["hello"], **kwargs)

class Plain(BaseProvider, FakeListLLM):
    id = "{id}-plain"
    name = "Plain"
    models = ["p"]

    def __init__(self, **kwargs):
        super().__init__(responses=["hello"], **kwargs)

class NoBase(FakeListLLM):
    id: ClassVar[str] = "nobase"
    name: ClassVar[str] = "No base"
    models: ClassVar[list[str]] = []

class NoModel(BaseProvider):
    id = "no-model"
    name = "No model"
    models = []

class Swapped(FakeListChatModel, BaseProvider):
    id = "swapped"
    name = "Swapped"
    models = []

class APersona(BasePersona):
    pass

class Meta(type):
    def __getattribute__(cls, name):
        raise AttributeError("not for you")

class Unseen(metaclass=Meta):
    pass

class NoId(BaseProvider, FakeListLLM):
    name = "No id"
    models = []

class Colon(BaseProvider, FakeListLLM):
    id = "a:b"
    name = "Colon"
    models = []

class ModelsAreText(BaseProvider, FakeListLLM):
    id = "text"
    name = "Text"
    models = "abc"

class CannotSay(BaseProvider, FakeListLLM):
    id = "cannot-say"
    name = "Cannot say"
    models = ["m"]

    @classmethod
    def chat_models(cls):
        raise OSError("no network")

class NeedsMissing(BaseProvider, FakeListLLM):
    id = "needs-missing"
    name = "Needs missing"
    models = ["m"]
    pypi_package_deps = ["langchain-core", "langchain_core>=0.3", "nowhere-to-be-found"]

not_a_class = Chatty(model_id="two")
"""


def install_chatty(install: Any, name: str = "chatty", id: str = "chatty", **more: str) -> None:
    points = {id: f"{name}:Chatty", f"{id}-plain": f"{name}:Plain", **more}
    install(name, SOURCE.replace("{id}", id), points)
