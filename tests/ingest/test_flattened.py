from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import PUBLIC_DATA, needs_public_data

from ingest.cleaning import clean
from ingest.flattened import repeated_share
from ingest.transcripts import Segment, Transcript

LINES = [
    "so today we are going to", "talk about sourdough bread and", "why most people give up", "on their very first loaf",
    "it is not the flour that", "makes the difference here", "but how long you wait before", "the oven gets hot enough",
    "I used to bake at night", "which sounds crazy I know", "but the kitchen is cooler then", "so the dough takes longer",
]  # fmt: skip

VOCABULARY = [
    f"{a}{b}" for a in "bdfgklmnprst" for b in ("a", "e", "i", "o", "u", "ar", "en", "ol", "is", "um")
]


@given(st.integers(0, 10**6).map(random.Random), st.sampled_from([2, 3]), st.integers(12, 60))
def test_flattened_rolling_captions_are_found(chance: random.Random, times: int, count: int) -> None:
    """Whatever the lines, when each comes two or three times in a row; said once they are ordinary speech."""
    lines = [chance.sample(VOCABULARY, chance.randint(3, 9)) for _ in range(count)]
    assert repeated_share(" ".join(" ".join(line * times) for line in lines)) > 1 - 1.3 / times
    assert repeated_share(" ".join(" ".join(line) for line in lines)) < 0.1


def test_a_flattened_text_is_noted_and_kept() -> None:
    """The note gives the share and the remedy; the text stays as it is."""
    flat = Segment(text=" ".join(f"{line} {line} {line}" for line in LINES))
    cleaned = clean(Transcript(segments=(flat,)))
    assert cleaned.segments == (flat,)
    assert cleaned.notes == (
        (
            "67% of the words repeat those right before them, as in rolling captions made into text; "
            "export the captions as VTT or json3 again"
        ),
    )
    assert clean(cleaned) == cleaned


def test_lines_that_grow_are_flattened_captions_too() -> None:
    """Each showing has some words more than the one before."""
    grown = " ".join(
        f"{' '.join(words[:3])} {' '.join(words[:4])} {' '.join(words)}" for words in map(str.split, LINES)
    )
    assert repeated_share(grown) > 0.4


def test_flattened_lines_of_a_script_without_spaces() -> None:
    """Where there are no words letters are counted."""
    lines = [
        "今日は家でパンを作る",
        "方法についてお話します",
        "小麦粉と水と塩だけで",
        "とても簡単にできます",
        "一晩ゆっくり寝かせて",
        "朝に何度か折りたたみ",
    ]
    assert repeated_share("".join(line * 3 for line in lines)) > 0.6
    assert repeated_share("".join(lines) * 1) == 0


VERSES = [
    "I left the window open for the rain to find its way", "you wrote your name in flour on the table every day",
    "the radio was singing in a language no one knew", "and every road I followed was a road away from you",
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"{verse} oh bring it home to me oh bring it home to me" for verse in VERSES * 3),
        "around the kitchen floor " * 60,
        "no no no no no no no no " * 30,
        " ".join(f"step {n} of 40 take the bowl and fold" for n in range(40)),
        " ".join(f"Anna: yes I think so. Bo: {verse}." for verse in VERSES * 4),
        " ".join(LINES),
        "",
        "one",
    ],
)
def test_refrains_lists_and_speech_are_not_flattened(text: str) -> None:
    """What comes again and again is a refrain, and what comes again elsewhere is speech."""
    assert repeated_share(text) < 0.05


def test_verses_whose_first_line_comes_twice_are_not_noted() -> None:
    """A blues repeats a third of its words right away, and every verse another line."""
    lines = [*LINES, *VERSES]
    blues = " ".join(f"{line} {line} {after}" for line, after in zip(lines[::2], lines[1::2], strict=True))
    assert clean(Transcript(segments=(Segment(text=blues),))).notes == ()


@needs_public_data
def test_real_speech_is_not_flattened() -> None:
    """In the public meetings, speeches and chats hardly a word repeats those right before it."""
    paths = sorted((PUBLIC_DATA / "questions").glob("*/corpus/*.md"))
    assert paths
    for path in paths:
        assert repeated_share(path.read_text(encoding="utf-8")) < 0.01, path
