"""Records survive their encoding; decoding never fails otherwise than with a ValueError."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_worker import LOG, make_row

from jupyter_ai_personas.runtime.ledger import Ledger, ReplySnapshot, TurnRecord
from jupyter_ai_personas.runtime.ledger.records import (
    as_bytes,
    decode_replies,
    decode_row,
    encode_replies,
    encode_request,
)

# A document holds integers of 64 bits; what is greater comes back as nothing.
INTEGERS = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)


@given(
    body=ANY_TEXT,
    message=st.dictionaries(ANY_TEXT, JSON, max_size=4),
    ids=st.lists(ANY_TEXT, min_size=7, max_size=7),
    metadata=st.dictionaries(ANY_TEXT, JSON, max_size=3),
)
def test_every_row_survives_its_encoding(
    body: str, message: dict[str, Any], ids: list[str], metadata: dict[str, Any]
) -> None:
    row = TurnRecord(
        turn_id=ids[0],
        chat_id=ids[1],
        path=ids[2],
        message={**message, "id": ids[3]},
        persona_id=ids[4],
        person=ids[5],
        accepted_at=1.5,
        root=ids[6],
        replies=(ReplySnapshot("r", body, "streaming", metadata),),
    )
    columns = map(as_bytes, (row.turn_id, *row.key, row.state))
    assert row == decode_row(
        (*columns, None, row.accepted_at, encode_request(row)),
        decode_replies(encode_replies(row.replies)),
    )


@pytest.mark.parametrize("great", [2**63, -(2**63) - 1, 10**400])
def test_an_integer_that_no_document_holds_is_read_as_nothing(great: int) -> None:
    [reply] = decode_replies(encode_replies([ReplySnapshot("r", "", "done", {"n": great})]))
    assert reply.metadata == {"n": None}


STORED = st.none() | st.integers() | st.floats() | st.text() | st.binary()
JSON_BYTES = st.builds(
    lambda value: json.dumps(value).encode(),
    JSON
    | st.lists(st.lists(JSON, min_size=4, max_size=4), max_size=2)
    | st.fixed_dictionaries(
        {
            "path": JSON,
            "message": st.fixed_dictionaries({"id": JSON}),
            "person": st.text(),
            "root": st.text(),
            "hops": st.integers(),
        }
    ),
)


@given(columns=st.lists(STORED | JSON_BYTES, min_size=8, max_size=8), replies=STORED | JSON_BYTES)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_decoding_anything_gives_a_row_or_a_value_error(columns: list[Any], replies: Any) -> None:
    try:
        decoded = decode_replies(replies)
        assert all(isinstance(reply, ReplySnapshot) for reply in decoded)
        assert isinstance(decode_row(columns, decoded), TurnRecord)
    except ValueError:
        pass


async def test_what_json_cannot_say_costs_that_part_only(tmp_path: Path) -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = [deep]
    ledger = Ledger(tmp_path / "ledger.sqlite", log=LOG)
    await ledger.open()
    row = replace(make_row("t1"), message={"id": "m", "body": "hi", "deep": deep, "set": {1}})
    assert await ledger.accept([row]) == [True]
    (found,) = await ledger.open_turns("chat")
    assert found.message["body"] == "hi"
    assert found.message["set"] is None
    await ledger.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"message": {"body": "no id"}},
        {"message": {"id": 5}},
        {"accepted_at": float("nan")},
        {"state": "asleep"},
        {"state": "finished"},
        {"final_state": "done"},
    ],
)
def test_a_row_that_makes_no_sense_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no id|cannot"):
        replace(make_row("t1"), **wrong)
