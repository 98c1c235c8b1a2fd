"""The index on the disk: passages in tantivy, and what is known of each file in SQLite.

A folder holds one index of one root. One process writes it, any number read it. It holds nothing
that cannot be built again: whoever finds it damaged removes it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tantivy

from jupyter_ai_personas.context.passage import Passage
from jupyter_ai_personas.context.selection import FileState
from jupyter_ai_personas.context.words import with_parts

__all__ = ["SCHEMA", "DamagedError", "IndexWriter", "damages", "open_index", "stems", "words"]

_HEAP = 15_000_000
"""Bytes that tantivy gathers before it writes a segment; the least that it takes."""

_MOST_PASSAGES = 4_000
"""Passages that may wait to be written: tantivy takes ten thousand before it slows down."""


def _analyzer(*, stem: bool) -> tantivy.TextAnalyzer:
    builder = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(64))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
    )
    return (builder.filter(tantivy.Filter.stemmer("english")) if stem else builder).build()


_STEMS, _WORDS = _analyzer(stem=True), _analyzer(stem=False)


def stems(text: str) -> list[str]:
    """Return the stems of the words in a text, as ``text``, ``heading`` and ``path`` have them."""
    return _STEMS.analyze(text)


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case and without accents, as ``word`` has them."""
    return _WORDS.analyze(text)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("file", stored=True, tokenizer_name="raw", index_option="basic")
    for name in ("path", "heading", "text"):
        builder.add_text_field(name, tokenizer_name="stems")
    # The vocabulary, in which misspelt words are looked for: a stem may be far from a typo's.
    builder.add_text_field("word", tokenizer_name="words", index_option="basic")
    builder.add_bytes_field("passage", stored=True)
    return builder.build()


SCHEMA = _schema()


class DamagedError(Exception):
    """The index cannot be read, and must be built anew."""


@contextlib.contextmanager
def damages() -> Iterator[None]:
    """Turn what tantivy and SQLite raise for a file that they cannot use into a `DamagedError`.

    Raises:
        DamagedError: the index cannot be used as it is.
    """
    try:
        yield
    except (ValueError, OSError, sqlite3.Error) as error:
        raise DamagedError(str(error)) from error
    except BaseException as error:
        # What tantivy does not expect of a file is a panic, which is no `Exception`.
        if type(error).__name__ == "PanicException":
            raise DamagedError(str(error)) from None
        raise


def open_index(folder: Path, *, reading: bool) -> tantivy.Index:
    """Open the index in ``folder``, which is made unless it is only read.

    Raises:
        DamagedError: it cannot be read, or there is none to be read.
    """
    place = folder / "passages"
    with damages():
        if not reading:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not tantivy.Index.exists(str(place)):
            raise FileNotFoundError("no index")
        index = tantivy.Index(SCHEMA, str(place)) if not reading else tantivy.Index.open(str(place))
        index.register_tokenizer("stems", _STEMS)
        index.register_tokenizer("words", _WORDS)
        if reading:
            index.config_reader("manual")
        return index


class IndexWriter:
    """The one writer of an index; used by one thread.

    Raises:
        DamagedError: from any method, when the files cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: dict[str, FileState] = {}
        """What the index holds, once `commit` returns."""
        self.committed = 0
        """How many files readers see."""
        self._passages = 0  # since the last commit
        self._changed: dict[str, FileState | None] = {}
        index = open_index(folder, reading=False)
        with damages():
            self._writer = index.writer(_HEAP, 1)
            self._db = sqlite3.connect(folder / "files.sqlite", isolation_level=None)
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS files"
                " (path TEXT PRIMARY KEY, mtime_ns INTEGER, size INTEGER) WITHOUT ROWID"
            )
            rows = self._db.execute("SELECT path, mtime_ns, size FROM files").fetchall()
            self.files = {path: FileState(mtime_ns, size) for path, mtime_ns, size in rows}
            self.committed = len(self.files)
            index.reload()
            if not self.files and index.searcher().num_docs:
                self._writer.delete_all_documents()  # half of the folder was removed
            elif self.files and not index.searcher().num_docs:
                raise DamagedError("the passages are gone")

    @property
    def is_changed(self) -> bool:
        """Whether something waits for `commit`."""
        return bool(self._changed)

    @property
    def is_full(self) -> bool:
        """Whether so much waits for `commit` that it fills the memory."""
        return self._passages >= _MOST_PASSAGES

    def put(self, path: str, state: FileState, passages: Iterable[Passage]) -> None:
        """Replace what is known of a file."""
        with damages():
            self._writer.delete_documents_by_term("file", path)
            for passage in passages:
                self._writer.add_document(_document(path, passage))
                self._passages += 1
        self.files[path] = state
        self._changed[path] = state

    def remove(self, path: str) -> None:
        """Forget a file."""
        with damages():
            self._writer.delete_documents_by_term("file", path)
        self.files.pop(path, None)
        self._changed[path] = None

    def commit(self) -> None:
        """Let readers see what was put and removed, and keep it."""
        gone = [(path,) for path, state in self._changed.items() if state is None]
        kept = [
            (path, state.mtime_ns, state.size)
            for path, state in self._changed.items()
            if state is not None
        ]
        with damages():
            self._writer.commit()
            # Second: a file that only SQLite knew would never be indexed.
            self._db.execute("BEGIN")
            self._db.executemany("DELETE FROM files WHERE path = ?", gone)
            self._db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", kept)
            self._db.execute("COMMIT")
        self._changed.clear()
        self._passages = 0
        self.committed = len(self.files)

    def close(self, *, erase: bool = False) -> None:
        """Let go of the files, and remove them if ``erase``."""
        with contextlib.suppress(DamagedError), damages():
            self._db.close()
            self._writer.wait_merging_threads()
        if erase:
            remove_index(self._folder)


def remove_index(folder: Path) -> None:
    """Remove an index, as far as it can be removed."""
    shutil.rmtree(folder / "passages", ignore_errors=True)
    # Last what says that it is damaged: until then, nobody reads it.
    for name in ("files.sqlite", "files.sqlite-journal", "status.json", "damaged"):
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def _document(path: str, passage: Passage) -> tantivy.Document:
    shown: dict[str, Any] = {
        "path": path,
        "line": passage.line,
        "cell": passage.cell,
        "heading": passage.heading,
        "text": passage.text,
    }
    text = with_parts(passage.text)
    heading = with_parts(passage.heading)
    where = with_parts(path)
    return tantivy.Document(
        file=path,
        path=where,
        heading=heading,
        text=text,
        word=f"{text} {heading} {where}",
        passage=json.dumps(shown).encode(),
    )
