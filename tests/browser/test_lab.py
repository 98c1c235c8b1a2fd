"""What people see: the stock chat in real browsers, two people in one chat.

Each test leaves pictures in ``tests/artefacts/``; ``two-people.png`` is the one of the README.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from support.browser import ChatPage, Join, StartLab
from support.plugin import make_plugin
from support.server import JupyterServer
from support.yclient import ChatClient

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

WAIT = 120.0
WORKSPACE = Path(__file__).parents[2] / "examples" / "workspace"

STAFF = """
from itertools import count

import anyio
from langchain_core.language_models import FakeListChatModel

from jupyter_ai_personas import BasePersona, BaseProvider, PersonaDefaults

ANSWER = '''Leave the fourth count out before you average:

```python
for flower, counts in visits.items():
    dry = counts[:3] + counts[4:]
    print(f"{flower:10}{mean(dry):6.1f}")
```

Lavender then comes to **41.4** visits a day instead of 36.5.'''


class Slow(BasePersona):
    defaults = PersonaDefaults(name="Slow", description="Counts, and never comes to an end.")

    async def process_message(self, message):
        async def numbers():
            for number in count(1):
                yield f"{number} "
                await anyio.sleep(0.05)

        await self.stream_message(numbers())


class Held(BasePersona):
    defaults = PersonaDefaults(name="Held", description="Goes on when a file is there.")

    async def process_message(self, message):
        async def words():
            for number in range(3):
                while number and not (self.get_workspace_dir() / f"part-{number}").exists():
                    await anyio.sleep(0.01)
                yield f"part {number}, "
            yield "that was it"

        await self.stream_message(words())


class Script(BaseProvider, FakeListChatModel):
    id = "script"
    name = "Script"
    models = ["bees"]
    responses: list[str] = [ANSWER]
    sleep: float | None = 0.002
"""

# Notes each text that the last message of the page shows, from now on.
WATCH = """() => {
    window.shown = [];
    const list = document.querySelector('.jp-chat-messages-container');
    const note = () => {
        const bodies = list.querySelectorAll('.jp-chat-rendered-message');
        const text = bodies[bodies.length - 1]?.innerText ?? '';
        if (text !== window.shown.at(-1)) window.shown.push(text);
    };
    new MutationObserver(note).observe(
        list, {childList: true, subtree: true, characterData: true}
    );
}"""


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plugin(
        tmp_path_factory.mktemp("plugins"),
        "staff",
        {"__init__.py": STAFF},
        {
            "jupyter_ai.personas": {"slow": "staff:Slow", "held": "staff:Held"},
            "jupyter_ai.model_providers": {"script": "staff:Script"},
        },
    )


async def until_found(server: JupyterServer, query: str) -> None:
    """Wait until the server's search has indexed what answers ``query``."""
    with anyio.fail_after(WAIT):
        while True:
            response = await server.request("GET", "/api/ai/search", params={"q": query})
            if response.status_code == 200 and response.json()["results"]:
                return
            await anyio.sleep(0.05)


async def start(start_lab: StartLab, staff: Path, model: str) -> JupyterServer:
    """JupyterLab on the workspace that `make lab` opens."""
    server = await start_lab(
        config={"AiExtension.default_model": model, "AiExtension.workspace_search": True},
        pythonpath=[staff],
    )
    shutil.copytree(WORKSPACE, server.root_dir, dirs_exist_ok=True)
    return server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(start_lab: StartLab, staff: Path) -> JupyterServer:
    return await start(start_lab, staff, "keyless:repeat")


def messages_of(page: ChatPage, author: str) -> Locator:
    """The messages that carry the name of their author: one's own do not."""
    return page.page.locator(".jp-chat-message").filter(
        has=page.page.locator(f'.jp-chat-message-header [title="{author}"]')
    )


async def test_two_people_watch_a_persona_answer(lab: JupyterServer, join: Join) -> None:
    await until_found(lab, "without_day")
    ada, bob = await join("Ada", "Bob", path="welcome.chat")
    for person in (ada, bob):
        await person.wait_for_body("Welcome!")
        await expect(messages_of(person, "Personas")).to_have_count(1)
        await person.page.evaluate(WATCH)

    await ada.type("@")
    assert {"@Guide", "@Slow"} <= set(await ada.completions())
    await ada.screenshot("completion")
    await ada.page.keyboard.press("Backspace")
    await ada.complete("@Gu", "@Guide")
    await ada.type("where is without_day defined?")
    await ada.send()

    for person in (ada, bob):
        await person.wait_for_body("No model is set up")
        reply = messages_of(person, "Guide")
        await expect(reply).to_have_count(1)
        await expect(reply.locator("pre code.language-python")).to_contain_text("counts[day:]")
        await expect(reply.locator("a", has_text="hive.py, line 6")).to_have_count(1)
        await expect(person.page.locator(".jp-chat-mention")).to_have_text(" @Guide ")
        avatar = reply.locator("img").first
        assert await avatar.evaluate("image => image.decode().then(() => image.naturalWidth)")
        await expect(person.page.locator(".jp-chat-writers")).to_have_text("")

        shown = await person.page.evaluate("window.shown")
        growing = [text for text in shown if text.startswith("without_day is defined in")]
        assert growing
        # Rendering may lay a text out anew, and half of a code fence is text: neither is compared.
        lengths = [len("".join(text.split()).replace("`", "")) for text in growing]
        assert lengths == sorted(lengths), growing[:3]
    await ada.screenshot("answered-asker")
    await bob.screenshot("answered-other")


async def test_two_people_see_a_reply_grow(lab: JupyterServer, join: Join) -> None:
    ada, bob = await join("Ada", "Bob", path="held.chat")
    await ada.complete("@He", "@Held")
    await ada.type("go")
    await ada.send()
    await ada.wait_for_body("@Held go")
    for number in range(3):
        grown = "".join(f"part {n}, " for n in range(number + 1))
        for person in (ada, bob):
            reply = messages_of(person, "Held").locator(".jp-chat-rendered-message")
            # The next part is held back until both have seen this one.
            await expect(reply).to_have_text(grown if number < 2 else f"{grown}that was it")
        (lab.root_dir / f"part-{number + 1}").touch()
    for person in (ada, bob):
        await expect(person.page.locator(".jp-chat-writers")).to_have_text("")


async def test_stop_ends_a_persona_that_goes_on_and_on(lab: JupyterServer, join: Join) -> None:
    ada, bob = await join("Ada", "Bob", path="slow.chat")
    await ada.complete("@Sl", "@Slow")
    await ada.type("count")
    await ada.send()
    await bob.wait_for_body("1 2 3 4 5")
    await bob.wait_for_writers("Slow")
    await bob.screenshot("streaming")

    await bob.send("/stop")
    await bob.wait_for_body("Nothing of yours is running.")
    await bob.wait_for_writers("Slow")
    await ada.send("/stop")
    await ada.wait_for_body("Stopped your turns: Slow.")
    for person in (ada, bob):
        await expect(person.page.locator(".jp-chat-writers")).to_have_text("")
        await person.wait_for_body("Stopped by")
        await person.wait_for_body("Stopped your turns: Slow.")
    await bob.expect_bodies(*await ada.bodies())
    await bob.screenshot("stopped")


async def test_the_picture_of_the_readme(start_lab: StartLab, staff: Path, join: Join) -> None:
    server = await start(start_lab, staff, "script:bees")
    ada, bob = await join("Ada", "Bob", path="bees.chat", server=server)
    await ada.page.set_viewport_size({"width": 1360, "height": 744})
    await ada.page.evaluate(
        """() => {
            const {commands} = window.jupyterapp;
            const path = 'Bees in the garden.ipynb';
            const options = {mode: 'split-left'};
            return commands.execute('docmanager:open', {path, options}).then(() => null);
        }"""
    )
    await ada.page.locator(".jp-Notebook .jp-Cell").first.wait_for()

    # jupyterlab-chat stamps no message with the server's time before its first save.
    async with ChatClient(server, "bees.chat", "Photographer") as client:
        await client.wait_for(lambda me: me.dirty is False)
    await bob.send("The fourth day is low for every flower. Was that the storm?")
    await ada.wait_for_body("the storm?")
    await ada.type("It was. ")
    await ada.complete("@Gu", "@Guide")
    await ada.type("how do I leave that day out of the means?")
    await ada.page.keyboard.press("Enter")
    for person in (ada, bob):
        await person.wait_for_body("instead of 36.5")
    await bob.send("Much better, thanks!")
    await ada.wait_for_body("Much better")
    await expect(ada.page.locator(".jp-chat-writers")).to_have_text("")
    await expect(messages_of(ada, "Guide").locator("pre code")).to_contain_text("counts[4:]")
    picture = await ada.screenshot("two-people")
    assert picture.stat().st_size > 50_000
