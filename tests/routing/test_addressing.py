"""Who is addressed, and how far personas may carry a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import is_linear

from jupyter_ai_personas.routing import MAX_SCANNED, Chain, Limits, NameIndex, address

NAMES = NameIndex({"p::echo": "Echo", "p::data": "Data", "p::analyst": "Data-Analyst"})


def test_typed_names_are_addressed_in_order_of_mention() -> None:
    assert address("@Data and @Echo", [], NAMES) == ["p::data", "p::echo"]


def test_a_picked_persona_counts_once_however_often_it_is_named() -> None:
    assert address("@Echo hi", ["p::echo", "p::echo"], NAMES) == ["p::echo"]


def test_a_picked_persona_counts_though_the_body_leaves_its_name_out() -> None:
    assert address("hi there", ["p::echo"], NAMES) == ["p::echo"]
    assert address("@Data hi", ["p::echo"], NAMES) == ["p::data", "p::echo"]


@pytest.mark.parametrize(
    "body",
    [
        "x@Echo.com",
        "x＠Echo",
        "<!-- @Echo -->",
        "[x](@Echo)",
        "`@Echo`",
        "> @Echo said",
        "see https://a.b/@echo",
        "\\@ECHO",
    ],
)
def test_a_client_that_takes_code_or_addresses_for_mentions_is_overruled(body: str) -> None:
    assert address(body, ["p::echo"], NAMES) == []


def test_a_client_that_takes_half_a_name_is_overruled() -> None:
    assert address("@Data-Analyst", ["p::data"], NAMES) == ["p::analyst"]


def test_overruling_does_not_depend_on_how_letters_are_composed() -> None:
    names = NameIndex({"p": "Étoile"})
    assert address("`@E\u0301TOILE`", ["p"], names) == []


def test_people_and_unknown_names_are_not_addressed() -> None:
    assert address("@ada what about @Nobody", ["ada", "p::gone"], NAMES) == []


def test_who_is_alone_is_answered_by_the_default_persona() -> None:
    assert address("hello", [], NAMES, default="p::echo") == ["p::echo"]
    assert address("hello", [], NAMES, default=None) == []
    assert address("hello", [], NAMES, default="p::gone") == []


def test_the_default_persona_stays_out_of_what_is_for_somebody_else() -> None:
    assert address("@Data hi", [], NAMES, default="p::echo") == ["p::data"]
    assert address("hi", ["ada"], NAMES, default="p::echo") == []


@pytest.mark.parametrize("body", ["", "  \n", "\u3000"])
def test_an_empty_message_addresses_nobody(body: str) -> None:
    assert address(body, [], NAMES, default="p::echo") == []


@given(st.text(), st.lists(st.one_of(st.text(), st.sampled_from(["p::echo", "p::data"]))))
def test_any_message_addresses_known_personas_at_most_once(body: str, mentions: list[str]) -> None:
    addressed = address(body, mentions, NAMES, default="p::echo")
    assert len(addressed) == len(set(addressed))
    assert all(id_ in NAMES for id_ in addressed)


def test_false_mentions_cost_linear_time() -> None:
    body = ("`@Data-Analys` " * MAX_SCANNED)[:MAX_SCANNED]
    assert address(body, ["p::echo"], NAMES) == ["p::echo"]
    assert is_linear(lambda size: address(body[:size], ["p::echo"], NAMES), MAX_SCANNED)


# -- chains -----------------------------------------------------------------------------------


def test_a_reply_passes_the_message_on() -> None:
    allowed, chain, cut = Chain("m").next("a", ["b", "c", "b"], Limits(), turns_so_far=1)
    assert (allowed, cut) == (["b", "c"], None)
    assert chain == Chain("m", hops=1)


def test_nobody_addresses_itself() -> None:
    assert Chain("m").next("a", ["a"], Limits(), turns_so_far=1) == ([], Chain("m"), None)
    allowed, _, _ = Chain("m").next("a", ["a", "b"], Limits(), turns_so_far=1)
    assert allowed == ["b"]


def test_a_chain_ends_after_its_hops_and_says_so() -> None:
    last = Chain("m", hops=4)
    assert last.next("a", ["b"], Limits(max_hops=4), turns_so_far=5) == ([], last, "hops")
    assert last.next("a", [], Limits(max_hops=4), turns_so_far=5) == ([], last, None)
    assert Chain("m").next("a", ["b"], Limits(max_hops=0), turns_so_far=1)[2] == "hops"


def test_one_message_has_a_budget_of_turns() -> None:
    everybody = [f"p{n}" for n in range(20)]
    allowed, _, cut = Chain("m").next("a", everybody, Limits(max_turns=5), turns_so_far=2)
    assert (allowed, cut) == (everybody[:3], "turns")
    allowed, _, cut = Chain("m").next("a", ["b"], Limits(max_turns=5), turns_so_far=9)
    assert (allowed, cut) == ([], "turns")


@given(
    st.integers(0, 6),
    st.integers(1, 15),
    st.lists(st.lists(st.sampled_from("abcdef"), max_size=6), min_size=1, max_size=40),
)
def test_whatever_personas_write_a_message_causes_a_bounded_number_of_turns(
    max_hops: int, max_turns: int, replies: list[list[str]]
) -> None:
    limits = Limits(max_hops, max_turns)
    waiting = [("a", Chain("m"))]
    turns = 1
    for addressed in replies:
        if not waiting:
            break
        speaker, chain = waiting.pop(0)
        allowed, following, _ = chain.next(speaker, addressed, limits, turns_so_far=turns)
        assert speaker not in allowed
        assert following.hops <= max(max_hops, chain.hops)
        turns += len(allowed)
        waiting += [(id_, following) for id_ in allowed]
    assert turns <= max(1, max_turns)
