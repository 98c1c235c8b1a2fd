"""Plug-ins that a process beside the server imports, and what breaks that process."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.plugin import make_plugin

from jupyter_ai_personas.errors import RequestRefusedError
from jupyter_ai_personas.hosts.plugin_frames import Began, ListTools, Reply
from jupyter_ai_personas.hosts.plugins import RemotePlugins
from jupyter_ai_personas.hosts.workers import ConnectionLostError
from jupyter_ai_personas.personas import PersonaRegistry
from jupyter_ai_personas.providers import ModelRegistry, ProviderSettings
from jupyter_ai_personas.tools import PackageToolsets

LOG = logging.getLogger("tests.plugins")
WAIT = 60.0
"""Seconds for an entry point: it runs in a process, which starts first."""

GOOD = '''
import os

from jupyter_ai_personas import BasePersona, PersonaDefaults


class Good(BasePersona):
    defaults = PersonaDefaults(name="Good")

    def tools(self):
        from langchain_core.tools import tool

        @tool
        def where() -> str:
            """Tell the process."""
            return str(os.getpid())

        return [where]


class Ending(BasePersona):
    defaults = PersonaDefaults(name="Ending")

    def tools(self):
        os._exit(5)
'''
PROVIDER = """
from langchain_core.language_models import FakeListChatModel

from jupyter_ai_personas import BaseProvider, EnvAuthStrategy


class Keyed(BaseProvider, FakeListChatModel):
    id = "keyed"
    name = "Keyed"
    models = ["m"]
    auth_strategy = EnvAuthStrategy("KEYED_API_KEY", "api_key")
    api_key: str = ""
    responses: list = ["hello"]

    def __init__(self, **given):
        super().__init__(**given)
        raise ValueError(f"a key of {len(self.api_key)} characters")
"""
FAULTY = {
    "exits.py": "import os; os._exit(3)",
    "hangs.py": "import threading; threading.Event().wait()",
    "floods.py": "print('x' * 5_000_000)\nfrom plugs.good import Good as Base\n"
    "class Flood(Base):\n    defaults = type(Base.defaults)(name='Flood')\n",
    "calls.py": "import os\ndef called():\n    os._exit(4)\n",
}
POINTS = {
    "jupyter_ai.personas": {
        "exits": "plugs.exits:Persona",
        "hangs": "plugs.hangs:Persona",
        "floods": "plugs.floods:Flood",
        "good": "plugs.good:Good",
        "ending": "plugs.good:Ending",
    },
    "jupyter_ai.model_providers": {
        "keyed": "plugs.provider:Keyed",
        "ends": "plugs.exits:Provider",
    },
    "jupyter_ai_personas.toolsets": {"called": "plugs.calls:called"},
}


class Found:
    """The registries that a server has, and what fills them."""

    def __init__(self) -> None:
        self.personas = PersonaRegistry(log=LOG)
        self.models = ModelRegistry(ProviderSettings(), log=LOG)
        self.packages = PackageToolsets(log=LOG)
        self.plugins = RemotePlugins(
            self.personas, self.models, self.packages, entry_seconds=WAIT, log=LOG
        )

    async def load(self) -> None:
        await self.plugins.load(lambda: None)


@pytest.fixture
async def found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Found]:
    files = {"good.py": GOOD, "provider.py": PROVIDER, **FAULTY}
    wanted = getattr(request, "param", None) or ("good", "ending", "keyed")
    points = {
        group: {name: value for name, value in named.items() if name in wanted}
        for group, named in POINTS.items()
    }
    path = make_plugin(tmp_path, "plugs", files, points)
    monkeypatch.setenv("PYTHONPATH", f"{path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    found = Found()
    yield found
    await found.plugins.aclose()


ALL = tuple(name for named in POINTS.values() for name in named if name != "hangs")


@pytest.mark.parametrize("found", [ALL], indirect=True)
async def test_an_entry_point_that_ends_the_process_is_named_and_the_others_are_found(
    found: Found, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await found.load()
    assert {"Good", "Flood", "Ending"} <= {p.name for p in found.personas.values()}
    [exits] = [one for one in found.personas.broken if one.distribution == "plugs"]
    assert (exits.name, exits.stage) == ("exits", "import")
    assert "exit code 3" in exits.error
    assert exits.fix == "Fix, upgrade or uninstall `plugs`"
    [ends] = [one for one in found.models.broken if one.distribution == "plugs"]
    assert ends.name == "ends"
    assert {"keyed", "workspace"} <= found.models.known.keys()
    [called] = [one for one in found.packages.broken if one.distribution == "plugs"]
    assert (called.name, "exit code 4" in called.error) == ("called", True)
    assert {"workspace", "notebook"} <= found.packages.toolsets.keys()
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("Registered persona `Good`.") == 1
    assert lines.count("Registered model provider `keyed`.") == 1
    assert sum("exits (plugs.exits:Persona, from plugs)" in line for line in lines) == 1
    assert "plugs" not in sys.modules


@pytest.mark.parametrize("found", [("hangs", "good")], indirect=True)
async def test_an_entry_point_that_hangs_is_named_within_a_bound(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = found.plugins.process
    take = process._take

    def hurry(reply: Reply) -> None:
        # Its bound alone is over soon: a busy machine takes its time for the others.
        is_it = isinstance(reply, Began) and reply.entry.name == "hangs"
        found.plugins._entry_seconds = 0.1 if is_it else WAIT
        take(reply)
        found.plugins._entry_seconds = WAIT

    monkeypatch.setattr(process, "_take", hurry)
    await found.load()
    [hangs] = [one for one in found.personas.broken if one.distribution == "plugs"]
    assert (hangs.name, hangs.error) == ("hangs", "it did not return within 60 s")
    assert "Good" in {p.name for p in found.personas.values()}


async def test_a_process_that_somebody_ends_during_the_discovery_is_started_again(
    found: Found, caplog: pytest.LogCaptureFixture
) -> None:
    kills = [found.plugins.process.kill]

    def personas_loaded() -> None:
        if kills:
            kills.pop()()

    await found.plugins.load(personas_loaded)
    assert {"keyed", "workspace"} <= found.models.known.keys()
    assert {"workspace", "notebook"} <= found.packages.toolsets.keys()
    assert [one for one in found.models.broken if one.distribution == "plugs"] == []
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("The plug-in process was ended by SIGKILL and is started again.") == 1


async def test_the_discovery_gives_up_on_a_process_that_always_ends(
    found: Found, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = found.plugins.process
    opened = process.open

    async def open_and_end() -> None:
        await opened()
        process.kill()

    monkeypatch.setattr(process, "open", open_and_end)
    await found.load()
    [line] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line == (
        "Plug-ins of packages are missing until a restart. The plug-in process was ended by "
        "SIGKILL. It ended 3 times, and no entry point is the reason."
    )


async def test_the_tools_of_a_class_are_listed_there_also_after_it_was_killed(
    found: Found,
) -> None:
    await found.load()
    good, ending = (found.personas.find(name) for name in ("Good", "Ending"))
    assert (good.has_tools, good.answers_itself) == (True, False)
    listed = await found.plugins.process.ask(ListTools(good))
    assert [tool.name for tool in listed.tools] == ["Good.where"]
    broken = await found.plugins.tools_of(ending)
    assert broken is not None
    assert (broken.status, "exit code 5" in broken.problem) == ("broken", True)
    again = await found.plugins.process.ask(ListTools(good))
    assert again == listed
    found.plugins.process.kill()
    with pytest.raises(ConnectionLostError, match="SIGKILL"):
        await found.plugins.process.ask(ListTools(good))
    assert await found.plugins.process.ask(ListTools(good)) == listed


async def test_a_default_model_is_tried_with_its_own_secret_only(
    found: Found, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KEYED_API_KEY", "kept-4711")
    await found.load()
    assert found.models.default()[0].provider_id != "keyed"
    [info] = [info for info in found.models.infos() if info.id == "keyed"]
    assert info.problem is not None
    assert "a key of 9 characters" in info.problem
    assert "kept-4711" not in caplog.text


async def test_a_request_that_fails_says_why_and_the_process_goes_on(found: Found) -> None:
    await found.load()
    good = found.personas.find("Good")
    process = found.plugins.process
    with pytest.raises((RequestRefusedError, ConnectionLostError)):
        await process.ask(ListTools(None))  # type: ignore[arg-type]
    assert await process.ask(ListTools(good)) is not None
