"""Rows: what a model may write, what is set right, what is refused, and how it is exported."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import chunk_of
from schema_instances import strict_faults

from generation.calendars import Calendar
from generation.exports import exporter_for, to_csv, to_html, to_json
from generation.planning import Brief, Format
from generation.rows import (
    CAPTION_CHARACTERS,
    COLUMNS,
    CalendarRow,
    check,
    clean_hashtags,
    reply_schema,
)
from generation.sentences import advertises, stands_alone, without_sponsors
from rag.documents import Hit
from rag.errors import BadInput
from rag.packing import Passage

CHUNK = chunk_of(["Rye is slow."], position=3)
BRIEF = Brief(
    slot=5,
    day=date(2027, 2, 5),
    format="x_post",
    trend="Rye",
    pattern="question",
    hits=(Hit(chunk=CHUNK, score=0.5),),
)
PASSAGES = {
    number: Passage(
        number=number,
        creator="mara",
        video_id=f"v{number}",
        title="T",
        text="Rye is slow.",
        sentence_ends=(12,),
        start_char=0,
        end_char=12,
        start_seconds=65.0 * number,
        end_seconds=None,
    )
    for number in (1, 2)
}
GOOD: dict[str, Any] = {
    "title": "Rye",
    "hook": "Why is rye so slow?",
    "script": "word " * 90,
    "caption": "Slow bread. Save it.",
    "hashtags": ["#rye", "slow bread"],
    "evidence": [2, 1],
}


def test_a_good_row_becomes_ten_columns() -> None:
    """Code adds the date, format, trend, pattern and sources to the model's words."""
    row = check(GOOD, BRIEF, PASSAGES)
    assert isinstance(row, CalendarRow)
    assert row.cells() == {
        "date": "2027-02-05",
        "format": "x_post",
        "trend": "Rye",
        "pattern": "question",
        "title": "Rye",
        "hook": "Why is rye so slow?",
        "script": ("word " * 90).strip(),
        "caption": "Slow bread. Save it.",
        "hashtags": "#rye #slowbread",
        "sources": "mara/v2@02:10; mara/v1@01:05",
    }
    assert row.warnings == ()


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"title": "x" * 101}, "title"),
        ({"title": " "}, "title"),
        ({"hook": "w " * 13}, "hook: 13 words, 12 are allowed"),
        ({"hook": None}, "hook"),
        ({"caption": "x" * 281}, "caption: 281 characters, x_post allows 280"),
        ({"evidence": []}, "evidence"),
        ({"evidence": [7, 8]}, r"evidence: \[7, 8\] names no passage"),
        ({"evidence": ["1"]}, "evidence"),
        ({"hashtags": "#rye"}, "hashtags"),
        ({"date": "2027-02-06"}, "date"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_the_reason(cells: dict[str, Any], reason: str) -> None:
    """Laws 5 and 9: no cut title, no thirteenth word, no cell that the model has no say in."""
    refused = check(GOOD | cells, BRIEF, PASSAGES)
    assert isinstance(refused, str)
    assert re.match(reason, refused), refused


@pytest.mark.parametrize("value", [None, [], "row", 3, {}, {"title": "only"}])
def test_what_is_no_row_is_refused(value: Any) -> None:
    """Law 5: a partial row, or none, is never padded."""
    assert isinstance(check(value, BRIEF, PASSAGES), str)


def test_what_a_machine_can_set_right_is_a_warning() -> None:
    """A sixth hashtag and an unknown passage beside a known one are left out, and said."""
    row = check(
        GOOD | {"hashtags": [f"tag{n}" for n in range(7)], "evidence": [1, 9], "script": "short"},
        BRIEF,
        PASSAGES,
    )
    assert isinstance(row, CalendarRow)
    assert len(row.hashtags) == 5
    assert row.sources == ("mara/v1@01:05",)
    assert len(row.warnings) == 3


@given(st.lists(st.text(max_size=12), max_size=8))
def test_hashtags_are_what_platforms_read(tags: list[str]) -> None:
    """Each is ``#`` and letters, digits or underscores, and comes once."""
    cleaned = clean_hashtags(tags)
    assert all(tag[0] == "#" and tag[1:].replace("_", "a").isalnum() for tag in cleaned)
    assert len({tag.lower() for tag in cleaned}) == len(cleaned)


def test_the_schema_is_one_that_strict_servers_take() -> None:
    """Every object closed, every property required; each slot may name only its own passages."""
    schema = reply_schema({3: [1, 2], 7: [2]})
    assert list(strict_faults(schema)) == []
    assert schema["required"] == ["3", "7"]
    assert schema["properties"]["7"]["properties"]["evidence"]["items"]["enum"] == [2]


def _calendar(**cells: Any) -> Calendar:
    row = check(GOOD, BRIEF, PASSAGES)
    assert isinstance(row, CalendarRow)
    return Calendar(month="2027-02", rows=(replace(row, **cells),), missing=("2027-02-05",))


@given(st.text(max_size=20), st.sampled_from(["=", "+", "-", "@", "\t", "\r", ""]))
def test_no_cell_is_a_formula_and_every_cell_comes_back(text: str, start: str) -> None:
    """Law 7: what a spreadsheet would run gets a quotation mark; the rest is read back as it was."""
    cell = start + text.replace("\0", "")
    rows = list(csv.reader(io.StringIO(to_csv(_calendar(title=cell)), newline="")))
    assert rows[0] == list(COLUMNS)
    assert {len(row) for row in rows} == {10}
    title = rows[1][COLUMNS.index("title")]
    assert not title.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert title in {cell, f"'{cell}"}


def test_the_page_shows_words_as_words() -> None:
    """Law 7: markup in a row is text on the page; what is missing is said."""
    page = to_html(_calendar(title="<script>alert(1)</script>", trend='"><img src=x>'))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "1 rows are drafts, because the model failed: 2027-02-05" in page


def test_json_is_the_report() -> None:
    """The JSON export holds what ``--json`` prints."""
    report = json.loads(to_json(_calendar()))
    assert report["status"] == "partial"
    assert [*report["rows"][0]] == [*COLUMNS, "status"]


def test_an_unknown_suffix_names_the_known_ones() -> None:
    """The exporter is chosen by suffix, whatever its case."""
    assert exporter_for(Path("A.CSV")) is to_csv
    with pytest.raises(BadInput, match=r"a\.docx: no export to \.docx: end it in \.csv, \.json, \.html"):
        exporter_for(Path("a.docx"))


def test_every_format_has_a_limit() -> None:
    """Captions are checked for each format that a plan can have."""
    assert set(CAPTION_CHARACTERS) == set(get_args(Format))


def test_sponsor_reads_are_left_out_with_what_follows() -> None:
    """An advertisement goes on for two sentences after the one that gives it away."""
    said = [
        "Rye is slow.",
        "This video is supported by Quernby.",
        "They mill.",
        "They post.",
        "Wheat is fast.",
    ]
    assert without_sponsors(said) == ["Rye is slow.", "Wheat is fast."]
    assert advertises("The code LEDGE takes ten percent off.")
    assert not advertises("I write code for bread machines.")


@pytest.mark.parametrize(
    ("sentence", "alone"),
    [
        ("Rye bread needs eighteen hours.", True),
        ("And it needs eighteen hours too.", False),
        ("That's what I told him yesterday.", False),
        ("Swallows.", False),
        ("rye bread needs eighteen hours.", False),
        ("Rye bread needs eighteen hours", False),
        ('My niece wrote, "I love it."', True),
        ("word " * 40 + ".", False),
    ],
)
def test_what_leans_on_the_sentence_before_does_not_stand_alone(sentence: str, alone: bool) -> None:
    """Fragments, pronouns at the start and half sentences are no hooks."""
    assert stands_alone(sentence) is alone
