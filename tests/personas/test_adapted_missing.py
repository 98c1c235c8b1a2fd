"""What personas of Jupyter AI use and is not here is known before they answer."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

from jupyter_ai_personas.compat.persona_manager import BasePersona, PersonaRequirementsUnmet
from jupyter_ai_personas.discovery import discover
from jupyter_ai_personas.personas import PersonaRegistry
from jupyter_ai_personas.personas.adapted.missing import missing_uses, server_uses
from jupyter_ai_personas.testing import FakeEntryPoint


class Reaching(BasePersona):
    @property
    def defaults(self) -> Any:
        return None

    async def process_message(self, message: Any) -> None:
        self.chat.observe_messages(print)
        with self.ychat.ydoc.transaction():
            self.ychat.ymessages.clear()
        self.parent.refresh_personas()
        self.parent.chat.get_id()
        self.parent.parent.serverapp.web_app.settings.get("x")
        self.chat.get_messages()
        self.log.info("fine")


class Modest(BasePersona):
    async def process_message(self, message: Any) -> None:
        self.chat.update_message(message)
        self.chat.awareness.set_local_state_field("isWriting", True)
        self.send_message(self.parent.root_dir)


def test_what_reaches_past_the_view_of_the_chat_is_named() -> None:
    uses = " | ".join(missing_uses(Reaching))
    for name in ("chat.observe_messages", "ychat.ydoc", "ychat.ymessages", "parent.refresh_"):
        assert name in uses
    assert len(missing_uses(Reaching)) == 4


class Earlier(BasePersona):
    """Of an earlier version, which had the model's provider at hand."""

    note: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mine = 1

    async def process_message(self, message: Any) -> None:
        provider = self.config_manager.lm_provider
        if hasattr(self, "settings_manager"):
            self.settings_manager.read()
        self.send_message(f"{provider} {self.mine} {self.note} {self.log} {self.auth} {self.chat}")
        self.state.model = None


@pytest.mark.parametrize("name", ["config_manager", "state"])
def test_reading_one_of_another_version_says_why_it_is_not_here(name: str) -> None:
    persona = Earlier.__new__(Earlier)
    with pytest.raises(AttributeError, match=f"`Earlier` has no attribute `{name}` here: "):
        getattr(persona, name)
    assert not hasattr(persona, name)
    with pytest.raises(AttributeError, match="has no attribute 'anything'"):
        getattr(persona, "anything")  # noqa: B009


class OfMixin(Earlier):
    def __getattr__(self, name: str) -> Any:
        return name


def test_attributes_that_nothing_sets_are_named() -> None:
    uses = missing_uses(Earlier)
    assert [use.partition(",")[0] for use in uses] == ["`self.config_manager`", "`self.state`"]
    assert all("not here: " in use for use in uses)
    assert missing_uses(OfMixin) == []


class OfExtension(Modest):
    async def process_message(self, message: Any) -> None:
        if hasattr(self, "config_manager"):
            self.send_message(self.config_manager.model)
        ServerApp.instance()  # type: ignore[name-defined]  # noqa: F821


def test_objects_of_the_server_s_process_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert server_uses(Reaching) == ["web_app.settings"]
    assert server_uses(OfExtension) == ["ServerApp.instance"]
    # What only a server extension could set is looked for where the package has one.
    package = sys.modules[OfExtension.__module__.partition(".")[0]]
    monkeypatch.setattr(package, "_jupyter_server_extension_points", list, raising=False)
    assert server_uses(OfExtension) == ["ServerApp.instance", "self.config_manager"]
    monkeypatch.setattr(OfExtension, "config_manager", object(), raising=False)
    assert server_uses(OfExtension) == ["ServerApp.instance"]


@pytest.mark.parametrize("cls", [Modest, dict])
def test_objects_of_the_server_are_not_named_where_none_is_used(cls: type) -> None:
    assert server_uses(cls) == []


@pytest.mark.parametrize("cls", [Modest, dict])
def test_what_is_here_is_not_named(cls: type) -> None:
    assert missing_uses(cls) == []


def test_a_class_without_source_is_no_error() -> None:
    assert missing_uses(type("Made", (BasePersona,), {})) == []


def test_requirements_that_are_not_met_are_told_in_the_package_s_words_and_are_no_fault() -> None:
    error = PersonaRequirementsUnmet("This persona requires the Goose CLI.\nInstall it.")
    point = FakeEntryPoint(name="goose", dist="agents", error=error)
    _, [broken] = discover("jupyter_ai.personas", entry_points=[point])
    assert broken.error == "This persona requires the Goose CLI. Install it"
    assert not broken.is_fault


def test_they_are_logged_once_and_quietly(caplog: pytest.LogCaptureFixture) -> None:
    error = PersonaRequirementsUnmet("Install goose.")
    log = logging.getLogger("tests.quiet")
    with caplog.at_level(logging.INFO, "tests.quiet"):
        PersonaRegistry(log=log, entry_points=[FakeEntryPoint(name="g", error=error)]).load()
    [record] = [record for record in caplog.records if "Install goose" in record.message]
    assert record.levelno == logging.INFO
