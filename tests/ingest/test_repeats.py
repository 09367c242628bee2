"""Near-identical texts are found by their sketches, whatever their marks, and others are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.repeats import NEAR_IDENTICAL, Repeats, resemblance, sketch_of
from rag.documents import Video

WORDS = st.lists(st.integers(0, 10_000).map(str), min_size=60, max_size=300, unique=True)


def video(video_id: str, text: str) -> Video:
    return Video(
        creator="mara", video_id=video_id, title="T", path="", content_hash="", chunks=1, tokens={}, opening="",
        sketch=sketch_of(text),
    )  # fmt: skip


@given(WORDS)
def test_marks_and_case_do_not_count(words: list[str]) -> None:
    """The same words with other punctuation have the same sketch, and resemble themselves wholly."""
    sketch = sketch_of(" ".join(words))
    assert sketch_of(", ".join(words).upper() + "!") == sketch
    assert resemblance(sketch, sketch) == 1.0


@given(WORDS, st.data())
def test_a_text_with_a_few_words_changed_is_found(words: list[str], data: st.DataObject) -> None:
    """One word in a hundred changed: near-identical, and found by the index."""
    words += [f"more {number}" for number in range(60)]
    changed = list(words)
    changed[data.draw(st.integers(0, len(words) - 1))] = "changed"
    known = Repeats()
    known.add(video("one", " ".join(words)))
    assert [found.video_id for found in known.like(video("two", " ".join(changed)))] == ["one"]


@given(WORDS, WORDS)
def test_other_words_do_not_resemble(words: list[str], others: list[str]) -> None:
    """Texts that share no three words in a row have nothing in common."""
    assert resemblance(sketch_of(" ".join(words)), sketch_of(" ".join(f"x{o}" for o in others))) == 0.0


def test_the_estimate_is_near_the_truth() -> None:
    """Half of the shingles shared: an estimate about a third (shared of all)."""
    one = [f"w{number}" for number in range(2000)]
    two = one[:1000] + [f"v{number}" for number in range(1000)]
    assert resemblance(sketch_of(" ".join(one)), sketch_of(" ".join(two))) == pytest.approx(1 / 3, abs=0.09)
    assert NEAR_IDENTICAL > 1 / 3 + 0.09


def test_few_words_have_no_sketch() -> None:
    """Short videos may say the same; without a sketch nothing is like them."""
    assert sketch_of("word " * 49) == ""
    known = Repeats()
    short = video("one", "Rye is slow.")
    known.add(short)
    assert list(known.like(replace(short, video_id="two"))) == []
