"""Approvals: people decide about calls of tools. Those that are open, in any chat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import anyio

from jupyter_ai_personas.errors import (
    ApprovalDecidedError,
    MayNotDecideError,
    UnknownApprovalError,
)
from jupyter_ai_personas.redaction import redact_json
from jupyter_ai_personas.runtime.ledger import TurnLedger, TurnStep

__all__ = [
    "ANYONE",
    "ASKER",
    "Approval",
    "Approvals",
    "Decision",
    "may_decide",
    "read_steps",
]

ANYONE, ASKER = "anyone", "asker"
MOST_DECIDED = 1000
"""Decided approvals that are remembered, to distinguish a late decision from a wrong id."""

MAX_REASON = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A call of a tool that people are asked about. Times are in seconds since 1970.

    ``text`` is the message in the chat, without the decision. ``approvers`` are ``anyone``,
    ``asker`` or usernames; ``person`` is who asked the persona.
    """

    id: str
    turn_id: str
    call_id: str
    chat_id: str
    chat_path: str
    persona_id: str
    persona_name: str
    tool: str
    arguments: Mapping[str, Any]
    person: str
    approvers: Sequence[str]
    asked_at: float
    expires: float
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return what REST shows; secrets are taken out of the arguments."""
        return {
            "id": self.id,
            "chat_path": self.chat_path,
            "persona_id": self.persona_id,
            "tool": self.tool,
            "arguments": redact_json(self.arguments),
            "asked_by": self.person,
            "may_decide": list(self.approvers),
            "expires": self.expires,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """``by`` is a username and ``name`` what people see; both are empty where nobody decided."""

    status: Literal["approved", "denied"]
    by: str = ""
    name: str = ""
    reason: str = ""
    scope: Literal["once", "chat"] = "once"
    at: float = 0.0

    @property
    def approved(self) -> bool:
        """Whether the tool may run."""
        return self.status == "approved"


@dataclass(slots=True)
class _Entry:
    approval: Approval
    live_path: Callable[[], str] | None = None
    settled: anyio.Event = field(default_factory=anyio.Event)
    decision: Decision | None = None
    deciding: bool = False

    def path(self) -> str:
        """Where the chat is now."""
        return self.approval.chat_path if self.live_path is None else self.live_path()


class Approvals:
    """The approvals of a server. ``decided`` is called once for each that is decided.

    ``asks_people``: there are chats in which people can be asked.
    """

    def __init__(
        self,
        ledger: TurnLedger,
        *,
        decided: Callable[[Approval, Decision], None] = lambda approval, decision: None,
        asks_people: bool = True,
    ) -> None:
        self.asks_people = asks_people
        self._ledger = ledger
        self._decided = decided
        self._open: dict[str, _Entry] = {}
        self._past: dict[str, Decision] = {}

    async def load(self) -> None:
        """Take over what dead servers asked, so that it can be decided before its chat is open."""
        for steps in await self._ledger.waiting_turns():
            for approval, decision in read_steps(steps):
                if decision is None:
                    self.expect(approval)

    def open(self, *, chat_id: str | None = None) -> list[Approval]:
        """Return the open approvals, the oldest first, with the present paths of their chats."""
        now = time.time()
        return [
            replace(entry.approval, chat_path=entry.path())
            for entry in self._open.values()
            if entry.approval.expires > now and chat_id in (None, entry.approval.chat_id)
        ]

    def get(self, approval_id: str) -> Approval:
        """Return an open approval.

        Raises:
            UnknownApprovalError: there is none with this id.
            ApprovalDecidedError: it is decided, or its time is over.
        """
        return self._entry(approval_id).approval

    def _entry(self, approval_id: str) -> _Entry:
        entry = self._open.get(approval_id)
        if entry is None:
            known = approval_id in self._past
            raise ApprovalDecidedError() if known else UnknownApprovalError(approval_id)
        if entry.deciding or entry.approval.expires <= time.time():
            raise ApprovalDecidedError()
        return entry

    # -- asking -----------------------------------------------------------------------------

    async def record(self, approval: Approval) -> bool:
        """Record that people are asked; ``False``: it cannot be, so nobody must be asked."""
        return await self._ledger.add_step(approval.turn_id, TurnStep("asked", as_data(approval)))

    def expect(
        self, approval: Approval, *, path: Callable[[], str] | None = None
    ) -> Decision | None:
        """Take a decision about what was recorded, unless there is one since: return that.

        ``path`` returns where the chat is now, if it is open.
        """
        decision = self._past.get(approval.id)
        if decision is None:
            entry = self._open.setdefault(approval.id, _Entry(approval))
            entry.approval, entry.live_path = approval, path
        return decision

    async def wait(self, approval_id: str) -> Decision:
        """Wait for the decision; when the time is over, the approval is denied."""
        entry = self._open[approval_id]
        with anyio.move_on_after(max(0.0, entry.approval.expires - time.time())):
            await entry.settled.wait()
        if entry.deciding:
            await entry.settled.wait()
        if entry.decision is None:
            late = Decision("denied", reason="Nobody decided in time.", at=time.time())
            await self._settle(entry, late)
        assert entry.decision is not None
        return entry.decision

    # -- deciding ---------------------------------------------------------------------------

    async def decide(self, approval_id: str, decision: Decision, *, proven: bool) -> Decision:
        """Decide an open approval; it is durable when this returns.

        ``proven``: the server has authenticated ``decision.by``; what is typed in a chat proves
        nothing.

        Raises:
            UnknownApprovalError: there is none with this id.
            ApprovalDecidedError: it is decided, or its time is over.
            MayNotDecideError: this user may not decide it.
        """
        entry = self._entry(approval_id)
        if not may_decide(entry.approval, decision.by, proven=proven):
            raise MayNotDecideError(entry.approval.approvers, proven=proven)
        decision = replace(decision, reason=decision.reason[:MAX_REASON], at=time.time())
        await self._settle(entry, decision)
        if entry.decision is not decision:
            raise ApprovalDecidedError()  # the turn has ended meanwhile
        return decision

    async def _settle(self, entry: _Entry, decision: Decision) -> None:
        approval = entry.approval
        entry.deciding = True
        try:
            step = TurnStep("decided", {"id": approval.id, **asdict(decision)})
            if not await self._ledger.add_step(approval.turn_id, step):
                decision = Decision("denied", reason="The turn has ended.", at=time.time())
            elif decision.approved and decision.scope == "chat":
                await self._ledger.allow(
                    approval.chat_id, approval.persona_id, approval.tool, by=decision.by
                )
        finally:
            entry.deciding = False
        self._end(entry, decision)

    def _end(self, entry: _Entry, decision: Decision) -> None:
        if entry.decision is not None:
            return
        entry.decision = decision
        entry.settled.set()
        del self._open[entry.approval.id]
        self._past[entry.approval.id] = decision
        while len(self._past) > MOST_DECIDED:
            del self._past[next(iter(self._past))]
        self._decided(entry.approval, decision)

    async def chat_deleted(self, path: str) -> None:
        """Deny what is open in the chat at ``path``, or in all chats of that folder."""
        for entry in list(self._open.values()):
            # A document whose file is gone may not know its path any more.
            known = (entry.path(), entry.approval.chat_path)
            if any(_is_below(each, path) for each in known) and not entry.deciding:
                gone = Decision("denied", reason="The chat was deleted.", at=time.time())
                await self._settle(entry, gone)

    def chat_moved(self, source: str, target: str) -> None:
        """Note the new path of chats; ``source`` may be a folder."""
        for entry in self._open.values():
            old = entry.approval.chat_path.strip("/")
            if _is_below(old, source):
                new = target.strip("/") + old[len(source.strip("/")) :]
                entry.approval = replace(entry.approval, chat_path=new)

    def close(self, of: str, reason: str) -> list[tuple[Approval, Decision]]:
        """Close what nobody waits for any more; return what was open.

        ``of`` is the id of an approval, or of a turn that has ended.
        """
        decision = Decision("denied", reason=reason, at=time.time())
        entries = [e for e in self._open.values() if of in (e.approval.id, e.approval.turn_id)]
        for entry in entries:
            self._end(entry, decision)
        return [(entry.approval, decision) for entry in entries]


def may_decide(approval: Approval, user: str, *, proven: bool) -> bool:
    """Return whether ``user`` may decide; ``proven``: the server has authenticated that name."""
    if ANYONE in approval.approvers:
        return True
    asker = ASKER in approval.approvers and user == approval.person
    return proven and bool(user) and (asker or user in {*approval.approvers} - {ASKER})


def _is_below(path: str, top: str) -> bool:
    path, top = path.strip("/"), top.strip("/")
    return bool(top) and (path == top or path.startswith(f"{top}/"))


def as_data(approval: Approval) -> dict[str, Any]:
    """Return an approval as the ledger keeps it."""
    return {**asdict(approval), "approvers": list(approval.approvers)}


def read_steps(steps: Iterable[TurnStep]) -> list[tuple[Approval, Decision | None]]:
    """Return what a turn has asked, each with its decision if there is one."""
    asked: dict[str, Approval] = {}
    decided: dict[str, Decision] = {}
    for step in steps:
        data = step.data
        # A newer version may have written other fields.
        with suppress(KeyError, TypeError):
            if step.kind == "asked":
                asked[str(data["id"])] = Approval(**data)
            elif step.kind == "decided":
                known: dict[str, Any] = {f.name: data[f.name] for f in fields(Decision)}
                decided[str(data["id"])] = Decision(**known)
    return [(approval, decided.get(id_)) for id_, approval in asked.items()]
