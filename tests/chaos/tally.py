"""What became of the requests, judged by what the chat's document holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.personas import PASSED_ON, persona_id

KEY = "jupyter_ai_personas"
FINAL = {"done", "stopped", "failed", "interrupted", "rejected"}


@dataclass
class Request:
    """A message of a person, and the personas that it mentions, if any.

    ``required`` says why it must be in the document: the server had accepted it, or a client that
    came back held it. One that nobody held may be lost, but not answered twice.
    """

    id: str
    personas: tuple[str, ...]
    required: str = ""


@dataclass
class Verdict:
    """Faults of one chat, each as a line that says what is wrong."""

    requests: int = 0
    replies: int = 0
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return [*self.doubled, *self.lost, *self.stuck]


def judge(
    requests: Iterable[Request],
    messages: Sequence[Mapping[str, Any]],
    writers: Iterable[str] = (),
) -> Verdict:
    """Return what is wrong in ``messages``; ``writers`` are the personas shown as writing."""
    verdict = Verdict()
    counts = Counter(message["id"] for message in messages)
    there = {message["id"]: message for message in messages}
    verdict.doubled += [f"message {id_} is there {n} times" for id_, n in counts.items() if n > 1]
    asked = list(requests)
    asked += [
        Request(message["id"], PASSED_ON[1:])
        for message in there.values()
        if message["sender"] == persona_id(PASSED_ON[0]) and _about(message).get("state") == "done"
    ]
    for request in asked:
        verdict.requests += bool(request.personas)
        if request.id not in there:
            if request.required:
                what = f"message {request.id} to {request.personas}"
                verdict.lost.append(f"{what}, which {request.required}")
            continue
        for persona in request.personas:
            _judge_answer(verdict, request, persona, there.values())
    for message in there.values():
        if message["sender"].startswith("jupyter-ai-personas::") and (
            _about(message).get("state") == "streaming"
        ):
            verdict.stuck.append(f"reply {message['id']} is left streaming")
    verdict.stuck += [f"{writer} is shown as writing" for writer in writers]
    return verdict


def _judge_answer(
    verdict: Verdict, request: Request, persona: str, messages: Iterable[Mapping[str, Any]]
) -> None:
    replies = [
        message
        for message in messages
        if message["sender"] == persona_id(persona)
        and _about(message).get("reply_to") == request.id
    ]
    verdict.replies += len(replies)
    turns = {_about(reply).get("turn") for reply in replies}
    complete = [reply for reply in replies if _about(reply).get("state") == "done"]
    # A turn that is stopped after its message is complete says so in one more: a reason, no reply.
    if len(turns) > 1 or len(complete) > 1:
        states = [(reply["id"], _about(reply).get("state")) for reply in replies]
        verdict.doubled.append(f"request {request.id} has of {persona}: {states}")
    if not any(_about(reply).get("state") in FINAL for reply in replies):
        verdict.stuck.append(f"request {request.id} to {persona} has no reply and no reason")


def _about(message: Mapping[str, Any]) -> Mapping[str, Any]:
    about = (message.get("metadata") or {}).get(KEY)
    return about if isinstance(about, Mapping) else {}


@dataclass
class Tally:
    """The sums over all chats."""

    rounds: int = 0
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    states: Counter[str] = field(default_factory=Counter)

    @property
    def faults(self) -> list[str]:
        return [fault for verdict in self.verdicts.values() for fault in verdict.faults]

    def table(self) -> str:
        """Return the sums as a table of two lines."""
        verdicts = self.verdicts.values()
        columns = {
            "rounds": self.rounds,
            "requests": sum(v.requests for v in verdicts),
            "replies": sum(v.replies for v in verdicts),
            "doubled": sum(len(v.doubled) for v in verdicts),
            "lost": sum(len(v.lost) for v in verdicts),
            "stuck": sum(len(v.stuck) for v in verdicts),
        }
        head = "  ".join(f"{name:>8}" for name in columns)
        row = "  ".join(f"{number:>8}" for number in columns.values())
        states = ", ".join(f"{number} {state}" for state, number in self.states.most_common())
        return f"{head}\n{row}\nreplies by state: {states}"
