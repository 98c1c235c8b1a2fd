"""An agent of the Agent Client Protocol that does what the prompt says; run as a subprocess."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import acp
from acp import schema

COMMANDS = [schema.AvailableCommand(name="compact", description="Forget what was said.")]
MODELS = schema.SessionConfigOptionSelect(
    id="model",
    name="Model",
    type="select",
    category="model",
    current_value="small",
    options=[
        schema.SessionConfigSelectOption(name="Small", value="small"),
        schema.SessionConfigSelectOption(name="Large", value="large"),
    ],
)


class ScriptedAgent:
    """Remembers its sessions in a file beside it, as agents do on disk."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._cancelled = asyncio.Event()
        self._client: Any = None
        self.acts = {
            "/compact": self._compact,
            "die": self._die,
            "edit": self._edit,
            "wait": self._wait,
            "where": self._where,
        }

    def on_connect(self, conn: Any) -> None:
        self._client = conn

    async def initialize(self, **_: Any) -> acp.InitializeResponse:
        return acp.InitializeResponse(
            protocol_version=acp.PROTOCOL_VERSION,
            agent_capabilities=schema.AgentCapabilities(load_session=True),
        )

    def _sessions(self) -> list[str]:
        return json.loads(self._memory.read_text("utf-8")) if self._memory.exists() else []

    async def new_session(self, cwd: str, **_: Any) -> acp.NewSessionResponse:
        sessions = [*self._sessions(), f"session-{len(self._sessions()) + 1}"]
        self._memory.write_text(json.dumps(sessions), "utf-8")
        self._cwd = cwd
        return acp.NewSessionResponse(session_id=sessions[-1], config_options=[MODELS])

    async def load_session(self, cwd: str, session_id: str, **_: Any) -> acp.LoadSessionResponse:
        if session_id not in self._sessions():
            raise acp.RequestError.resource_not_found(session_id)
        self._cwd = cwd
        return acp.LoadSessionResponse(config_options=[MODELS])

    async def set_config_option(
        self, config_id: str, session_id: str, value: Any, **_: Any
    ) -> acp.SetSessionConfigOptionResponse:
        MODELS.current_value = value
        return acp.SetSessionConfigOptionResponse(config_options=[MODELS])

    async def cancel(self, session_id: str, **_: Any) -> None:
        self._cancelled.set()

    async def prompt(self, prompt: list[Any], session_id: str, **_: Any) -> acp.PromptResponse:
        self._cancelled.clear()
        said = prompt[0].text.rsplit("\n\n", 1)[-1]
        word, _, rest = said.partition(" ")
        act = self.acts.get(word)
        await (act(session_id, rest) if act is not None else self._echo(session_id, said))
        usage = schema.Usage(input_tokens=7, output_tokens=3, total_tokens=10)
        stop = "cancelled" if self._cancelled.is_set() else "end_turn"
        return acp.PromptResponse(stop_reason=stop, usage=usage)

    async def _say(self, session_id: str, text: str) -> None:
        await self._client.session_update(session_id, acp.update_agent_message_text(text))

    async def _echo(self, session_id: str, said: str) -> None:
        update = schema.AvailableCommandsUpdate(
            session_update="available_commands_update", available_commands=COMMANDS
        )
        await self._client.session_update(session_id, update)
        for piece in ("You ", "said: ", said, f" [{session_id}, {MODELS.current_value}]"):
            await self._say(session_id, piece)

    async def _compact(self, session_id: str, said: str) -> None:
        await self._say(session_id, "forgotten")

    async def _where(self, session_id: str, said: str) -> None:
        await self._say(session_id, self._cwd)

    async def _wait(self, session_id: str, said: str) -> None:
        await self._say(session_id, "waiting")
        await self._cancelled.wait()

    async def _die(self, session_id: str, said: str) -> None:
        await self._say(session_id, "about to die")
        os._exit(3)

    async def _edit(self, session_id: str, said: str) -> None:
        """Ask for a permission, then write the file, by way of the client."""
        path = str(Path(self._cwd) / said)
        call = acp.start_edit_tool_call("call-1", f"Edit {said}", path, "written")
        await self._client.session_update(session_id, call)
        options = [
            schema.PermissionOption(option_id="yes", name="Allow", kind="allow_once"),
            schema.PermissionOption(option_id="no", name="Reject", kind="reject_once"),
        ]
        update = schema.ToolCallUpdate(tool_call_id="call-1", title=f"Edit {said}")
        answer = await self._client.request_permission(
            options=options, session_id=session_id, tool_call=update
        )
        outcome = answer.outcome
        allowed = getattr(outcome, "option_id", None) == "yes"
        if allowed:
            await self._client.write_text_file(content="written", path=path, session_id=session_id)
        status = "completed" if allowed else "failed"
        await self._client.session_update(session_id, acp.update_tool_call("call-1", status=status))
        await self._say(session_id, f"edited: {allowed}")


if __name__ == "__main__":
    memory = Path(os.environ["SCRIPTED_AGENT_MEMORY"])
    if len(sys.argv) > 1 and sys.argv[1] == "--version":
        print("1.0.0")
    else:
        asyncio.run(acp.run_agent(ScriptedAgent(memory)))
