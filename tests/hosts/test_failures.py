"""What people are told of errors: short, and without anything that is not for them."""

from __future__ import annotations

from typing import Any

import pytest
from support.room import persona, room

from jupyter_ai_personas.errors import ModelError
from jupyter_ai_personas.hosts.failures import MOST_TEXT


@pytest.mark.parametrize("text", ["x " * 2_000_000, "a\n\n# b\n" * 1000, "x" * 2_000_000])
async def test_an_error_of_ours_is_one_short_paragraph(text: str) -> None:
    def act(me: Any, message: Any) -> None:
        raise ModelError(text)

    async with room(persona("Good", act)) as here:
        reply = await here.reply(here.say("@Good hi"))
        assert reply.state == "failed"
        assert len(reply.body) < 2 * MOST_TEXT
        assert "\n" not in reply.body


async def test_a_secret_of_several_lines_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_KEY", "begin  one\ntwo  end")

    def act(me: Any, message: Any) -> None:
        raise ModelError("It was begin  one\ntwo  end, you see")

    async with room(persona("Good", act)) as here:
        reply = await here.reply(here.say("@Good hi"))
        assert "one" not in reply.body
        assert r"It was \[secret\], you see" in reply.body
