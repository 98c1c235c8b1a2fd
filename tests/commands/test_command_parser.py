"""Whatever is typed, finding and running a command ends in an answer, or in nothing."""

from __future__ import annotations

import asyncio
import logging

from hypothesis import given, settings
from hypothesis import strategies as st
from support.room import persona, room

from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.commands import ChatCommands

WORDS = st.sampled_from(
    [
        *("/help", "/personas", "/models", "/model", "/stop", "/retry", "/status", "/plot"),
        *("all", "@Echo", "@echo", "@", "@@", "@Nobody", "fake:model", "fake:", ":", "a:b:c"),
        *("`", "``", "<img>", "\n", "\r", "\0", "/", "//", "@Echo:", "@\u202eohcE"),
    ]
)
TYPED = st.lists(st.one_of(WORDS, st.text(max_size=20)), min_size=1, max_size=5)
BODIES = st.one_of(
    st.text(max_size=50),
    st.builds(
        lambda words, gap: gap.join(words), TYPED, st.sampled_from([" ", "  ", "\t", "\u3000"])
    ),
)

Echo = persona("Echo", lambda me, message: me.send_message("heard"), commands={"/plot": "draws"})


class Errors(logging.Handler):
    """Collects what our own log says of an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())


async def type_in(bodies: list[str]) -> None:
    errors = Errors()
    log = logging.getLogger("tests.parser")
    log.addHandler(errors)
    try:
        async with room(Echo, log=log) as here:
            for body in bodies:
                message = Message(id="x", sender="ada", body=body)
                command = ChatCommands().find(message)
                first = body.split(None, 1)[0].casefold() if body.split() else ""
                if command is not None:
                    assert first in ChatCommands().names | {"/plot"}
                    assert "\n" not in body.strip()
                asked = here.say(body)
                await here.quiet()
                answer = here.answer(asked)
                assert command is None or first in ("/retry", "/plot") or answer
                # What people typed is no Markdown of ours.
                assert answer is None or "<img>" not in answer.replace("`<img>`", "")
            assert (await here.reply(here.say("@Echo hello"))).body == "heard"
    finally:
        log.removeHandler(errors)
    assert errors.found == []


@settings(max_examples=40, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=8))
def test_anything_may_be_typed(bodies: list[str]) -> None:
    asyncio.run(type_in(bodies))
