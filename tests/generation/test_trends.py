"""Trends files: whatever a manager has at hand is read, and what cannot be used is named."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from samples import DATA

from generation.trends import Trend, read_trends, trends_from
from rag.errors import BadInput


def test_the_sample_trends_serve_any_month() -> None:
    """Ten trends, none of which is tied to a year; days of the month bound two of them."""
    trends = read_trends(DATA / "trends.csv")
    assert len(trends) == 10
    assert [t.name for t in trends if t.from_ or t.until] == [
        "One-person business, behind the scenes",
        "Batch and freeze",
    ]
    assert trends[0].related[0] == "repair cafe"
    assert "toasters" in trends[0].query


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "Name,notes\nSlow mornings,x\n,\nHonest numbers,y\n"),
        ("t.csv", "\ufefftrend\nSlow mornings\nHonest numbers\nslow mornings\n"),
        ("t.json", '["Slow mornings", {"name": "Honest numbers"}]'),
        ("t.json", '{"trends": [{"name": "Slow mornings"}, {"topic": 1, "name": "Honest numbers"}]}'),
        ("t.txt", "# mine\nSlow mornings\n\nHonest numbers\n"),
    ],
)
def test_csv_json_and_text_give_the_same_names(tmp_path: Path, name: str, text: str) -> None:
    """A column of names, a list, or a line each; a name that comes again counts once."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert [trend.name for trend in read_trends(path)] == ["Slow mornings", "Honest numbers"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "a,b\n1,2\n", "t.csv has no column of names"),
        ("t.csv", "name,description\n,nameless\n", r"t.csv, trend 1: name: .*every trend needs a name"),
        ("t.csv", "name\n", "t.csv names no trend"),
        ("t.csv", "name,from\nx,2027-13-01\n", r"t.csv, trend 1: from: "),
        ("t.csv", "name,until\nx,0\n", r"t.csv, trend 1: until: "),
        ("t.json", "[" * 20000, "t.json is not valid JSON"),
        ("t.csv", "name,until\nx,32\n", r"t.csv, trend 1: until: "),
        ("t.json", "[", "t.json is not valid JSON"),
        ("t.json", "3", "t.json holds no list"),
        ("t.txt", "\n", "t.txt names no trend"),
        ("t.txt", None, "t.txt does not exist"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_it(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    """The file, and the row and field where there is one, are named."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadInput, match=message) as raised:
        read_trends(path)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_text_is_bad_input(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused with the remedy."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"name\n\xff\xfe\n")
    with pytest.raises(BadInput, match="save it as UTF-8"):
        read_trends(path)


def test_days_of_the_month_and_dates_bound_a_trend() -> None:
    """Both ends count, and the 31st of a short month is its last day."""
    end = Trend(name="x", from_=28, until=31)
    assert [day for day in range(1, 29) if end.is_on(date(2027, 2, day))] == [28]
    dated = trends_from([{"name": "y", "from": "2027-02-10", "until": "2027-02-12"}])[0]
    assert [day for day in range(1, 29) if dated.is_on(date(2027, 2, day))] == [10, 11, 12]
    assert Trend(name="z", from_=31).is_on(date(9999, 12, 31))


def test_values_serve_as_well_as_files() -> None:
    """Names, mappings and ``Trend`` values mix."""
    mixed = trends_from(["a", {"name": "b", "related": ["c", "d"]}, Trend(name="e")])
    assert [(trend.name, trend.related) for trend in mixed] == [("a", ()), ("b", ("c", "d")), ("e", ())]
    assert json.loads('"a"') == mixed[0].query
