"""Names that were probably meant as a persona's: what is found, and how much is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.routing import MAX_SCANNED, NameIndex, find_mentions, meant_names
from jupyter_ai_personas.routing.hints import MOST_COMPARED

NAMES = NameIndex({"guide": "Guide", "analyst": "Data-Analyst"})


def test_a_name_that_is_nearly_right_is_found_where_it_is_a_mention() -> None:
    body = "@Giude `@Guidde` x@Guiide @Guide @Data-Analist, and @somebody"
    assert meant_names(body, NAMES, []) == {"Giude": ["Guide"], "Data-Analist": ["Data-Analyst"]}
    assert meant_names("@Giude", NAMES, ["giude"]) == {}


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("@Giude help", {"Giude": ["Guide"]}),
        ("＠Giude, help", {"Giude": ["Guide"]}),
        ("@Guides", {"Guides": ["Guide"]}),
        ("@Guide2", {"Guide2": ["Guide"]}),
        ("@Guide-please", {"Guide-please": ["Guide"]}),
        ("@Guide_please help", {"Guide_please": ["Guide"]}),
        ("**@Giude**: help", {"Giude": ["Guide"]}),
        ("_@Giude_", {"Giude": ["Guide"]}),
        ("@Data Analyst, help", {"Data Analyst": ["Data-Analyst"]}),
        ("@data analyst", {"data analyst": ["Data-Analyst"]}),
        ("@DataAnalyst", {"DataAnalyst": ["Data-Analyst"]}),
        ("@Data_Analyst", {"Data_Analyst": ["Data-Analyst"]}),
        ("@C++-Gru", {"C++-Gru": ["C++-Guru"]}),
        ("@Bot👋🏽 hi", {"Bot👋🏽": ["Bot👋"]}),
        ("@数据助", {"数据助": ["数据助手"]}),
        ("@ Guide help", {"Guide": ["Guide"]}),
        ("＠\u00a0guide help", {"Guide": ["Guide"]}),
        ("hello@Guide help", {"Guide": ["Guide"]}),
        ("@ada@Guide help", {"Guide": ["Guide"]}),
        # meant otherwise
        ("@somebody, and lunch @ noon", {}),
        ("me@guide.org, me@giude.org", {}),
        ("`@Giude` and \\@Giude", {}),
        ("> @Giude said", {}),
        ("https://example.org/@Giude", {}),
        ("@ada", {}),
        ("@", {}),
        ("@ \nGuide", {}),
        ("@Gu", {}),
    ],
)
def test_a_name_that_was_probably_meant_is_found(body: str, meant: dict[str, list[str]]) -> None:
    known = ["Guide", "Data-Analyst", "C++-Guru", "Bot👋", "数据助手"]
    names = NameIndex({name: name for name in known})
    assert find_mentions(body, names) == []
    assert meant_names(body, names, ["ada"]) == meant


@given(st.text() | st.text(st.sampled_from("@＠ -_.GuideDataAnlyst`>\\\n👋🏽")))
def test_what_is_meant_is_a_known_name(body: str) -> None:
    names = NameIndex({"guide": "Guide", "analyst": "Data-Analyst", "bot": "Bot👋"})
    for typed, near in meant_names(body, names, []).items():
        assert typed
        assert near
        assert set(near) <= set(names.names)


def test_a_message_full_of_names_costs_no_more_than_a_few() -> None:
    compared: list[None] = []

    class Known(list[str]):
        def __iter__(self) -> Iterator[str]:
            compared.append(None)
            return super().__iter__()

    class Names(NameIndex):
        @property
        def names(self) -> list[str]:
            return Known(super().names)

    known = Names({"guide": "Guide"})
    strangers = " ".join(f"@zz{number}qx" for number in range(MAX_SCANNED // 10))
    assert meant_names(strangers, known, []) == {}
    assert len(compared) == MOST_COMPARED
    in_code = " ".join(f"`@Guide{number}`" for number in range(MAX_SCANNED // 15))
    assert meant_names(in_code, known, []) == {}
    assert len(compared) == MOST_COMPARED
