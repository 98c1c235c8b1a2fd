"""Calls of tools on the server's side: policy, approval, record, execution.

The tool loop, below the wall, sends a ``tool.call`` with a name and arguments; everything else is
decided here. Steps are recorded before they take effect: see :class:`TurnStep`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

import anyio

from jupyter_ai_personas.errors import (
    PersonasError,
    RequestRefusedError,
    ToolCallError,
    did_you_mean,
    near_matches,
)
from jupyter_ai_personas.personas.wire import plain_json
from jupyter_ai_personas.redaction import redact
from jupyter_ai_personas.runtime.approvals import Approval, Decision, read_steps
from jupyter_ai_personas.runtime.board import MAX_SHOWN, ApprovalBoard, describe_call
from jupyter_ai_personas.runtime.ledger import TurnStep
from jupyter_ai_personas.runtime.metrics import CallReport
from jupyter_ai_personas.runtime.requests import RequestContext, RequestHandler
from jupyter_ai_personas.runtime.services import Services
from jupyter_ai_personas.runtime.turn import ActiveTurn
from jupyter_ai_personas.tools import CallContext, Preview, ToolInfo

__all__ = ["MAX_RESULT", "ToolCalls"]

MAX_RESULT = 1_000_000
"""Characters of JSON that the result of a call may have."""

MAX_ID = 200


@dataclass(slots=True)
class _Call:
    """A call of the current attempt."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    images: bool
    tool: ToolInfo | None = None
    began: float = 0.0
    policy: str = ""
    outcome: str = "failed"
    runs_in_host: bool = False


class _DeniedError(ToolCallError):
    """The operator or people do not allow a call; any other error is a refusal of the server."""


class ToolCalls:
    """The calls of one attempt of a turn.

    ``waiting`` is entered while people are asked. ``show`` shows people what the turn does.
    """

    def __init__(
        self,
        services: Services,
        turn: ActiveTurn,
        board: ApprovalBoard,
        *,
        waiting: Callable[[], AbstractAsyncContextManager[None]],
        show: Callable[[str], None],
    ) -> None:
        self._services = services
        self._turn = turn
        self._board = board
        self._granted: dict[str, ToolInfo] = {}
        self._waiting = waiting
        self._show = show
        self._steps: list[TurnStep] = []
        self._has_gap = False
        self._calls: dict[str, _Call] = {}
        self.ended = False
        """Whether the attempt is over. A call that is cancelled before was given up by its host."""

    async def begin(self, tools: Iterable[ToolInfo]) -> None:
        """Let the persona call ``tools`` and those of its own class, after its steps so far."""
        self._granted = {tool.name: tool for tool in tools}
        if self._turn.has_steps:
            self._steps = await self._services.ledger.steps(self._turn.id) or []

    @property
    def handlers(self) -> Mapping[str, RequestHandler]:
        """The handlers of requests by their kind."""
        return {
            "tool.call": self._call,
            "tool.result": self._result,
            "tool.announce": self._announce,
            "tool.steps": self._list_steps,
            "tool.answer": self._answer,
        }

    # -- requests ---------------------------------------------------------------------------

    async def _call(self, context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        """Run ``{"call", "tool", "arguments"}``; return ``{"result": …}`` or ``{"run": true}``.

        ``"images": true``: the model takes images.
        """
        match arguments:
            case {"call": str(id_), "tool": str(name), "arguments": dict(given)} if (
                0 < len(id_) <= MAX_ID and len(name) <= MAX_ID
            ):
                pass
            case _:
                raise RequestRefusedError(
                    "`tool.call` takes `call` and `tool`, which are strings, and `arguments`."
                )
        for step in self._steps:
            if step.kind == "result" and step.data["call"] == id_:
                return {"result": step.data["result"]}
        if id_ in self._calls:
            raise RequestRefusedError(f"The call `{id_}` has begun already.")
        if len(self._calls) >= (most := self._services.tools.bounds.calls):
            raise RequestRefusedError(f"A turn may make {most:,} calls of tools.")
        call = self._calls[id_] = _Call(id_, name, given, arguments.get("images") is True)
        tool = self._tools.get(name)
        if tool is None:
            hint = did_you_mean(near_matches(name, self._tools))
            return await self._end(call, _error(f"There is no tool `{redact(name)}`.{hint}"))
        call.tool = tool
        call.arguments = tool.with_defaults(given)
        try:
            # A call that cannot work needs no approval. It gets the result that a run would have.
            await self._permit(context, call, tool)
            call.began = time.monotonic()
            if not tool.is_read_only:
                await self._record_begun(call)
        except PersonasError as error:
            call.outcome = "denied" if isinstance(error, _DeniedError) else "refused"
            facts = error.facts if isinstance(error, ToolCallError) else {}
            return await self._end(call, {**_error(str(error)), **facts})
        return await self._run(context, call, tool)

    @property
    def _tools(self) -> Mapping[str, ToolInfo]:
        own = self._services.own_tools.announced(self._turn.persona)
        return {**{tool.name: tool for tool in own}, **self._granted}

    async def _run(self, context: RequestContext, call: _Call, tool: ToolInfo) -> Any:
        executor = self._services.tools.executor(tool.name)
        if executor is None:
            call.runs_in_host = True
            return {"run": True}
        seconds = executor.seconds or self._services.tools.bounds.seconds
        try:
            with anyio.fail_after(seconds):
                found = await executor.run(self._caller(context, call), call.arguments)
            result = await _bounded(found)
            call.outcome = "failed" if "error" in result else "done"
        except TimeoutError:
            result = _error(f"`{tool.name}` took longer than {seconds:g} s and was ended.")
        except PersonasError as error:
            result = _error(str(error))
        except Exception:
            error_id = uuid4().hex[:8]
            self._services.log.exception("Tool %s failed (error %s)", tool.name, error_id)
            result = _error(f"`{tool.name}` failed (error `{error_id}` in the server's log).")
        return await self._end(call, result)

    async def _end(self, call: _Call, result: Mapping[str, Any]) -> Any:
        step = {"call": call.id, "tool": call.name, "result": result}
        await self._record(TurnStep("result", step))
        self._report(call)
        return {"result": result}

    async def _result(self, context: RequestContext, arguments: Mapping[str, Any]) -> None:
        """``{"call": id, "result": {…}}`` of a call that ran in the persona's host."""
        id_, result = arguments.get("call"), arguments.get("result")
        call = self._calls.get(id_) if isinstance(id_, str) else None
        if call is None or not call.runs_in_host or not isinstance(result, Mapping):
            raise RequestRefusedError("`tool.result` is for a call that `tool.call` let run.")
        call.runs_in_host = False
        call.outcome = "failed" if "error" in result else "done"
        await self._end(call, await _bounded(result))

    async def _announce(self, context: RequestContext, arguments: Mapping[str, Any]) -> None:
        """``{"tools": […]}``: the tools of the persona's class; they replace earlier ones."""
        self._services.own_tools.announce(self._turn.persona, arguments.get("tools"))

    async def _answer(self, context: RequestContext, arguments: Mapping[str, Any]) -> None:
        """``{"message": {…} or null}``: a model answer that calls tools, before its calls."""
        message = arguments.get("message")
        if not isinstance(message, Mapping | None):
            raise RequestRefusedError("`tool.answer` takes a `message`, or null.")
        if not await self._record(TurnStep("answer", {"message": message})):
            raise RequestRefusedError("The server cannot record the model's answer at present.")

    async def _list_steps(self, context: RequestContext, arguments: Mapping[str, Any]) -> Any:
        """Return the recorded answers and results of the turn, in order."""
        found: list[dict[str, Any]] = []
        for step in self._steps:
            if step.kind == "answer":
                found.append({**(step.data["message"] or {}), "kind": "answer"})
            elif step.kind == "result":
                found.append({**step.data, "kind": "result"})
        return found

    # -- policy and people ------------------------------------------------------------------

    async def _permit(self, context: RequestContext, call: _Call, tool: ToolInfo) -> None:
        """Return if a call may run.

        Raises:
            ToolCallError: it must not, or it cannot work, as where it expects other content.
        """
        persona = self._turn.persona
        call.policy = self._services.tools.policy(tool, persona)
        if call.policy == "deny":
            raise _DeniedError(f"The operator does not allow `{tool.name}` here. Do not try again.")
        if not tool.is_read_only and not self._services.ledger.may_begin:
            raise ToolCallError(
                f"`{tool.name}` is not run, since the server cannot record what tools do at "
                "present. The operator finds the reason in the server's log."
            )
        if call.policy == "allow":
            return
        if (persona.id, tool.name) in await self._services.ledger.allowed(context.chat_id):
            call.policy = "allow"
            return
        decision = await self._decision(context, call, tool)
        if not decision.approved:
            by = f"{decision.name or decision.by} denied this." if decision.by else "It was denied."
            raise _DeniedError(f"{by} {redact(decision.reason)}".strip())

    async def _decision(self, context: RequestContext, call: _Call, tool: ToolInfo) -> Decision:
        services = self._services
        if not services.approvals.asks_people:
            raise ToolCallError(
                f"`{tool.name}` needs an approval, which only people in a chat can give."
            )
        key = call.id, tool.name, call.arguments
        asked = [
            (approval, decision)
            for approval, decision in read_steps(self._steps)
            if (approval.call_id, approval.tool, dict(approval.arguments)) == key
        ]
        decided = (each for each in asked if each[1] is not None)
        approval, decision = next(decided, asked[-1] if asked else (None, None))
        if approval is None:
            approval = await self._new_approval(context, call, tool)
        # The chat had another id if the server crashed before the chat was saved.
        approval = replace(approval, chat_id=context.chat_id)
        decision = decision or services.approvals.expect(approval, path=self._board.path)
        self._board.show(approval, decision)
        if decision is not None:
            return decision
        try:
            async with self._waiting():
                decision = await services.approvals.wait(approval.id)
        except asyncio.CancelledError:
            # In the next iteration it is known whether the whole attempt ends.
            asyncio.get_running_loop().call_soon(self._given_up, approval)
            raise
        self._board.show(approval, decision)
        self._show(f"is using {tool.name}")
        return decision

    async def _new_approval(self, context: RequestContext, call: _Call, tool: ToolInfo) -> Approval:
        """Record that people are asked about a call."""
        services, executor = self._services, self._services.tools.executor(tool.name)
        preview = Preview()
        if executor is not None:
            preview = await executor.preview(self._caller(context, call), call.arguments)
        text = describe_call(self._turn.persona.name, tool, call.arguments, preview)
        if len(text) > MAX_SHOWN:
            raise ToolCallError(
                f"The arguments have {len(text):,} characters, and people are shown at most "
                f"{MAX_SHOWN:,} before they approve. Do it in smaller parts."
            )
        now = time.time()
        approval = Approval(
            id=uuid4().hex[:12],
            turn_id=self._turn.id,
            call_id=call.id,
            chat_id=context.chat_id,
            chat_path=context.chat_path,
            persona_id=self._turn.persona.id,
            persona_name=self._turn.persona.name,
            tool=tool.name,
            arguments=call.arguments,
            person=self._turn.person,
            approvers=list(services.settings.approvers),
            asked_at=now,
            expires=now + services.settings.approval_timeout,
            text=text,
        )
        # An agent's turn continues after the text that is recorded here.
        self._turn.checkpoint(services.ledger)
        await services.ledger.flush()
        if not await services.approvals.record(approval):
            raise ToolCallError(
                f"`{tool.name}` is not run, since the server cannot record who is asked."
            )
        self._turn.has_steps = True
        self._close_stale(tool)
        return approval

    def _close_stale(self, tool: ToolInfo) -> None:
        """Close approvals from before a restart that an agent replaced by another request."""
        for asked, decision in read_steps(self._steps):
            if decision is None and asked.tool == tool.name and asked.call_id not in self._calls:
                self._board.close(asked.id, "The persona asks for something else now.")

    def _given_up(self, approval: Approval) -> None:
        if not self.ended and self._turn.outcome is None:
            self._board.close(approval.id, "The persona does not wait for this any more.")

    # -- the record -------------------------------------------------------------------------

    async def _record_begun(self, call: _Call) -> None:
        if not await self._record(TurnStep("begun", {"call": call.id, "tool": call.name})):
            raise ToolCallError(
                f"`{call.name}` is not run, since the server cannot record that it began. "
                "The operator finds the reason in the server's log."
            )

    async def _record(self, step: TurnStep) -> bool:
        # A turn must not resume from steps with a gap, so nothing is recorded after one.
        if self._has_gap:
            return False
        ledger = self._services.ledger
        # The ledger's file may fail while it writes this step.
        if not (await ledger.add_step(self._turn.id, step) and ledger.may_begin):
            self._has_gap = True
            return False
        self._turn.has_steps = True
        self._steps.append(step)
        return True

    def _caller(self, context: RequestContext, call: _Call) -> CallContext:
        return CallContext(
            turn_id=context.turn_id,
            call_id=call.id,
            persona_id=context.persona_id,
            persona_name=context.persona_name,
            chat_id=context.chat_id,
            chat_path=context.chat_path,
            person=context.person,
            images=call.images,
            show=self._show,
        )

    def _report(self, call: _Call) -> None:
        self._services.metrics.called(
            CallReport(
                turn_id=self._turn.id,
                call_id=call.id,
                persona_id=self._turn.persona.id,
                tool=call.tool.name if call.tool is not None else "",
                person=self._turn.person,
                policy=call.policy,
                outcome=call.outcome,
                seconds=max(0.0, time.monotonic() - call.began) if call.began else 0.0,
            )
        )


async def _bounded(result: Any) -> Mapping[str, Any]:
    """Return a result as JSON, or an error in its place."""
    if not isinstance(result, Mapping):
        return _error("The tool returned no JSON object.")
    try:
        # In a thread: a result may have megabytes.
        plain: Mapping[str, Any] = await asyncio.to_thread(
            partial(plain_json, result, most=MAX_RESULT)
        )
        return plain
    except (TypeError, RequestRefusedError) as error:
        return _error(f"The tool ran, but its result cannot be shown. {error}")


def _error(text: str) -> dict[str, Any]:
    return {"error": text}
