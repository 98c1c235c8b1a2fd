"""What the workspace's search finds, and what an index of 20,000 files costs.

The questions are data (`questions/`); the packages that they are about come by `pip download`.
"""

from __future__ import annotations

import csv
import json
import logging
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path

import anyio
import anyio.to_thread
import psutil

from jupyter_ai_personas.context import IndexSettings, WorkspaceIndex
from jupyter_ai_personas.context.passages import cut
from jupyter_ai_personas.context.ranking import search
from jupyter_ai_personas.context.reading import read_text
from jupyter_ai_personas.context.selection import FileState, Selection
from jupyter_ai_personas.context.store import IndexWriter, OpenIndex
from jupyter_ai_personas.errors import SearchUnavailableError

from .options import Goal, Options, Result, Table

QUESTIONS = Path(__file__).parent / "questions" / "questions.tsv"
DEPTHS = (1, 3, 10)

Rank = Callable[[str], Iterable[str]]
"""From a question to paths, best first; a path may come twice."""

Question = dict[str, str]


async def run(options: Options) -> Result:
    result = Result("search")
    with options.directory() as directory:
        await anyio.to_thread.run_sync(_retrieval, directory, result, options.quick)
        await _costs(directory, result, options.quick)
    return result


# -- what is found ---------------------------------------------------------------------------------


def questions() -> list[Question]:
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _retrieval(directory: Path, result: Result, quick: bool) -> None:
    asked = questions()
    packages = sorted({question["package"] for question in asked})[-1 if quick else 0 :]
    found: dict[str, list[tuple[Question, int]]] = {}
    for package in packages:
        root = _download(package, directory)
        files = {
            path: text
            for path, _ in Selection(root, ()).walk()
            if (text := read_text(root / path)) is not None
        }
        for name, rank in _rankings(files, directory / f"{package}-index").items():
            for question in asked:
                if question["package"] == package:
                    place = _place(rank(question["question"]), question["files"].split())
                    found.setdefault(name, []).append((question, place))
    methods = Table(
        "Which files search finds",
        "The share of the questions for which one of the expected files is among the first 1, 3 "
        "and 10. Rankings were tuned on the part `dev` alone.",
    )
    for name, places in found.items():
        for part in ("dev", "held"):
            some = [place for question, place in places if question["part"] == part]
            methods.rows.append({"ranking": name, "part": part, **_recalls(some)})
    ours = found["this project"]
    kinds = Table(
        "Which files search finds, by kind of question",
        "This project, on the questions that were held out.",
    )
    for column in ("kind", "package"):
        for value in sorted({question[column] for question, _ in ours}):
            some = [p for q, p in ours if q["part"] == "held" and q[column] == value]
            kinds.rows.append({"questions": value, **_recalls(some)})
    result.tables += [methods, kinds]
    held = [place for question, place in ours if question["part"] == "held"]
    for depth, bound in zip(DEPTHS, (0.55, 0.75, 0.88), strict=True):
        result.goals.append(
            _goal(f"search: recall@{depth}, held-out questions", bound, held, depth)
        )
    for kind in ("paraphrase", "typo"):
        some = [p for q, p in ours if q["part"] == "held" and q["kind"] == kind]
        result.goals.append(_goal(f"search: recall@3, held-out {kind} questions", 0.5, some, 3))


def _goal(what: str, bound: float, places: Sequence[int], depth: int) -> Goal:
    return Goal(what, bound, _recall(places, depth), "of the questions", at_least=True)


def _download(package: str, directory: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
    subprocess.run([*command, "--dest", str(directory), package], check=True, timeout=600)
    name, version = package.split("==")
    with tarfile.open(directory / f"{name}-{version}.tar.gz") as archive:
        archive.extractall(directory, filter="data")
    return directory / f"{name}-{version}"


def _place(paths: Iterable[str], expected: Sequence[str]) -> int:
    """Return at which place, from 0, the first expected file is, or a place beyond all depths."""
    for place, path in enumerate(dict.fromkeys(paths)):
        if path in expected:
            return place
    return max(DEPTHS)


def _recall(places: Sequence[int], depth: int) -> float:
    return sum(place < depth for place in places) / len(places)


def _recalls(places: Sequence[int]) -> dict[str, object]:
    return {**{f"@{depth}": _recall(places, depth) for depth in DEPTHS}, "n": len(places)}


_WORD = re.compile(r"[A-Za-z0-9_]+")


def _rankings(files: dict[str, str], folder: Path) -> dict[str, Rank]:
    passages = [
        (path, part.heading, part.text) for path in files for part in cut(path, files[path])
    ]
    plain = _fts(passages, "unicode61", (0.0, 0.0, 1.0))
    boosted = _fts(passages, "porter unicode61", (4.0, 3.0, 1.0))
    return {
        "words counted, as grep would": partial(_grep, files),
        "BM25 of bm25s, whole files": _bm25s(files),
        "BM25 of SQLite FTS5, passages": plain,
        "the same with stems, path and headings boosted": boosted,
        "this project": _ours(files, folder),
    }


def _grep(files: dict[str, str], question: str) -> list[str]:
    """The files with the most occurrences of the question's words."""
    asked = set(_WORD.findall(question.lower()))
    counts: Counter[str] = Counter()
    for path, text in files.items():
        counts[path] = sum(word in asked for word in _WORD.findall(text.lower()))
    return [path for path, count in counts.most_common(max(DEPTHS)) if count]


def _bm25s(files: dict[str, str]) -> Rank:
    import bm25s

    paths = list(files)
    model = bm25s.BM25()
    model.index(bm25s.tokenize(list(files.values()), show_progress=False), show_progress=False)

    def rank(question: str) -> list[str]:
        tokens = bm25s.tokenize(question, show_progress=False)
        found, _ = model.retrieve(tokens, corpus=paths, k=max(DEPTHS), show_progress=False)
        return [str(path) for path in found[0]]

    return rank


def _fts(
    passages: Sequence[tuple[str, str, str]], tokenizer: str, weights: Sequence[float]
) -> Rank:
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.execute(f"CREATE VIRTUAL TABLE fts USING fts5(path, heading, text, tokenize='{tokenizer}')")
    db.executemany("INSERT INTO fts VALUES (?, ?, ?)", passages)
    order = ", ".join(map(str, weights))

    def rank(question: str) -> list[str]:
        match = " OR ".join(f'"{word}"' for word in _WORD.findall(question))
        rows = db.execute(
            f"SELECT path FROM fts WHERE fts MATCH ? ORDER BY bm25(fts, {order}) LIMIT 300",
            (match,),
        )
        return [path for (path,) in rows]

    return rank


def _ours(files: dict[str, str], folder: Path) -> Rank:
    folder.mkdir()
    writer = IndexWriter(folder)
    for path, text in files.items():
        writer.put(path, FileState(0, len(text)), list(cut(path, text)))
    writer.commit()
    writer.close()
    index = OpenIndex(folder)

    def rank(question: str) -> list[str]:
        return [hit["path"] for hit in search(index, question, max(DEPTHS))]

    return rank


# -- what it costs ---------------------------------------------------------------------------------


async def _costs(directory: Path, result: Result, quick: bool) -> None:
    count, size = (400, 10_000_000) if quick else (20_000, 500_000_000)
    root, data = directory / "root", directory / "data"
    vocabulary = await anyio.to_thread.run_sync(_generate, root, count, size)
    index = WorkspaceIndex(root, data, IndexSettings(), log=logging.getLogger("benchmark"))
    choose = random.Random(1)
    meanwhile: list[float] = []
    after: list[float] = []
    rss = own = 0

    async def ask(times: list[float]) -> None:
        words = choose.choices(vocabulary[:20_000], k=choose.randint(1, 8))
        begin = time.perf_counter()
        try:
            await anyio.to_thread.run_sync(index.search, "how does the " + " ".join(words))
        except SearchUnavailableError:
            return
        times.append(1e3 * (time.perf_counter() - begin))

    async with anyio.create_task_group() as group:
        begin = time.perf_counter()
        group.start_soon(index.run)
        first = 0.0
        while (status := index.status()).state != "ready":
            await ask(meanwhile)
            if meanwhile and not first:
                first = time.perf_counter() - begin
            rss, own = _highest(rss, own)
            await anyio.sleep(0.1)
        built = time.perf_counter() - begin
        assert status.files == count, status
        for _ in range(50 if quick else 500):
            await ask(after)
            rss, own = _highest(rss, own)
        seen = [await _change(index, root / f"fresh-{number}.md") for number in range(5)]
        group.cancel_scope.cancel()
    kept = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    table = Table(
        f"An index of {count:,} files, {size / 1e6:,.0f} MB",
        "Generated notebooks, code and prose. Queries of one to eight words, through the process "
        "beside the server; milliseconds. Resident memory is that process's, at its highest, with "
        "and without the pages of the index's files, which the system takes back at need.",
    )
    table.rows.append(
        {
            "first answer s": first,
            "all indexed s": built,
            "index MB": kept / 1e6,
            "resident MB": rss / 1e6,
            "without index MB": own / 1e6,
            "query p50 meanwhile": statistics.median(meanwhile),
            "p95 meanwhile": _p95(meanwhile),
            "query p50 after": statistics.median(after),
            "p95 after": _p95(after),
            "change seen after s": max(seen),
        }
    )
    result.tables.append(table)
    what = f"search: {count:,} files"
    result.goals += [
        Goal(f"{what}: query, 95th percentile", 50, _p95(after), "ms"),
        Goal(f"{what}: query while they are indexed, 95th percentile", 50, _p95(meanwhile), "ms"),
        Goal(f"{what}: resident memory over the server's", 100, rss / 1e6, "MB"),
        Goal(f"{what}: the same without the index's files", 100, own / 1e6, "MB"),
        Goal(f"{what}: a change is found", 1.0, max(seen), "s"),
    ]


def _highest(rss: int, own: int) -> tuple[int, int]:
    """Return the resident memory of the index process, and what is its own, at their highest."""
    for child in psutil.Process().children():
        if "context.worker" in _command(child):
            memory = child.memory_info()
            rss = max(rss, memory.rss)
            own = max(own, memory.rss - getattr(memory, "shared", 0))
    return rss, own


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[int(0.95 * len(times))]


async def _change(index: WorkspaceIndex, file: Path) -> float:
    word = f"xylophone{file.stem.replace('-', '')}"
    await anyio.Path(file).write_text(f"# Something new\n\n{word}\n", "utf-8")
    begin = time.perf_counter()
    while True:
        hits = await anyio.to_thread.run_sync(index.search, word)
        if any(hit.path == file.name for hit in hits):
            return time.perf_counter() - begin
        await anyio.sleep(0.02)


def _generate(root: Path, count: int, size: int) -> list[str]:
    """Write ``count`` files of ``size`` bytes in all; words are as frequent as a language's."""
    choose = random.Random(0)
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er")]
    vocabulary = list(
        {"".join(choose.choices(syllables, k=choose.randint(2, 5))) for _ in range(90_000)}
    )
    vocabulary.sort()
    choose.shuffle(vocabulary)
    frequency = list(accumulate(1 / rank for rank in range(1, len(vocabulary) + 1)))
    sentences = [
        " ".join(choose.choices(vocabulary, cum_weights=frequency, k=choose.randint(6, 18)))
        for _ in range(30_000)
    ]
    lines = size // count // 110
    for number in range(count):
        folder = root / f"project{number % 40}" / f"part{number % 500}"
        folder.mkdir(parents=True, exist_ok=True)
        text = choose.choices(sentences, k=lines)
        parts = ["\n".join(text[at : at + 12]) for at in range(0, lines, 12)]
        suffix = (".md", ".py", ".ipynb", ".txt")[number % 4]
        title = choose.choice(vocabulary)
        if suffix == ".md":
            body = "\n\n".join(f"# {title} {n}\n\n{part}" for n, part in enumerate(parts))
        elif suffix == ".py":
            body = "\n".join(
                f'def {title}_{n}():\n    """{part}"""' for n, part in enumerate(parts)
            )
        elif suffix == ".ipynb":
            cells = [{"cell_type": "raw", "id": f"c{n}", "source": p} for n, p in enumerate(parts)]
            body = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        else:
            body = "\n".join(text)
        (folder / f"{title}{number}{suffix}").write_text(body, "utf-8")
    return vocabulary
