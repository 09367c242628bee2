"""Each day of a month to a brief: the format, the trend, the pattern and the evidence, all decided by code."""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Literal

from generation.patterns import opening_pattern
from generation.sentences import advertises
from generation.trends import EVERGREEN, Trend
from rag.documents import Chunk, Hit, Video
from rag.errors import BadInput

Format = Literal["instagram_reel", "tiktok_video", "youtube_short", "linkedin_post", "x_post", "carousel"]
# seven formats over a week of seven days would give every weekday one format for ever: eight move on
_FORMATS: tuple[Format, ...] = (
    "instagram_reel",
    "tiktok_video",
    "youtube_short",
    "linkedin_post",
    "instagram_reel",
    "carousel",
    "tiktok_video",
    "x_post",
)
_SATURDAY = 5
RELEVANT_SCORE = 0.35  # of all-MiniLM-L6-v2; below it, unrelated trends still found something here
NEAR_THE_BEST = 0.08  # hits this much below the best one may still lead, for a creator's turn
DAYS_A_TREND = 5
SHORT_VIDEO_CHUNKS = 8
CHUNKS_A_DAY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What one day's row is to be about. ``slot`` is the day of the month.

    ``hits`` are the chunks it may draw on, all of one video. The first is the one that the day was planned
    for; the others came along, and carry its score.
    """

    slot: int
    day: date
    format: Format
    trend: str
    pattern: str
    hits: tuple[Hit, ...]

    @property
    def creator(self) -> str:
        """Whose words the row draws on."""
        return self.hits[0].chunk.creator


def parse_month(month: str) -> date:
    """The first day of a month written ``YYYY-MM``; ``BadInput`` for anything else."""
    match = re.fullmatch(r"([0-9]{4})-([0-9]{2})", month)
    if match is None or not 1 <= int(match[2]) <= 12 or int(match[1]) < 1:  # noqa: PLR2004  # months
        raise BadInput(f"{month!r} is not a month: write it like 2027-02")
    return date(int(match[1]), int(match[2]), 1)


def days_of(first: date) -> list[date]:
    """Every day of the month that begins with ``first``."""
    _, count = calendar.monthrange(first.year, first.month)
    return [first.replace(day=number) for number in range(1, count + 1)]


def plan(
    first: date,
    trends: Sequence[Trend],
    videos: Sequence[Video],
    *,
    search: Callable[[str], Sequence[Hit]],
    read: Callable[[str, str], Sequence[Chunk]],
    relevant_score: float = RELEVANT_SCORE,
) -> list[Brief]:
    """One brief a day of the month that begins with ``first``.

    ``search`` returns ranked hits without repeats, ``read`` a video's chunks in order; a hit under
    ``relevant_score``, which depends on the embedding model, is not about the trend. A day gets the
    trend, among those on that day, that has had the fewest days and still has something new to say; a
    trend gets at most five days a month, and a day for which no trend is left is evergreen: the video that
    was used least. Among a trend's nearest hits, the one leads whose creator, and then whose video, was
    used least; what stands around it in its video comes along, so that a row is told as it was said.
    """
    planner = _Planner(videos, read)
    found = {trend.name: _relevant(search(trend.query), relevant_score) for trend in trends}
    had: Counter[str] = Counter()
    chosen: dict[date, tuple[str, tuple[Hit, ...], str]] = {}

    def give(day: date, name: str, lead: Hit) -> None:
        hits = planner.around(lead)
        chosen[day] = (name, hits, planner.use(hits))

    for day in days_of(first):
        on = [trend for trend in trends if trend.is_on(day) and had[trend.name] < DAYS_A_TREND]
        for trend in sorted(on, key=lambda t: had[t.name]):
            lead = planner.choose(found[trend.name])
            if lead is not None:
                give(day, trend.name, lead)
                had[trend.name] += 1
                break
    for day in days_of(first):  # once the trends have had their pick
        if day not in chosen:
            give(day, EVERGREEN, planner.evergreen())
    return [
        Brief(slot=day.day, day=day, format=_format(index, day), trend=name, pattern=pattern, hits=hits)
        for index, (day, (name, hits, pattern)) in enumerate(sorted(chosen.items()))
    ]


def _format(index: int, day: date) -> Format:
    """The formats in turn; a post for working days becomes a reel at the weekend."""
    format_ = _FORMATS[index % len(_FORMATS)]
    return "instagram_reel" if format_ == "linkedin_post" and day.weekday() >= _SATURDAY else format_


def _relevant(hits: Sequence[Hit], score: float) -> list[Hit]:
    """Hits near enough to be about it, and no advertisements."""
    return [hit for hit in hits if hit.score >= score and not advertises(hit.chunk.text)]


class _Planner:
    """What has been used so far this month."""

    def __init__(self, videos: Sequence[Video], read: Callable[[str, str], Sequence[Chunk]]) -> None:
        self._videos = {video.key: video for video in videos}
        self._read = cache(read)
        self._creators: Counter[str] = Counter()
        self._days: Counter[tuple[str, str]] = Counter()
        self._said: set[str] = set()

    def choose(self, hits: Sequence[Hit]) -> Hit | None:
        """The hit that leads the next day of a trend; None when all was said."""
        fresh = [(rank, hit) for rank, hit in enumerate(hits) if self._is_new(hit.chunk)]
        near = [item for item in fresh if item[1].score >= fresh[0][1].score - NEAR_THE_BEST]
        return min(near, key=lambda item: (*self._uses(item[1].chunk), item[0]))[1] if near else None

    def evergreen(self) -> Hit:
        """A new passage of the creator, and of the video, that was used least; an old one if need be."""
        in_turn = sorted(
            self._videos.values(), key=lambda v: (self._creators[v.creator], self._days[v.key], v.key)
        )
        for only_new in (True, False):
            for video in in_turn:
                for chunk in self._read(*video.key):
                    if not advertises(chunk.text) and (self._is_new(chunk) or not only_new):
                        return Hit(chunk=chunk, score=0.0)
        return Hit(chunk=self._read(*in_turn[0].key)[0], score=0.0)  # nothing but advertisements

    def around(self, lead: Hit) -> tuple[Hit, ...]:
        """``lead``, and what stands around it: a short video from its beginning, else what follows."""
        chunks = self._read(*lead.chunk.video)
        start = 0 if len(chunks) <= SHORT_VIDEO_CHUNKS else lead.chunk.position
        near = [c for c in chunks[start : start + CHUNKS_A_DAY] if c.id != lead.chunk.id]
        return (lead, *(Hit(chunk=c, score=lead.score) for c in near if not advertises(c.text)))

    def use(self, hits: tuple[Hit, ...]) -> str:
        """Mark ``hits`` as used by a day; return how the leading hit's video opens."""
        lead = hits[0].chunk
        self._creators[lead.creator] += 1
        self._days[lead.video] += 1
        for hit in hits:
            self._said.update(hit.chunk.sentences)
        return opening_pattern(self._videos[lead.video].opening).name

    def _uses(self, chunk: Chunk) -> tuple[int, int]:
        return self._creators[chunk.creator], self._days[chunk.video]

    def _is_new(self, chunk: Chunk) -> bool:
        """Whether at most half of what a chunk says was said on another day."""
        said = chunk.sentences
        return sum(sentence in self._said for sentence in said) * 2 <= len(said)
