"""The journal: a row is on disk before the next one comes, and a half-written line is none (laws 4 and 5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from calendars import briefs_of, store_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.journal import RowJournal
from generation.planning import Brief
from generation.rows import CalendarRow, finished_row


@pytest.fixture(scope="module")
def briefs(tmp_path_factory: pytest.TempPathFactory) -> list[Brief]:
    return briefs_of(store_of(tmp_path_factory.mktemp("videos")), date(2027, 2, 1))


def row_of(brief: Brief, title: str = "A title") -> CalendarRow:
    return finished_row(
        brief,
        title=title,
        hook="Höök\n{}",
        script="word " * 80,
        caption="c",
        hashtags=["#a"],
        used=[],
        status="generated",
        warnings=["w"],
    )


@given(cut=st.integers(0, 100_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_anywhere_gives_back_every_whole_line(
    tmp_path: Path, briefs: list[Brief], cut: int
) -> None:
    """Killed in the middle of a write, the journal holds the rows before, and goes on after them."""
    whole = RowJournal(tmp_path / "whole.jsonl")
    whole.path.unlink(missing_ok=True)
    for brief in briefs[:5]:
        whole.keep(brief, row_of(brief))
    data = whole.path.read_bytes()
    cut %= len(data) + 1
    journal = RowJournal(tmp_path / "cut.jsonl")
    journal.path.write_bytes(data[:cut])
    lines = [n for n, end in enumerate(_line_ends(data)) if end <= cut]
    assert journal.rows(briefs) == {briefs[n].slot: row_of(briefs[n]) for n in lines}
    journal.keep(briefs[7], row_of(briefs[7]))
    assert set(journal.rows(briefs)) == {*(briefs[n].slot for n in lines), briefs[7].slot}


def _line_ends(data: bytes) -> list[int]:
    """Where each entry's last brace stands: from there on it is whole, with or without its line break."""
    return [at + 1 for at in range(len(data)) if data[at : at + 2] == b"}\n"]


def test_a_row_answers_only_what_was_asked(tmp_path: Path, briefs: list[Brief]) -> None:
    """Another trend, pattern, format or evidence is another question; the last of several answers counts."""
    journal = RowJournal(tmp_path / "deep" / "j.jsonl")
    assert journal.rows(briefs) == {}
    journal.keep(briefs[0], row_of(briefs[0], "first"))
    journal.keep(briefs[0], row_of(briefs[0], "second"))
    assert journal.rows(briefs)[1].title == "second"
    changed = [
        replace(briefs[0], trend="other"),
        replace(briefs[0], pattern="other"),
        replace(briefs[0], format="x_post"),
        replace(briefs[0], hits=briefs[1].hits),
    ]
    assert all(journal.rows([brief]) == {} for brief in changed)
