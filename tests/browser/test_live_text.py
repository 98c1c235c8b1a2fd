"""Replies that grow in real browsers: with our labextension, and without."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Locator, Route, expect
from support.browser import ChatPage, Join
from support.server import JupyterServer
from support.typist import Typescript
from support.yclient import ChatClient

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.asyncio(loop_scope="session")]

WHOLE_DOCUMENT = b"\x00\x01"
"""How a message in a room begins that has all of the document."""
DETAILS = "<details><summary>Tool call</summary>\n\nwhat it *returned*\n\n</details>\n\n"
RICH = (
    "[l]: https://jupyter.org\n\n# A title\n\nSome *words* with `code` and [a link][l].\n\n"
    "1. one\n\n2. two\n   - three\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    "```python\ndef f():\n\n    return 1\n```\n\n"
    "> quoted\n\n---\n\nThe [same link][l] again, "
    "<b>bold</b><script>alert(1)</script> and “plain”.\n\n" + DETAILS + "The end"
)


def live(page: ChatPage) -> Locator:
    """The replies that our labextension shows while they grow."""
    return page.page.locator(".jp-AiPersonas-live")


def reply(page: ChatPage) -> Locator:
    """What the last message shows."""
    return page.page.locator(".jp-chat-rendered-message").last


async def rendered(page: ChatPage) -> str:
    """The HTML of the last message, without the buttons below blocks of code."""
    html = await reply(page).evaluate(
        """place => {
            const copy = place.querySelector('.jp-RenderedMarkdown').cloneNode(true);
            copy.querySelectorAll('.jp-chat-code-toolbar').forEach(each => each.remove());
            copy.querySelectorAll('div:empty, .jp-ReactWidget').forEach(each => each.remove());
            // The chat renders twice, so that links to titles are taken for others.
            copy.querySelectorAll('.jp-InternalAnchorLink').forEach(each => each.remove());
            return copy.innerHTML;
        }"""
    )
    return re.sub(r"\s*\n\s*", "\n", html).strip()


async def height(page: ChatPage) -> float:
    return float(await reply(page).evaluate("place => place.getBoundingClientRect().height"))


async def test_a_reply_grows_live_for_two_people_while_only_what_is_new_travels(
    lab: JupyterServer, join: Join
) -> None:
    script = Typescript(lab)
    ada, bob = await join("Ada", "Bob")
    async with ChatClient(lab, ada.path, "Counter", live=True) as counter:
        await ada.send(script.question)
        script.type("Hel")
        for page in (ada, bob):
            await expect(reply(page)).to_have_text("Hel")
            await expect(live(page)).to_have_count(1)
        script.type("lo **wörld**\n\n" + "word " * 2_000 + "\n\n" + DETAILS + "After")
        for page in (ada, bob):
            await expect(reply(page).locator("strong")).to_have_text("wörld")
            await expect(reply(page)).to_contain_text("After")
        [message] = [m for m in counter.messages() if m["body"].startswith("Hello")]
        assert counter.is_live(message["id"])
        await ada.page.locator("summary").click()
        before = counter.sync_bytes_received
        for number in range(5):
            script.type(f" and {number}")
            for page in (ada, bob):
                await expect(reply(page)).to_contain_text(f"and {number}")
        assert counter.sync_bytes_received - before < 2_000
        await expect(ada.page.locator("details")).to_have_attribute("open", "")
        await ada.screenshot("live-text-grows")
        tall = await height(ada)
        script.end()
        for page in (ada, bob):
            await expect(live(page)).to_have_count(0)
            await expect(reply(page)).to_contain_text("and 4")
        await expect(ada.page.locator("details")).to_have_attribute("open", "")
        assert await bob.page.locator("details").get_attribute("open") is None
        assert abs(await height(ada) - tall) <= 1
        assert not counter.is_live(message["id"])


async def test_what_is_shown_while_it_grows_is_what_is_shown_at_the_end(
    lab: JupyterServer, join: Join
) -> None:
    script = Typescript(lab)
    [ada] = await join("Ada")
    await ada.send(script.question)
    for at in range(0, len(RICH), 40):
        script.type(RICH[at : at + 40])
    await expect(reply(ada)).to_contain_text("The end")
    await expect(live(ada)).to_have_count(1)
    toolbars = ada.page.locator(".jp-chat-code-toolbar")
    await expect(toolbars).to_have_count(1)
    growing, tall = await rendered(ada), await height(ada)
    assert "script" not in growing
    await ada.screenshot("live-text-rich")
    script.end()
    await expect(live(ada)).to_have_count(0)
    await expect(toolbars).to_have_count(1)
    assert await rendered(ada) == growing
    assert abs(await height(ada) - tall) <= 1


async def test_late_joiners_and_reloads_show_the_right_text(lab: JupyterServer, join: Join) -> None:
    script = Typescript(lab)
    [ada] = await join("Ada")
    await ada.send(script.question)
    script.type("one ")
    await expect(live(ada)).to_have_text("one")
    [bob] = await join("Bob")
    await expect(reply(bob)).to_have_text("one")
    script.type("two ")
    for page in (ada, bob):
        await expect(live(page)).to_have_text("one two")
    await ada.open()
    await expect(reply(ada)).to_have_text("one two")
    script.type("three ")
    for page in (ada, bob):
        await expect(live(page)).to_have_text("one two three")
    await bob.leave()
    [stock] = await join("Cleo", stock=True)
    await expect(reply(stock)).to_have_text("one two three")
    for word in ("four ", "five "):
        script.type(word)
        for page in (ada, stock):
            await expect(reply(page)).to_have_text(script.text.strip())
    await expect(live(stock)).to_have_count(0)
    await expect(live(ada)).to_have_count(1)
    await stock.leave()
    script.type("six")
    await expect(live(ada)).to_have_text(script.text)
    script.end()
    await expect(live(ada)).to_have_count(0)
    await expect(reply(ada)).to_have_text(script.text)


async def test_a_reply_that_is_deleted_or_stopped_while_it_grows_is_shown_so(
    lab: JupyterServer, join: Join
) -> None:
    first, second = Typescript(lab), Typescript(lab)
    [ada] = await join("Ada")
    async with ChatClient(lab, ada.path, "Bob", live=True) as bob:
        await ada.send(first.question)
        first.type("one ")
        await expect(live(ada)).to_have_text("one")
        [message] = [m for m in bob.messages() if m["body"] == "one "]
        bob.delete(message["id"])
        await expect(live(ada)).to_have_count(0)
        await ada.send(second.question)
        second.type("two ")
        await expect(live(ada)).to_have_text("two")
        await ada.send("/stop")
        await expect(live(ada)).to_have_count(0)
        await expect(ada.page.locator(".jp-chat-rendered-message", has_text="two")).to_have_count(1)


HOLD = """held => {
    const plugin = window.jupyterapp.pluginRegistry._plugins;
    const registry = plugin.get('@jupyterlab/rendermime-extension:plugin').service;
    const create = registry.createRenderer.bind(registry);
    window.isHeld = false;
    const released = new Promise(resolve => { window.release = resolve; });
    registry.createRenderer = type => {
        const renderer = create(type);
        const render = renderer.renderModel.bind(renderer);
        renderer.renderModel = async model => {
            await render(model);
            if (model.data['text/markdown']?.trim() === held) {
                window.isHeld = true;
                await released;
            }
        };
        return renderer;
    };
}"""
RELEASE = """async () => {
    window.release();
    for (let frames = 0; frames < 10; frames++) {
        await new Promise(requestAnimationFrame);
    }
}"""


async def test_a_reply_that_ends_before_its_beginning_is_rendered_is_shown_whole(
    lab: JupyterServer, join: Join
) -> None:
    script = Typescript(lab)
    [ada] = await join("Ada")
    await ada.page.evaluate(HOLD, "one")
    await ada.send(script.question)
    script.type("one")
    await ada.page.wait_for_function("window.isHeld")
    script.type(" two\0")
    await expect(ada.page.get_by_role("button", name="Good reply")).to_have_count(1)
    await ada.page.evaluate(RELEASE)
    await expect(live(ada)).to_have_count(0)
    await expect(reply(ada)).to_have_text("one two")


async def test_a_rendering_that_ends_last_replaces_none_that_began_after_it(
    lab: JupyterServer, join: Join
) -> None:
    script = Typescript(lab)
    [ada] = await join("Ada")
    await ada.page.evaluate(HOLD, "one\n\n*Stopped by Ada.*")
    await ada.send(script.question)
    script.type("one")
    await expect(live(ada)).to_have_text("one")
    await ada.page.get_by_role("button", name="Stop", exact=True).click()
    await ada.page.wait_for_function("window.isHeld")
    # The text is shown without the rendering that is held.
    await expect(reply(ada)).to_contain_text("Stopped by Ada.")
    script.type(" two\0")
    await ada.page.get_by_role("button", name="Retry").click()
    await expect(reply(ada)).to_have_text("one two")
    await expect(live(ada)).to_have_count(0)
    await ada.page.evaluate(RELEASE)
    await expect(reply(ada)).to_have_text("one two")
    await ada.screenshot("live-text-newest")


async def test_a_reply_that_ends_while_the_chat_is_loaded_is_shown_whole(
    lab: JupyterServer, join: Join
) -> None:
    script = Typescript(lab)
    [ada] = await join("Ada")
    await ada.send(script.question)
    script.type("one")
    await expect(live(ada)).to_have_text("one")
    await ada.execute("application:close")
    await expect(reply(ada)).to_have_count(0)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        await ended.wait()
        await route.continue_()

    def receive(frame: bytes | str) -> None:
        if isinstance(frame, bytes) and frame.startswith(WHOLE_DOCUMENT):
            begun.set()
        elif isinstance(frame, bytes) and b"one two" in frame:
            ended.set()

    await ada.page.route("**/api/contents/*.chat?type=chat*", hold)
    ada.page.on("websocket", lambda socket: socket.on("framereceived", receive))
    await ada.execute("docmanager:open", path=ada.path)
    await begun.wait()
    script.type(" two\0")
    await expect(ada.page.get_by_role("button", name="Good reply")).to_have_count(1)
    await expect(reply(ada)).to_have_text("one two")
    # The stock chat takes no changes while it is loaded.
    assert all("reading 'update'" in error for error in ada.errors)
    ada.errors.clear()
