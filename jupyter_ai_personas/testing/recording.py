"""Recorded chats: compares recorded answers with the present ones.

``jupyter ai-personas record notes.chat`` writes a recording; a test in three lines replays it::

    async def test_answers_stay_good(replay) -> None:
        result = await replay("notes.recording.json", Reviewer, model="openai:gpt-4o-mini")
        assert result.score > 0.6, result.diff
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from pathlib import Path
from typing import Any
from uuid import uuid4

from jupyter_ai_personas.chat import PERSONA_PREFIX, Attachment
from jupyter_ai_personas.chat.recording import Exchange, Recorded, Recording, record
from jupyter_ai_personas.errors import RecordingError

__all__ = ["Answered", "Recording", "Replay", "record", "replay"]


@dataclass(frozen=True, slots=True)
class Answered:
    """An exchange, and what the persona answers now; ``state`` is the state of that reply."""

    exchange: Exchange
    body: str
    state: str

    @property
    def similarity(self) -> float:
        """How much the replies agree, from 0 to 1: by their words, as ``difflib`` counts."""
        before, now = self.exchange.reply.body.split(), self.body.split()
        return SequenceMatcher(None, before, now, autojunk=False).ratio()

    @property
    def score(self) -> float:
        """The similarity, from 0 to 1, and for a reply that was voted down one minus it."""
        reply = self.exchange.reply
        if self.state != "done":
            return 0.0
        return 1 - self.similarity if reply.down > reply.up else self.similarity

    @property
    def diff(self) -> str:
        """The difference, as a unified diff; empty if nothing did."""
        question, reply = self.exchange.question, self.exchange.reply
        votes = f" (+{reply.up} -{reply.down})" if reply.up or reply.down else ""
        lines = unified_diff(
            reply.body.splitlines(),
            self.body.splitlines(),
            f"recorded: {reply.by}{votes}",
            f"now: {self.state}, {self.similarity:.0%} alike",
            lineterm="",
        )
        text = "\n".join(lines)
        return f"{question.by}: {question.body}\n{text}\n" if text else ""


@dataclass(frozen=True, slots=True)
class Replay:
    """The answers of a persona to all recorded messages."""

    answers: Sequence[Answered]

    @property
    def score(self) -> float:
        """The mean of the answers, from 0 to 1, those with votes weighted by their number.

        Where people voted at all, only replies with votes count.
        """
        weights = [one.exchange.reply.up + one.exchange.reply.down for one in self.answers]
        if not any(weights):
            weights = [1] * len(weights)
        pairs = zip(weights, self.answers, strict=True)
        return sum(weight * one.score for weight, one in pairs) / sum(weights)

    @property
    def diff(self) -> str:
        """The changes of all answers."""
        return "\n".join(filter(None, (one.diff for one in self.answers)))


async def replay(
    recording: Recording | str | Path,
    persona: type,
    *,
    name: str | None = None,
    model: Any = None,
    model_replies: Sequence[Any] = (),
    root: str | Path | None = None,
    **options: Any,
) -> Replay:
    """Ask ``persona`` everything that was recorded, each with the history of its time.

    ``recording`` may be the path of a file. ``name`` says whose replies are replayed (default: the
    persona's own name, or that of the only persona recorded). ``model`` is a model's object, or a
    reference such as ``"openai:gpt-4o-mini"``, with credentials from the environment;
    ``model_replies`` are what a fake model says instead. ``root`` is the folder of attachments,
    which are left out without it; ``options`` are those of :func:`converse`.

    Raises:
        RecordingError: the file is no recording, or has no reply of the persona.
        ModelError: the model cannot be built.
    """
    from jupyter_ai_personas.personas import persona_id
    from jupyter_ai_personas.runtime import RuntimeSettings
    from jupyter_ai_personas.testing.conversation import converse
    from jupyter_ai_personas.testing.fakes import FakeChat

    if not isinstance(recording, Recording):
        recording = _read(recording)
    exchanges = list(recording.exchanges(_whose(recording, persona, name)))
    if isinstance(model, str):
        model = _real_model(model)
    elif model is None:
        from jupyter_ai_personas.testing.models import FakeModel

        model = FakeModel(model_replies)
    settings = RuntimeSettings(root_dir=None if root is None else str(root))
    answers = []
    for exchange in exchanges:
        chat = FakeChat()
        for message in exchange.history:
            _remember(chat, message, own=exchange.reply.by, persona_id=persona_id(persona))
        question = exchange.question
        attachments = [Attachment(str(uuid4()), path) for path in question.attachments if root]
        options = {"settings": settings, **options}
        async with converse(persona, model=model, chat=chat, **options) as talk:
            replies = await talk.ask(
                question.body, by=question.by, attachments=attachments, approve=False
            )
        state = next((r.state for r in replies if r.state != "done"), "done")
        body = "\n\n".join(reply.body for reply in replies)
        answers.append(Answered(exchange, body, state or "done"))
    return Replay(answers)


def _read(file: str | Path) -> Recording:
    return Recording.from_text(Path(file).read_text("utf-8"))


def _whose(recording: Recording, persona: type, name: str | None) -> str:
    recorded = recording.personas
    if name is None:
        defaults = getattr(persona, "defaults", None)
        own = getattr(defaults, "name", persona.__name__)
        name = own if own in recorded or len(recorded) != 1 else recorded[0]
    if name not in recorded:
        names = ", ".join(recorded)
        raise RecordingError(f"The recording has no reply of {name}. It has those of: {names}.")
    return name


def _real_model(reference: str) -> Any:
    import logging

    from jupyter_ai_personas.providers import ModelRegistry
    from jupyter_ai_personas.providers.settings import ProviderSettings

    models = ModelRegistry(ProviderSettings(), log=logging.getLogger(__name__))
    models.load()
    models.read_secrets()
    return models.build(models.resolve(reference, chat=True))


def _remember(chat: Any, message: Recorded, *, own: str, persona_id: str) -> None:
    if message.reply_to is None:
        chat.remember(message.body, by=message.by)
        return
    sender = persona_id if message.by == own else f"{PERSONA_PREFIX}recorded::{message.by}"
    chat.remember(message.body, by=message.by, sender=sender, state=message.state)
