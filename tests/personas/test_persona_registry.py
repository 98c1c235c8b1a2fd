"""What is installed: found, described, or broken with the way to mend it."""

from __future__ import annotations

import functools
import inspect
import logging
import re
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from importlib_metadata import entry_points
from support.plugin import make_plugin

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.discovery import PERSONAS_GROUP, discover
from jupyter_ai_personas.errors import UnknownPersonaError
from jupyter_ai_personas.personas import PersonaRegistry
from jupyter_ai_personas.routing import address, mention_name
from jupyter_ai_personas.testing import FakeEntryPoint

LOG = logging.getLogger("tests.registry")


def registry(*points: Any) -> PersonaRegistry:
    loaded = PersonaRegistry(log=LOG, entry_points=points)
    loaded.load()
    return loaded


def persona(
    name: str = "Echo", *, cls: str = "Echo", module: str = "acme.bots", **more: Any
) -> type:
    defaults = more.pop("defaults", PersonaDefaults(name=name))
    return type(cls, (BasePersona,), {"__module__": module, "defaults": defaults, **more})


def test_a_persona_is_described_by_its_defaults() -> None:
    defaults = PersonaDefaults(
        name="Data Analyst",
        description="  reads\n  tables ",
        system_prompt="You are.",
        model="openai:gpt",
    )
    [found] = registry(FakeEntryPoint(persona(defaults=defaults), dist="acme")).values()
    assert found.id == "jupyter-ai-personas::acme::Echo"
    assert (found.name, found.mention_name) == ("Data Analyst", "Data-Analyst")
    assert found.description == "reads tables"
    assert (found.system_prompt, found.model, found.source) == ("You are.", "openai:gpt", "acme")
    assert found.class_path == "acme.bots:Echo"
    user = found.user("/avatar")
    assert (user.username, user.initials, user.avatar_url) == (found.id, "DA", "/avatar")
    assert user.offered


def test_defaults_may_be_a_property() -> None:
    class Echo(BasePersona):
        @property
        def defaults(self) -> PersonaDefaults:  # type: ignore[override]
            return PersonaDefaults(name="Property")

    [found] = registry(FakeEntryPoint(Echo)).values()
    assert found.name == "Property"


def test_defaults_of_jupyter_ai_are_understood() -> None:
    class TheirDefaults:
        name = "Theirs"
        description = "d"
        avatar_path = None
        system_prompt = "s"
        model_uid = "openai:gpt"

    [found] = registry(FakeEntryPoint(persona(defaults=TheirDefaults()))).values()
    assert (found.name, found.model) == ("Theirs", "openai:gpt")


class Awkward:
    """Raises whatever is looked at."""

    def __init__(self, error: BaseException) -> None:
        self.__dict__["error"] = error

    def __getattr__(self, name: str) -> Any:
        raise self.__dict__["error"]


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"defaults": None}, "no `defaults`"),
        ({"defaults": PersonaDefaults(name="")}, "empty"),
        ({"defaults": PersonaDefaults(name="  ")}, "empty"),
        ({"defaults": PersonaDefaults(name=5)}, "empty"),  # type: ignore[arg-type]
        ({"defaults": "Echo"}, "`defaults` must be a `PersonaDefaults`, not a `str`"),
        ({"defaults": {"name": "Echo"}}, "`defaults` must be a `PersonaDefaults`, not a `dict`"),
        ({"defaults": lambda self: None}, "must be a `PersonaDefaults`, not a `function`"),
        ({"defaults": PersonaDefaults(name="x" * 65)}, "longer"),
        ({"defaults": PersonaDefaults(name="a@b")}, "one of"),
        ({"defaults": PersonaDefaults(name="<b>")}, "one of"),
        ({"defaults": PersonaDefaults(name="E\u202echo")}, "longer|one of"),
        ({"defaults": PersonaDefaults(name="E\x00cho")}, "longer|one of"),
        ({"defaults": PersonaDefaults(name="E", description=5)}, "description"),  # type: ignore[arg-type]
        ({"defaults": PersonaDefaults(name="E", system_prompt=None)}, "system_prompt"),  # type: ignore[arg-type]
        ({"defaults": PersonaDefaults(name="E", model=5)}, "model"),  # type: ignore[arg-type]
        ({"defaults": property(lambda self: 1 / 0)}, "ZeroDivisionError"),
        ({"defaults": property(lambda self: sys.exit(1))}, "SystemExit"),
        ({"defaults": Awkward(ValueError("looked at"))}, "looked at"),
        ({"defaults": Awkward(SystemExit("looked at"))}, "looked at"),
        ({"commands": ["/plot"]}, "attributes"),
        ({"commands": None}, "attributes"),
        ({"commands": {"plot": "draws"}}, "plot"),
        ({"commands": {"/two words": "draws"}}, "two words"),
    ],
)
def test_a_class_that_cannot_be_described_is_broken_and_hinders_nobody(
    attributes: dict[str, Any], problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = persona(cls="Bad", **attributes)
    loaded = registry(FakeEntryPoint(bad, dist="a-bad"), FakeEntryPoint(persona("Good")))
    assert [p.name for p in loaded.values()] == ["Good"]
    [broken] = loaded.broken
    assert broken.stage == "class"
    assert broken.distribution == "a-bad"
    assert "a-bad" in broken.fix
    assert re.search(problem, broken.error)
    assert caplog.text.count("a-bad") >= 1


async def without_message(self: Any) -> None: ...
async def with_more(self: Any, message: Any, more: Any) -> None: ...
async def by_keyword(self: Any, *, message: Any) -> None: ...
async def yields(self: Any, message: Any) -> Any:
    yield "x"


def yields_plainly(self: Any, message: Any) -> Any:
    yield "x"


def plain(self: Any, message: Any) -> None: ...
async def optional(self: Any, message: Any, more: Any = None, **rest: Any) -> None: ...
async def anything(*arguments: Any) -> None: ...
@functools.wraps(with_more)
async def decorated(self: Any, message: Any) -> None: ...
@types.coroutine
def awaitable(self: Any, message: Any) -> Any:
    yield


async def injected(self: Any, message: Any) -> None: ...


injected.__signature__ = inspect.signature(with_more)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("method", "problem"),
    [
        (without_message, "must take the message: `process_message(self, message)`"),
        (with_more, "must take the message"),
        (by_keyword, "must take the message"),
        (staticmethod(with_more), "must take the message"),
        (yields, "pass what it returns to `await self.stream_message(...)`"),
        (yields_plainly, "pass what it returns to `await self.stream_message(...)`"),
    ],
)
def test_a_class_whose_process_message_would_be_called_in_vain_is_broken(
    method: Any, problem: str
) -> None:
    loaded = registry(FakeEntryPoint(persona(process_message=method)))
    assert not loaded
    [broken] = loaded.broken
    assert broken.stage == "class"
    assert problem in broken.error


@pytest.mark.parametrize(
    "method",
    [
        *(plain, optional, anything, decorated, awaitable, injected),
        functools.partialmethod(with_more, more=1),
        *(staticmethod(anything), classmethod(plain), mock.Mock(), 5),
        property(lambda self: self.not_yet),
    ],
)
def test_a_process_message_that_may_be_called_is_none_of_our_business(method: Any) -> None:
    loaded = registry(FakeEntryPoint(persona(process_message=method)))
    assert len(loaded) == 1


@pytest.mark.parametrize(
    "error",
    [
        ImportError("no"),
        ModuleNotFoundError("no", name="matplotlib"),
        SyntaxError("no"),
        SystemExit(1),
        ValueError("line\nline"),
        RecursionError(),
        AttributeError("module has no attribute"),
    ],
)
def test_an_entry_point_that_cannot_be_imported_is_broken_with_a_fix(error: BaseException) -> None:
    loaded = registry(
        FakeEntryPoint(name="bad", dist="a-bad", error=error), FakeEntryPoint(persona("Good"))
    )
    assert [p.name for p in loaded.values()] == ["Good"]
    [broken] = loaded.broken
    assert broken.stage == "import"
    assert type(error).__name__ in broken.error
    assert "\n" not in str(broken)
    missing = "matplotlib" if isinstance(error, ModuleNotFoundError) else "a-bad"
    assert missing in broken.fix


def test_an_interrupt_while_importing_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        registry(FakeEntryPoint(name="bad", error=KeyboardInterrupt()))


class UnprintableMeta(type):
    def __repr__(cls) -> str:
        raise ValueError("no repr")


@pytest.mark.parametrize(
    "obj", [None, 5, "text", print, PersonaDefaults(name="x"), int, UnprintableMeta("X", (), {})]
)
def test_what_is_no_persona_class_is_broken(obj: Any) -> None:
    loaded = registry(FakeEntryPoint(obj, name="bad", dist="bad"))
    [broken] = loaded.broken
    assert broken.stage == "class"


def test_two_personas_of_one_id_are_one_persona_and_one_problem() -> None:
    loaded = registry(
        FakeEntryPoint(persona("One"), dist="a"), FakeEntryPoint(persona("Two"), dist="b")
    )
    assert [p.name for p in loaded.values()] == ["One"]
    [broken] = loaded.broken
    assert (broken.stage, broken.distribution) == ("duplicate", "b")
    assert "`a`" in broken.fix


def test_a_distribution_that_is_on_the_path_twice_counts_once() -> None:
    cls = persona()
    loaded = registry(FakeEntryPoint(cls, dist="a"), FakeEntryPoint(cls, dist="a"))
    assert len(loaded) == 1
    assert loaded.broken == []


@pytest.mark.parametrize("other", ["Echo", "ECHO", "e\u0301cho"])
def test_two_personas_of_one_name_are_both_reachable(
    other: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = "\u00c9cho" if "\u0301" in other else "Echo"
    loaded = registry(
        FakeEntryPoint(persona(other, cls="B"), dist="b"),
        FakeEntryPoint(persona(first, cls="A"), dist="a"),
    )
    by_source = {p.source: p for p in loaded.values()}
    assert by_source["a"].mention_name == first
    assert by_source["b"].id == "jupyter-ai-personas::acme::B"
    assert by_source["b"].mention_name == f"{other}-2"
    for found in loaded.values():
        assert loaded.find(f"@{found.mention_name}") is found
    [warning] = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warning == (
        f"The persona `{other}` of b is named `{other} 2` here, also in the configuration: "
        f"`{first}` of a has that name."
    )


def test_the_name_that_a_persona_is_shown_by_is_the_one_that_addresses_it() -> None:
    sources = {"a": "Echo", "b": "echo", "c": "Echo 2", "d": "Data Analyst", "e": "Data-Analyst"}
    points = [FakeEntryPoint(persona(name, cls=f"P{d}"), dist=d) for d, name in sources.items()]
    loaded = registry(*points)
    users = [found.user() for found in loaded.values()]
    shown = [user.display_name for user in users]
    assert shown == ["Echo", "echo 2", "Echo 2 2", "Data Analyst", "Data-Analyst 2"]
    for user in users:
        # As the chat's front end mentions it, in the text and in the field beside it.
        body = f"@{mention_name(user.display_name)} hi"
        assert address(body, [user.username], loaded.names) == [user.username]


def test_a_persona_is_found_by_name_mention_and_id() -> None:
    loaded = registry(FakeEntryPoint(persona("Data Analyst")))
    [found] = loaded.values()
    for name in ("Data Analyst", "@Data-Analyst", "data-analyst", "@data analyst", found.id):
        assert loaded.find(name) is found


def test_an_unknown_persona_is_refused_with_near_matches() -> None:
    loaded = registry(FakeEntryPoint(persona("Analyst")))
    with pytest.raises(UnknownPersonaError, match="Did you mean `Analyst`"):
        loaded.find("@Analist")
    with pytest.raises(UnknownPersonaError, match="Here are: `Analyst`"):
        loaded.find("xyz")


def test_personas_are_loaded_once() -> None:
    class Counting(FakeEntryPoint):
        loads = 0

        def load(self) -> Any:
            Counting.loads += 1
            return super().load()

    loaded = registry(Counting(persona()))
    loaded.load()
    assert Counting.loads == 1


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("no")])
def test_an_object_that_cannot_be_made_is_found_by_trying(error: BaseException) -> None:
    def fail(self: object, context: object) -> None:
        raise error

    loaded = registry(FakeEntryPoint(persona(__init__=fail), dist="acme"))
    [found] = loaded.values()
    broken = loaded.try_out(found)
    assert broken is not None
    assert broken.stage == "instantiate"
    assert type(error).__name__ in broken.error
    assert "acme" in broken.fix
    other = registry(FakeEntryPoint(persona()))
    assert other.try_out(next(iter(other.values()))) is None


def test_an_init_that_leaves_out_the_bases_is_found_by_trying() -> None:
    loaded = registry(FakeEntryPoint(persona(__init__=lambda self, context: None)))
    [found] = loaded.values()
    broken = loaded.try_out(found)
    assert broken is not None
    assert broken.error.endswith(
        "call `super().__init__(context)` in its `__init__(self, context)`"
    )


# -- real packages ----------------------------------------------------------------------------

SOURCE = """
from jupyter_ai_personas import BasePersona, PersonaDefaults
class {name}(BasePersona):
    defaults = PersonaDefaults(name="{name}", avatar_path={avatar!r})
"""


def install(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    files: dict[str, str],
    points: dict[str, str],
) -> list[Any]:
    make_plugin(directory, package, files, {PERSONAS_GROUP: points})
    monkeypatch.syspath_prepend(directory)
    return [p for p in entry_points(group=PERSONAS_GROUP) if p.dist and p.dist.name == package]


def test_installed_packages_are_found_and_broken_ones_hinder_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = install(
        tmp_path,
        monkeypatch,
        "acme_found",
        {
            "good.py": SOURCE.format(name="Good", avatar=None),
            "exits.py": "import sys; sys.exit(3)",
            "missing.py": "import no_such_package",
            "syntax.py": "def (",
            "attribute.py": "import sys; sys.no_such_attribute",
            "lazy.py": "import sys\ndef __getattr__(name): return sys.no_such_attribute",
        },
        {
            "good": "acme_found.good:Good",
            "exits": "acme_found.exits:X",
            "missing": "acme_found.missing:X",
            "syntax": "acme_found.syntax:X",
            "absent": "acme_found.good:Nobody",
            "nowhere": "acme_found.nowhere:X",
            "deeper": "acme_found.good.deeper:X [extra]",
            "attribute": "acme_found.attribute:X",
            "lazy": "acme_found.lazy:X",
            "gone": "no_such_package:X",
        },
    )
    loaded = registry(*points)
    assert [p.id for p in loaded.values()] == ["jupyter-ai-personas::acme_found::Good"]
    advice = {broken.name: f"{broken.error}. {broken.fix}" for broken in loaded.broken}
    entry_point = "Fix the entry point in group `jupyter_ai.personas` of `acme_found`"
    module = f"{entry_point}, or add that module"
    theirs = "Fix, upgrade or uninstall `acme_found`"
    missing = (
        "ModuleNotFoundError: No module named 'no_such_package'. "
        "Install the package that provides `no_such_package`, or uninstall `acme_found`"
    )
    assert advice.pop("syntax").startswith("SyntaxError: ")
    for name in ("attribute", "lazy"):
        assert advice.pop(name) == (
            f"AttributeError: module 'sys' has no attribute 'no_such_attribute'. {theirs}"
        )
    assert advice == {
        "exits": f"SystemExit: 3. {theirs}",
        "missing": missing,
        "gone": missing,
        "absent": f"the module `acme_found.good` has no `Nobody`. {entry_point}",
        "nowhere": f"`acme_found` has no module `acme_found.nowhere`. {module}",
        "deeper": f"`acme_found` has no module `acme_found.good.deeper`. {module}",
    }
    found, broken = discover(PERSONAS_GROUP, entry_points=points)
    assert len(found) == 1
    assert len(broken) == 9


@pytest.mark.parametrize(
    ("avatar", "shown"),
    [
        ("face.svg", True),
        ("images/face.svg", True),
        ("../face.svg", True),  # beside the module, in the same package
        ("../../outside.svg", False),
        ("no-such.svg", False),
        ("link-outside.svg", False),
        ("link-inside.svg", True),
        ("loop.svg", False),
        ("images", False),
        ("\0", False),
        ("x" * 5000, False),
        ("ABSOLUTE-INSIDE", True),
        ("/etc/passwd", False),
        (5, False),
    ],
)
def test_an_avatar_lies_in_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, avatar: Any, shown: bool
) -> None:
    package = f"acme_avatar_{abs(hash(str(avatar)))}"
    inner = tmp_path / package / "inner"
    if avatar == "ABSOLUTE-INSIDE":
        avatar = str(inner / "face.svg")
    points = install(
        tmp_path,
        monkeypatch,
        package,
        {"inner/__init__.py": "", "inner/bots.py": SOURCE.format(name="Echo", avatar=avatar)},
        {"echo": f"{package}.inner.bots:Echo"},
    )
    (inner / "images").mkdir()
    for place in (inner, inner / "images", inner.parent):
        (place / "face.svg").write_text("<svg/>")
    (tmp_path / "outside.svg").write_text("<svg/>")
    (inner / "link-outside.svg").symlink_to(tmp_path / "outside.svg")
    (inner / "link-inside.svg").symlink_to(inner / "face.svg")
    (inner / "loop.svg").symlink_to(inner / "loop.svg")
    [found] = registry(*points).values()
    assert (found.avatar is not None) == shown


def test_the_persona_of_the_package_has_its_avatar() -> None:
    from jupyter_ai_personas.personas.builtin.guide import Guide

    [found] = registry(FakeEntryPoint(Guide)).values()
    assert found.avatar is not None
    assert found.avatar.is_file()
