"""Fuzz the mention grammar with atheris, outside of CI: ``python tests/fuzz/fuzz_mentions.py``.

Needs ``pip install atheris``. Ends after ``-runs`` inputs or ``-max_total_time`` seconds, as
libFuzzer takes them; without either, after a minute. What must hold: no exception, only known
ids, none twice, and time in proportion to the text.
"""

from __future__ import annotations

import sys
import time

import atheris

with atheris.instrument_imports(include=["jupyter_ai_personas.routing"]):
    from jupyter_ai_personas.routing import (
        NameIndex,
        find_mentions,
        may_mention,
        meant_names,
        mention_name,
    )

NAMES = ["Guide", "C++-Guru", "Données", "数据助手", "Data Analyst", "Straße", "Bot🤖", "👩‍💻"]
IDS = {f"id::{name}": mention_name(name) for name in NAMES}
INDEX = NameIndex(IDS)
MARKS = [
    "`",
    "```",
    "\n\n",
    "\n> ",
    "\n- ",
    "    ",
    "<!--",
    "-->",
    "](",
    "https://",
    "\ufe0f",
    "＠",
]
MOST_SECONDS = 2.0


def one_input(data: bytes) -> None:
    provider = atheris.FuzzedDataProvider(data)
    body = provider.ConsumeUnicode(20_000)
    if provider.ConsumeBool():
        name = NAMES[provider.ConsumeIntInRange(0, len(NAMES) - 1)]
        body = body.replace("x", f"@{name}").replace("y", provider.PickValueInList(MARKS))
    began = time.perf_counter()
    found = find_mentions(body, INDEX)
    meant = meant_names(body, INDEX, [])
    assert {name for near in meant.values() for name in near} <= set(IDS.values())
    assert not found or may_mention(body)
    assert set(found) <= set(IDS)
    assert len(found) == len(set(found))
    assert time.perf_counter() - began < MOST_SECONDS


def main() -> None:
    arguments = sys.argv
    if not any(a.startswith(("-runs", "-max_total_time")) for a in arguments):
        arguments = [*arguments, "-max_total_time=60"]
    atheris.Setup(arguments, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
