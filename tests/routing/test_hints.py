"""Names that were probably meant as a persona's: what is found, and how much is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_ai_personas.routing import MAX_SCANNED, NameIndex, meant_names
from jupyter_ai_personas.routing.hints import MOST_COMPARED

NAMES = NameIndex({"guide": "Guide", "analyst": "Data-Analyst"})


def test_a_name_that_is_nearly_right_is_found_where_it_is_a_mention() -> None:
    body = "@Giude `@Guidde` x@Guiide @Guide @Data-Analist, and @somebody"
    assert meant_names(body, NAMES, []) == {"Giude": ["Guide"], "Data-Analist": ["Data-Analyst"]}
    assert meant_names("@Giude", NAMES, ["giude"]) == {}


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
