"""Hits into one string under a budget of tokens; every hit ends as kept or dropped, with a reason.

The string names its sources once a video, gives each passage a number and its time, and is what the budget
is counted on (law 2): headers, numbers and line breaks included. Overlapping windows of one video are
merged, so what they share stands, and costs, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal, assert_never, get_args

from rag.documents import Chunk, Hit, clock, split_at
from rag.tokens import TokenCounter

Strategy = Literal["fill", "seed"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of one video that was kept: one window, or several that touch.

    ``number`` is what the string calls it. ``start_char`` and ``end_char`` are offsets into the cleaned
    transcript. Times are seconds, None where the transcript has none.
    """

    number: int
    creator: str
    video_id: str
    title: str
    text: str
    sentence_ends: tuple[int, ...]
    start_char: int
    end_char: int
    start_seconds: float | None
    end_seconds: float | None

    @property
    def sentences(self) -> list[str]:
        """Its sentences, in order."""
        return split_at(self.text, self.sentence_ends)

    def holds(self, chunk: Chunk) -> bool:
        """Whether the passage has any of ``chunk`` in it."""
        return (
            (self.creator, self.video_id) == chunk.video
            and self.start_char < chunk.end_char
            and chunk.start_char < self.end_char
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A hit that is in the string, whole or as its leading ``sentences`` sentences.

    ``tokens`` is what the string grew by when it was added; over all kept hits they add up to the whole.
    """

    hit: Hit
    text: str
    start_seconds: float | None
    end_seconds: float | None
    tokens: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A hit that is not in the string. ``tokens`` is its own text's count."""

    hit: Hit
    reason: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The string, its exact count, and what became of every hit.

    ``smallest_tokens`` is the least budget that would hold one whole sentence of any hit, where nothing was
    kept for want of budget; else None.
    """

    text: str
    tokens: int
    budget_tokens: int
    passages: tuple[Passage, ...]
    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    smallest_tokens: int | None


Renderer = Callable[[Iterable[Passage]], str]


def in_turn(rankings: Sequence[Sequence[Hit]]) -> list[Hit]:
    """One ranking out of several: every first, then every second; a chunk counts where it comes first."""
    chosen: dict[str, Hit] = {}
    for rank in zip_longest(*rankings):
        for hit in rank:
            if hit is not None:
                chosen.setdefault(hit.chunk.id, hit)
    return list(chosen.values())


def pack(
    hits: Sequence[Hit],
    budget_tokens: int,
    counter: TokenCounter,
    *,
    strategy: Strategy = "fill",
    render: Renderer | None = None,
) -> Packed:
    """Render as much of ``hits``, best first, as ``budget_tokens`` holds.

    ``seed`` stops at the first hit that does not fit, as the scheme did that this project grew from.
    ``fill`` leaves that hit out and goes on, then spends what is left on leading whole sentences of the
    hits that did not fit. For the same hits and budget, ``fill`` keeps everything that ``seed`` keeps.
    ``render`` makes one string of passages, those of one video together; ``render_passages`` by default.
    """
    pack_ = _Pack(counter, budget_tokens, render or render_passages)
    too_large: list[Hit] = []
    for hit in hits:
        if (strategy == "seed" and too_large) or not pack_.add(hit, len(hit.chunk.sentence_ends)):
            too_large.append(hit)
    match strategy:
        case "seed":
            for index, hit in enumerate(too_large):
                pack_.drop(hit, "comes after the first that did not fit" if index else None)
        case "fill":
            for hit in too_large:
                fits = (n for n in range(len(hit.chunk.sentence_ends) - 1, 0, -1) if pack_.add(hit, n))
                if next(fits, None) is None:
                    pack_.drop(hit, None)
        case _:
            assert_never(strategy)
    return pack_.result(hits)


class _Pack:
    """The string so far, and the decisions that led to it."""

    def __init__(self, counter: TokenCounter, budget_tokens: int, render: Renderer) -> None:
        self._counter = counter
        self._render = render
        self._budget = budget_tokens
        self._passages: tuple[Passage, ...] = ()
        self._tokens = 0
        self._kept: list[Kept] = []
        self._dropped: list[Dropped] = []

    def add(self, hit: Hit, sentences: int) -> bool:
        """Keep the first ``sentences`` sentences of ``hit`` if the budget holds them."""
        part = _leading(hit.chunk, sentences)
        passages = _with(self._passages, part)
        grown = sum(len(p.text) for p in passages) - sum(len(p.text) for p in self._passages)
        whole = sentences == len(hit.chunk.sentence_ends)
        if grown == 0 and self._passages:
            if whole:
                self.drop(hit, "already in the context")
            return whole
        if grown == len(part.text) and self._tokens + self._counter.count(part.text) > self._budget:
            return False  # too long by its text alone: spares rendering and counting the whole
        tokens = self._counter.count(self._render(passages))
        if tokens > self._budget:
            return False
        all_ = len(hit.chunk.sentence_ends)
        self._kept.append(
            Kept(
                hit=hit,
                text=part.text,
                start_seconds=part.start_seconds,
                end_seconds=part.end_seconds,
                tokens=tokens - self._tokens,
                reason="whole" if whole else f"its first {sentences} of {all_} sentences",
            )
        )
        self._passages, self._tokens = passages, tokens
        return True

    def drop(self, hit: Hit, reason: str | None) -> None:
        """Record that ``hit`` is left out; without a reason, because it does not fit."""
        tokens = self._counter.count(hit.chunk.text)
        self._dropped.append(
            Dropped(
                hit=hit,
                tokens=tokens,
                reason=reason or f"does not fit: {self._budget - self._tokens} tokens are left",
            )
        )

    def result(self, hits: Iterable[Hit]) -> Packed:
        smallest = (
            self._counter.count(self._render((_leading(hit.chunk, 1),)))
            for hit in (() if self._kept else hits)
        )
        return Packed(
            text=self._render(self._passages),
            tokens=self._tokens,
            budget_tokens=self._budget,
            passages=self._passages,
            kept=tuple(self._kept),
            dropped=tuple(self._dropped),
            smallest_tokens=min(smallest, default=None),
        )


def render_passages(passages: Iterable[Passage]) -> str:
    r"""Passages as one string: a line a video, then a line a passage with its number and time.

    Passages of one video are expected to stand together. A line break inside a title or a text becomes a
    space, so that no transcript can forge a line of its own (law 7).
    """
    lines: list[str] = []
    video: tuple[str, str] | None = None
    for passage in passages:
        if video != (passage.creator, passage.video_id):
            video = (passage.creator, passage.video_id)
            lines.append(f"{passage.creator}: {_one_line(passage.title)}")
        time = clock(passage.start_seconds)
        lines.append(f"[{passage.number}{' ' + time if time else ''}] {_one_line(passage.text)}")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _leading(chunk: Chunk, sentences: int) -> Passage:
    """The first ``sentences`` sentences; where that is not all, the end's time is in proportion."""
    text = chunk.text[: chunk.sentence_ends[sentences - 1]]
    end_seconds = chunk.end_seconds
    if chunk.start_seconds is not None and chunk.end_seconds is not None:
        share = len(text) / len(chunk.text)
        end_seconds = chunk.start_seconds + (chunk.end_seconds - chunk.start_seconds) * share
    return Passage(
        number=1,
        creator=chunk.creator,
        video_id=chunk.video_id,
        title=chunk.title,
        text=text,
        sentence_ends=chunk.sentence_ends[:sentences],
        start_char=chunk.start_char,
        end_char=chunk.start_char + len(text),
        start_seconds=chunk.start_seconds,
        end_seconds=end_seconds,
    )


def _with(passages: tuple[Passage, ...], part: Passage) -> tuple[Passage, ...]:
    """``passages`` and ``part``: by video in the order they came, by time inside, merged, numbered anew."""
    videos: dict[tuple[str, str], list[Passage]] = {}
    for passage in (*passages, part):
        videos.setdefault((passage.creator, passage.video_id), []).append(passage)
    merged = [passage for of_video in videos.values() for passage in _merged(of_video)]
    return tuple(replace(passage, number=number) for number, passage in enumerate(merged, 1))


def _merged(passages: list[Passage]) -> list[Passage]:
    """Passages of one video by place, those that overlap or touch joined."""
    joined: list[Passage] = []
    for passage in sorted(passages, key=lambda p: (p.start_char, -p.end_char)):
        last = joined[-1] if joined else None
        if last is None or passage.start_char > last.end_char + 1:
            joined.append(passage)
        elif passage.end_char > last.end_char:
            gap = " " if passage.start_char > last.end_char else ""
            rest = passage.text[max(0, last.end_char - passage.start_char) :]
            joined[-1] = replace(
                last,
                text=last.text + gap + rest,
                sentence_ends=tuple(
                    sorted(
                        {
                            *last.sentence_ends,
                            *(end + passage.start_char - last.start_char for end in passage.sentence_ends),
                        }
                    )
                ),
                end_char=passage.end_char,
                end_seconds=passage.end_seconds,
            )
    return joined
