"""Ranks passages for a query: alternatives of its words, and the order of files.

A passage's score is BM25 over its text, its headings and its file's path. An unknown word is
replaced by its nearest known words, or split into two. A file's score is that of its best passage,
increased for each further one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, zip_longest
from typing import Any

from rapidfuzz.distance import OSA
from tantivy import Occur, Query, Searcher

from jupyter_ai_personas.context.store import SCHEMA, OpenIndex, stems, words
from jupyter_ai_personas.context.words import STOP_WORDS, identifier_parts

__all__ = ["MAX_QUERY", "search"]

MAX_QUERY = 1_000
"""Characters of a query that are looked at."""

MAX_WORDS = 24
"""Words of a query that are looked for."""

CANDIDATES = 200
"""Passages that are looked at to rank their files."""

_FIELDS = ("text", "heading", "path")
_OTHER_FIELDS = 0.2  # how much of the weaker fields' scores is added to the best one's
_GUESSED = 0.8  # a corrected or divided word, against one that was typed
_PART = 0.3  # one part of an identifier, against all of it together
_NEIGHBOURS = 1.0  # two words of the query next to each other
_FURTHER = 0.3  # further passages of a file, against its best one

_TESTS = re.compile(
    r"(^|/)(tests?|__tests__|specs?|benchmarks?|asv_bench|testdata|fixtures)/"
    r"|(^|/)(test_[^/]*|conftest\.py$)|[._](test|spec)\.[^/.]+$",
    re.IGNORECASE,
)
_NEWS = re.compile(
    r"(^|/)(changelog|changes|history|news|whats?[-_]?new|releases?([-_]notes)?|authors|contributors"
    r"|license|licence|copying|code_of_conduct|pkg-info)(/|\.[^/]*$|$)",
    re.IGNORECASE,
)
_AUXILIARY = re.compile(
    r"(^|/)(ci|_?vendor(ed)?|external|extern|third[-_]party|_templates|dist|build|[^/]*\.egg-info)/"
    r"|(^|/)conf\.py$|[-.]lock(\.|$)",
    re.IGNORECASE,
)
_PROSE = re.compile(r"\.(ipynb|markdown|md|mdx|qmd|rst|txt)$", re.IGNORECASE)
_CROWD = 0.5  # tests, release notes and the like repeat what the good pages say
_PROSE_BONUS = 1.2  # a question wants an explanation

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Term:
    """Words that must follow each other, and how much they count."""

    words: tuple[str, ...]
    weight: float = 1.0


_Group = tuple[_Term, ...]
"""Terms of which any will do."""


def search(index: OpenIndex, query: str, limit: int) -> list[dict[str, Any]]:
    """Return up to ``limit`` passages, best files first; a file's second one after all firsts.

    Each is ``{"path", "line", "cell", "heading", "text", "score"}``.
    """
    typed = _WORD.findall(query[:MAX_QUERY])
    groups = list(_groups(index.searcher, typed))[:MAX_WORDS]
    if not groups or limit <= 0:
        return []
    found = index.searcher.search(_query(groups), CANDIDATES, count=False).hits
    values = index.searcher.fast_field_values("id", [address for _, address in found])
    ids = [int(value) for value in values if value is not None]  # each passage has one
    paths = index.rows.paths(ids)
    files: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for (score, _), id in zip(found, ids, strict=True):
        if id in paths:
            files[paths[id]].append((score, id))
    is_question = any(word.lower() in STOP_WORDS for word in typed)
    ranked = sorted(
        ((_score(path, hits, is_question), path, hits) for path, hits in files.items()),
        key=lambda file: -file[0],
    )
    # One passage of each file before the second of any.
    rounds = zip_longest(*([(best, path, id) for _, id in hits] for best, path, hits in ranked))
    flat = (hit for each in rounds for hit in each if hit is not None)
    least = float("inf")
    results: list[dict[str, Any]] = []
    for best, path, id in islice(flat, limit):
        passage = index.rows.passage(id)
        if passage is not None:
            least = min(least, best)
            results.append({"path": path, **passage, "score": round(least, 4)})
    return results


def _score(path: str, hits: Sequence[tuple[float, Any]], is_question: bool) -> float:
    further = sum(score / rank for rank, (score, _) in enumerate(hits[1:8], 2))
    score = hits[0][0] + _FURTHER * further
    for pattern in (_TESTS, _NEWS, _AUXILIARY):
        if pattern.search(path):
            score *= _CROWD
    return score * _PROSE_BONUS if is_question and _PROSE.search(path) else score


def _groups(searcher: Searcher, typed: Sequence[str]) -> Iterator[_Group]:
    """Yield what is looked for: words with their alternatives, parts, and words put together."""
    content = [word for word in typed if word.lower() not in STOP_WORDS] or typed
    single: list[str] = []
    for word in dict.fromkeys(content):
        whole = words(word)
        parts = [part for piece in identifier_parts(word) for part in words(piece)]
        if "_" not in word and len(whole) == 1 and _is_known(searcher, whole[0]):
            known = _Term((whole[0],))
            yield (known, _Term(tuple(parts))) if len(parts) > 1 else (known,)
            single.append(whole[0])
        elif len(parts) > 1:
            yield (_Term(tuple(parts)),)
            for part in parts:
                yield (_Term((part,), _PART),)
        elif len(parts) == 1 and (guesses := tuple(_guesses(searcher, parts[0]))):
            yield guesses
            single.extend(guesses[0].words)
    for first, second in pairwise(single):
        if searcher.doc_freq("word", first + second):
            yield (_Term((first + second,)),)


def _is_known(searcher: Searcher, word: str) -> bool:
    # The stem, since the workspace may have the word in another form.
    return bool(searcher.doc_freq("word", word) or searcher.doc_freq("text", stems(word)[0]))


def _guesses(searcher: Searcher, word: str) -> Iterator[_Term]:
    """Yield what a word stands for that the workspace does not have."""
    near = list(_neighbours(searcher, word)) if len(word) > 3 else []
    for other in near[:3]:
        yield _Term((other,), _GUESSED)
    if not near:
        halves = [(word[:at], word[at:]) for at in range(3, len(word) - 2)]
        known = [pair for pair in halves if all(searcher.doc_freq("word", w) for w in pair)]
        if known:
            best = max(known, key=lambda pair: min(searcher.doc_freq("word", w) for w in pair))
            yield _Term(best, _GUESSED)


def _neighbours(searcher: Searcher, word: str) -> list[str]:
    """Return the nearest known words, the most frequent first: one or two typing errors away."""
    most = 1 if len(word) < 6 else 2
    for start in (word[:2], word[:1]):  # a first letter is rarely wrong
        near = []
        for other, count in searcher.terms_with_prefix("word", start):
            if abs(len(other) - len(word)) <= most:
                distance = OSA.distance(word, other, score_cutoff=most)
                if distance <= most:
                    near.append((distance, -count, other))
        if near:
            nearest = min(near)[0]
            return [other for distance, _, other in sorted(near) if distance == nearest]
    return []


def _query(groups: Sequence[_Group]) -> Query:
    parts = [_any([_term(term) for term in group], 0.1) for group in groups]
    singles = [stems(group[0].words[0])[0] for group in groups if len(group[0].words) == 1]
    for pair in pairwise(singles):
        if pair[0] != pair[1]:
            for field, slop in (("text", 2), ("heading", 1)):
                near = Query.phrase_query(SCHEMA, field, list(pair), slop)
                parts.append(Query.boost_query(near, _NEIGHBOURS))
    return Query.boolean_query([(Occur.Should, part) for part in parts])


def _term(term: _Term) -> Query:
    stemmed = [stems(word)[0] for word in term.words]
    return _any(
        [Query.boost_query(_in(field, stemmed), term.weight) for field in _FIELDS], _OTHER_FIELDS
    )


def _in(field: str, stemmed: list[str]) -> Query:
    if len(stemmed) == 1:
        return Query.term_query(SCHEMA, field, stemmed[0])
    return Query.phrase_query(SCHEMA, field, list(stemmed), 1)


def _any(queries: list[Query], others: float) -> Query:
    return queries[0] if len(queries) == 1 else Query.disjunction_max_query(queries, others)
