"""An agent of the Agent Client Protocol that does what a prompt says, well or badly."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

import acp
from acp import schema

MEMORY = Path(os.environ["AGENT_MEMORY"])
"""Where sessions are remembered: lines of JSON."""


def noted(**facts: Any) -> None:
    with MEMORY.open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")


def remembered() -> str:
    return MEMORY.read_text("utf-8")


def raw(text: str) -> None:
    # The library writes without blocking.
    os.set_blocking(1, True)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def message(method: str, **more: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": method, **more})


class ObedientAgent:
    """The first word of a message says what it does; it says the rest."""

    def __init__(self) -> None:
        self._cancelled = asyncio.Event()
        self._client: Any = None
        self._mcp: list[Any] = []
        self._cwd = ""
        self._logged_in = False
        self._model, self._mode = "small-1", "ask"

    def on_connect(self, conn: Any) -> None:
        self._client = conn

    async def initialize(self, **about: Any) -> acp.InitializeResponse:
        noted(pid=os.getpid())
        if "hang" in sys.argv:
            await asyncio.Event().wait()
        if "dies-first" in sys.argv:
            os._exit(5)
        version = 7 if "modern" in sys.argv else acp.PROTOCOL_VERSION
        methods: list[Any] = [schema.AuthMethodAgent(id="web", name="Log in on the web")]
        if "login-env" in sys.argv:
            keys = [schema.AuthEnvVar(name="AGENT_KEY")]
            method = schema.EnvVarAuthMethod(id="key", name="Use a key", vars=keys, type="env_var")
            methods.append(method)
        remembers = "forgets" not in sys.argv
        resumes = remembers and "resumes" in sys.argv
        capabilities = schema.AgentCapabilities(
            load_session=remembers and not resumes,
            mcp_capabilities=schema.McpCapabilities(http="http" in sys.argv),
            session_capabilities=schema.SessionCapabilities(
                resume=schema.SessionResumeCapabilities() if resumes else None
            ),
        )
        name = "@of/claude-agent-acp" if "claude" in sys.argv else "obedient"
        return acp.InitializeResponse(
            protocol_version=version,
            agent_capabilities=capabilities,
            auth_methods=methods,
            agent_info=schema.Implementation(name=name, version="1"),
        )

    async def authenticate(self, method_id: str, **_: Any) -> None:
        noted(authenticated=method_id)
        self._logged_in = True

    async def new_session(self, cwd: str, mcp_servers: Any, **_: Any) -> acp.NewSessionResponse:
        if "login" in sys.argv or ("login-env" in sys.argv and not self._logged_in):
            raise acp.RequestError.auth_required()
        if "dies-second" in sys.argv:
            sys.stderr.write("no model configured\n")
            os._exit(6)
        if "refuses" in sys.argv:
            raise acp.RequestError.internal_error()
        self._cwd, self._mcp = cwd, mcp_servers
        if "odd-id" in sys.argv:
            raw(json.dumps({"jsonrpc": "2.0", "id": 2, "result": {"sessionId": 5}}))
        session_id = f"session-{remembered().count('began') + 1}"
        noted(began=session_id)
        told = schema.AvailableCommandsUpdate(
            session_update="available_commands_update",
            available_commands=[
                schema.AvailableCommand(name="compact", description="Forgets what was said.")
            ],
        )
        await self._update(session_id, told)
        return acp.NewSessionResponse(session_id=session_id, **self._choices())

    def _choices(self) -> dict[str, Any]:
        models = [
            schema.SessionConfigSelectOption(value=f"{size}-1", name=size.title())
            for size in ("small", "large")
        ]
        option = schema.SessionConfigOptionSelect(
            **{"id": "m", "name": "Model", "category": "model", "type": "select"},
            current_value=self._model,
            options=models,
        )
        modes = [schema.SessionMode(id=name, name=name.title()) for name in ("ask", "plan")]
        state = schema.SessionModeState(current_mode_id=self._mode, available_modes=modes)
        return {"modes": state, "config_options": [option]}

    async def set_session_mode(self, mode_id: str, session_id: str, **_: Any) -> None:
        self._mode = mode_id

    async def set_config_option(
        self, config_id: str, session_id: str, value: Any, **_: Any
    ) -> schema.SetSessionConfigOptionResponse:
        self._model = value
        return schema.SetSessionConfigOptionResponse(
            config_options=self._choices()["config_options"]
        )

    async def load_session(
        self, cwd: str, session_id: str, mcp_servers: Any, **_: Any
    ) -> acp.LoadSessionResponse:
        if f'"began": "{session_id}"' not in remembered():
            raise acp.RequestError.resource_not_found(session_id)
        if "dies-loading" in sys.argv:
            os._exit(7)
        self._cwd, self._mcp = cwd, mcp_servers
        noted(loaded=session_id)
        # Agents repeat what was said when a session is loaded.
        await self._say(session_id, "said long ago")
        return acp.LoadSessionResponse(**self._choices())

    async def resume_session(
        self, cwd: str, session_id: str, mcp_servers: Any = None, **_: Any
    ) -> schema.ResumeSessionResponse:
        if f'"began": "{session_id}"' not in remembered():
            raise acp.RequestError.resource_not_found(session_id)
        self._cwd, self._mcp = cwd, mcp_servers
        noted(resumed=session_id)
        return schema.ResumeSessionResponse()

    async def cancel(self, session_id: str, **_: Any) -> None:
        noted(cancelled=session_id)
        self._cancelled.set()

    async def prompt(self, prompt: list[Any], session_id: str, **_: Any) -> acp.PromptResponse:
        self._cancelled.clear()
        noted(prompt=[block.text for block in prompt])
        if "login-late" in sys.argv:
            raise acp.RequestError.auth_required()
        word, _, rest = prompt[-1].text.partition(" ")
        act = getattr(self, f"_{word.strip('/')}", None)
        self._session = session_id
        await (act(session_id, rest) if act else self._say(session_id, f"heard {word} {rest}"))
        usage = schema.Usage(input_tokens=7, output_tokens=3, total_tokens=10)
        stop = "cancelled" if self._cancelled.is_set() else "end_turn"
        if word == "refuse":
            stop = "refusal"
        return acp.PromptResponse(stop_reason=stop, usage=usage)

    async def _update(self, session_id: str, update: Any) -> None:
        await self._client.session_update(session_id, update)

    async def _say(self, session_id: str, text: str) -> None:
        await self._update(session_id, acp.update_agent_message_text(text))

    # -- well ---------------------------------------------------------------------------------

    async def _session(self, session_id: str, said: str) -> None: ...

    async def _where(self, session_id: str, said: str) -> None:
        await self._say(session_id, f"{session_id} in {self._cwd} ({Path.cwd()})")

    async def _how(self, session_id: str, said: str) -> None:
        await self._say(session_id, f"{self._model}, {self._mode}")

    async def _compact(self, session_id: str, said: str) -> None:
        await self._say(session_id, "forgotten")

    async def _show(self, session_id: str, said: str) -> None:
        """Think, plan, call, answer."""
        for piece in ("First </details> I ", "think."):
            await self._update(session_id, acp.update_agent_thought_text(piece))
        for status in ("pending", "completed"):
            entries = [
                schema.PlanEntry(content="Look", priority="high", status=status),
                schema.PlanEntry(content="Tell", priority="low", status="pending"),
            ]
            await self._update(
                session_id, schema.AgentPlanUpdate(session_update="plan", entries=entries)
            )
        call = acp.start_tool_call("c1", "Look <b>", kind="search", raw_input={"query": "x"})
        await self._update(session_id, call)
        text = acp.tool_content(acp.text_block("found it"))
        await self._update(
            session_id, acp.update_tool_call("c1", status="completed", content=[text])
        )
        await self._say(session_id, "Here it is.")

    async def _messages(self, session_id: str, said: str) -> None:
        """Say a message in two pieces for each word."""
        for word, piece in itertools.product(said.split(), ("said", ".")):
            update = acp.update_agent_message_text(piece)
            update.message_id = word
            await self._update(session_id, update)

    async def _env(self, session_id: str, said: str) -> None:
        await self._say(session_id, json.dumps(dict(os.environ)))

    async def _mcps(self, session_id: str, said: str) -> None:
        told = [server.model_dump(mode="json") for server in self._mcp]
        await self._say(session_id, json.dumps(told))

    async def _weather(self, session_id: str, city: str) -> None:
        """Ask the MCP server that it was told of."""
        # Here: each start of the agent would wait for the import.
        from mcp import ClientSession
        from mcp.client.streamable_http import streamablehttp_client

        [server] = self._mcp
        headers = {one.name: one.value for one in server.headers}
        async with (
            streamablehttp_client(server.url, headers=headers) as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            found = await session.call_tool("forecast", {"city": city})
        await self._say(session_id, found.content[0].text)

    async def _edit(self, session_id: str, path: str) -> None:
        """Ask for an edit, with its diff, and do it."""
        file = Path(self._cwd, path)
        old = await asyncio.to_thread(file.read_text, "utf-8")
        new = old.replace("23", "24")
        diff = acp.tool_diff_content(str(file), new, old)
        place = schema.ToolCallLocation(path=str(file), line=1)
        asked = schema.ToolCallUpdate(
            tool_call_id="e1", title=f"Edit {path}", kind="edit", content=[diff], locations=[place]
        )
        options = [
            schema.PermissionOption(option_id="yes", name="Allow", kind="allow_once"),
            schema.PermissionOption(option_id="no", name="Reject", kind="reject_once"),
        ]
        answer = await self._client.request_permission(
            options=options, session_id=session_id, tool_call=asked
        )
        if getattr(answer.outcome, "option_id", None) == "yes":
            await asyncio.to_thread(file.write_text, new, "utf-8")
        await self._update(session_id, acp.update_tool_call("e1", status="completed"))
        await self._say(session_id, "It is corrected.")

    async def _command(self, session_id: str, command: str) -> None:
        """Run a command as a call that shows its terminal."""
        terminal = await self._client.create_terminal(command=command, session_id=session_id)
        ids = {"session_id": session_id, "terminal_id": terminal.terminal_id}
        shown = acp.tool_terminal_ref(terminal.terminal_id)
        call = acp.start_tool_call("t1", "Run", kind="execute", content=[shown])
        await self._update(session_id, call)
        await self._client.wait_for_terminal_exit(**ids)
        await self._client.release_terminal(**ids)
        await self._update(session_id, acp.update_tool_call("t1", status="completed"))

    async def _permitted(self, session_id: str, title: str, kind: str = "execute") -> bool:
        options = [
            schema.PermissionOption(option_id="always", name="Always", kind="allow_always"),
            schema.PermissionOption(option_id="yes", name="Allow", kind="allow_once"),
            schema.PermissionOption(option_id="no", name="Reject", kind="reject_once"),
        ]
        update = schema.ToolCallUpdate(
            tool_call_id="c1", title=title, kind=kind, raw_input={"command": title}
        )
        answer = await self._client.request_permission(
            options=options, session_id=session_id, tool_call=update
        )
        noted(outcome=answer.outcome.model_dump(mode="json"))
        return getattr(answer.outcome, "option_id", None) == "yes"

    async def _ask(self, session_id: str, said: str) -> None:
        allowed = await self._permitted(session_id, said)
        status = "completed" if allowed else "failed"
        await self._update(session_id, acp.update_tool_call("c1", status=status))
        await self._say(session_id, f"allowed: {allowed}")

    async def _do(self, session_id: str, said: str) -> None:
        """Say what follows, ask for each and do it; after a restart, for what is not done."""
        noted(task=said)
        await self._say(session_id, "I begin. ")
        await self._go_on(session_id, said)

    async def _The(self, session_id: str, said: str) -> None:
        """Go on after a restart: "The server was restarted while …"."""
        facts = [json.loads(line) for line in remembered().splitlines()]
        if writing := [fact["writing"] for fact in facts if "writing" in fact]:
            await self._write(session_id, writing[-1])
            return
        tasks = [fact["task"] for fact in facts if "task" in fact]
        await self._go_on(session_id, "other" if "strays" in sys.argv else tasks[-1])

    async def _go_on(self, session_id: str, said: str) -> None:
        for what in said.split():
            if f'"did": "{what}"' in remembered():
                continue
            allowed = await self._permitted(session_id, what)
            if allowed:
                noted(did=what)
            status = "completed" if allowed else "failed"
            await self._update(session_id, acp.update_tool_call("c1", status=status))
            await self._say(session_id, f"{what}: {allowed}. ")

    async def _tried(self, session_id: str, work: Any) -> None:
        try:
            answer = await work
        except acp.RequestError as error:
            await self._say(session_id, f"refused: {error}")
        else:
            await self._say(session_id, f"answered: {answer.model_dump(mode='json')}")

    async def _read(self, session_id: str, path: str) -> None:
        await self._tried(session_id, self._client.read_text_file(path=path, session_id=session_id))

    async def _readwait(self, session_id: str, path: str) -> None:
        await self._read(session_id, path)
        await self._wait(session_id, "")

    async def _part(self, session_id: str, path: str) -> None:
        part = self._client.read_text_file(path=path, session_id=session_id, line=2, limit=1)
        await self._tried(session_id, part)

    async def _write(self, session_id: str, path: str) -> None:
        noted(writing=path)
        await self._tried(
            session_id,
            self._client.write_text_file(path=path, content="written\n", session_id=session_id),
        )

    async def _run(self, session_id: str, command: str) -> None:
        try:
            terminal = await self._client.create_terminal(command=command, session_id=session_id)
        except acp.RequestError as error:
            await self._say(session_id, f"refused: {error}")
            return
        ids = {"session_id": session_id, "terminal_id": terminal.terminal_id}
        await self._say(session_id, "running\n\n")
        await self._client.wait_for_terminal_exit(**ids)
        output = await self._client.terminal_output(**ids)
        await self._client.release_terminal(**ids)
        await self._say(session_id, f"{output.output!r} {output.exit_status.exit_code}")

    async def _wait(self, session_id: str, said: str) -> None:
        await self._say(session_id, "waiting")
        await self._cancelled.wait()

    async def _refuse(self, session_id: str, said: str) -> None:
        await self._say(session_id, "No.")

    # -- badly --------------------------------------------------------------------------------

    async def _deaf(self, session_id: str, said: str) -> None:
        """Never end, with a child that does not either."""
        child = await asyncio.create_subprocess_exec("sleep", "1000")
        noted(child=child.pid)
        await self._say(session_id, "deaf")
        await asyncio.Event().wait()

    async def _mortal(self, session_id: str, said: str) -> None:
        """Ask for something, and die while people think about it."""
        asyncio.get_running_loop().call_later(0.2, os._exit, 8)
        await self._permitted(session_id, said)

    async def _options(self, session_id: str, said: str) -> None:
        """Ask with options of which ``said`` tells pairs of an id and a kind."""
        options = [
            {"optionId": id_, "name": id_, "kind": kind}
            for id_, kind in (pair.split("=") for pair in said.split())
        ]
        call = {"toolCallId": "o", "title": "x"}
        asked = {"sessionId": session_id, "options": options, "toolCall": call}
        raw(message("session/request_permission", id=80, params=asked))
        await self._say(session_id, "asked")

    async def _twice(self, session_id: str, said: str) -> None:
        """Ask twice for one call at once."""
        allowed = await asyncio.gather(*(self._permitted(session_id, said) for _ in range(2)))
        await self._say(session_id, f"allowed: {allowed}")

    async def _mull(self, session_id: str, said: str) -> None:
        """Think, plan and call without end, once there is something to read."""
        await self._say(session_id, "mulling")
        text = {"type": "text", "text": "x" * 10_000}
        entry = {"content": "x" * 10_000, "priority": "low", "status": "pending"}
        for number in itertools.count():
            for update in (
                {"sessionUpdate": "agent_thought_chunk", "content": text},
                {"sessionUpdate": "plan", "entries": [entry] * 50},
                {"sessionUpdate": "tool_call", "toolCallId": str(number), "title": "x" * 10_000},
                {"sessionUpdate": "usage_update", "used": number, "size": 9},
                {
                    "sessionUpdate": "available_commands_update",
                    "availableCommands": [{"name": "x", "description": "y" * 10_000}] * 200,
                },
            ):
                raw(message("session/update", params={"sessionId": session_id, "update": update}))
                other = f"other-{number}"
                raw(message("session/update", params={"sessionId": other, "update": update}))

    async def _late(self, session_id: str, said: str) -> None:
        """Go on after a stop."""
        await self._wait(session_id, said)
        await self._say(session_id, "after the stop")

    async def _odd(self, session_id: str, said: str) -> None:
        """Answer the first prompt with nonsense."""
        raw(json.dumps({"jsonrpc": "2.0", "id": 3, "result": {"stopReason": 7}}))
        await asyncio.Event().wait()

    async def _outside(self, session_id: str, path: str) -> None:
        """Run a command elsewhere."""
        made = self._client.create_terminal(command="touch made", cwd=path, session_id=session_id)
        await self._tried(session_id, made)

    async def _die(self, session_id: str, said: str) -> None:
        await self._say(session_id, "about to die")
        os._exit(3)

    async def _fail(self, session_id: str, said: str) -> None:
        raise acp.RequestError.internal_error({"details": "out of order"})

    async def _flood(self, session_id: str, said: str) -> None:
        update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text"}}
        update["content"]["text"] = "x" * 1000
        line = message("session/update", params={"sessionId": session_id, "update": update})
        while True:
            raw(line)

    async def _huge(self, session_id: str, said: str) -> None:
        raw("x" * 100_000_000)

    async def _noise(self, session_id: str, said: str) -> None:
        while True:
            raw("Welcome to my agent!")

    async def _deep(self, session_id: str, said: str) -> None:
        """Describe a call with much nesting."""
        update = {"sessionUpdate": "tool_call", "toolCallId": "d", "title": "x", "rawInput": None}
        nested = '{"a":' * 400 + "1" + "}" * 400
        line = message("session/update", params={"sessionId": session_id, "update": update})
        raw(line.replace("null", nested))
        await self._say(session_id, "deep")

    async def _half(self, session_id: str, said: str) -> None:
        """Write half of a surrogate pair, and ask with one."""
        await self._say(session_id, "half")
        update = {"sessionUpdate": "agent_message_chunk"}
        update |= {"content": {"type": "text", "text": "\ud800!"}}
        raw(message("session/update", params={"sessionId": session_id, "update": update}))
        options = [{"optionId": "yes", "name": "Allow", "kind": "allow_once"}]
        asked = {"sessionId": session_id, "options": options}
        asked["toolCall"] = {"toolCallId": "h", "title": "do \ud800"}
        raw(message("session/request_permission", id=70, params=asked))
        await self._cancelled.wait()

    async def _lie(self, session_id: str, said: str) -> None:
        """Say much that means nothing, and then answer."""
        raw("{")
        raw("[1, 2]")
        raw("null")
        raw(json.dumps({"jsonrpc": "2.0", "id": 999, "result": {}}))
        raw(json.dumps({"jsonrpc": "2.0", "id": [1], "error": "x"}))
        raw(message("session/update", params={"sessionId": session_id, "update": {"a": 1}}))
        raw(message("session/update", params=None))
        other = acp.update_agent_message_text("of another").model_dump(mode="json", by_alias=True)
        raw(message("session/update", params={"sessionId": "other", "update": other}))
        raw(message("what/is/this", id=7, params={}))
        raw(message("terminal/output", id=8, params={"sessionId": session_id, "terminalId": "x"}))
        raw(message("fs/read_text_file", id=9, params={"sessionId": "other", "path": "/etc/x"}))
        raw(message("fs/read_text_file", id=10, params=[]))
        sys.stderr.write("y" * 1_000_000)
        await self._say(session_id, "honest")


if __name__ == "__main__":
    MEMORY.touch()
    if "exits" in sys.argv:
        sys.exit(4)
    asyncio.run(acp.run_agent(ObedientAgent(), use_unstable_protocol=True))
