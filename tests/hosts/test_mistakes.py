"""Usual mistakes of persona authors: each is told with what to do, or is none."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from support.room import LOG, persona, room

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.personas import PersonaContext


async def replies_of(cls: type) -> list[Message]:
    """What the persona `Poet` says to one message, once it has ended."""
    async with room(cls) as here:
        asked = here.say("@Poet hi")
        await here.quiet()
        return here.replies(asked)


def poet(process_message: Any, **attributes: Any) -> type[BasePersona]:
    return persona("Poet", process_message=process_message, **attributes)


async def hello(self: Any, message: Message) -> None:
    self.send_message("Hello")


# -- the object -------------------------------------------------------------------------------


async def test_prepare_and_shutdown_may_be_plain_functions() -> None:
    done: list[str] = []
    cls = poet(
        hello,
        prepare=lambda self: done.append("prepared"),
        shutdown=lambda self: done.append("shut down"),
    )
    [reply] = await replies_of(cls)
    assert reply.body == "Hello"
    assert done == ["prepared", "shut down"]


async def test_an_init_that_leaves_out_the_bases_is_told_as_such(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Poet(BasePersona):
        defaults = PersonaDefaults(name="Poet")

        def __init__(self, context: Any) -> None:
            self.rhymes: list[str] = []

    [reply] = await replies_of(Poet)
    assert reply.state == "failed"
    assert "call `super().__init__(context)` in its `__init__(self, context)`" in reply.body
    assert "super().__init__" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_persona_whose_name_is_taken_knows_what_it_is_called() -> None:
    class Echo(BasePersona):
        defaults = PersonaDefaults(name="Echo")

    class Other(BasePersona):
        defaults = PersonaDefaults(name="Echo")

        async def process_message(self, message: Message) -> None:
            self.send_message(f"I am {self.name}")

    async with room(Echo, Other) as here:
        assert (await here.reply(here.say("@Echo-2 who are you?"))).body == "I am Echo 2"


# -- what is somewhere else than in Jupyter AI -------------------------------------------------


async def reaches(self: Any, message: Message) -> None:
    self.ychat.get_messages()


async def test_what_jupyter_ai_has_elsewhere_is_told_with_where(
    caplog: pytest.LogCaptureFixture,
) -> None:
    [reply] = await replies_of(poet(reaches))
    assert reply.state == "failed"
    assert "`Poet` has no attribute `ychat`: read the chat with `self.history()`" in caplog.text


def test_what_a_property_raises_is_raised_as_it_was() -> None:
    class Poet(BasePersona):
        defaults = PersonaDefaults(name="Poet")
        system_prompt = "Own."

        @property
        def rhymes(self) -> Any:
            return self.verses

        @property
        def chat(self) -> Any:
            return self.verses

    poet = Poet(PersonaContext("x", LOG))
    assert poet.system_prompt == "Own."
    assert getattr(poet, "event_loop", None) is None
    for broken in ("rhymes", "chat"):
        with pytest.raises(AttributeError, match="'Poet' object has no attribute 'verses'"):
            getattr(poet, broken)


def test_a_class_inherited_after_it_may_find_attributes_itself() -> None:
    class Proxy:
        def __getattr__(self, name: str) -> str:
            return f"the proxy's {name}"

    class Poet(BasePersona, Proxy):
        defaults = PersonaDefaults(name="Poet")

    poet = Poet(PersonaContext("x", LOG))
    assert (poet.ychat, poet.rhymes) == ("the proxy's ychat", "the proxy's rhymes")


# -- words that are lost ----------------------------------------------------------------------


async def forgets(self: Any, message: Message) -> None:
    self.stream_message(["Hello"])


async def forgets_of_its_turn(self: Any, message: Message) -> None:
    self.turn.stream(["Hello"])


async def returns_it(self: Any, message: Message) -> Any:
    return self.stream_message(["Hello"])


async def leaves_a_task(self: Any, message: Message) -> None:
    self.task = asyncio.create_task(self.stream_message(["Hello"]))


@pytest.mark.parametrize("act", [forgets, forgets_of_its_turn, returns_it, leaves_a_task])
async def test_a_stream_that_is_not_awaited_fails_the_turn(
    act: Any, caplog: pytest.LogCaptureFixture
) -> None:
    [reply] = await replies_of(poet(act))
    gc.collect()
    assert len(caplog.records) == 1, caplog.text
    assert reply.state == "failed"
    assert "write `await self.stream_message(...)`" in reply.body
    assert "called without `await`" in reply.body


async def forgets_the_second(self: Any, message: Message) -> None:
    self.send_message("Let me look.")
    self.stream_message(["Hello"])


async def test_words_before_do_not_hide_a_stream_that_is_not_awaited() -> None:
    said, failure = await replies_of(poet(forgets_the_second))
    assert (said.body, said.state) == ("Let me look.", "done")
    assert failure.state == "failed"
    assert "called without `await`" in failure.body


async def awaits(self: Any, message: Message) -> None:
    assert await self.stream_message(["Hello"]) is not None


async def gathers(self: Any, message: Message) -> None:
    await asyncio.gather(self.stream_message(["Hello"]), self.stream_message([]))


async def awaits_a_task(self: Any, message: Message) -> None:
    await asyncio.create_task(self.stream_message(["Hello"]))


def plainly(self: Any, message: Message) -> Any:
    return self.stream_message(["Hello"])


@pytest.mark.parametrize("act", [awaits, gathers, awaits_a_task, plainly])
async def test_a_stream_is_awaited_in_any_way(act: Any, caplog: pytest.LogCaptureFixture) -> None:
    [reply] = await replies_of(poet(act))
    assert (reply.body, reply.state) == ("Hello", "done")
    assert not caplog.records


async def empties(self: Any, message: Message) -> None:
    await self.stream_message([])


async def gives_up(self: Any, message: Message) -> None:
    task = asyncio.create_task(self.stream_message(["Hello"]))
    task.cancel()
    await asyncio.wait([task])


async def cancels_and_goes(self: Any, message: Message) -> None:
    asyncio.create_task(self.stream_message(["Hello"])).cancel()


async def thinks_better_of_it(self: Any, message: Message) -> None:
    self.stream_message(["Hello"]).close()


@pytest.mark.parametrize("act", [empties, gives_up, cancels_and_goes, thinks_better_of_it])
async def test_a_persona_may_choose_to_be_silent(
    act: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert await replies_of(poet(act)) == []
    assert not caplog.records


async def words() -> AsyncIterator[str]:
    yield "Hello"


def plain_words() -> Iterator[str]:
    yield "Hello"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: "Hello", "type str, which nobody sees; send it with `self.send_message(...)`"),
        (lambda: ["Hello"], "type list, which nobody sees; send it with `self.send_message(...)`"),
        (words, "type async_generator, which nobody sees; pass it to `await self.stream_message"),
        (plain_words, "type generator, which nobody sees; pass it to `await self.stream_message"),
        (asyncio.Future, "type Future, which nobody sees; await it"),
    ],
)
async def test_what_is_returned_and_not_sent_is_named_in_the_log(
    make: Callable[[], Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def returns(self: Any, message: Message) -> Any:
        return make()

    assert await replies_of(poet(returns)) == []
    [record] = caplog.records
    assert record.name.startswith(f"{LOG.name}.")
    assert record.name.endswith("Poet")
    assert "`process_message` of Poet" in record.getMessage()
    assert told in record.getMessage()


async def test_who_has_written_may_return_anything(caplog: pytest.LogCaptureFixture) -> None:
    async def returns(self: Any, message: Message) -> Any:
        return self.send_message("Hello")

    [reply] = await replies_of(poet(returns))
    assert reply.body == "Hello"
    assert not caplog.records
