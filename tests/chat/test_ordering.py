"""Where messages that arrive are put."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.chat.messages import RECENT
from jupyter_ai_personas.chat.ordering import reorder

NOW = 100.0


def arranged(order: list[str], stamps: dict[str, float | None], times: list[float]) -> list[str]:
    """The ids in the order in which they are to be."""
    found = reorder(order, stamps, NOW, times.__getitem__)
    moving = [order[index] for index in found.moving]
    left = [id_ for index, id_ in enumerate(order) if index not in found.moving]
    at = found.after + 1 - len(moving)
    return left[:at] + moving + left[at:] if moving else left


def test_what_comes_last_stays_there() -> None:
    assert arranged(["a", "new"], {"new": None}, [1.0, 5e9]) == ["a", "new"]


def test_what_was_written_offline_comes_behind_what_was_said_meanwhile() -> None:
    order = ["a", "one", "two", "b", "c"]
    stamps = {"one": None, "two": None}
    assert arranged(order, stamps, [1.0, 1.0, 5e9, 2.0, 3.0]) == ["a", "b", "c", "one", "two"]


def test_what_claims_to_be_of_the_future_stays_behind() -> None:
    assert arranged(["one", "b", "c"], {"one": None}, [1.0, 2.0, 5e9]) == ["b", "one", "c"]


def test_what_has_a_time_already_stays() -> None:
    assert arranged(["one", "b"], {"one": 7.0}, [1.0, 2.0]) == ["one", "b"]


def test_what_is_not_there_moves_nothing() -> None:
    assert arranged(["a"], {"gone": None}, [1.0]) == ["a"]


def test_only_the_end_of_a_long_chat_is_looked_at() -> None:
    asked: list[int] = []

    def time_at(index: int) -> float:
        asked.append(index)
        return 1.0

    order = [str(number) for number in range(10_000)]
    reorder(order, {"9998": None}, NOW, time_at)
    assert asked == [9_999]


def test_a_chat_that_is_of_the_future_is_not_read_to_its_beginning() -> None:
    asked: list[int] = []

    def time_at(index: int) -> float:
        asked.append(index)
        return 5e9

    order = ["new", *(str(number) for number in range(10_000))]
    found = reorder(order, {"new": None}, NOW, time_at)
    assert (found.indexes, found.moving) == ([0], [])
    assert len(asked) == RECENT


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["old", "future", "new", "back"]),
            st.floats(0, 50),
        ),
        max_size=12,
    )
)
def test_the_new_come_behind_all_that_was_there_and_nothing_else_moves(
    entries: list[tuple[str, float]],
) -> None:
    order = [f"{kind}{number}" for number, (kind, _) in enumerate(entries)]
    times = [NOW + 1 + t if kind == "future" else t for kind, t in entries]
    stamps: dict[str, float | None] = {
        id_: None if id_.startswith("new") else 5.0
        for id_ in order
        if id_.startswith(("new", "back"))
    }
    after = arranged(order, stamps, times)
    assert sorted(after) == sorted(order)
    assert [id_ for id_ in after if id_[:3] != "new"] == [id_ for id_ in order if id_[:3] != "new"]
    assert [id_ for id_ in after if id_[:3] == "new"] == [id_ for id_ in order if id_[:3] == "new"]
    first_new = next((index for index, id_ in enumerate(after) if id_[:3] == "new"), len(after))
    assert all(id_[:3] in ("new", "fut") for id_ in after[first_new:])
