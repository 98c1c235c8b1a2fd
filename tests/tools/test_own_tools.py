"""The tools of a persona's own class, which run in its host."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import tool
from support.tool_talk import Loop, answer, plot, ran, talk

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.testing import tool_calls


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


class WithOwn(BasePersona):
    defaults = PersonaDefaults(name="Bee Keeper")

    def tools(self) -> list[Any]:
        @tool
        def honey(jars: int) -> str:
            """Count honey."""
            ran.append(f"honey {jars} by {self.name}")
            return f"{jars} jars"

        return [honey]


async def test_a_personas_own_tools_run_in_its_host() -> None:
    body, _ = await answer(
        tool_calls(("Bee-Keeper__honey", {"jars": 3})), "Three.", persona=WithOwn
    )
    assert ran == ["honey 3 by Bee Keeper"]
    assert "Bee-Keeper.honey" in body


async def test_own_tools_are_announced_once_before_the_model_is_asked() -> None:
    loop = Loop(tool_calls(("Bee-Keeper__plot", {"column": "a"})), "Done.")
    await loop.run(own=[plot])
    [announced] = loop.desk.of("announce")
    assert announced["tools"][0]["name"] == "Bee-Keeper.plot"
    assert loop.desk.asked[0][0] == "tool.announce"
    assert ran == ["plot a 10"]


async def test_own_tools_that_are_none_are_the_authors_mistake() -> None:
    class Wrong(BasePersona):
        defaults = PersonaDefaults(name="Wrong")

        def tools(self) -> list[Any]:
            return [len]

    async with talk("Hello.", persona=Wrong) as here:
        [reply] = await here.ask("hi")
    assert reply.state == "failed"
    assert "`len` is no LangChain tool" in reply.body


async def test_an_attribute_of_that_name_that_is_something_else_is_left_alone() -> None:
    class Older(BasePersona):
        defaults = PersonaDefaults(name="Older")

        def __init__(self, context: Any) -> None:
            super().__init__(context)
            self.tools = ["hammer"]  # type: ignore[assignment,method-assign]

    body, _ = await answer("Hello.", persona=Older)
    assert body == "Hello."
