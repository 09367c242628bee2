"""How much of the gold spans do the passages hold that a ranking puts into a budget? For the other benchmarks.

A folder of questions has ``questions.csv`` (question, references, corpus_id; references are a list of
``{content, start_index, end_index}`` as JSON) and ``corpus/{corpus_id}.md``.
"""

from __future__ import annotations

import csv
import json
import math
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BUDGET_TOKENS = 1000
CANDIDATES = 100  # as many passages of a ranking are looked at

Span = tuple[int, int]
Place = tuple[str, int, int]  # document, and a span of its characters


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the document that answers it, and where."""

    text: str
    document: str
    gold: list[Span]


def read_questions(folder: Path) -> list[Question]:
    """The questions of a folder."""
    csv.field_size_limit(sys.maxsize)
    with (folder / "questions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Question(
            row["question"],
            row["corpus_id"],
            merged((gold["start_index"], gold["end_index"]) for gold in json.loads(row["references"])),
        )
        for row in rows
    ]


def read_documents(folder: Path) -> dict[str, str]:
    """The documents by name, with their line ends as they are."""
    return {path.stem: path.read_bytes().decode("utf-8") for path in sorted((folder / "corpus").glob("*.md"))}


class Finder:
    """Finds passages in a document by their letters and digits: spaces and marks may have been changed."""

    def __init__(self, text: str) -> None:
        self._places = [place for place, character in enumerate(text) if character.isalnum()]
        self._letters = "".join(text[place] for place in self._places)
        self._at = 0

    def find(self, passage: str) -> Span | None:
        """Where a passage stands; passages are asked for in their order, as the same words may stand twice."""
        letters = _letters(passage)
        if not letters:
            return None
        at = self._letters.find(letters, self._at)
        if at < 0:
            at = self._letters.find(letters)
        if at < 0:
            return self._find_by_parts(passage, len(letters))
        self._at = at
        return self._places[at], self._places[at + len(letters) - 1] + 1

    def _find_by_parts(self, passage: str, size: int) -> Span | None:
        """From the first of its sentences to the last, of those that are found close together."""
        found: list[Span] = []
        for part in map(_letters, re.split(r"(?<=[.!?])\s|\n", passage)):
            begun = found[-1][1] if found else self._at
            if part and (at := self._letters.find(part, begun, begun + 3 * size if found else None)) >= 0:
                found.append((at, at + len(part)))
        if not found or found[-1][1] - found[0][0] > 2 * size:
            return None
        self._at = found[0][0]
        return self._places[found[0][0]], self._places[found[-1][1] - 1] + 1


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that overlap or touch as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


class Judge:
    """Recall of rankings of passages of some documents."""

    def __init__(self, documents: Mapping[str, str], count: Callable[[str], int]) -> None:
        self._tokens = cache(lambda document, start, end: count(documents[document][start:end]))

    def recall(self, question: Question, ranking: Iterable[Place | None]) -> float:
        """The share of the gold characters in the passages that fit into the budget, by rank.

        One that does not fit is passed over. What overlaps is there, and costs, once.
        """
        kept: dict[str, list[Span]] = {}
        spent = 0
        for place in ranking:
            if place is None:
                continue
            document, *span = place
            before = kept.get(document, [])
            after = merged([*before, (span[0], span[1])])
            cost = self._cost(document, after) - self._cost(document, before)
            if spent + cost <= BUDGET_TOKENS:
                kept[document] = after
                spent += cost
        held = sum(
            max(0, min(end, gold_end) - max(start, gold_start))
            for start, end in kept.get(question.document, [])
            for gold_start, gold_end in question.gold
        )
        return held / sum(end - start for start, end in question.gold)

    def _cost(self, document: str, spans: Sequence[Span]) -> int:
        return sum(self._tokens(document, *span) for span in spans)


def difference(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """The mean of paired differences, and the ends of its 95 % interval."""
    each = [one - other for one, other in zip(ours, theirs, strict=True)]
    mean = statistics.fmean(each)
    half = 1.96 * statistics.stdev(each) / math.sqrt(len(each)) if len(each) > 1 else math.nan
    return mean, mean - half, mean + half


def said(recalls: Sequence[float], reference: Sequence[float]) -> str:
    """Mean recall and how it differs from the reference's, in percent."""
    mean, low, high = (100 * value for value in difference(recalls, reference))
    return f"{100 * statistics.fmean(recalls):5.1f} % {mean:+5.1f} [{low:+.1f}, {high:+.1f}]"
