"""Pure functions on the recorded steps of a turn: may it continue, and which calls are
unfinished?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jupyter_ai_personas.personas import Persona
from jupyter_ai_personas.runtime.approvals import read_steps
from jupyter_ai_personas.runtime.ledger import TurnStep
from jupyter_ai_personas.runtime.turn import is_resumable

__all__ = ["can_continue", "is_whole", "steps_to_retry", "unfinished_calls"]


def unfinished_calls(steps: Iterable[TurnStep]) -> list[str]:
    """Return the tools whose calls had begun and not finished: they may have had their effect."""
    begun: dict[str, str] = {}
    for step in steps:
        if step.kind == "begun":
            begun[step.data["call"]] = str(step.data.get("tool") or "a tool")
        elif step.kind == "result":
            begun.pop(step.data["call"], None)
    return list(begun.values())


def can_continue(persona: Persona, steps: Sequence[TurnStep] | None) -> bool:
    """Return whether a turn can be continued from its steps without repeating an effect.

    ``None``: they cannot be read. A turn without steps has had no effect that needs recording.
    """
    if steps is None or unfinished_calls(steps):
        return False
    if persona.is_agent and steps:
        # An agent's work since its last call is unknown, unless it waits for people.
        return _waits_for_people(steps)
    return not steps or (is_whole(steps) and is_resumable(persona))


def _waits_for_people(steps: Sequence[TurnStep]) -> bool:
    ended = {step.data["call"] for step in steps if step.kind == "result"}
    return any(approval.call_id not in ended for approval, _ in read_steps(steps))


def is_whole(steps: Iterable[TurnStep]) -> bool:
    """Return whether all answers of the model are recorded; some cannot be serialised."""
    return all(s.kind != "answer" or s.data.get("message") is not None for s in steps)


def steps_to_retry(steps: Sequence[TurnStep]) -> list[TurnStep]:
    """Return the steps to keep when a person retries an interrupted turn.

    A call that had not finished runs again; people are asked again about what was not approved.
    """
    finished = {step.data["call"] for step in steps if step.kind == "result"}
    approved = {asked.id for asked, decision in read_steps(steps) if decision and decision.approved}

    def stays(step: TurnStep) -> bool:
        if step.kind in ("asked", "decided"):
            return step.data.get("id") in approved
        return step.kind != "begun" or step.data["call"] in finished

    return [step for step in steps if stays(step)]
