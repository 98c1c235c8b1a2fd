"""Persona packages after the interface of ones that no index has."""

from __future__ import annotations

BRAKET = """
import os
from contextlib import AsyncExitStack

from jupyter_ai_persona_manager import BasePersona, PersonaDefaults
from jupyterlab_chat.models import Message
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI


class BraketPersona(BasePersona):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        command = os.environ["BRAKET_MCP_SERVER"].split()
        server = {"transport": "stdio", "command": command[0], "args": command[1:], "env": {}}
        self.mcp_client = MultiServerMCPClient({"circuits": server})
        self.exit_stack = AsyncExitStack()
        self._session = self.parent.event_loop.create_task(self._start())
        self._tools = None

    async def _start(self):
        session = self.mcp_client.session("circuits")
        session = await self.exit_stack.enter_async_context(session)
        self._tools = await load_mcp_tools(session)
        return session

    @property
    def defaults(self):
        path = os.path.join(os.path.dirname(__file__), "braket.svg")
        return PersonaDefaults(
            name="Braket", avatar_path=path, description="Circuits", system_prompt="..."
        )

    async def process_message(self, message: Message):
        await self._session
        model = ChatOpenAI(model="m", base_url=os.environ["BRAKET_URL"], api_key="none")
        model = model.bind_tools(self._tools)
        names = ", ".join(sorted(tool.name for tool in self._tools))

        async def chunks():
            yield f"{names} for {message.sender} in {self.ychat.get_id()}: "
            async for chunk in model.astream([("user", message.body)]):
                yield chunk.text

        await self.stream_message(chunks())

    def shutdown(self):
        super().shutdown()
        self.parent.event_loop.create_task(self.exit_stack.aclose())
        self.log.info("Braket has shut down")
"""

QUICKAGENT = """
import asyncio
import time

from jupyter_ai_persona_manager import BasePersona, PersonaDefaults
from jupyterlab_chat.models import Message, NewMessage as _NewMessage


class QuickAgentPersona(BasePersona):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._state = "idle"
        self._purpose = ""

    @property
    def defaults(self):
        return PersonaDefaults(
            name="QuickAgent", avatar_path="", description="Agents", system_prompt="..."
        )

    def _config(self):
        try:
            settings = self.parent.parent.serverapp.web_app.settings
            return settings.get("quickagent.model")
        except AttributeError:
            return None

    async def process_message(self, message: Message) -> None:
        body = message.body.strip()
        if self._state == "purpose":
            self._purpose, self._state = body, "idle"
            self.send_message(f"It {body}.")
        elif body == "create":
            self._state = "purpose"
            self.send_message("What does it do?")
        else:
            await self._run(body, message)

    async def _run(self, body: str, message: Message) -> None:
        timer = self.ychat.add_message(
            _NewMessage(body="*Elapsed: 0s*", sender=self.id), trigger_actions=[]
        )

        def show(text: str) -> None:
            self.ychat.update_message(
                Message(id=timer, body=text, time=time.time(), sender=self.id, raw_time=False)
            )

        async def tick() -> None:
            while True:
                await asyncio.sleep(0)
                show("*Elapsed: 1s*")
                return

        task = asyncio.create_task(tick())
        try:
            context = self.process_attachments(message) or ""

            async def chunks():
                for part in ("An agent that ", self._purpose, f" with {self._config()}", context):
                    yield part

            await self.stream_message(chunks())
        finally:
            task.cancel()
            show("*Completed in 0.1s*")
"""

QUICKAGENT_SETTINGS = """
def _jupyter_server_extension_points():
    return [{"module": "quickagent.settings"}]


def _load_jupyter_server_extension(app):
    app.web_app.settings["quickagent.model"] = "a model of the server"
"""

HERMES = """
import os
import shutil

from jupyter_ai_acp_client.base_acp_persona import BaseAcpPersona
from jupyter_ai_persona_manager import PersonaDefaults, PersonaRequirementsUnmet
from jupyterlab_chat.models import Message

_hermes_path = os.environ.get("HERMES_BIN_PATH") or shutil.which("hermes")

if not _hermes_path or not os.path.exists(_hermes_path):
    raise PersonaRequirementsUnmet("This persona requires Hermes Agent. Install it.")


class HermesAcpPersona(BaseAcpPersona):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, executable=[_hermes_path, "acp"], **kwargs)

    @property
    def defaults(self) -> PersonaDefaults:
        path = os.path.join(os.path.dirname(__file__), "hermes.svg")
        return PersonaDefaults(
            name="Hermes", description="An agent", avatar_path=path, system_prompt="unused"
        )

    async def is_authed(self) -> bool:
        return True

    async def process_message(self, message: Message) -> None:
        await super().process_message(Message(
            id=message.id,
            body="## Tools\\n\\n" + message.body.strip(),
            time=message.time,
            sender=message.sender,
            type=message.type,
            attachments=message.attachments,
            mentions=message.mentions,
            raw_time=message.raw_time,
            deleted=message.deleted,
            edited=message.edited,
            metadata=message.metadata,
            mime_model=message.mime_model,
        ))
"""
