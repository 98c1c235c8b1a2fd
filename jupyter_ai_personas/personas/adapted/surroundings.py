"""The ``self.parent`` of a Jupyter AI persona: folders, event loop, other personas."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from traitlets.config import Application, Config, LoggingConfigurable

from jupyter_ai_personas.errors import ChatError
from jupyter_ai_personas.personas.adapted.view import ChatView
from jupyter_ai_personas.personas.base import PersonaContext

__all__ = ["Surroundings", "in_server"]


def in_server() -> bool:
    """Return whether this is the process of a server, which has the objects of its extensions."""
    return _web_app() is not None


def _web_app() -> Any:
    server = Application.instance() if Application.initialized() else None
    return getattr(server, "web_app", None)


class _WebApplication:
    """The server's web application, of which personas read the settings of other extensions."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the server in this process; none in a process of its own."""
        return MappingProxyType(getattr(_web_app(), "settings", {}))


class _Application(LoggingConfigurable):  # type: ignore[misc, unused-ignore]
    """The server's application, of which personas see that it logs no events for them."""

    event_logger = None
    web_app = _WebApplication()

    @property
    def serverapp(self) -> _Application:
        """Itself."""
        return self


class Surroundings(LoggingConfigurable):  # type: ignore[misc, unused-ignore]
    """The part of Jupyter AI's ``PersonaManager`` that personas use."""

    event_logger = None

    def __init__(
        self,
        context: PersonaContext,
        view: ChatView,
        *,
        personas: Callable[[], Mapping[str, Any]],
        package: ModuleType | None,
        classes: Sequence[str],
    ) -> None:
        config = _config(context, classes)
        super().__init__(parent=_Application(config=config, log=context.log), config=config)
        self.log = context.log
        self.chat = self.ychat = view
        self.base_url = context.base_url or "/"
        self.persona_name = context.name
        self._context = context
        self._personas = personas
        self._package = package
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def personas(self) -> dict[str, Any]:
        """The persona itself by its id: the others run elsewhere."""
        return dict(self._personas())

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that the persona runs on; one that never runs when it is only tried."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = self._loop or asyncio.new_event_loop()
        return self._loop

    @property
    def root_dir(self) -> str:
        """The server's root directory.

        Raises:
            ChatError: it is no directory.
        """
        return str(self._root)

    @property
    def _root(self) -> Path:
        if self._context.workspace_dir is None:
            raise ChatError(
                f"`{self._context.name}` needs folders, and this server does not keep its "
                "contents as files."
            )
        return self._context.workspace_dir

    def get_chat_path(self, relative: bool = False) -> str:
        """Return the path of the chat's file: absolute, or relative to the server's root."""
        path = self.chat.get_path().strip("/")
        return path if relative else str(self._root / path)

    def get_chat_dir(self) -> str:
        """Return the folder of the chat's file; the root for a chat without a file."""
        path = self.chat.get_path().strip("/")
        return str((self._root / path).parent if path else self._root)

    def get_dotjupyter_dir(self) -> str | None:
        """Return the nearest folder ``.jupyter`` from the chat's folder up to the root."""
        found = self._nearest(".jupyter")
        return None if found is None else str(found / ".jupyter")

    def get_workspace_dir(self) -> str:
        """Return the folder of the project: with ``.jupyter`` below the root, or ``.git``.

        Without either it is the chat's folder.
        """
        project = self._nearest(".jupyter")
        if project is None or project == self._root.resolve():
            project = self._nearest(".git")
        return self.get_chat_dir() if project is None else str(project)

    def _nearest(self, name: str) -> Path | None:
        root = self._root.resolve()
        folder = Path(self.get_chat_dir()).resolve()
        for parent in (folder, *folder.parents):
            if not parent.is_relative_to(root):
                return None
            if (parent / name).is_dir():
                return parent
        return None

    def get_mcp_settings(self) -> Any:
        """Return the MCP servers that the operator gives to the persona, or ``None``.

        They are in the models of the package that the persona's class is from.
        """
        settings = getattr(self._package, "McpSettings", None)
        if settings is None or not self.chat.connections:
            return None
        return settings(mcp_servers=[_server(self._package, one) for one in self.chat.connections])

    def attached_text(self, message: Any) -> str:
        """Return what is attached to the message of the turn as text."""
        return self.chat.attached_text if message.attachments else ""

    def attached_path(self, attachment_id: str) -> str | None:
        """Return the path of an attached file that may be read and exists, or ``None``."""
        found = self.chat.get_attachments().get(attachment_id)
        path = None if found is None else self._root / found.value
        return str(path) if path is not None and path.exists() else None

    def send(self, body: str) -> Any:
        """Write a complete message; what is returned may be awaited."""
        return self.chat.send(body)

    async def stream(self, chunks: Any) -> str | None:
        """Write a message that grows with each chunk."""
        return await self.chat.stream(chunks)

    def send_system_message(self, body: str) -> None:
        """Write a message as the persona: only the server writes as the system."""
        self.chat.send(body)


def _config(context: PersonaContext, classes: Sequence[str]) -> Config:
    """Return the configuration of the traits of a persona's ``classes``, and its own.

    Those are sections of the server's configuration, if it runs in this process. What the
    ``persona_config`` has for the persona comes before them.
    """
    server = Application.instance().config if Application.initialized() else Config()
    config = Config({name: Config(server[name]) for name in classes if name in server})
    config.merge(Config({**context.config, classes[0]: Config(context.config)}))
    return config


def _server(package: Any, connection: Mapping[str, Any]) -> Any:
    def named(values: Mapping[str, str]) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in values.items()]

    name = connection["name"]
    if "url" in connection:
        headers = named(connection["headers"])
        return package.McpServerHttp(type="http", name=name, url=connection["url"], headers=headers)
    return package.McpServerStdio(
        name=name,
        command=connection["command"],
        args=connection["args"],
        env=named(connection["env"]),
    )
