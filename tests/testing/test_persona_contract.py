"""The contract of personas: our own keep it, and each way to break it is found."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import tool

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.personas.builtin.guide import Guide
from jupyter_ai_personas.testing import PersonaContract, tool_calls


class TestGuide(PersonaContract):
    persona = Guide


@tool
def note(text: str) -> str:
    """Note something."""
    return text


class Clerk(BasePersona):
    defaults = PersonaDefaults(name="Clerk", description="Notes things.", tools=["desk"])


class TestClerk(PersonaContract):
    """One that asks for an approval at each message."""

    persona = Clerk
    toolsets = {"desk": lambda: [note]}
    model_replies = (tool_calls(("desk__note", {"text": "x"})), "Noted.")


class Good(BasePersona):
    defaults = PersonaDefaults(name="Good", description="Good.")


def broken(**attributes: Any) -> type[PersonaContract]:
    persona = type("Broken", (Good,), attributes)
    return type("TestBroken", (PersonaContract,), {"persona": persona})


async def silent(self: Any, message: Message) -> None:
    pass


async def raises(self: Any, message: Message) -> None:
    raise ValueError("no")


async def stays_broken(self: Any, message: Message) -> None:
    self.send_message("".join([piece async for piece in self.ask_model(self.history())]))
    if type(self).__dict__.get("failed"):
        raise ValueError("no")
    type(self).failed = True


def no_init(self: Any, context: Any) -> None:
    raise ValueError("no")


@pytest.mark.parametrize(
    ("attributes", "test"),
    [
        ({"defaults": PersonaDefaults(name="Plain")}, "it_is_described"),
        ({"defaults": PersonaDefaults(name="")}, "it_is_described"),
        (
            {"defaults": PersonaDefaults(name="P", description="x", avatar_path="gone.svg")},
            "it_is_described",
        ),
        ({"__init__": no_init}, "it_can_be_made"),
        ({"process_message": silent}, "it_answers_each_message_it_is_asked"),
        ({"process_message": raises}, "it_answers_each_message_it_is_asked"),
        ({"process_message": stays_broken}, "it_answers_each_message_it_is_asked"),
        (
            {"process_message": stays_broken},
            "people_who_ask_at_the_same_time_get_their_own_replies",
        ),
        ({"process_message": raises}, "it_can_be_stopped_and_answers_again"),
        ({"process_message": raises}, "a_failing_model_ends_in_words"),
    ],
)
def test_a_broken_persona_is_found(
    attributes: dict[str, Any], test: str, caplog: pytest.LogCaptureFixture
) -> None:
    check = getattr(broken(**attributes)(), f"test_{test}")
    with pytest.raises(AssertionError):
        check(caplog) if test == "it_is_described" else check()
