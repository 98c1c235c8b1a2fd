"""The index on the disk: words of passages in tantivy, the passages and files in SQLite.

A folder holds one index of one root. One process writes it; any number read it. A damaged index is
removed and built again.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import tantivy

from jupyter_ai_personas.context.passage import Passage
from jupyter_ai_personas.context.rows import Rows
from jupyter_ai_personas.context.selection import FileState
from jupyter_ai_personas.context.words import with_parts

__all__ = [
    "SCHEMA",
    "DamagedError",
    "IndexWriter",
    "OpenIndex",
    "damages",
    "remove_index",
    "stems",
    "words",
]

_PASSAGES = "passages"
_ROWS = "files.sqlite"
_HEAP = 15_000_000
"""Bytes that tantivy gathers before it writes a segment; the least that it takes."""

_MOST_PASSAGES = 4_000
"""Passages that may wait to be written: without a limit they take 20 to 30 MB."""


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
    builder.add_integer_field("id", fast=True)
    builder.add_text_field("file", tokenizer_name="raw", index_option="basic")
    for name in ("path", "heading", "text"):
        builder.add_text_field(name, tokenizer_name="stems")
    # The vocabulary, in which misspelt words are looked for: a stem may be far from a typo's.
    builder.add_text_field("word", tokenizer_name="words", index_option="basic")
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
        # tantivy panics on unexpected content; a panic is not an `Exception`.
        if type(error).__name__ == "PanicException":
            raise DamagedError(str(error)) from None
        raise


class OpenIndex:
    """An index as readers have it. Used by one thread at a time.

    Raises:
        DamagedError: from the constructor and from `refresh`: it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        with damages():
            self._index = tantivy.Index.open(str(folder / _PASSAGES))
            self._index.config_reader("manual")
            self.rows = Rows(folder / _ROWS, reading=True)
        self.searcher = self._index.searcher()

    def refresh(self) -> None:
        """Read what was committed last."""
        with damages():
            self._index.reload()
            self.searcher = self._index.searcher()

    def close(self) -> None:
        """Let go of the files."""
        self.rows.close()


class IndexWriter:
    """The one writer of an index; used by one thread.

    Raises:
        DamagedError: from any method, when the files cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        with damages():
            (folder / _PASSAGES).mkdir(mode=0o700, parents=True, exist_ok=True)
            index = tantivy.Index(SCHEMA, str(folder / _PASSAGES))
            index.register_tokenizer("stems", _STEMS)
            index.register_tokenizer("words", _WORDS)
            self._writer = index.writer(_HEAP, 1)
            self._rows = Rows(folder / _ROWS, reading=False)
            self.files = self._rows.states()
            """The state of each indexed file; `commit` makes them visible."""
            self.committed = len(self.files)
            """Number of files visible to readers."""
            self.is_changed = False
            """Whether there are changes to commit."""
            self._waiting = 0  # passages that wait for it
            if bool(self.files) != bool(index.searcher().num_docs):
                self._start_anew()

    @property
    def is_full(self) -> bool:
        """Whether so much waits for `commit` that it fills the memory."""
        return self._waiting >= _MOST_PASSAGES

    def put(self, path: str, state: FileState, passages: Sequence[Passage]) -> None:
        """Replace what is known of a file."""
        with damages():
            ids = self._rows.put(path, state, passages)
            self._writer.delete_documents_by_term("file", path)
            for id, passage in zip(ids, passages, strict=True):
                self._writer.add_document(_document(id, path, passage))
        self.files[path] = state
        self._waiting += len(passages)
        self.is_changed = True

    def remove(self, path: str) -> None:
        """Forget a file."""
        with damages():
            self._rows.remove(path)
            self._writer.delete_documents_by_term("file", path)
        self.files.pop(path, None)
        self.is_changed = True

    def commit(self) -> None:
        """Let readers see what was put and removed, and keep it."""
        with damages():
            self._writer.commit()
            # Second: a file that SQLite alone knew would never be indexed.
            self._rows.commit()
        self._waiting = 0
        self.is_changed = False
        self.committed = len(self.files)

    def close(self) -> None:
        """Let go of the files; what is not committed is lost."""
        with contextlib.suppress(DamagedError), damages():
            self._rows.close()
            self._writer.wait_merging_threads()

    def _start_anew(self) -> None:
        """Forget all: files may have no passages, but one half of the folder was removed."""
        for path in list(self.files):
            self.remove(path)
        self._writer.delete_all_documents()
        self.commit()


def remove_index(folder: Path) -> None:
    """Remove an index, as far as it can be removed."""
    shutil.rmtree(folder / _PASSAGES, ignore_errors=True)
    rows = (f"{_ROWS}{suffix}" for suffix in ("", "-journal", "-shm", "-wal"))
    # Last, the mark of damage: it keeps readers away until then.
    for name in (*rows, "status.json", "damaged"):
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def _document(id: int, path: str, passage: Passage) -> tantivy.Document:
    text = with_parts(passage.text)
    heading = with_parts(passage.heading)
    where = with_parts(path)
    return tantivy.Document(
        id=id,
        file=path,
        path=where,
        heading=heading,
        text=text,
        word=f"{text} {heading} {where}",
    )
