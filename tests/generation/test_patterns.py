"""Patterns are measured from how videos open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.patterns import PATTERNS, measure, opening_pattern, pattern_named
from rag.documents import Video


@pytest.mark.parametrize(
    ("opening", "pattern"),
    [
        ("Why does your loaf come out flat?", "question"),
        ("Stop kneading your dough. It hates it.", "contrarian"),
        ("If you freelance, listen to this.", "direct address"),
        ("Here's how to fix a puncture in four minutes.", "how-to"),
        ("I ruined forty loaves before I bought a thermometer.", "confession"),
        ("Three things I stopped buying this year.", "number"),
        ("£61 is what my whole home gym cost.", "number"),
        ("Last winter a customer walked in with a toaster.", "story"),
        ("Bread is patient.", "promise"),
        ("Okay, so, why are we doing this? Because.", "question"),
        ("Hello, hello. Stop buying tomato plants.", "contrarian"),
        ("", "promise"),
    ],
)
def test_openings_are_told_apart(opening: str, pattern: str) -> None:
    """The first sentence decides, without the filler before it."""
    assert opening_pattern(opening).name == pattern


@given(st.text())
def test_every_opening_has_a_pattern(opening: str) -> None:
    """Whatever a video opens with, one of the table's patterns is it."""
    assert opening_pattern(opening) in PATTERNS


def test_measuring_counts_videos_and_keeps_their_words() -> None:
    """Most frequent first, with openings as they were said."""

    def video(opening: str) -> Video:
        return Video(
            creator="m",
            video_id=opening,
            title="",
            path="",
            content_hash="",
            chunks=1,
            tokens={},
            opening=opening,
        )

    found = measure([video("Why not?"), video("Stop it."), video("Why do you wait so long?"), video("")])
    assert [(m.pattern.name, m.videos) for m in found] == [("question", 2), ("contrarian", 1)]
    assert found[0].examples == ("Why not?", "Why do you wait so long?")
    assert pattern_named("question") is found[0].pattern
