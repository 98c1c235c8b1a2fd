"""The files of the workspace that define personas, read again only when they have changed."""

from __future__ import annotations

import mimetypes
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from jupyter_ai_personas.chat.messages import PERSONA_PREFIX
from jupyter_ai_personas.context.privacy import confined, holds_private_key
from jupyter_ai_personas.personas.local.definition import (
    Definition,
    Fault,
    FaultyError,
    parse,
)
from jupyter_ai_personas.personas.local.emoji import is_emoji
from jupyter_ai_personas.personas.local.persona import MarkdownPersona
from jupyter_ai_personas.personas.persona import Persona
from jupyter_ai_personas.routing import mention_name

__all__ = ["LOCAL_PREFIX", "SOURCE", "LocalFile", "LocalPersonas", "LocalProblem", "folders_of"]

LOCAL_PREFIX = f"{PERSONA_PREFIX}local::"
SOURCE = "local"
"""The source that REST and people see instead of the name of a package."""

FOLDER = ".jupyter/personas"
MAX_BYTES = 100_000
"""How large a file may be."""

MAX_FILES = 50
"""How many files of one folder are read, in the order of their names."""

MAX_WALKED = 20_000
"""How many folders are looked through for personas at most."""

_SKIPPED = frozenset({"node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file as it was read last. ``path`` and ``folder`` are relative to the server's root.

    ``persona`` is what its latest faultless version defines, ``None`` if there was none.
    ``faults`` and ``name`` (the name of the persona) are from the present version.
    """

    path: str
    folder: str
    stamp: object
    persona: Persona | None
    faults: tuple[Fault, ...] = ()
    name: str = ""

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return PurePosixPath(self.path).stem


@dataclass(frozen=True, slots=True)
class LocalProblem:
    """Why a file defines no persona here, or why an earlier version of it still counts.

    ``name`` is what the file calls its persona, empty where that cannot be read. ``persona_id`` is
    that of the earlier version, if it is in use.
    """

    file: str
    name: str
    faults: tuple[Fault, ...]
    persona_id: str | None = None

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return PurePosixPath(self.file).stem

    @property
    def reason(self) -> str:
        """The faults with their lines, as one paragraph."""
        text = "; ".join(map(str, self.faults))
        text = text if text.endswith(("?", ".")) else f"{text}."
        return f"{text} The version before is in use." if self.persona_id is not None else text

    def __str__(self) -> str:
        return f"{self.file}, {self.reason}"


def folders_of(chat_path: str) -> list[str]:
    """Return the folders whose personas serve a chat, the nearest first; the root is empty."""
    parents = PurePosixPath(chat_path.removeprefix("RTC:").strip("/") or "_").parents
    return ["" if str(parent) == "." else str(parent) for parent in parents]


class LocalPersonas:
    """Reads the files below ``root``. Methods block, and may be called in any thread.

    ``reads_only``: the personas have only tools that read.
    """

    def __init__(self, root: Path, *, reads_only: bool) -> None:
        self.root = self._root = root
        self._reads_only = reads_only
        self._lock = threading.Lock()
        # By path, each as it was read last.
        self._files: dict[str, LocalFile] = {}

    def serving(self, chat_path: str) -> list[LocalFile]:
        """Return the files that serve a chat, those of the nearest folder first."""
        return [file for folder in folders_of(chat_path) for file in self._in_folder(folder)]

    def places(self, chat_path: str) -> list[Path]:
        """Return the folders whose files serve a chat; they need not exist."""
        return [self._root / folder / FOLDER for folder in folders_of(chat_path)]

    def find(self, persona_id: str) -> Persona | None:
        """Return the persona with that id, of those whose files have been read."""
        with self._lock:
            for file in self._files.values():
                if file.persona is not None and file.persona.id == persona_id:
                    return file.persona
        return None

    def folders(self) -> Iterator[str]:
        """Yield the folders below the root that have personas of their own, within a bound."""
        for path, names, _ in islice(os.walk(self._root), MAX_WALKED):
            folder = Path(path).relative_to(self._root).as_posix()
            if (Path(path) / FOLDER).is_dir():
                yield "" if folder == "." else folder
            names[:] = sorted(n for n in names if not n.startswith(".") and n not in _SKIPPED)

    def watched(self, chat_path: str) -> list[Path]:
        """Return the existing folders in which a change may concern a chat."""
        found = []
        for folder in folders_of(chat_path):
            base = self._root / folder
            # A folder that is not there yet appears in the one above it.
            while_there = [base, base / ".jupyter", base / FOLDER]
            found += [one for one in while_there if one.is_dir()]
        return found

    def _in_folder(self, folder: str) -> list[LocalFile]:
        here = f"{folder}/{FOLDER}".lstrip("/")
        try:
            names = sorted(e.name for e in os.scandir(self._root / here) if _is_wanted(e.name))
        except (OSError, ValueError):
            names = []
        if names and confined(self._root, here) is None:
            names = []  # a link leads out of the root, or the folder is secret-like
        files = [self._file(folder, f"{here}/{name}") for name in names[:MAX_FILES]]
        if len(names) > MAX_FILES:
            fault = Fault(0, f"it is not read: a folder may have {MAX_FILES} such files")
            files.append(LocalFile(f"{here}/{names[MAX_FILES]}", folder, None, None, (fault,)))
        with self._lock:
            there = {file.path for file in files}
            for path, file in list(self._files.items()):
                if file.folder == folder and path not in there:
                    del self._files[path]
            self._files.update((file.path, file) for file in files)
        return files

    def _file(self, folder: str, path: str) -> LocalFile:
        with self._lock:
            known = self._files.get(path)
        earlier = known.persona if known is not None else None
        name, stamp = "", None
        try:
            # Unchanged folders resolve to the same paths. A fault may be mended elsewhere, as by an
            # image that was missing.
            if known is not None and not known.faults and known.stamp == _stamp(self._root / path):
                return known
            real = confined(self._root, path)
            if real is None:
                raise FaultyError(
                    0,
                    "a link leads out of the server's root, or its name is one of a file with "
                    "secrets; put the file itself here, under another name",
                )
            stamp = _stamp(real)
            parsed = parse(_text(real))
            name = parsed.name
            if parsed.definition is None:
                return LocalFile(path, folder, stamp, earlier, parsed.faults, name)
            persona = self._persona(folder, path, real, parsed.definition)
        except FaultyError as error:
            return LocalFile(path, folder, stamp, earlier, (error.fault,), name)
        except OSError as error:
            fault = Fault(0, f"it cannot be read: {error.strerror or type(error).__name__}")
            return LocalFile(path, folder, stamp, earlier, (fault,), name)
        return LocalFile(path, folder, stamp, persona, (), name)

    def _persona(self, folder: str, path: str, real: Path, found: Definition) -> Persona:
        avatar = None
        emoji = found.avatar if is_emoji(found.avatar) else ""
        if found.avatar and not emoji:
            avatar, wrong = self._avatar(folder, path, found.avatar)
            if wrong:
                raise FaultyError(found.lines["avatar"], wrong)
        return Persona(
            id=f"{LOCAL_PREFIX}{folder}/{found.name}",
            name=found.name,
            mention_name=mention_name(found.name),
            description=found.description,
            system_prompt=found.system_prompt,
            model=found.model or None,
            avatar=avatar,
            emoji=emoji,
            source=SOURCE,
            class_path=f"{MarkdownPersona.__module__}:{MarkdownPersona.__qualname__}",
            tools=found.tools,
            model_parameters=found.model_parameters,
            max_hops=found.max_hops,
            file=path,
            reads_only=self._reads_only,
        )

    def _avatar(self, folder: str, path: str, avatar: str) -> tuple[Path | None, str]:
        """Return the avatar's file, or what is wrong with it."""
        if "://" in avatar or avatar.startswith("data:"):
            return None, "the avatar must be a file: a URL would tell its server who reads the chat"
        kind = mimetypes.guess_type(avatar)[0] or ""
        if not kind.startswith("image/"):
            text = "must be an emoji or an image, such as `researcher.svg`"
            return None, f"the avatar `{avatar[:60]}` {text}"
        there = PurePosixPath(path).parent / avatar
        real = confined(self._root, there.as_posix())
        inside = Path(os.path.realpath(self._root / folder))
        if real is None or PurePosixPath(avatar).is_absolute() or not real.is_relative_to(inside):
            return None, f"the avatar `{avatar[:60]}` lies outside of the folder of the personas"
        if not real.is_file():
            return None, f"the avatar `{avatar[:60]}` does not exist; name it relative to this file"
        return real, ""


def _is_wanted(name: str) -> bool:
    """Return whether a name is that of a persona's file, and not of an editor's or a remark."""
    is_markdown = name.casefold().endswith(".md") and not name.startswith((".", "~", "#"))
    return is_markdown and name.casefold() != "readme.md"


def _stamp(real: Path) -> object:
    found = real.stat()
    if not stat.S_ISREG(found.st_mode):
        raise FaultyError(0, "it is no ordinary file")
    if found.st_size > MAX_BYTES:
        raise FaultyError(0, f"it is larger than {MAX_BYTES:,} bytes; shorten it")
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _text(real: Path) -> str:
    with real.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise FaultyError(0, f"it is larger than {MAX_BYTES:,} bytes; shorten it")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FaultyError(line, "it is not UTF-8 text; save it in that encoding") from None
    if holds_private_key(text):
        raise FaultyError(0, "it contains a private key, which no model may read")
    return text
