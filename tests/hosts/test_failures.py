"""What people are told of errors: short, and without anything that is not for them."""

from __future__ import annotations

from typing import Any

import pytest
from support.room import persona, room

from jupyter_ai_personas.errors import ModelError
from jupyter_ai_personas.hosts.seam import MOST_TEXT


@pytest.mark.parametrize("text", ["x " * 2_000_000, "a\n\n# b\n" * 1000, "x" * 2_000_000])
async def test_an_error_of_ours_is_one_short_paragraph(text: str) -> None:
    def act(me: Any, message: Any) -> None:
        raise ModelError(text)

    async with room(persona("Good", act)) as here:
        reply = await here.reply(here.say("@Good hi"))
        assert reply.state == "failed"
        assert len(reply.body) < 2 * MOST_TEXT
        assert "\n" not in reply.body
