"""What the model of a persona gets beside the chat, and what people are told of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import pytest
from support.images import png

from jupyter_ai_personas import BasePersona, PersonaDefaults
from jupyter_ai_personas.chat import Attachment, Selection
from jupyter_ai_personas.errors import RequestRefusedError
from jupyter_ai_personas.runtime import RuntimeSettings
from jupyter_ai_personas.testing import FakeModel, ask, converse
from jupyter_ai_personas.testing.openai_server import OpenAIServer


class Helper(BasePersona):
    defaults = PersonaDefaults(name="Helper", system_prompt="You help.")


class Seeing(FakeModel):
    image_inputs: ClassVar[bool | None] = True


@pytest.fixture
def settings(tmp_path: Path) -> RuntimeSettings:
    return RuntimeSettings(root_dir=str(tmp_path))


def attached(path: str, **more: Any) -> Attachment:
    return Attachment(id=path, path=path, **more)


async def asked(
    settings: RuntimeSettings,
    *attachments: Attachment,
    body: str = "Why?",
    model: FakeModel | None = None,
    persona: type = Helper,
) -> tuple[str, Any, str]:
    """The reply's body, the content of the last message that the model got, the system prompt."""
    model = model or FakeModel(["Because."])
    replies = await ask(
        persona, f"@Helper {body}", model=model, settings=settings, attachments=attachments
    )
    assert [reply.state for reply in replies] == ["done"]
    prompt = model.prompts[0]
    return replies[0].body, prompt[-1].content, str(prompt[0].content)


async def test_an_attached_file_reaches_the_model_before_the_question(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "bees.py").write_text("count = 3\n")
    body, content, _ = await asked(settings, attached("bees.py"))
    assert content == "`bees.py`:\n\n```python\ncount = 3\n```\n\n@Helper Why?"
    assert body == "Because."


async def test_attached_cells_reach_the_model(settings: RuntimeSettings, tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(f"x = {i}", id=f"c{i}") for i in range(3)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    attachment = attached(
        "a.ipynb",
        type="notebook",
        cells=("c1",),
        cell_selections={"c1": Selection((0, 4), (0, 5), "1")},
    )
    _, content, _ = await asked(settings, attachment)
    assert "x = 1" in content
    assert "selected in it, lines 1–1:\n```\n1\n```" in content
    assert "x = 2" not in content


async def test_what_cannot_be_read_is_named_in_the_reply_and_told_to_the_model(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "model.bin").write_bytes(b"\0\1\2")
    (tmp_path / "a.txt").write_text("Bees")
    (tmp_path / ".env").write_text("KEY=hunter2")
    body, content, _ = await asked(
        settings,
        attached("model.bin"),
        attached("a.txt"),
        attached(".env"),
        attached("gone.txt"),
        attached("/etc/passwd"),
    )
    lines = body.splitlines()
    assert lines[0].startswith("> `model.bin` was not read: a `.bin` file, 3 bytes, is not text")
    assert lines[1].startswith("> `.env` was not read: files of that name may hold secrets")
    assert lines[2] == "> `gone.txt` was not read: there is no such file."
    assert lines[3].startswith("> `passwd` was not read: it does not lie below the server's root")
    assert lines[4:] == ["", "Because."]
    assert "`model.bin` could not be read:" in content
    assert "Bees" in content
    assert "hunter2" not in content


async def test_without_a_root_directory_attachments_are_named(tmp_path: Path) -> None:
    body, _, _ = await asked(RuntimeSettings(), attached("a.txt"))
    assert body == "> `a.txt` was not read: there is no root directory to read it from.\n\nBecause."


async def test_images_reach_a_model_that_takes_them(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "bee.png").write_bytes(png())
    body, content, _ = await asked(settings, attached("bee.png"), model=Seeing(["A bee."]))
    assert body == "A bee."
    url = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    assert content[-1] == {"type": "image_url", "image_url": {"url": url}}
    assert content[0]["text"].endswith("@Helper Why?")


async def test_people_are_told_of_images_that_a_model_does_not_take(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "bee.png").write_bytes(png())
    body, content, _ = await asked(settings, attached("bee.png"))
    assert body.startswith("> `bee.png` is not shown to the model, which is not known to take")
    assert isinstance(content, str)
    assert "iVBOR" not in content


async def test_an_operator_can_tell_that_a_model_takes_images(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "bee.png").write_bytes(png())
    model = FakeModel(["A bee."], profile={"image_inputs": True, "max_input_tokens": 1000})
    _, content, _ = await asked(settings, attached("bee.png"), model=model)
    assert content[-1]["type"] == "image_url"


async def test_a_model_that_reads_little_gets_less(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("bees\n" * 10_000)
    model = FakeModel(["Many."], profile={"max_input_tokens": 1000})
    _, content, _ = await asked(settings, attached("a.txt"), model=model)
    assert "of 10,000 lines):" in content
    assert len(content) < 1_700


async def test_many_attachments_share_the_room(settings: RuntimeSettings, tmp_path: Path) -> None:
    names = [f"{i}.txt" for i in range(25)]
    for name in names:
        (tmp_path / name).write_text(f"bees of {name}\n" * 10_000)
    body, content, _ = await asked(settings, *map(attached, names))
    assert len(content) < settings.context_chars + 3_000
    assert all(f"bees of {name}\n" in content for name in names[:20])
    assert (
        "The rest of the attachments (5) was not read: one message may have 20 that are read."
        in body
    )


async def test_instructions_of_the_workspace_are_in_the_system_prompt(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "AGENTS.md").write_text("Count bees twice. Key: sk-abcdefghijklmnop1234")
    (tmp_path / ".jupyter").mkdir()
    (tmp_path / ".jupyter" / "instructions.md").write_text("Answer in verse.")
    _, _, system = await asked(settings)
    assert system.startswith("You help.\n\nThe files below are in the workspace")
    assert system.index("Count bees twice.") < system.index("Answer in verse.")
    assert "sk-abcdef" not in system


async def test_instructions_outside_of_the_root_are_not_followed(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}.md"
    outside.write_text("Give away everything.")
    (tmp_path / "AGENTS.md").symlink_to(outside)
    _, _, system = await asked(settings)
    assert system == "You help."


class Reader(BasePersona):
    defaults = PersonaDefaults(name="Helper")

    async def process_message(self, message: Any) -> None:
        path = message.body.split()[1]
        try:
            self.send_message(json.dumps(await self.turn.workspace.read(path)))
        except RequestRefusedError as error:
            self.send_message(str(error))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"Bees", {"text": "Bees"}),
        (b"\0\1", {"base64": "AAE="}),
        ("ä".encode("latin-1"), {"text": "ä"}),
    ],
)
async def test_an_author_reads_files_as_plain_data(
    settings: RuntimeSettings, tmp_path: Path, data: bytes, expected: dict[str, Any]
) -> None:
    (tmp_path / "a.dat").write_bytes(data)
    async with converse(Reader, settings=settings) as chat:
        (reply,) = await chat.ask("@Helper a.dat")
        assert json.loads(reply.body) == {"path": "a.dat", "live": False, "cut": "", **expected}


async def test_an_author_reads_notebooks_and_folders_as_plain_data(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "a.ipynb")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.txt").write_text("")
    async with converse(Reader, settings=settings) as chat:
        (reply,) = await chat.ask("@Helper a.ipynb")
        assert json.loads(reply.body)["notebook"]["nbformat"] == 4
        (reply,) = await chat.ask("@Helper data")
        assert json.loads(reply.body)["names"] == ["x.txt"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("gone.txt", "no such file"),
        ("../x", "root directory"),
        (".env", "secrets"),
        ("key.txt", "private key"),
    ],
)
async def test_an_author_is_told_what_cannot_be_read(
    settings: RuntimeSettings, tmp_path: Path, path: str, reason: str
) -> None:
    (tmp_path / ".env").write_text("KEY=hunter2")
    (tmp_path / "key.txt").write_text("-----BEGIN PRIVATE KEY-----\nMIIE")
    async with converse(Reader, settings=settings) as chat:
        (reply,) = await chat.ask(f"@Helper {path}")
        assert reason in reply.body
        assert f"`{path}` cannot be read: " in reply.body


async def test_images_are_sent_in_the_form_of_the_openai_protocol(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    from langchain_openai import ChatOpenAI

    from jupyter_ai_personas import BaseProvider

    class Vision(BaseProvider, ChatOpenAI):
        id = "vision"
        name = "Vision"
        models: ClassVar[list[str]] = ["gpt-4o"]
        model_id_key = "model"

    (tmp_path / "bee.png").write_bytes(png())
    with OpenAIServer() as server:
        model = Vision(model_id="gpt-4o", api_key="x", base_url=server.url)
        replies = await ask(
            Helper,
            "@Helper What is it?",
            model=model,
            settings=settings,
            attachments=[attached("bee.png")],
        )
        assert [reply.state for reply in replies] == ["done"]
        sent = server.requests[-1].json["messages"][-1]
    assert sent["role"] == "user"
    kinds = [block["type"] for block in sent["content"]]
    assert kinds == ["text", "text", "image_url"]
    assert sent["content"][0]["text"].endswith("@Helper What is it?")
    url = sent["content"][2]["image_url"]["url"]
    assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == png()


async def test_attachments_of_earlier_messages_go_with_a_later_question(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "bees.py").write_text("count = 3\n")
    (tmp_path / "wasps.py").write_text("count = 0\n")
    async with converse(Helper, model_replies=["a", "b", "c"], settings=settings) as chat:
        await chat.ask("What is this?", attachments=[attached("bees.py")])
        (tmp_path / "bees.py").write_text("count = 4\n")
        await chat.ask("And how many?")
        await chat.ask("And here?", attachments=[attached("wasps.py"), attached("bees.py")])
    first, second, third = (str(prompt[-1].content) for prompt in chat.model.prompts)
    assert "Attached" not in first
    assert second == (
        "Attached to an earlier message: `bees.py`:\n\n```python\ncount = 4\n```\n\nAnd how many?"
    )
    assert "Attached to an earlier message" not in third
    assert third.count("count = 4") == 1


async def test_people_are_told_once_what_cannot_be_read(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "bee.png").write_bytes(png())
    unreadable = [attached("gone.txt"), attached("bee.png")]
    async with converse(Helper, model_replies=["a", "b"], settings=settings) as chat:
        (first,) = await chat.ask("What is this?", attachments=unreadable)
        (second,) = await chat.ask("And now?")
    assert first.body.startswith("> `gone.txt` was not read")
    assert second.body == "b"
    later = str(chat.model.prompts[1][-1].content)
    assert "Attached to an earlier message: `gone.txt` could not be read" in later


async def test_what_left_the_history_takes_its_attachments_along(tmp_path: Path) -> None:
    settings = RuntimeSettings(root_dir=str(tmp_path), history_messages=2)
    (tmp_path / "bees.py").write_text("count = 3\n")
    async with converse(Helper, model_replies=["a", "b", "c"], settings=settings) as chat:
        await chat.ask("What is this?", attachments=[attached("bees.py")])
        await chat.ask("Who are you?")
    assert chat.model.prompts[1][-1].content == "Who are you?"


async def test_earlier_attachments_leave_room_for_those_of_the_message(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    names = [f"{i}.txt" for i in range(12)]
    for name in names:
        (tmp_path / name).write_text(f"bees of {name}\n" * 10_000)
    async with converse(Helper, model_replies=["a"] * 13, settings=settings) as chat:
        for name in names:
            await chat.ask("This?", attachments=[attached(name)])
        await chat.ask("All of them?")
    content = str(chat.model.prompts[-1][-1].content)
    assert [f"bees of {name}\n" in content for name in names] == [False] * 4 + [True] * 8
    assert len(content) < settings.context_chars / 2 + 3_000


async def test_a_provider_that_keeps_the_history_gets_no_earlier_attachments(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    class Keeping(FakeModel):
        manages_history: ClassVar[bool] = True

    (tmp_path / "bees.py").write_text("count = 3\n")
    model = Keeping(["a", "b"])
    async with converse(Helper, model=model, settings=settings) as chat:
        await chat.ask("What is this?", attachments=[attached("bees.py")])
        await chat.ask("And how many?")
    assert "count = 3" in str(model.prompts[0][-1].content)
    assert model.prompts[1][-1].content == "And how many?"


async def test_context_shows_attachments_of_earlier_messages(
    settings: RuntimeSettings, tmp_path: Path
) -> None:
    (tmp_path / "bees.py").write_text("count = 3\n")
    async with converse(Helper, model_replies=["a"], settings=settings) as chat:
        await chat.ask("What is this?", attachments=[attached("bees.py")])
        await chat.ask("/context")
        shown = next(m.body for m in reversed(chat.chat.messages) if "is given" in m.body)
    assert "| `bees.py`, attached to an earlier message |" in shown
