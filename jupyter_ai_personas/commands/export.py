"""``/export`` writes a chat as a document into its folder."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import PurePosixPath
from posixpath import normpath

import anyio.lowlevel
import anyio.to_thread

from jupyter_ai_personas.chat import Chat, Message
from jupyter_ai_personas.chat.markdown import code
from jupyter_ai_personas.context.access import WorkspaceAccess
from jupyter_ai_personas.context.export import Said, to_markdown, to_notebook
from jupyter_ai_personas.errors import AttachmentError

__all__ = ["USAGE", "export_chat"]

USAGE = "`/export [markdown|notebook] [path]` writes this chat into a file beside it"

MESSAGES = 200
"""How many messages are read before others get the event loop."""

MAX_TRIES = 1000
"""How many names are tried."""

_SUFFIXES = {"markdown": ".md", "notebook": ".ipynb"}


async def export_chat(chat: Chat, workspace: WorkspaceAccess, arguments: str, *, until: str) -> str:
    """Write the messages before ``until``, a message's id, into a new file; return the answer.

    ``arguments`` are what follows the command. A path is relative to the chat's folder; without
    one, the file is called as the chat, with a number if there is such a file.
    """
    kind, path = _parsed(arguments)
    suffix = _SUFFIXES[kind]
    if path and PurePosixPath(path).suffix not in ("", suffix):
        return f"A {kind} export ends in `{suffix}`: {code(path)} does not. {USAGE}."
    said = [_said(chat, message) for message in await _messages(chat, until)]
    if not said:
        return "There is nothing to export yet."
    write = partial(_document, kind, PurePosixPath(chat.path).stem, said)
    text = await anyio.to_thread.run_sync(write)
    folder = PurePosixPath(chat.path).parent
    if path:
        names = iter([PurePosixPath(path).with_suffix(suffix).as_posix()])
    else:
        stem = PurePosixPath(chat.path).stem
        numbered = (f"{stem}-{number}{suffix}" for number in count(2))
        names = iter([f"{stem}{suffix}", *(next(numbered) for _ in range(MAX_TRIES))])
    for name in names:
        target = _joined(folder, name)
        try:
            await workspace.create(target, text)
        except FileExistsError:
            continue
        except AttachmentError as error:
            return f"{code(target)} cannot be written: {error}"
        number = f"{len(said):,} message{'' if len(said) == 1 else 's'}"
        return f"Wrote {number} to {code(target)}."
    return f"{code(_joined(folder, name))} exists, and is not overwritten. Choose another path."


def _parsed(arguments: str) -> tuple[str, str]:
    """Return the kind of export, and the path or an empty string."""
    words = arguments.split(None, 1)
    if words and words[0].casefold() in _SUFFIXES:
        return words[0].casefold(), "".join(words[1:]).strip()
    path = arguments.strip()
    return ("notebook" if path.endswith(".ipynb") else "markdown"), path


def _joined(folder: PurePosixPath, name: str) -> str:
    """Return ``name`` in ``folder``; with a slash at its beginning, it is below the root."""
    path = name.lstrip("/") if name.startswith("/") else (folder / name).as_posix()
    return normpath(path)


async def _messages(chat: Chat, until: str) -> list[Message]:
    batches: list[list[Message]] = []
    first = until
    while batch := chat.before(first, MESSAGES):
        batches.append(batch)
        first = batch[0].id
        await anyio.lowlevel.checkpoint()
    found = (message for batch in reversed(batches) for message in batch)
    return [message for message in found if not message.deleted and message.body.strip()]


def _said(chat: Chat, message: Message) -> Said:
    user = chat.user(message.sender)
    usage = message.metadata.get("usage")
    model = usage.get("model") if isinstance(usage, dict) else None
    return Said(
        speaker=user.shown_name if user is not None else message.sender,
        body=message.body,
        time=message.time,
        model=model if isinstance(model, str) else "",
        note="" if message.state in (None, "done") else str(message.state),
        attached=tuple(a.path for a in chat.attachments(message.attachments)),
    )


def _document(kind: str, title: str, said: list[Said]) -> str:
    zone = datetime.now().astimezone().tzinfo
    if kind == "markdown":
        return to_markdown(title, said, zone=zone)
    return json.dumps(to_notebook(title, said, zone=zone), ensure_ascii=False, indent=1) + "\n"
