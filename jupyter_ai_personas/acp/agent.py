"""A running agent with its session in one chat, as the library's models have the protocol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import acp
from acp import schema
from pydantic import BaseModel, ValidationError

from jupyter_ai_personas.acp.login import LoginNeededError, advice, method_of
from jupyter_ai_personas.acp.pieces import Pieces
from jupyter_ai_personas.acp.process import AgentProcess, ProcessBroken
from jupyter_ai_personas.acp.reply import Reply
from jupyter_ai_personas.acp.rpc import INVALID, Rpc, RpcError
from jupyter_ai_personas.acp.session import SessionFacts
from jupyter_ai_personas.acp.work import TurnWork
from jupyter_ai_personas.redaction import for_people

__all__ = ["Agent", "UnknownChoiceError"]

START_SECONDS = 60.0
"""How long an agent may take to begin: some are downloaded first."""

CANCEL_SECONDS = 2.0
"""How long an agent may take to end a turn that is stopped, before it is killed."""

_AUTH_REQUIRED = -32000
_MOST_SESSIONS = 10


class UnknownChoiceError(Exception):
    """The agent has no such model or mode; the text continues "the agent"."""


class Agent:
    """An agent that runs. All methods belong to the event loop that started it."""

    def __init__(
        self, process: AgentProcess, *, env: Mapping[str, str], log: logging.Logger
    ) -> None:
        self._log = log
        self._process = process
        self._env = env
        self._rpc = Rpc(process, on_request=self._on_request, on_update=self._on_update, log=log)
        self._reading = asyncio.ensure_future(self._rpc.run())
        self._capabilities = schema.AgentCapabilities()
        self._logins: list[Any] = []
        self._name = ""
        self._told: dict[str, SessionFacts] = {}
        self._is_killed = False
        self._work: TurnWork | None = None
        self._take: Callable[[Any], Awaitable[None]] | None = None
        self._pieces: Pieces | None = None
        self.session_id = ""
        """The session of the chat, empty before :meth:`open_session`."""

    @property
    def is_running(self) -> bool:
        """Whether it still answers, as far as it is known."""
        return not (self._is_killed or self._reading.done() or self._process.has_ended)

    @property
    def said(self) -> str:
        """What it wrote beside the protocol, on one line, in part."""
        return self._process.said

    @classmethod
    async def start(
        cls, command: Sequence[str], *, env: Mapping[str, str], cwd: str, log: logging.Logger
    ) -> Agent:
        """Start an agent, which has to be ended with :meth:`end`.

        Raises:
            OSError: it cannot be started.
        """
        process = await AgentProcess.start(command, env=env, cwd=cwd, log=log)
        return cls(process, env=env, log=log)

    async def initialize(self) -> None:
        """Agree on the protocol.

        Raises:
            ProcessBroken: it ends, or speaks no protocol or another version of it.
            TimeoutError: it does not answer.
        """
        capabilities = schema.ClientCapabilities(
            fs=schema.FileSystemCapabilities(read_text_file=True, write_text_file=True),
            terminal=True,
        )
        request = schema.InitializeRequest(
            protocol_version=acp.PROTOCOL_VERSION, client_capabilities=capabilities
        )
        answer = await self._ask("initialize", request, schema.InitializeResponse)
        if answer.protocol_version != acp.PROTOCOL_VERSION:
            theirs, ours = answer.protocol_version, acp.PROTOCOL_VERSION
            raise ProcessBroken(
                f"speaks version {theirs} of the Agent Client Protocol, and this server {ours}"
            )
        self._capabilities = answer.agent_capabilities or self._capabilities
        self._logins = list(answer.auth_methods or ())
        self._name = answer.agent_info.name if answer.agent_info else ""

    async def open_session(
        self, session_id: str, *, cwd: str, mcp: Sequence[Mapping[str, Any]]
    ) -> bool:
        """Continue a session, or begin one if it is empty or gone; return whether it continues.

        Raises:
            ProcessBroken: the agent ends or breaks the protocol.
            LoginNeededError: its user has to log in.
            TimeoutError: it does not answer.
        """
        servers = [found for one in mcp if (found := self._mcp_server(one)) is not None]
        if session_id and await self._resume(session_id, cwd, servers):
            self.session_id = session_id
            return True
        request = schema.NewSessionRequest(cwd=cwd, mcp_servers=servers)
        try:
            answer = await self._new_session(request)
        except RpcError as error:
            self._need_login(error)
            said = for_people(" ".join(error.message.split()))[:300]
            raise ProcessBroken(f"begins no session: {said}") from None
        self.session_id = _read(schema.NewSessionResponse, answer).session_id
        self.facts.take_answer(answer)
        return False

    @property
    def facts(self) -> SessionFacts:
        """What it tells of its session."""
        return self._facts_of(self.session_id)

    def _facts_of(self, session_id: str) -> SessionFacts:
        while session_id not in self._told and len(self._told) >= _MOST_SESSIONS:
            del self._told[next(iter(self._told))]
        return self._told.setdefault(session_id, SessionFacts())

    async def _new_session(self, request: BaseModel) -> Any:
        try:
            return await self._ask("session/new", request, None)
        except RpcError as error:
            method = method_of(self._logins, self._env)
            if error.code != _AUTH_REQUIRED or method is None:
                raise
            # It has the key, and waits to be told to use it.
            await self._ask("authenticate", schema.AuthenticateRequest(method_id=method), None)
            return await self._ask("session/new", request, None)

    def _need_login(self, error: RpcError) -> None:
        """Raise :class:`LoginNeededError` if this is what an error says."""
        if error.code == _AUTH_REQUIRED:
            raise LoginNeededError(advice(error.message, self._logins, self._name)) from None

    async def choose(self, model: str | None, mode: str) -> None:
        """Choose the model and the mode of the session, if they are others.

        Raises:
            ProcessBroken: the agent ends or breaks the protocol.
            UnknownChoiceError: it has no such model or mode.
            TimeoutError: it does not answer.
        """
        facts = self.facts
        if mode and mode != facts.mode:
            await self._choose("mode", mode, facts.modes, "session/set_mode", {"modeId": mode})
            facts.mode = mode
        if model and model != facts.model:
            method, params = facts.choice_of_model(model)
            await self._choose("model", model, facts.models, method, params)
            facts.model = model

    async def _choose(
        self, what: str, id_: str, known: Mapping[str, str], method: str, params: Mapping[str, str]
    ) -> None:
        listed = ", ".join(f"`{one}`" for one in list(known)[:20])
        if id_ not in known:
            has = f"It has {listed}." if listed else f"It tells of no {what}s."
            raise UnknownChoiceError(f"has no {what} `{id_[:80]}`. {has}")
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._rpc.request(method, {"sessionId": self.session_id, **params})
        except RpcError as error:
            said = for_people(" ".join(error.message.split()))[:300]
            raise UnknownChoiceError(f"refuses the {what} `{id_}`: {said}") from None

    async def _resume(self, session_id: str, cwd: str, servers: list[Any]) -> bool:
        wanted = {"cwd": cwd, "session_id": session_id, "mcp_servers": servers}
        more = self._capabilities.session_capabilities
        try:
            if self._capabilities.load_session:
                load = schema.LoadSessionRequest.model_validate(wanted)
                answer = await self._ask("session/load", load, None)
            elif more is not None and more.resume is not None:
                resume = schema.ResumeSessionRequest.model_validate(wanted)
                answer = await self._ask("session/resume", resume, None)
            else:
                return False
        except RpcError as error:
            self._need_login(error)
            self._log.info("The session is gone, a new one begins: %s", error.message[:200])
            return False
        self._facts_of(session_id).take_answer(answer)
        return True

    def _mcp_server(self, one: Mapping[str, Any]) -> Any:
        """Return an MCP server as the protocol has it, ``None`` if the agent cannot reach it."""
        if one.get("transport") == "stdio":
            env = [schema.EnvVariable(name=k, value=v) for k, v in one["env"].items()]
            return schema.McpServerStdio(
                name=one["name"], command=one["command"], args=one["args"], env=env
            )
        offered = self._capabilities.mcp_capabilities
        if offered is None or not offered.http:
            self._log.warning("The agent reaches no MCP server by HTTP: %s", one.get("name"))
            return None
        headers = [schema.HttpHeader(name=k, value=v) for k, v in one["headers"].items()]
        return schema.HttpMcpServer(type="http", name=one["name"], url=one["url"], headers=headers)

    async def prompt(
        self,
        blocks: Sequence[Mapping[str, Any]],
        *,
        work: TurnWork,
        reply: Reply,
        pieces: Pieces,
    ) -> schema.PromptResponse:
        """Let the agent answer; ``pieces`` take the text of the reply as it comes.

        Raises:
            ProcessBroken: the agent ended or broke the protocol.
            LoginNeededError: its user has to log in.
            RpcError: it answered with an error.
        """

        async def take(update: Any) -> None:
            for piece in reply.take(update):
                await pieces.put(piece)
            work.updated()

        self._work, self._take, self._pieces = work, take, pieces
        try:
            params = {"sessionId": self.session_id, "prompt": list(blocks)}
            try:
                told = await self._rpc.request("session/prompt", params)
            except RpcError as error:
                self._need_login(error)
                raise
            answer: schema.PromptResponse = _read(schema.PromptResponse, told)
            return answer
        finally:
            self._work = self._take = self._pieces = None

    async def stop(self, prompting: asyncio.Task[Any]) -> None:
        """Cancel the turn that ``prompting`` waits for; kill the agent if it does not listen."""
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._rpc.notify("session/cancel", {"sessionId": self.session_id})
                await asyncio.wait([prompting])
        except (TimeoutError, ProcessBroken):
            self._log.warning("The agent did not end a turn that was stopped, and is killed")
            self.kill()

    def kill(self) -> None:
        """End it at once; :meth:`end` cleans up."""
        self._is_killed = True
        self._process.kill()

    async def end(self) -> None:
        """End it, politely first, and read the rest of what it wrote."""
        self._reading.cancel()
        await asyncio.wait([self._reading])
        await self._process.end()

    async def _ask(self, method: str, request: BaseModel, model: Any) -> Any:
        async with asyncio.timeout(START_SECONDS):
            answer = await self._rpc.request(method, _plain(request))
        return answer if model is None else _read(model, answer)

    async def _on_request(self, method: str, params: Any) -> Any:
        if self._work is None or self._pieces is None:
            raise RpcError(INVALID, "No turn runs.")
        work = self._work
        # People read what the agent says before they are asked.
        await self._pieces.all_taken()
        return await work.answer(method, params)

    async def _on_update(self, params: Any) -> None:
        try:
            notification = schema.SessionNotification.model_validate(params)
        except ValidationError:
            self._log.debug("An update of the agent is not understood")
            return
        if self.session_id not in ("", notification.session_id):
            return
        # A session is told of before its id is read here.
        if self._facts_of(notification.session_id).take_update(notification.update):
            return
        # What else it tells beside a turn, such as the messages of a session, is known.
        if (take := self._take) is not None:
            await take(notification.update)


def _plain(request: BaseModel) -> dict[str, Any]:
    plain: dict[str, Any] = request.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return plain


def _read(model: Any, answer: Any) -> Any:
    try:
        return model.model_validate(answer)
    except ValidationError:
        raise ProcessBroken("does not keep to the Agent Client Protocol") from None
