"""The plan: code decides the days, and spreads trends, creators and videos over them."""

from __future__ import annotations

import calendar
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from calendars import TRENDS, briefs_of, store_of
from hypothesis import given
from hypothesis import strategies as st

from generation.planning import DAYS_A_TREND, days_of, parse_month
from generation.trends import EVERGREEN, trends_from
from rag.errors import BadInput
from rag.store import MemoryStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MemoryStore:
    return store_of(tmp_path_factory.mktemp("videos"))


@given(st.dates(min_value=date(1, 1, 1), max_value=date(9999, 11, 1)))
def test_a_month_has_its_days(day: date) -> None:
    """Law 9: every day of the month once, in order, and no other."""
    days = days_of(parse_month(f"{day:%Y-%m}" if day.year > 999 else f"{day.year:04}-{day.month:02}"))
    assert [d.day for d in days] == list(range(1, calendar.monthrange(day.year, day.month)[1] + 1))
    assert {(d.year, d.month) for d in days} == {(day.year, day.month)}
    assert all(b - a == timedelta(days=1) for a, b in pairwise(days))


@pytest.mark.parametrize(
    "month", ["2026-13", "2026-00", "2026-1", "January", "", "2026-02-01", "0000-01", "2026-\u0660\u0661"]
)
def test_what_is_no_month_is_refused(month: str) -> None:
    """Nothing is guessed: another form is an error that shows the right one."""
    with pytest.raises(BadInput, match="is not a month: write it like 2027-02"):
        parse_month(month)


def test_a_brief_a_day_each_with_evidence_of_one_video(store: MemoryStore) -> None:
    """Slots are the days of the month, and a row is told from one video."""
    briefs = briefs_of(store, date(2027, 2, 1))
    assert [brief.slot for brief in briefs] == list(range(1, 29))
    assert all(len({hit.chunk.video for hit in brief.hits}) == 1 for brief in briefs)


def test_trends_are_spread_and_the_rest_is_evergreen(store: MemoryStore) -> None:
    """A trend takes at most five days, and only with evidence of its own."""
    briefs = briefs_of(store, date(2027, 1, 1))
    days = Counter(brief.trend for brief in briefs)
    assert set(days) == {"Rye bread", "Repair", EVERGREEN}
    assert all(days[trend.name] <= DAYS_A_TREND for trend in TRENDS)
    assert briefs[0].trend != briefs[1].trend
    rye = next(brief for brief in briefs if brief.trend == "Rye bread")
    assert rye.hits[0].chunk.video == ("mara", "rye")


def test_creators_take_turns(store: MemoryStore) -> None:
    """Over a month of evergreen days, creators and videos are used alike."""
    briefs = briefs_of(store, date(2027, 1, 1), trends_from(["zzz"]))
    assert {brief.trend for brief in briefs} == {EVERGREEN}
    creators = Counter(brief.creator for brief in briefs)
    assert abs(creators["mara"] - creators["oskar"]) <= 1
    videos = Counter(brief.hits[0].chunk.video for brief in briefs)
    assert max(videos.values()) - min(videos.values()) <= 1


def test_the_pattern_is_how_the_video_opens(store: MemoryStore) -> None:
    """Measured from the leading video's first words, never chosen."""
    opens = {"rye": "question", "oven": "contrarian", "lamp": "confession", "bike": "how-to"}
    for brief in briefs_of(store, date(2027, 1, 1)):
        assert brief.pattern == opens[brief.hits[0].chunk.video_id]


def test_posts_for_working_days_stay_there(store: MemoryStore) -> None:
    """No post for a professional network at a weekend; every format has its turn."""
    briefs = briefs_of(store, date(2027, 1, 1))
    assert all(b.day.weekday() < 5 for b in briefs if b.format == "linkedin_post")
    assert len({brief.format for brief in briefs}) == 6


def test_a_trend_outside_its_days_waits(store: MemoryStore) -> None:
    """``from`` and ``until`` bound where a trend may stand."""
    trends = trends_from([{"name": "Rye bread", "from": 10, "until": 12}])
    days = [b.slot for b in briefs_of(store, date(2027, 1, 1), trends) if b.trend == "Rye bread"]
    assert days
    assert set(days) <= {10, 11, 12}


def test_the_same_store_gives_the_same_plan(store: MemoryStore, tmp_path: Path) -> None:
    """No chance is involved."""
    assert briefs_of(store, date(2027, 1, 1)) == briefs_of(store, date(2027, 1, 1))
