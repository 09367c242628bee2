from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import PUBLIC_DATA, needs_public_data

from ingest.cleaning import clean
from ingest.links import link_notes, without_link_blocks
from ingest.readers import read_transcripts
from ingest.transcripts import Segment, Transcript


def left(*texts: str) -> list[str]:
    return [segment.text for segment in without_link_blocks([Segment(text=text) for text in texts]).segments]


@pytest.mark.parametrize(
    "block",
    [
        "https://example.com/my-oven",
        "<https://example.com/my-oven>.",
        "Podcast: https://example.com/94/",
        "PR review club on this PR: www.example.com/20158",
        "#sourdough #bread #baking",
        "Subscribe: https://example.com/c/bread",
        "@breadandco @anna.bakes",
        "anna@example.com",
        "Links:\nMy oven: https://example.com/oven\nFlour - https://amzn.to/3xYz",
        "Follow me on\nInstagram https://example.com/anna\nTikTok https://example.com/@anna",
        "SPONSORS\n• Use code BAKE10 for 10% off: https://example.com/bake\n• Millstone → https://example.com/mill",
        "Chapters\n0:00 Intro https://example.com/v?t=0\n1:20 Mixing https://example.com/v?t=80",
        "Musig paper: https://example.com/068\nBlog post: https://example.com/musig",
    ],
)
def test_blocks_of_links_go(block: str) -> None:
    """Links alone, links with labels, hashtags, handles and discount codes are no speech."""
    assert left("Welcome back.", block, "Now the dough.") == ["Welcome back.", "Now the dough."]


@pytest.mark.parametrize(
    "speech",
    [
        "Go to https://example.com/oven",
        "You can read it all at https://example.com/oven, and I think that you should.",
        "This video is brought to you by Millstone. Go to www.example.com/anna and use the code ANNA for ten percent off.",
        "You can read it at https://example.com/a\nand the other one at https://example.com/b",
        "I wrote C#, F# and and/or in my notes.",
        "Here is what you need:",
        "Links: are they any good?",
        "She is number #1 at @home",
        "We moved from node.js/npm to something else, step by step.",
        "10/10, would bake again.",
        "Email me at anna@example.com if you have a question about it.",
    ],
)
def test_speech_stays(speech: str) -> None:
    """Sentences with a link, a spoken advertisement among them, and what only looks like links."""
    assert left("Welcome back.", speech, "Now the dough.") == ["Welcome back.", speech, "Now the dough."]


def test_a_label_goes_with_its_block() -> None:
    """What stands alone above a block as its heading goes too; so it counts as one block."""
    spoken = without_link_blocks(
        [Segment(text="That's it."), Segment(text="My gear:"), Segment(text="Oven: https://example.com/oven")]
    )
    assert [segment.text for segment in spoken.segments] == ["That's it."]
    assert spoken.blocks == ("My gear: Oven: https://example.com/oven",)


def test_a_block_in_a_turn_goes_and_the_turn_stays() -> None:
    """A description below the last turn was read as part of it."""
    turn = Segment(
        text="See you next week.\n\nLinks:\n\nOven: https://example.com/oven\nMill: https://example.com/mill\n\nBye.",
        speaker="Anna",
        start_seconds=600.0,
    )
    assert without_link_blocks([turn]).segments == (replace(turn, text="See you next week.\n\nBye."),)


def test_captions_are_what_was_said() -> None:
    """A caption line that is an address was spoken, and broken there for its length."""
    lines = [
        Segment(text="go to", start_seconds=1.0, end_seconds=2.0),
        Segment(text="https://example.com/anna", start_seconds=2.0, end_seconds=4.0),
    ]
    assert without_link_blocks(lines) == (tuple(lines), ())


LINES = st.sampled_from(
    ["Welcome back.", "Links:", "Oven: https://example.com/o", "#bread", "and so on", "", "@anna"]
)


def paragraphs_of(*texts: str) -> list[str]:
    return [text.strip() for text in re.split(r"\n\s*\n", "\n\n".join(texts)) if text.strip()]


@given(st.lists(st.lists(LINES, min_size=1).map("\n".join)))
def test_what_is_kept_is_kept_in_order(texts: list[str]) -> None:
    """Paragraphs are kept whole and in order; taking blocks out of what is left takes nothing that has a sentence."""
    spoken = without_link_blocks([Segment(text=text) for text in texts])
    paragraphs = iter(paragraphs_of(*texts))
    kept = paragraphs_of(*(segment.text for segment in spoken.segments))
    assert all(paragraph in paragraphs for paragraph in kept)
    assert sum(text.count("Welcome back.") for text in texts) == sum(
        segment.text.count("Welcome back.") for segment in spoken.segments
    )


def test_what_was_left_out_is_said_once() -> None:
    """One note with the count, the first block and the remedy; cleaning again adds none."""
    written = Transcript(
        segments=(
            Segment(text="Welcome back."),
            Segment(text="Oven: https://example.com/oven\nMill: https://example.com/mill"),
            Segment(text="#bread #baking"),
        )
    )
    cleaned = clean(written)
    assert cleaned.notes == (
        (
            '2 blocks of links were left out (the first: "Oven: https://example.com/oven Mill: ht…"); '
            "write it as sentences if it was said"
        ),
    )
    assert clean(cleaned) == cleaned
    assert link_notes(()) == ()


@needs_public_data
def test_real_transcripts_lose_only_lines_with_addresses() -> None:
    """Each block that goes from the public transcripts is a label and an address, or an address."""
    for path in sorted((PUBLIC_DATA / "transcripts").glob("*/*/*.md")):
        for block in without_link_blocks(read_transcripts(path).transcripts[0].segments).blocks:
            assert len([word for word in block.split() if "://" not in word]) <= 7 * block.count("://"), (
                path,
                block,
            )
