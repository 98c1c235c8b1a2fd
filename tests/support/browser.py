"""The stock chat front end in a real Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote
from uuid import uuid4

from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Error,
    Locator,
    Page,
    async_playwright,
    expect,
)
from playwright.async_api import TimeoutError as TimedOut

from .server import JupyterServer

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
CHROMIUM = (
    os.environ.get("CHROMIUM")
    # Without windows and menus around its pages, which cost a quarter of a tab's processor time.
    or shutil.which("chromium-headless-shell")
    or shutil.which("chromium")
    or "/usr/bin/chromium"
)
WAIT = 120.0
"""Seconds an action or a wait lasts at most: only what never comes takes longer."""

# Playwright's own are 5 and 30 seconds, which a busy machine may take.
expect.set_options(timeout=WAIT * 1000)

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]
_EXTENSION = "**/extensions/jupyter-ai-personas/**"
_INPUT = ".jp-chat-input-container"
_SEND = ".jp-chat-input-container .jp-chat-send-button"
_MESSAGE = ".jp-chat-messages-container .jp-chat-message"
_BODY = ".jp-chat-messages-container .jp-chat-rendered-message"
_COMPLETION = ".jp-chat-command-name"
_TRIES = 6
_WRITERS = ".jp-chat-writers"


StartLab = Callable[..., Coroutine[Any, Any, JupyterServer]]
"""Starts JupyterLab for a module: see `start_lab` of the tests in the browser."""
Join = Callable[..., Coroutine[Any, Any, "list[ChatPage]"]]
"""Opens a chat for some people: see `join` of the tests in the browser."""


async def choose_settings(server: JupyterServer, plugin: str, **settings: Any) -> None:
    """Choose what a plug-in of JupyterLab does in tabs that are loaded from now on."""
    status, _ = await server.put(f"/lab/api/settings/{plugin}", json={"raw": json.dumps(settings)})
    assert status == 204


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium; each `ChatPage` in it is a person of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=_FLAGS, timeout=WAIT * 1000
        )
        try:
            yield browser
        finally:
            await browser.close()


def _scheme(dark: bool) -> Literal["dark", "light"]:
    return "dark" if dark else "light"


class ChatPage:
    """One person's tab: ``async with ChatPage(browser, server, "a.chat", "Ada") as ada``.

    Args:
        browser: From `chromium`.
        server: A running server with ``lab=True`` or ``notebook=True``.
        path: The chat, relative to the server's root; its file is created when missing.
        user: The name to be known by; without it, the server makes up an anonymous one.
        stock: Without our labextension, as if the person had disabled it.
        dark: The person prefers dark themes; `start_lab` lets JupyterLab heed that.
        sidebar: With the chat in the side panel, not in the main area.
    """

    page: Page

    def __init__(
        self,
        browser: Browser,
        server: JupyterServer,
        path: str,
        user: str | None = None,
        *,
        stock: bool = False,
        dark: bool = False,
        sidebar: bool = False,
    ) -> None:
        self.browser = browser
        self.server = server
        self.path = path
        self.user = user
        self.stock = stock
        self.dark = dark
        self.sidebar = sidebar
        self.errors: list[str] = []
        """Exceptions that nothing in the page caught."""
        self._context: BrowserContext | None = None
        self._devtools: CDPSession | None = None

    async def __aenter__(self) -> Self:
        self.server.create_chat(self.path)
        self._context = await self.browser.new_context(color_scheme=_scheme(self.dark))
        try:
            self._context.set_default_timeout(WAIT * 1000)
            if self.stock:
                await self._context.route(_EXTENSION, lambda route: route.abort())
            self.page = await self._context.new_page()
            self.page.on("pageerror", lambda error: self.errors.append(error.stack or str(error)))
            # After a lost connection a modal dialog covers the page until it is dismissed.
            await self.page.add_locator_handler(
                self.page.locator(".jp-Dialog"), self._dismiss, no_wait_after=True
            )
            if self.user is not None:
                await self._take_name(self.user)
            await self.open()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._context is not None
        if error is not None:
            with contextlib.suppress(Error):
                await self.screenshot(f"failed-{self.user or 'anonymous'}-{uuid4().hex[:8]}")
        await self._context.close()

    async def open(self) -> None:
        """Load the chat, or load it anew, in a workspace of its own; returns once it is usable."""
        # Without a workspace of its own a tab would open what another one has open.
        place = f"lab/workspaces/{uuid4().hex}"
        if self.server.application == "notebook":
            place = f"edit/{quote(self.path)}"
        elif not self.sidebar:
            place += f"/tree/{quote(self.path)}"
        await self.page.goto(f"{self.server.url}/{place}?token={self.server.token}&reset")
        if self.sidebar:
            await self.page.locator("#jp-main-dock-panel").wait_for()
            await self.execute("jupyterlab-chat:open", filepath=self.path, inSidePanel=True)
        await self.page.locator(_INPUT).last.wait_for()

    def may_be(self, other: ChatPage) -> bool:
        """Whether this tab can be ``other``, which is not open, once it has turned to its chat."""
        return (
            self.is_open
            and self.server is other.server
            and (self.user, self.stock) == (other.user, other.stock)
            and not (self.sidebar or other.sidebar)
        )

    async def turn_to(self, path: str, *, dark: bool = False) -> None:
        """Close all that the tab shows, and open another chat, without loading JupyterLab anew."""
        self.path, self.dark = path, dark
        await self.page.unroute_all()
        await self.page.emulate_media(color_scheme=_scheme(dark))
        await self.page.keyboard.press("Escape")
        await self.execute("application:close-all")
        await expect(self.page.locator(_INPUT)).to_have_count(0)
        await self.execute("filebrowser:activate")
        await self.page.evaluate("window.jupyterapp.shell.collapseRight()")
        await self.execute("docmanager:open", path=path)
        await self.page.locator(_INPUT).wait_for()
        light = self.page.locator(f"body[data-jp-theme-light={str(not dark).lower()}]")
        await light.wait_for(state="attached")
        # JupyterLab's toolbars complain when they are closed as they are shown.
        self.errors.clear()

    @property
    def is_open(self) -> bool:
        return not self.page.is_closed()

    async def execute(self, command: str, **arguments: Any) -> None:
        """Execute a command of JupyterLab; the server exposes the application in the browser."""
        await self.page.wait_for_function(
            "command => window.jupyterapp?.commands.hasCommand(command)", arg=command
        )
        await self.page.evaluate(
            "([command, args]) => window.jupyterapp.started.then("
            "() => void window.jupyterapp.commands.execute(command, args))",
            [command, arguments],
        )

    async def leave(self) -> None:
        """Close the tab."""
        assert self._context is not None
        await self._context.close()

    async def identity(self) -> dict[str, Any]:
        """Who the server takes this tab's person for: ``username``, ``name``, …"""
        answer = await self.page.request.get(f"{self.server.url}/api/me")
        identity: dict[str, Any] = (await answer.json())["identity"]
        return identity

    # -- writing ---------------------------------------------------------------------------------

    @property
    def input(self) -> Locator:
        """The text area for a new message."""
        return self.page.locator(_INPUT).last.get_by_role("combobox")

    async def type(self, text: str) -> None:
        """Press the keys of ``text`` in the input; what brings up the completion."""
        await self.input.press_sequentially(text)

    async def completions(self) -> list[str]:
        """What the completion offers, waiting for it to offer something."""
        items = self.page.locator(_COMPLETION)
        await items.first.wait_for()
        return [text.strip() for text in await items.all_inner_texts()]

    async def complete(self, typed: str, choice: str) -> None:
        """Type ``typed``, such as ``@Gu``, and choose ``choice``, such as ``@Guide``.

        What is offered is found at the time of typing: of somebody who joins only then one types
        again.
        """
        item = self.page.locator(_COMPLETION).get_by_text(choice, exact=True)
        for _ in range(_TRIES):
            await self.type(typed)
            with contextlib.suppress(TimedOut):
                await item.wait_for(timeout=WAIT * 1000 / _TRIES)
                break
            for _ in typed:
                await self.input.press("Backspace")
        await item.click()

    async def send(self, text: str | None = None) -> None:
        """Send what the input holds, or ``text`` in its place."""
        if text is not None:
            await self.input.fill(text)
        await self.page.locator(_SEND).last.click()

    async def edit(self, message: int, text: str) -> None:
        """Change the person's own message with this index to ``text``."""
        container = await self._press(message, "Edit")
        box = container.get_by_role("combobox")
        await box.fill(text)
        await box.press("Enter")

    async def delete(self, message: int) -> None:
        """Delete the person's own message with this index."""
        await self._press(message, "Delete")

    # -- reading ---------------------------------------------------------------------------------

    async def messages(self) -> list[str]:
        """The text of each message with its header; deleted ones stay in the list."""
        texts = await self.page.locator(_MESSAGE).all_inner_texts()
        return [text.strip() for text in texts]

    async def bodies(self) -> list[str]:
        """The rendered text of each message that has one, top to bottom."""
        return [text.strip() for text in await self.page.locator(_BODY).all_inner_texts()]

    async def expect_bodies(self, *bodies: str) -> None:
        """Return once the rendered texts of all messages that have one are exactly these."""
        await expect(self.page.locator(_BODY)).to_have_text(bodies)

    async def writers(self) -> str:
        """What the line about who is writing says, or ``""``."""
        line = self.page.locator(_WRITERS)
        return (await line.first.inner_text()).strip() if await line.count() else ""

    async def wait_for_body(self, text: str, timeout: float = WAIT) -> Locator:
        """Return the first message body that contains ``text`` once it is visible."""
        body = self.page.locator(_BODY).filter(has_text=text).first
        await body.wait_for(timeout=timeout * 1000)
        return body

    async def wait_for_writers(self, text: str, timeout: float = WAIT) -> None:
        """Return once the line about who is writing contains ``text``."""
        line = self.page.locator(_WRITERS).filter(has_text=text).first
        await line.wait_for(timeout=timeout * 1000)

    async def screenshot(self, name: str) -> Path:
        """Save what the tab shows as ``artefacts/<name>.png`` and return the file."""
        file = ARTEFACTS / f"{name}.png"
        await self.page.screenshot(path=file)
        return file

    async def main_thread_seconds(self) -> float:
        """Processor seconds of the page's main thread in tasks since the first call."""
        assert self._context is not None
        if self._devtools is None:
            self._devtools = await self._context.new_cdp_session(self.page)
            # Of the thread, not of the clock: other programs do not count.
            await self._devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        answer = await self._devtools.send("Performance.getMetrics")
        return float(next(m["value"] for m in answer["metrics"] if m["name"] == "TaskDuration"))

    # -- inside ----------------------------------------------------------------------------------

    async def _take_name(self, name: str) -> None:
        answer = await self.page.request.patch(
            f"{self.server.url}/api/me",
            headers={"Authorization": f"token {self.server.token}"},
            data={"name": name, "display_name": name, "initials": name[:1]},
        )
        assert answer.ok, await answer.text()

    async def _press(self, message: int, label: str) -> Locator:
        container = self.page.locator(".jp-chat-message-container").nth(message)
        await container.hover()
        await container.locator(f'button[aria-label="{label}"]').click()
        return container

    async def _dismiss(self, dialog: Locator) -> None:
        # It may be gone already: some go by themselves.
        with contextlib.suppress(TimedOut):
            await dialog.locator(".jp-Dialog-footer button").last.click(timeout=5000)
