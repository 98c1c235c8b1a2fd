"""Tables for a model: schema, shape and the first rows, however large the file is."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

from jupyter_ai_personas.context.bounds import ContextLimits, fence
from jupyter_ai_personas.context.rendered import Rendered
from jupyter_ai_personas.context.texts import decode
from jupyter_ai_personas.redaction import for_people

__all__ = ["render_csv", "render_parquet"]

_SAMPLED = 1000
"""Number of rows that determine the types of columns."""

_COLUMNS = 200
"""How many columns are listed."""

_WIDTH = 80
"""How many characters of a value are shown."""

_SECONDS = 5.0
"""How long rows are counted."""

_TIME = r"[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
# From the narrowest on: a column has the first kind that all of its values have.
_KINDS = (
    ("integer", re.compile(r"[+-]?\d{1,19}")),
    ("number", re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf")),
    ("boolean", re.compile(r"true|false|yes|no", re.IGNORECASE)),
    ("date", re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}(?:{_TIME})?")),
)
_EMPTY = frozenset({"", "na", "n/a", "nan", "null", "none"})


def render_csv(file: BinaryIO, *, title: str, limits: ContextLimits) -> Rendered:
    """Return a CSV or TSV file's schema, shape and first rows.

    ``file`` is read in pieces: up to ``limits.counted_bytes`` to count its rows.
    """
    sample = file.read(64_000)
    file.seek(0)
    encoding, notes = _encoding(sample)
    if encoding is None:
        return Rendered(title, problem="it is not a text file.")
    counter = _Counted(file, limits.counted_bytes)
    text = io.TextIOWrapper(
        io.BufferedReader(counter), encoding=encoding, errors="replace", newline=""
    )
    try:
        rows = csv.reader(text, _dialect(sample.decode(encoding, "replace")))
        header = next(rows, [])
        sampled = list(islice(rows, _SAMPLED))
        number, complete = _count(rows, len(sampled), counter)
    except csv.Error as error:
        return Rendered(title, problem=f"it is no table: {error}.")
    finally:
        text.detach()
    if not header:
        return Rendered(title, f"{title} is empty.")
    if not complete:
        notes = "; ".join(filter(None, [notes, "the rest was not counted"]))
    columns = [
        (name or f"column {i + 1}", *_kind(row[i] for row in sampled if i < len(row)))
        for i, name in enumerate(header)
    ]
    shape = f"{'' if complete else 'at least '}{number:,} rows × {len(header):,} columns"
    return _table(title, shape, columns, header, sampled, limits, notes)


class _Counted(io.RawIOBase):
    """A binary file that ends after ``most`` bytes."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._left = most
        self.cut = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        if self._left == 0 and self._file.read(1):
            self.cut = True
        return len(data)


def _encoding(sample: bytes) -> tuple[str | None, str]:
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", ""
    found = decode(sample, cut=True)
    if found is None:
        return None, ""
    return ("latin-1" if found[1] else "utf-8-sig"), found[1]


def _dialect(sample: str) -> type[csv.Dialect]:
    lines = "".join(sample.splitlines(keepends=True)[:50])
    first = lines.partition("\n")[0]
    try:
        return csv.Sniffer().sniff(lines[:20_000], delimiters=",;\t|")
    except csv.Error:
        # One column, or lines that the sniffer does not understand.
        class Dialect(csv.excel):
            delimiter = max(",;\t|", key=first.count)

        return Dialect


def _count(rows: Iterator[Sequence[str]], number: int, counter: _Counted) -> tuple[int, bool]:
    end = time.monotonic() + _SECONDS
    for _ in rows:
        number += 1
        if number % 10_000 == 0 and time.monotonic() > end:
            return number, False
    return number, not counter.cut


def _kind(values: Iterable[str]) -> tuple[str, str]:
    """Return the type of a column, and a note on what is missing in it."""
    seen = list(values)
    there = [value.strip() for value in seen if value.strip().casefold() not in _EMPTY]
    missing = f"{len(seen) - len(there):,} of the first {len(seen):,} missing"
    note = missing if len(there) < len(seen) else ""
    if not there:
        return "empty", ""
    kind = next((kind for kind, shape in _KINDS if all(map(shape.fullmatch, there))), "text")
    return kind, note


def render_parquet(file: BinaryIO, *, title: str, limits: ContextLimits) -> Rendered:
    """Return a Parquet file's schema, shape and first rows; needs the package ``pyarrow``."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return Rendered(
            title,
            problem="Parquet files need a package: run `pip install "
            "'jupyter_ai_personas[parquet]'` and restart the server.",
        )
    try:
        source = parquet.ParquetFile(file)
        schema = source.schema_arrow
        # No more of it than these rows is read into memory at once.
        names = schema.names[:_COLUMNS]
        batch = next(source.iter_batches(batch_size=limits.rows, columns=names), None)
        rows = batch.to_pylist() if batch is not None else []
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = for_people(str(error).partition("\n")[0][:200])
        return Rendered(title, problem=f"it is no Parquet file that can be read: {reason}")
    columns = [(field.name, str(field.type), "") for field in schema]
    shape = f"{source.metadata.num_rows:,} rows × {len(schema.names):,} columns"
    head = [["" if row[name] is None else str(row[name]) for name in names] for row in rows]
    return _table(title, shape, columns, names, head, limits, "")


def _table(
    title: str,
    shape: str,
    columns: Sequence[tuple[str, str, str]],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    limits: ContextLimits,
    notes: str,
) -> Rendered:
    about = "; ".join(filter(None, [shape, notes]))
    schema = [
        f"- {_shown(name)}: {kind}{f' ({note})' if note else ''}"
        for name, kind, note in columns[:_COLUMNS]
    ]
    if len(columns) > _COLUMNS:
        schema.append(f"[… first {_COLUMNS} of {len(columns):,} columns]")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    shown = rows[: limits.rows]
    for row in [header, *shown]:
        writer.writerow([_shown(value) for value in row[:_COLUMNS]])
    text = "\n".join(
        [
            f"{title} ({about}):",
            *schema,
            f"first {len(shown)} rows:",
            fence(out.getvalue(), "csv"),
        ]
    )
    if len(text) > limits.chars:
        text = text[: limits.chars] + f"\n[… first {limits.chars:,} characters]"
    return Rendered(title, text)


def _shown(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
