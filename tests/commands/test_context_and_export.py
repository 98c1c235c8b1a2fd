"""``/context`` shows what a persona would be given, ``/export`` writes the chat beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support.room import persona

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Attachment
from jupyter_ai_personas.runtime import RuntimeSettings
from jupyter_ai_personas.testing import FakeModel, converse

ANSWER = "Count them:\n\n```python\nprint(3)\n```\n\nThat is all."


class Helper(BasePersona):
    defaults = PersonaDefaults(name="Helper", system_prompt="You help with bees.")


def settings(root: Path, **more: Any) -> RuntimeSettings:
    return RuntimeSettings(root_dir=str(root), **more)


async def text_of(chat: Any, body: str, **more: Any) -> str:
    (answer,) = await chat.ask(body, **more)
    return str(answer.body)


# -- /export ---------------------------------------------------------------------------------------


@pytest.fixture
def chats(tmp_path: Path) -> Any:
    return lambda: converse(Helper, model_replies=[ANSWER], settings=settings(tmp_path))


async def test_a_chat_is_written_as_markdown_beside_it(chats: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    async with chats() as chat:
        await chat.ask("@Helper How many?", attachments=[Attachment("a", "a.txt")])
        stem = Path(chat.chat.path).stem
        answer = await text_of(chat, "/export")
    assert answer == f"Wrote 2 messages to `{stem}.md`."
    text = (tmp_path / f"{stem}.md").read_text()
    assert text.startswith(f"# {stem}\n\n---\n\n**Ada** · ")
    assert "Attached: `a.txt`\n\n@Helper How many?" in text
    assert "**Helper** · " in text
    assert ANSWER in text
    assert "/export" not in text


async def test_a_chat_is_written_as_a_notebook(chats: Any, tmp_path: Path) -> None:
    async with chats() as chat:
        await chat.ask("@Helper How many?")
        assert "`out.ipynb`" in await text_of(chat, "/export notebook out.ipynb")
    notebook = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert [c.source for c in notebook.cells if c.cell_type == "code"] == ["print(3)"]


async def test_the_model_is_told_where_it_is_known(tmp_path: Path) -> None:
    from langchain_core.messages import AIMessageChunk

    usage: Any = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    model = FakeModel([[AIMessageChunk(content="Three.", usage_metadata=usage)]])
    async with converse(Helper, model=model, settings=settings(tmp_path)) as chat:
        await chat.ask("@Helper How many?")
        await chat.ask("/export markdown a.md")
    assert "· `fake:model`\n\nThree." in (tmp_path / "a.md").read_text()


async def test_nothing_is_overwritten(chats: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("mine")
    async with chats() as chat:
        await chat.ask("@Helper How many?")
        stem = Path(chat.chat.path).stem
        answer = await text_of(chat, "/export mine.md")
        assert answer == "`mine.md` exists, and is not overwritten. Choose another path."
        assert f"`{stem}.md`" in await text_of(chat, "/export")
        assert f"`{stem}-2.md`" in await text_of(chat, "/export markdown")
        assert f"`{stem}-3.md`" in await text_of(chat, "/export")
    assert (tmp_path / "mine.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ("out.ipynb", "out.ipynb"),
        ("out", "out.md"),
        ("notebook out", "out.ipynb"),
        ("Markdown my notes.md", "my notes.md"),
        ("/out.md", "out.md"),
        ("sub/out.md", "sub/out.md"),
        ("sub/../out.md", "out.md"),
    ],
)
async def test_the_path_says_where_and_what(
    chats: Any, tmp_path: Path, arguments: str, written: str
) -> None:
    (tmp_path / "sub").mkdir()
    async with chats() as chat:
        await chat.ask("@Helper How many?")
        assert f"`{written}`" in await text_of(chat, f"/export {arguments}")
    text = (tmp_path / written).read_text()
    assert written.endswith(".md") or json.loads(text)["nbformat"] == 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("../out.md", "does not lie below"),
        ("/../../out.md", "does not lie below"),
        (".env.md", "secrets"),
        ("gone/out.md", "No such file"),
        ("markdown out.ipynb", "ends in `.md`"),
        ("notebook out.md", "ends in `.ipynb`"),
        ("out.exe", "ends in `.md`"),
    ],
)
async def test_a_path_that_cannot_be_is_refused_with_the_reason(
    chats: Any, tmp_path: Path, arguments: str, reason: str
) -> None:
    async with chats() as chat:
        await chat.ask("@Helper How many?")
        before = sorted(tmp_path.parent.rglob("*"))
        assert reason in await text_of(chat, f"/export {arguments}")
    assert sorted(tmp_path.parent.rglob("*")) == before


async def test_an_empty_chat_is_not_exported(chats: Any, tmp_path: Path) -> None:
    async with chats() as chat:
        assert await text_of(chat, "/export") == "There is nothing to export yet."


# -- /context --------------------------------------------------------------------------------------


async def test_everything_that_would_be_given_is_shown_with_its_size(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("Be brief. sk-abcdefghijklmnop1234")
    async with converse(Helper, model_replies=["Three."], settings=settings(tmp_path)) as chat:
        await chat.ask("@Helper How many?")
        text = await text_of(chat, "/context")
    assert text.startswith("For your next message, **Helper** with `fake:model` is given:")
    assert "| System prompt of the persona | 7 |" in text
    # The command and its answer are no part of what a model is shown.
    assert "| Chat: 2 messages | 13 |" in text
    assert "You help with bees." in text
    assert "Be brief. [secret]" in text
    assert "Ada: @Helper How many?\n\nHelper: Three." in text
    assert "| none is open |" in text
    assert "| What you attach to it | up to 26,666 |" in text
    assert "This goes to the provider `fake`." in text


async def test_as_many_messages_are_shown_as_a_model_gets_with_commands_in_between(
    tmp_path: Path,
) -> None:
    few = settings(tmp_path, history_messages=4)
    async with converse(Helper, model_replies=["Three.", "Four."], settings=few) as chat:
        await chat.ask("@Helper How many?")
        for _ in range(3):
            await chat.ask("/status")
        text = await text_of(chat, "/context")
        await chat.ask("@Helper And now?")
        prompt = [message.content for message in chat.model.prompts[-1]]
    assert prompt[1:] == ["@Helper How many?", "Three.", "@Helper And now?"]
    assert "| Chat: 2 messages |" in text


async def test_a_model_is_shown_what_was_no_command_and_no_command(tmp_path: Path) -> None:
    replies = ["The first line.", "Four."]
    async with converse(Helper, model_replies=replies, settings=settings(tmp_path)) as chat:
        await chat.ask("/status\n@Helper What does the line above do?")
        await chat.ask("/STATUS")
        await chat.ask(" /status")
        await chat.ask("@Helper And now?")
        prompt = [message.content for message in chat.model.prompts[-1]]
    assert prompt[1:] == [
        "/status\n@Helper What does the line above do?",
        "The first line.",
        "@Helper And now?",
    ]


async def test_another_persona_can_be_named(tmp_path: Path) -> None:
    other = persona("Other", lambda self, message: None)
    async with converse(Helper, other, settings=settings(tmp_path)) as chat:
        assert "**Other**" in await text_of(chat, "/context @Other")
        assert "nobody" in (await text_of(chat, "/context @Nobody")).casefold()


async def test_that_the_notebook_is_turned_off_is_told(tmp_path: Path) -> None:
    off = settings(tmp_path, notebook_beside_chat=False)
    async with converse(Helper, settings=off) as chat:
        assert "never: it is turned off" in await text_of(chat, "/context")


async def test_context_cannot_be_broken_out_of(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("```\n</details>\n@Helper hello")
    async with converse(Helper, settings=settings(tmp_path)) as chat:
        text = await text_of(chat, "/context")
        await chat.quiet()
        assert len(chat.chat.messages) == 2
    assert "`````\n" in text
