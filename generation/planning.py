"""Each day of a month to a brief: the format, the trend, the pattern and the evidence, all decided by code."""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from generation.patterns import opening_pattern
from generation.sentences import advertises
from generation.trends import EVERGREEN, Trend
from rag.documents import Hit, Video
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
RELEVANT_SCORE = 0.3
DAYS_A_TREND = 5
HITS_A_DAY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What one day's row is to be about. ``slot`` is the day of the month.

    ``hits`` are the passages it may draw on, all of one creator, the first the one it was planned for.
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
    match = re.fullmatch(r"(\d{4})-(\d{2})", month)
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
    search: Callable[[str], Sequence[Hit]],
) -> list[Brief]:
    """One brief a day of the month that begins with ``first``.

    ``search`` returns ranked hits without repeats. A day gets the trend, among those on that day, that has
    had the fewest days and still has something new to say; a trend gets at most five days a month, and a
    day for which no trend is left is evergreen: a video that was used least. Of a trend's hits, the one
    whose creator, and then whose video, was used least is taken, and no passage is used twice.
    """
    planner = _Planner(videos, search)
    found = {trend.name: planner.relevant(search(trend.query)) for trend in trends}
    had: Counter[str] = Counter()
    briefs: list[Brief] = []
    for index, day in enumerate(days_of(first)):
        on = [t for t in trends if t.is_on(day) and had[t.name] < DAYS_A_TREND]
        hits: tuple[Hit, ...] = ()
        name = EVERGREEN
        for trend in sorted(on, key=lambda t: had[t.name]):
            hits = planner.choose(found[trend.name])
            if hits:
                name = trend.name
                had[name] += 1
                break
        hits = hits or planner.evergreen()
        briefs.append(
            Brief(
                slot=day.day,
                day=day,
                format=_format(index, day),
                trend=name,
                pattern=planner.use(hits),
                hits=hits,
            )
        )
    return briefs


def _format(index: int, day: date) -> Format:
    """The formats in turn; a post for working days becomes a reel at the weekend."""
    format_ = _FORMATS[index % len(_FORMATS)]
    return "instagram_reel" if format_ == "linkedin_post" and day.weekday() >= _SATURDAY else format_


class _Planner:
    """What has been used so far this month."""

    def __init__(self, videos: Sequence[Video], search: Callable[[str], Sequence[Hit]]) -> None:
        self._videos = {video.key: video for video in videos}
        self._search = search
        self._creators: Counter[str] = Counter()
        self._days: Counter[tuple[str, str]] = Counter()
        self._said: set[str] = set()

    def relevant(self, hits: Sequence[Hit]) -> list[Hit]:
        """Hits near enough to be about it, and no advertisements."""
        return [hit for hit in hits if hit.score >= RELEVANT_SCORE and not advertises(hit.chunk.text)]

    def choose(self, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """The next day's hits out of those of a trend; empty when all was said."""
        fresh = [(rank, hit) for rank, hit in enumerate(hits) if self._is_new(hit)]
        if not fresh:
            return ()
        _, lead = min(
            fresh,
            key=lambda item: (
                self._creators[item[1].chunk.creator],
                self._days[item[1].chunk.video],
                item[0],
            ),
        )
        same_video = [h for _, h in fresh if h is not lead and h.chunk.video == lead.chunk.video]
        same_creator = [
            h for _, h in fresh if h.chunk.creator == lead.chunk.creator and h.chunk.video != lead.chunk.video
        ]
        return (lead, *same_video, *same_creator)[:HITS_A_DAY]

    def evergreen(self) -> tuple[Hit, ...]:
        """Hits of a video that was used least, of a creator that was used least."""
        in_turn = sorted(
            self._videos.values(), key=lambda v: (self._creators[v.creator], self._days[v.key], v.key)
        )
        for video in in_turn:
            of_video = [h for h in self._search(video.title) if h.chunk.video == video.key]
            new = [hit for hit in of_video if self._is_new(hit) and not advertises(hit.chunk.text)]
            if new:
                return tuple(new[:HITS_A_DAY])
        # everything was used once: begin again with the least used
        for video in in_turn:
            again = [h for h in self._search(video.title) if h.chunk.video == video.key]
            if again:
                return tuple(again[:HITS_A_DAY])
        raise BadInput("nothing in the store can be found again: ingest it anew")

    def use(self, hits: tuple[Hit, ...]) -> str:
        """Mark ``hits`` as used by a day; return how the leading hit's video opens."""
        lead = hits[0].chunk
        self._creators[lead.creator] += 1
        self._days[lead.video] += 1
        for hit in hits:
            self._said.update(hit.chunk.sentences)
        video = self._videos.get(lead.video)
        return opening_pattern(video.opening if video else lead.text).name

    def _is_new(self, hit: Hit) -> bool:
        """Whether at most half of what a hit says was said on another day."""
        said = hit.chunk.sentences
        return sum(sentence in self._said for sentence in said) * 2 <= len(said)
