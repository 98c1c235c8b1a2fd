"""What a query stands for, and which files come first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_ai_personas.context.passages import cut
from jupyter_ai_personas.context.ranking import MAX_QUERY, search
from jupyter_ai_personas.context.selection import FileState
from jupyter_ai_personas.context.store import IndexWriter, OpenIndex

FILES = {
    "docs/loading.md": "# Loading\n\nUse `read_csv` to load a table of the temperatures.\n",
    "docs/plots.md": "# Plots\n\nDraw a scatterplot. The legend can be moved outside.\n",
    "docs/interpolation.md": "# Interpolation\n\nFill gaps between the measured values.\n",
    "CHANGELOG.md": "# Changes\n\nThe legend can be moved outside. Draw a scatterplot.\n",
    "src/table.py": "class DataTable:\n    def toCsv(self):\n        return writeRows(self)\n",
    "src/legend.js": "function moveLegend() {\n  return 1\n}\n",
    "tests/test_legend.py": "def test_legend_moved_outside():\n    legend = 1\n",
    "notes.txt": "Numpy and numbers. Größe. naïve.",
}

Ask = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    folder = tmp_path_factory.mktemp("index")
    writer = IndexWriter(folder)
    for path, text in FILES.items():
        writer.put(path, FileState(0, 0), list(cut(path, text)))
    writer.commit()
    writer.close()
    index = OpenIndex(folder)
    yield lambda query: [hit["path"] for hit in search(index, query, 10)]
    index.close()


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("read_csv", "docs/loading.md"),
        ("readCSV", "docs/loading.md"),
        ("ReadCsv", "docs/loading.md"),
        ("read csv", "docs/loading.md"),
        ("read-csv", "docs/loading.md"),
        ("readcsv", "docs/loading.md"),
        ("to_csv", "src/table.py"),
        ("data table", "src/table.py"),
        ("data_table", "src/table.py"),
        ("write rows", "src/table.py"),
        ("DATATABLE", "src/table.py"),
        ("move_legend", "src/legend.js"),
        ("loading.md", "docs/loading.md"),
    ],
)
def test_names_are_found_in_any_notation(ask: Ask, query: str, path: str) -> None:
    assert ask(query)[0] == path


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("temperatues", "docs/loading.md"),
        ("temepratures", "docs/loading.md"),
        ("tempratures", "docs/loading.md"),
        ("temperaturess", "docs/loading.md"),
        ("scaterplot", "docs/plots.md"),
        ("interpolaton methods", "docs/interpolation.md"),
        ("numppy", "notes.txt"),
    ],
)
def test_typing_errors_are_forgiven(ask: Ask, query: str, path: str) -> None:
    assert ask(query)[0] == path


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("How can I load a table?", "docs/loading.md"),
        ("What do I do with gaps?", "docs/interpolation.md"),
        ("how is the temperature loaded", "docs/loading.md"),
        ("grosse", "notes.txt"),
        ("GRÖSSE", "notes.txt"),
        ("naive", "notes.txt"),
        ("scatter plot", "docs/plots.md"),
    ],
)
def test_questions_forms_and_accents(ask: Ask, query: str, path: str) -> None:
    assert ask(query)[0] == path


def test_tests_and_release_notes_come_after_pages(ask: Ask) -> None:
    first, *others = ask("Can the legend be moved outside?")
    assert first == "docs/plots.md"
    assert {"CHANGELOG.md", "tests/test_legend.py"} <= set(others)


def test_each_file_comes_once_before_any_comes_twice(tmp_path: Path) -> None:
    writer = IndexWriter(tmp_path)
    text = "".join(f"# Part {n}\n\nhoney honey\n\n" for n in range(5))
    for path, content in {"many.md": text, "one.md": "A little honey, and much else."}.items():
        writer.put(path, FileState(0, 0), list(cut(path, content)))
    writer.commit()
    writer.close()
    index = OpenIndex(tmp_path)
    hits = search(index, "honey", 4)
    assert [hit["path"] for hit in hits] == ["many.md", "one.md", "many.md", "many.md"]
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert search(index, "honey", 0) == []
    index.close()


@pytest.mark.parametrize("query", ["", " ", "?!", "xyzzyqwert", "the", "_", "\ud83d", "__init__"])
def test_what_says_nothing_finds_little(ask: Ask, query: str) -> None:
    assert len(ask(query)) <= len(FILES)


def test_stop_words_are_looked_for_when_there_are_no_others(ask: Ask) -> None:
    assert ask("the") != []


@given(st.text(max_size=60))
def test_any_text_is_a_query(ask: Ask, query: str) -> None:
    ask(query)


@given(st.lists(st.sampled_from(["csv", "readCSV", "a_b", "legend", "numpyy", "+", '"', "(", ":"])))
def test_any_words_are_a_query(ask: Ask, words: list[str]) -> None:
    ask(" ".join(words))


def test_a_long_query_is_bounded(ask: Ask) -> None:
    assert "src/legend.js" in ask("legend " * MAX_QUERY)
    ask(" ".join(f"unknownword{n}" for n in range(MAX_QUERY)))
