"""The tool loop: a model calls tools, gets their results, and answers; through a whole runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from support.tool_talk import Desk, Loop, answer, charts, ran, results, talk, text_of

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Message
from jupyter_ai_personas.errors import RequestRefusedError
from jupyter_ai_personas.hosts import InlineHost, ThreadHost
from jupyter_ai_personas.testing import FakeModel, tool_calls
from jupyter_ai_personas.text import Anew, extended
from jupyter_ai_personas.tools import ToolBounds
from jupyter_ai_personas.tools.calling import Caller
from jupyter_ai_personas.tools.langchain import named_tools
from jupyter_ai_personas.tools.loop import Answered, answer_with_tools


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pytest.mark.parametrize("host", [InlineHost, ThreadHost])
async def test_text_before_between_and_after_calls_is_one_reply(host: Any) -> None:
    body, here = await answer(
        tool_calls(("charts__lookup", {"name": "bees"}), text="Let me see."),
        tool_calls(("charts__plot", {"column": "bees", "bins": 3}), text="Now the plot."),
        "There it is.",
        make_host=host,
    )
    before, first, between, second, after = _split(body)
    assert (before, between, after) == ("Let me see.", "Now the plot.", "There it is.")
    assert "charts.lookup · bees · done" in first
    assert "charts.plot · bees · done" in second
    assert ran == ["lookup bees", "plot bees 3"]
    assert [text_of(r) for r in results(here)] == [{"found": "BEES"}, {"text": "plotted bees"}]
    assert here.model.tools == [[f"charts__{t.name}" for t in charts()]] * 3


def _split(body: str) -> list[str]:
    parts: list[str] = []
    for piece in body.split("<details>"):
        head, closed, tail = piece.partition("</details>")
        parts += [head.strip()] if not closed else [head, tail.strip()]
    return parts


async def test_the_server_hears_of_each_call_and_of_what_came_of_it() -> None:
    loop = Loop(
        tool_calls(("charts__lookup", {"name": "a"}), ("charts__plot", {"column": "a"})),
        tool_calls(("charts__plot", {"column": "b"})),
        "Done.",
    )
    await loop.run()
    assert [kind.removeprefix("tool.") for kind, _ in loop.desk.asked] == [
        *("answer", "call", "result", "call", "result"),
        *("answer", "call", "result"),
    ]
    assert [c["call"] for c in loop.desk.of("call")] == ["1-1", "1-2", "2-1"]
    assert [r["result"] for r in loop.desk.of("result")][1:] == [
        {"text": "plotted a"},
        {"text": "plotted b"},
    ]


async def test_the_server_decides_and_the_model_is_told() -> None:
    settings = {"tool_policy": {"charts.plot": "deny"}}
    body, here = await answer(
        tool_calls(("charts__plot", {"column": "a"})), "I may not.", settings=settings
    )
    assert ran == []
    assert "does not allow" in text_of(results(here)[0])["error"]
    assert "charts.plot · a · failed: The operator does not allow" in body


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("charts__plot", {}), "`column`: Field required."),
        (("charts__plot", {"column": "a", "bins": "many"}), "`bins`"),
        (("charts__plott", {"column": "a"}), "no tool `charts__plott`. Did you mean"),
        (("charts__broken_tool", {}), "ValueError: no such table"),
        (("charts__quits", {}), "SystemExit: 3"),
        (("os__system", {"command": "ls"}), "no tool `os__system`"),
    ],
)
async def test_a_call_that_goes_wrong_is_an_error_result(call: Any, said: str) -> None:
    body, here = await answer(tool_calls(call), "I see.")
    assert said in text_of(results(here)[0])["error"]
    assert "failed" in body
    assert body.endswith("I see.")


@pytest.mark.parametrize("arguments", ['{"column": "a', "[1]", '{"column": }', "column", '"x"'])
async def test_malformed_arguments_are_never_run(arguments: str) -> None:
    part = {"name": "charts__plot", "args": arguments, "id": "c", "index": 0}
    chunk = AIMessageChunk(content="", tool_call_chunks=[part])  # type: ignore[list-item]
    _, here = await answer([chunk], "I see.")
    assert ran == []
    assert "JSON" in text_of(results(here)[0])["error"]
    [sent] = [m for m in here.model.prompts[-1] if isinstance(m, AIMessage)]
    assert (sent.tool_calls[0]["args"], sent.invalid_tool_calls) == ({}, [])


async def test_fragments_are_put_together() -> None:
    parts = ['{"col', 'umn": "be', 'es", "bi', 'ns": 4}']
    chunks = [
        AIMessageChunk(
            content="",
            tool_call_chunks=[
                {
                    "name": "charts__plot" if i == 0 else None,
                    "args": part,
                    "id": "c" if i == 0 else None,
                    "index": 0,
                    "type": "tool_call_chunk",
                }
            ],
        )
        for i, part in enumerate(parts)
    ]
    await answer(chunks, "Done.")
    assert ran == ["plot bees 4"]


class Watching(Desk):
    """Notes how many calls are open when each begins, and waits for two that read."""

    def __init__(self) -> None:
        super().__init__()
        self.open: set[str] = set()
        self.most: dict[str, int] = {}

    async def call(self, arguments: Mapping[str, Any]) -> Any:
        self.open.add(arguments["call"])
        self.most[arguments["call"]] = len(self.open)
        while arguments["tool"] == "charts.lookup" and max(self.most.values()) < 2:
            await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        self.open.discard(arguments["call"])
        return {"run": True}


async def test_calls_that_only_read_run_at_once_and_others_in_order() -> None:
    calls = tool_calls(
        ("charts__lookup", {"name": "a"}),
        ("charts__lookup", {"name": "b"}),
        ("charts__plot", {"column": "a"}),
        ("charts__plot", {"column": "b"}),
    )
    desk = Watching()
    loop = Loop(calls, "Done.", desk=desk)
    await loop.run()
    assert desk.most == {"1-1": 1, "1-2": 2, "1-3": 1, "1-4": 1}
    assert loop.results[:2] == [{"found": "A"}, {"found": "B"}]


async def test_calls_past_the_bound_are_refused_and_end_the_reply() -> None:
    call = tool_calls(("charts__plot", {"column": "a"}))
    body, here = await answer(call, call, call, settings={"max_tool_calls": 1})
    assert ran == ["plot a 10"]
    assert "which is the most" in text_of(results(here)[-1])["error"]
    assert "may make in one turn" in body


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    _, here = await answer(
        tool_calls(("charts__sleeps", {})), "Too slow.", settings={"tool_timeout": 0.05}
    )
    assert "longer than 0.05 s" in text_of(results(here)[0])["error"]


async def test_what_is_cut_of_a_result_is_told() -> None:
    _, here = await answer(
        tool_calls(("charts__large", {})), "Much.", settings={"tool_result_chars": 1000}
    )
    [result] = results(here)
    assert len(result) < 1300
    assert "characters are left out here" in result
    assert 'END"' in result


async def test_a_model_that_takes_no_tools_answers_without_and_says_so_once() -> None:
    class Plain(FakeModel):
        takes_tools: bool = False

    body, here = await answer(model=Plain(["Just words."]))
    assert body.count("takes no tools") == 1
    assert body.endswith("Just words.")
    assert here.model.tools == [[]]


async def test_a_persona_without_tools_is_not_told_of_any() -> None:
    class Bare(BasePersona):
        defaults = PersonaDefaults(name="Bare")

    body, here = await answer("Hello.", persona=Bare)
    assert body == "Hello."
    assert "tool" not in str(here.model.prompts)


async def test_ask_model_has_the_tools_too() -> None:
    class Own(BasePersona):
        defaults = PersonaDefaults(name="Own", tools=["charts"])

        async def process_message(self, message: Message) -> None:
            await self.stream_message(self.ask_model(self.history()))
            await self.stream_message(self.ask_model(self.history(), tools=False))

    call = tool_calls(("charts__plot", {"column": "a"}))
    async with talk(call, "One.", "Two.", persona=Own) as here:
        replies = await here.ask("hi")
    assert [r.body.split("\n")[-1] for r in replies] == ["One.", "Two."]
    assert here.model.tools[-1] == []


async def test_what_is_recorded_is_not_asked_and_not_run_again() -> None:
    first = Loop(tool_calls(("charts__plot", {"column": "a"}), text="Let me see."), "Done.")
    await first.run(replay=True)
    [told] = first.desk.of("answer")
    ran.clear()
    again = Loop(
        "Resumed.",
        desk=Desk(
            {"kind": "answer", **told["message"]},
            {"kind": "result", "call": "1-1", "tool": "charts.plot", "result": {"text": "x"}},
        ),
    )
    body = await again.run(replay=True)
    assert ran == []
    assert again.desk.of("call") == again.desk.of("answer") == []
    before, line, after = _split(body)
    assert (before, after) == ("Let me see.", "Resumed.")
    assert "charts.plot · a · done" in line
    assert again.results == [{"text": "x"}]


async def test_a_call_that_is_not_recorded_is_asked_for_under_its_old_id() -> None:
    first = Loop(tool_calls(("charts__plot", {"column": "a"})), "Done.")
    await first.run()
    answer_step = {"kind": "answer", **first.desk.of("answer")[0]["message"]}
    again = Loop(tool_calls(("charts__plot", {"column": "b"})), "Done.", desk=Desk(answer_step))
    await again.run(replay=True)
    assert [c["call"] for c in again.desk.of("call")] == ["1-1", "2-1"]


async def test_a_refusal_of_the_server_is_a_result() -> None:
    class Refusing(Desk):
        async def call(self, arguments: Mapping[str, Any]) -> Any:
            raise RequestRefusedError("Open the notebook first.")

    loop = Loop(tool_calls(("charts__plot", {"column": "a"})), "Done.", desk=Refusing())
    await loop.run()
    assert loop.results == [{"error": "Open the notebook first."}]


async def test_a_model_that_begins_anew_takes_back_its_own_words_only() -> None:
    class Thinking(Loop):
        async def ask(self, messages: Any, tools: Any, answered: Answered) -> AsyncIterator[str]:
            async for piece in super().ask(messages, tools, answered):
                yield piece
            if not self.replies:
                yield Anew("Answer.")

    loop = Thinking(tool_calls(("charts__plot", {"column": "a"}), text="See."), "Hm.")
    caller_text = ""
    infos = named_tools("charts", "tests", charts())
    caller = Caller(
        [info for info, _ in infos.values()],
        {},
        bounds=ToolBounds(),
        local=lambda name: infos[name][1],
        request=loop.desk,
    )
    async for piece in answer_with_tools(loop.ask, [HumanMessage("hi")], caller, replay=False):
        caller_text = extended(caller_text, piece)
    before, line, after = _split(caller_text)
    assert (before, after) == ("See.", "Answer.")
    assert "charts.plot" in line


async def test_the_next_turn_sees_the_words_of_a_reply_and_not_its_calls() -> None:
    call = tool_calls(("charts__plot", {"column": "bees"}), text="Let me see.")
    async with talk(call, "There it is.", "Again.") as here:
        await here.ask("plot it")
        await here.ask("and now?")
    [earlier] = [m.text for m in here.model.prompts[-1] if isinstance(m, AIMessage)]
    assert earlier == "Let me see.\n\nThere it is."


async def test_people_see_what_is_being_used() -> None:
    call = tool_calls(("charts__plot", {"column": "bees"}))
    async with talk(call, "There it is.") as here:
        await here.ask("plot it")
    assert "is using charts.plot" in [text for _, text in here.chat.status_log]
