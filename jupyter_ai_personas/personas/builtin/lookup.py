"""Finds answers to a question in the workspace and in this software's documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import anyio.to_thread

from jupyter_ai_personas.chat.markdown import sentence
from jupyter_ai_personas.chat.messages import Attachment
from jupyter_ai_personas.context import Hit
from jupyter_ai_personas.context.answers import compose, notebook_facts
from jupyter_ai_personas.context.answers.names import find_name
from jupyter_ai_personas.context.answers.product_help import find_help, help_text
from jupyter_ai_personas.context.answers.questions import Question
from jupyter_ai_personas.context.answers.quoting import Size
from jupyter_ai_personas.context.beside import means_notebook
from jupyter_ai_personas.errors import AttachmentError, RequestRefusedError
from jupyter_ai_personas.personas.turn import Turn

__all__ = ["Found", "look_up"]

HITS = 12
HITS_OF_NAME = 50
DESCRIBED = 8
"""Files of a folder, or notebooks of it, that are read."""

_FILE = re.compile(r"`([^`\n]*\.\w+)`|(?<![\w/.])([\w./-]*\.[A-Za-z]\w{0,15})(?!\w|\()")
_NO_FILE = "there is no such file"
_SPOKEN = re.compile(
    r"\b(?:chats?|said|says?|wrote|written|discuss\w*|talk\w*|told)\b", re.IGNORECASE
)
_NOTEBOOKS = re.compile(r"\bnotebooks\b", re.IGNORECASE)
_NOTICES = "Personas"  # sender of notices in chats

Part = Callable[[Size], str]
"""Returns Markdown of about this size."""


@dataclass(frozen=True, slots=True)
class Found:
    """The answer as parts of Markdown; ``problem`` is the reason why search failed."""

    parts: tuple[Part, ...] = ()
    problem: str = ""

    def text(self, size: Size) -> str:
        """Return all of it as Markdown, an empty string if there is nothing."""
        parts = [part(size) for part in self.parts]
        if self.problem:
            parts.append(f"*{sentence(self.problem)}*")
        return "\n\n".join(filter(None, parts))


async def look_up(question: Question, turn: Turn, *, own_name: str) -> Found:
    """Return what is found for a question; what cannot be read is said, nothing is raised for it.

    Raises:
        TurnEndedError: the turn was stopped.
    """
    return await _LookUp(question, turn, own_name).run()


class _LookUp:
    def __init__(self, question: Question, turn: Turn, own_name: str) -> None:
        self._question = question
        self._turn = turn
        self._workspace = turn.workspace
        self._own_name = own_name
        self._refused = ""
        """Why a file that the question names cannot be read."""
        self._folder = PurePosixPath(turn.chat_path.strip("/")).parent.as_posix()

    async def run(self) -> Found:
        question = self._question
        parts: list[Part] = []
        if question.about_product:
            passages = await anyio.to_thread.run_sync(find_help, question.text)
            if passages:
                base_url = self._turn.spec.base_url
                parts.append(partial(help_text, question.text, passages, base_url))
        hits, problem = await self._hits()
        asked = await self._asked(hits)
        if question.name and (occurrences := find_name(question.name, hits)) is not None:
            asked.append(partial(compose.about_name, occurrences, self._turn.link))
        elif hits and not (asked or question.folder):
            of_question = partial(compose.passages, question.text, hits, self._turn.link)
            # Beside help, only a little: it may be what is meant.
            fewer = bool(parts)
            asked.append(lambda size: of_question(replace(size, passages=2) if fewer else size))
        # Other files do not hold the content of a missing one.
        if self._refused and not parts:
            return Found(problem=self._refused)
        return Found((*parts, *asked), "" if parts or asked else problem)

    async def _hits(self) -> tuple[list[Hit], str]:
        question = self._question
        query, limit = (question.name, HITS_OF_NAME) if question.name else (question.text, HITS)
        try:
            hits = await self._workspace.search(query, limit=limit)
        except RequestRefusedError as error:
            return [], str(error)
        useful = [hit for hit in hits if self._is_useful(hit)]
        if not _SPOKEN.search(question.text):
            useful.sort(key=lambda hit: hit.path.endswith(".chat"))
        return useful, ""

    def _is_useful(self, hit: Hit) -> bool:
        """Return whether a passage is not the question itself, and not an earlier answer."""
        if not hit.path.endswith(".chat"):
            return True
        said = " ".join(hit.text.split())
        return hit.heading not in (self._own_name, _NOTICES) and not said.endswith(
            self._question.text
        )

    async def _asked(self, hits: Sequence[Hit]) -> list[Part]:
        """Return what is said of the notebook, file or folder that the question is about."""
        question = self._question
        if "errors" in question.wants and _NOTEBOOKS.search(question.text):
            return await self._errors_of_all(hits)
        path, focus = await self._target(hits)
        if path.endswith(".ipynb") and question.wants:
            return await self._notebook(path, focus)
        if path and "outline" in question.wants and not question.name:
            return await self._file(path)
        return await self._of_folder() if question.folder else []

    async def _target(self, hits: Sequence[Hit]) -> tuple[str, tuple[str, ...]]:
        """Return the path that the question is about, and the cells of it, or nothing."""
        text = self._question.text
        for attachment in self._attachments():
            return attachment.path, attachment.cells
        named = [group for pair in _FILE.findall(text) for group in pair if group]
        known = {hit.path for hit in hits}
        low = text.casefold()
        for path in sorted(known, key=len, reverse=True):
            name = PurePosixPath(path)
            is_said = name.name.casefold() in low
            if is_said or (
                name.suffix == ".ipynb" and "notebook" in low and name.stem.casefold() in low
            ):
                return path, ()
        for name in named:
            for path in dict.fromkeys((f"{self._folder}/{name}".removeprefix("./"), name)):
                try:
                    await self._workspace.read(path)
                    return path, ()
                except RequestRefusedError as error:
                    if _NO_FILE not in str(error):
                        self._refused = str(error)
        if means_notebook(text):
            try:
                beside = await self._workspace.beside()
            except RequestRefusedError:
                return "", ()
            return beside.path or "", (beside.cell,) if beside.cell else ()
        return "", ()

    def _attachments(self) -> list[Attachment]:
        try:
            return self._turn.attachments()
        except AttachmentError:
            return []  # the prompt names what cannot be read

    async def _read(self, path: str) -> dict[str, Any] | None:
        try:
            return await self._workspace.read(path)
        except RequestRefusedError:
            return None

    async def _notebook(
        self, path: str, focus: tuple[str, ...], wants: Sequence[str] = ()
    ) -> list[Part]:
        plain = await self._read(path)
        if plain is None or plain.get("notebook") is None:
            return []
        said = compose.about_notebook(
            path, plain["notebook"], wants or self._question.wants, self._turn.link, focus=focus
        )
        return [lambda size: said]

    async def _file(self, path: str) -> list[Part]:
        plain = await self._read(path)
        text = plain.get("text") if plain is not None else None
        if not isinstance(text, str):
            return []
        return [partial(compose.about_file, path, text, self._turn.link)]

    async def _errors_of_all(self, hits: Sequence[Hit]) -> list[Part]:
        plain = await self._read(self._folder)
        near = [self._within(name) for name in (plain or {}).get("names", ())]
        paths = dict.fromkeys([*near, *(hit.path for hit in hits)])
        parts: list[Part] = []
        for path in [path for path in paths if path.endswith(".ipynb")][:DESCRIBED]:
            plain = await self._read(path)
            if plain is not None and notebook_facts.errors(plain.get("notebook") or {}):
                parts += await self._notebook(path, (), wants=("errors",))
        return parts or [lambda size: "No notebook that I have read shows an error."]

    def _within(self, name: str, folder: str | None = None) -> str:
        folder = self._folder if folder is None else folder
        return name if folder == "." else f"{folder}/{name}"

    async def _of_folder(self) -> list[Part]:
        asked = self._question.folder
        folders = [self._folder] if asked == "." else [self._within(asked), asked]
        for folder in dict.fromkeys(folders):
            plain = await self._read(folder)
            if plain is not None and "names" in plain:
                return await self._folder_parts(folder, plain["names"], is_here=asked == ".")
        return []

    async def _folder_parts(
        self, folder: str, names: Sequence[str], *, is_here: bool
    ) -> list[Part]:
        described: dict[str, str] = {}
        parts: list[Part] = []
        worth = [name for name in names if name.endswith((".ipynb", ".md", ".csv", ".py", ".rst"))]
        for name in sorted(worth, key=lambda n: not n.lower().startswith("readme"))[:DESCRIBED]:
            path = self._within(name, folder)
            if (plain := await self._read(path)) is None:
                continue
            described[name] = compose.describe(path, plain)
            if name.lower().startswith("readme") and plain.get("text"):
                text = plain["text"]
                parts.append(partial(compose.beginning, path, text, self._turn.link))
        listed = compose.about_folder(folder, names, described, self._turn.link, is_here=is_here)
        return [lambda size: listed, *parts]
