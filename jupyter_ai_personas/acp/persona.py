"""An agent as a persona in one chat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jupyter_ai_personas.acp.settings import start_of
from jupyter_ai_personas.chat.messages import Message
from jupyter_ai_personas.errors import (
    AgentError,
    ConfigurationError,
    RequestRefusedError,
    TurnEndedError,
)
from jupyter_ai_personas.personas import BasePersona, PersonaContext, PersonaDefaults, Turn
from jupyter_ai_personas.personas.base import current_turn
from jupyter_ai_personas.redaction import for_people
from jupyter_ai_personas.routing import mention_name

if TYPE_CHECKING:
    from jupyter_ai_personas.acp.agent import Agent
    from jupyter_ai_personas.acp.place import Place

__all__ = ["AcpPersona"]

_AGAIN = "Ask again: it is started anew."
_CANNOT_GO_ON = (
    "cannot go on where a restart cut it off: its session is gone. What it waited for has not run. "
    "`/retry` asks it again."
)
_STOPS = {
    "max_tokens": "The agent stopped: it has reached its limit of tokens.",
    "max_turn_requests": "The agent stopped: it has reached its limit of steps in one turn.",
    "refusal": "The agent refuses to go on.",
}


class AcpPersona(BasePersona):
    """An agent of the Agent Client Protocol: one process and one session in each chat."""

    defaults = PersonaDefaults(name="Agent")

    def __init__(self, context: PersonaContext) -> None:
        super().__init__(context)
        self._agent: Agent | None = None
        self._place: Place | None = None
        self._is_new = True
        self._mode = ""
        self._reported: dict[str, Any] = {}
        self._lock = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def process_message(self, message: Message) -> None:
        """Let the agent answer ``message``, or go on where a restart cut it off."""
        turn = current_turn.get() or self.turn
        try:
            await self._work_on(turn)
        except AgentError as error:
            if turn.spec.so_far and turn.is_silent:
                # Keep the text from before the restart.
                await turn.stream(_failing(turn.spec.so_far, error))
            raise

    async def _work_on(self, turn: Turn) -> None:
        async with self._lock:
            if self._ending is not None:
                await asyncio.shield(self._ending)
            try:
                from jupyter_ai_personas.acp.agent import UnknownChoiceError
                from jupyter_ai_personas.acp.login import LoginNeededError
                from jupyter_ai_personas.acp.process import ProcessBroken
                from jupyter_ai_personas.acp.rpc import RpcError
            except ImportError:
                fix = "The operator can run `pip install 'jupyter_ai_personas[acp]'`."
                raise AgentError(self.name, f"needs a package that is missing. {fix}") from None
            try:
                agent = await self._running(turn, await _session_of(turn))
                await agent.choose(turn.spec.model, self._mode)
                await self._answer(turn, agent)
            except ProcessBroken as error:
                self._drop()
                raise AgentError(self.name, f"{error}. {_AGAIN}") from error
            except RpcError as error:
                reason = for_people(" ".join(error.message.split()))[:300]
                raise AgentError(self.name, f"could not answer: {reason}") from error
            except LoginNeededError as error:
                self._drop()
                raise AgentError(self.name, f"wants a login first: {error}") from error
            except UnknownChoiceError as error:
                raise AgentError(self.name, str(error)) from error
            except TimeoutError as error:
                self._drop()
                raise AgentError(self.name, f"did not start in time. {_AGAIN}") from error

    async def shutdown(self) -> None:
        """End the agent."""
        self._drop()
        if self._leaving:
            await asyncio.wait(self._leaving)

    # -- the agent ----------------------------------------------------------------------------

    def _drop(self) -> None:
        """End the agent; the next turn starts it anew."""
        agent, self._agent = self._agent, None
        if agent is not None:
            self._let_go(agent.end())

    def _let_go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _running(self, turn: Turn, wanted: str | None) -> Agent:
        """Return the agent, which is started if it does not run, with its session.

        ``wanted`` is the session that a turn goes on in, ``None`` for any.
        """
        if self._agent is not None and self._agent.is_running:
            if wanted not in (None, self._agent.session_id):
                raise AgentError(self.name, _CANNOT_GO_ON)
            return self._agent
        from jupyter_ai_personas.acp.agent import Agent
        from jupyter_ai_personas.acp.place import Place
        from jupyter_ai_personas.acp.process import ProcessBroken

        self._drop()
        root = self.get_workspace_dir()
        if root is None:
            raise AgentError(self.name, "works on files, and this server keeps none on a disk.")
        try:
            command, env, self._mode = start_of(self.config)
        except ConfigurationError as error:
            raise AgentError(self.name, f"cannot be started. {error}") from error
        self._place = place = Place(root, turn.chat_path)
        turn.set_status("is starting")
        try:
            agent = await Agent.start(command, env=env, cwd=place.cwd, log=self.log)
        except (OSError, ValueError) as error:
            fix = "The operator can correct `c.AiExtension.acp_agents`, or install it."
            raise AgentError(self.name, f"cannot be started here. {fix}") from error
        self._agent = agent
        self._reported = {}
        try:
            await agent.initialize()
            chat = await turn.request("chat.read")
            known = wanted or _session_in(chat["metadata"].get(self._key), turn.spec.chat_id)
            resumed = await agent.open_session(known, cwd=place.cwd, mcp=chat["mcp"])
        except ProcessBroken as error:
            self._drop()
            said = f" It wrote: {agent.said}" if agent.said else ""
            fix = "`jupyter ai-personas doctor` tries it out for the operator."
            raise AgentError(self.name, f"cannot begin: it {error}.{said} {fix}") from error
        except BaseException:
            # An agent without a session cannot answer.
            self._drop()
            raise
        self._is_new = not resumed
        if agent.session_id != known:
            await self._keep(turn, agent.session_id)
        turn.set_status(None)
        if wanted is not None and not resumed:
            raise AgentError(self.name, _CANNOT_GO_ON)
        return agent

    @property
    def _key(self) -> str:
        return f"acp_session:{self.id}"

    async def _keep(self, turn: Turn, session_id: str) -> None:
        """Keep the session in the chat, so that it goes on after a restart.

        The id of the chat is kept too: a copy of the file must not share the session.
        """
        value = {"session": session_id, "chat": turn.spec.chat_id}
        try:
            await turn.request("chat.set_metadata", {"name": self._key, "value": value})
        except RequestRefusedError as error:
            self.log.warning("The session will not go on after a restart: %s", error)

    # -- a turn -------------------------------------------------------------------------------

    async def _answer(self, turn: Turn, agent: Agent) -> None:
        from jupyter_ai_personas.acp.pieces import Pieces
        from jupyter_ai_personas.acp.prompt import prompt_blocks
        from jupyter_ai_personas.acp.reply import Reply
        from jupyter_ai_personas.acp.work import TurnWork

        assert self._place is not None
        blocks = await prompt_blocks(turn, self.name, is_new=self._is_new)
        self._is_new = False
        so_far = turn.spec.so_far or ""
        reply = Reply(status=turn.set_status, so_far=so_far, shown=self._place.shown)
        work = TurnWork(
            turn,
            session_id=agent.session_id,
            toolset=mention_name(self.name),
            place=self._place,
            reply=reply,
            log=self.log,
        )
        pieces = Pieces()

        async def prompting() -> Any:
            try:
                try:
                    answer = await agent.prompt(blocks, work=work, reply=reply, pieces=pieces)
                finally:
                    for piece in reply.finish():
                        await pieces.put(piece)
                # Before the reply ends, which shows it.
                _record(turn, answer.usage, agent.facts.model)
                await self._report(turn, agent)
                return answer
            finally:
                pieces.end()

        task = asyncio.ensure_future(prompting())
        # What it raises is raised here, unless the turn has ended before.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

        async def text() -> AsyncGenerator[str, None]:
            if so_far:
                yield so_far
            async for piece in pieces.taken():
                yield piece
            # What failed belongs to this reply.
            await asyncio.shield(task)

        try:
            try:
                await turn.stream(text())
            finally:
                pieces.close()
            await work.finish()
        except BaseException:
            self._let_go(work.leave())
            if not task.done():
                # Not awaited here: a turn that is stopped must end soon. The next one waits.
                self._ending = asyncio.ensure_future(agent.stop(task))
            raise
        if note := _STOPS.get(task.result().stop_reason):
            turn.send(f"*{note}*")

    async def _report(self, turn: Turn, agent: Agent) -> None:
        """Tell the server of the agent's models and commands, if they have changed."""
        report = agent.facts.report()
        if report != self._reported:
            self._reported = report
            with suppress(RequestRefusedError, TurnEndedError):
                await turn.request("chat.report", report)


def _record(turn: Turn, usage: Any, model: str | None) -> None:
    """Record the tokens of the turn."""
    told = {"model": model}
    if usage is not None:
        told |= {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
        }
        turn.record_usage(told)


async def _session_of(turn: Turn) -> str | None:
    """Return the session that a turn which a restart cut off was in, ``None`` for any other turn.

    An empty one cannot be loaded.
    """
    if turn.spec.so_far is None:
        return None
    steps = await turn.request("tool.steps")
    found = [step.get("session") for step in steps if step["kind"] == "answer"]
    return next((one for one in reversed(found) if isinstance(one, str)), "")


async def _failing(text: str, error: AgentError) -> AsyncGenerator[str, None]:
    yield text
    raise error


def _session_in(value: Any, chat_id: str) -> str:
    """Return the session that is kept in a chat, empty if there is none of this chat."""
    if not isinstance(value, Mapping) or value.get("chat") != chat_id:
        return ""
    session = value.get("session")
    return session if isinstance(session, str) and 0 < len(session) <= 1_000 else ""
