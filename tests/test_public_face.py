"""What others rely on: the names at the top, and the tree of errors."""

from __future__ import annotations

import inspect
import re

import pytest

import jupyter_ai_personas
from jupyter_ai_personas import errors, testing

CONTRACT = [
    *("BasePersona", "PersonaDefaults", "Turn", "BaseProvider", "PersonasError"),
    *("EnvAuthStrategy", "MultiEnvAuthStrategy", "AwsAuthStrategy"),
    *("TextField", "MultilineTextField", "IntegerField"),
]

ON_SELF = [
    *("defaults", "process_message", "prepare", "shutdown"),
    *("id", "name", "log", "config", "model", "turn"),
    *("send_message", "stream_message", "set_status", "history", "attachments"),
    *("get_chat_path", "get_workspace_dir"),
]

ON_A_PROVIDER = [
    *("id", "name", "models", "model_id_key", "model_id_label", "help", "auth_strategy"),
    *("registry", "fields", "pypi_package_deps", "manages_history", "unsupported_slash_commands"),
]


def test_the_names_of_the_contract_are_at_the_top() -> None:
    assert set(CONTRACT) <= set(jupyter_ai_personas.__all__)


@pytest.mark.parametrize("module", [jupyter_ai_personas, testing], ids=lambda m: m.__name__)
def test_every_exported_name_can_be_had_and_is_listed(module: object) -> None:
    names = module.__all__  # type: ignore[attr-defined]
    assert len(names) == len(set(names))
    assert set(names) <= set(dir(module))
    for name in names:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_can_be_had_from_the_top(name: str) -> None:
    if name.endswith("Error"):
        assert getattr(jupyter_ai_personas, name) is getattr(errors, name)


@pytest.mark.parametrize("name", ["NoSuchThing", "NoSuchError", "nearError"])
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(jupyter_ai_personas, name)


@pytest.mark.parametrize("name", ON_SELF)
def test_a_persona_has_what_the_contract_names(name: str) -> None:
    cls = jupyter_ai_personas.BasePersona
    assigned = re.findall(r"self\.(\w+) = ", inspect.getsource(cls.__init__))
    assert name in {*dir(cls), *cls.__annotations__, *assigned}


@pytest.mark.parametrize("name", ON_A_PROVIDER)
def test_a_provider_has_what_the_contract_names(name: str) -> None:
    assert name in jupyter_ai_personas.BaseProvider.__annotations__ or hasattr(
        jupyter_ai_personas.BaseProvider, name
    )


def test_the_drawn_tree_of_errors_is_the_tree_of_errors() -> None:
    drawn: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    (?P<lead>[│├└─ ]*)(?P<name>\w+Error)\b", line)
        if found:
            depth = len(found["lead"]) // 4
            path[depth:] = [found["name"]]
            drawn[found["name"]] = path[depth - 1] if depth else None
    real = {
        name: None if cls is errors.PersonasError else cls.__bases__[0].__name__
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.PersonasError)
    }
    assert drawn == real
    assert set(real) <= set(errors.__all__)
