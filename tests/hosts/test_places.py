"""The setting `hosts`: what it accepts, and what it says of what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_ai_personas.errors import ConfigurationError
from jupyter_ai_personas.hosts import places
from jupyter_ai_personas.hosts.places import Places, dask_address, missing_extras

AT = "c.AiExtension.hosts"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("threads", {"*": "threads"}),
        (" processes ", {"*": "processes"}),
        ("dask://scheduler:8786", {"*": "dask://scheduler:8786"}),
        ("dask+tls://10.0.0.1:8786/", {"*": "dask+tls://10.0.0.1:8786"}),
        ("dask://[::1]:8786", {"*": "dask://[::1]:8786"}),
        ({"Guide": "processes"}, {"*": "threads", "Guide": "processes"}),
        (
            {"*": "dask://s:1", " Guide ": "threads"},
            {"*": "dask://s:1", "Guide": "threads"},
        ),
        ({}, {"*": "threads"}),
        ("Guide=threads,*=processes", {"*": "processes", "Guide": "threads"}),
        ('{"Guide": "threads"}', {"*": "threads", "Guide": "threads"}),
    ],
)
def test_places_are_read_and_read_again_the_same(value: Any, read: dict[str, str]) -> None:
    kind = Places()
    assert kind.read(value, AT) == read
    assert kind.read(read, AT) == read


@pytest.mark.parametrize(
    "value",
    [
        *("", "thread", "process", "Threads", "ray://head:10001", "scheduler:8786", "tcp://s:8786"),
        *("dask://scheduler", "dask://scheduler:0", "dask://scheduler:99999", "dask://:8786"),
        *("dask://user:secret@scheduler:8786", "dask+ssl://s:8786", "dask://s:8786/path"),
        *(None, 1, True, ["processes"], {"Guide": "elsewhere"}, {"Guide": None}, {"": "threads"}),
        *({1: "threads"}, "Guide=", "{broken"),
    ],
)
def test_what_is_no_place_is_refused_with_an_example(value: Any) -> None:
    with pytest.raises(ConfigurationError) as told:
        Places().read(value, AT)
    assert AT in str(told.value)
    assert "such as `'" in str(told.value)
    assert "secret" not in str(told.value)


def test_the_address_of_a_scheduler_is_written_as_dask_does() -> None:
    assert dask_address("dask://s:8786") == "tcp://s:8786"
    assert dask_address("dask+tls://[::1]:8786") == "tls://[::1]:8786"
    assert dask_address("threads") is dask_address("processes") is None


def test_dask_that_is_not_installed_is_named_with_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert missing_extras(["dask://s:1"]) == []
    monkeypatch.setattr(places, "find_spec", lambda name: None)
    assert missing_extras(["threads", "processes"]) == []
    [told] = missing_extras(["threads", "dask://s:1"])
    assert "`dask://s:1`" in told
    assert "pip install 'jupyter_ai_personas[dask]'" in told
