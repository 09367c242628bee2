from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers import NotATranscript, Reading, read_transcripts
from ingest.transcripts import Transcript


def read(content: str, folder: Path, name: str = "talks.csv") -> Reading:
    path = folder / name
    path.write_text(content, "utf-8", newline="")
    return read_transcripts(path)


def texts(transcript: Transcript) -> list[str]:
    return [segment.text for segment in transcript.segments]


WORDS = (
    st.text("abc ,;\t\"'\n|é中", min_size=1, max_size=20)
    .map(str.strip)
    .filter(lambda text: any(map(str.isalpha, text)) and not text.startswith(("'", '"')) and "." not in text)
)


@given(rows=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6), delimiter=st.sampled_from(",;\t"))
def test_any_table_reads_back(
    rows: list[tuple[str, str]], delimiter: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A row a video comes back with its title and words, whatever the delimiter and what is in quotes."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["video_id", "title", "transcript"])
    writer.writerows((f"video {at}", title, f"Hi {words}") for at, (title, words) in enumerate(rows))
    reading = read(out.getvalue(), tmp_path_factory.mktemp("table"))
    assert reading.failures == ()
    assert [video.title for video in reading.transcripts] == [" ".join(title.split()) for title, _ in rows]
    said = [" ".join(" ".join(texts(video)).split()) for video in reading.transcripts]
    assert said == [" ".join(f"Hi {words}".split()) for _, words in rows]


def test_a_row_a_video(tmp_path: Path) -> None:
    """Columns of other names, a mark at the front and empty rows: each video has its place, as in a spreadsheet."""
    table = (
        "\ufeffVideo URL;Title;Channel Name;Published At;Transcript\n"
        "https://youtu.be/kR3v_9TqLxA;Rye;Mara;2026-08-14T10:00:00Z;Hi there\n;;;;\n"
        "https://youtu.be/pQ8w-2ZnRmE;Wheat;Mara;soon;Bye there\n"
    )
    first, second = read(table, tmp_path).transcripts
    assert (first.video_id, first.title, first.creator, first.published, first.record) == (
        "kR3v_9TqLxA",
        "Rye",
        "Mara",
        "2026-08-14",
        "row 2",
    )
    assert (second.video_id, second.record) == ("pQ8w-2ZnRmE", "row 4")
    assert second.notes == (
        "the field published_at could not be used and was left out; write it as YYYY-MM-DD",
    )


def test_what_stands_in_a_cell_may_be_captions(tmp_path: Path) -> None:
    """SubRip, WebVTT and JSON in a cell are read as such; a link is never opened."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "title", "transcript"])
    for at, cell in enumerate(
        (
            "1\n00:00:01,000 --> 00:00:02,000\nHi",
            "WEBVTT\n\n00:01.000 --> 00:02.000\nHi",
            '[{"text": "Hi", "start": 1, "duration": 1}]',
            "Hi.",
            "https://e.org/a.vtt",
            "../a.vtt",
            "",
        )
    ):
        writer.writerow([f"video-{at}", "t", cell])
    reading = read(out.getvalue(), tmp_path)
    assert [texts(video) for video in reading.transcripts] == [["Hi"]] * 3 + [["Hi."]]
    assert [video.segments[0].start_seconds for video in reading.transcripts] == [1, 1, 1, None]
    assert reading.failures == (
        "row 6: its transcript is only a link or a path, which is not opened; write the words there",
        "row 7: its transcript is only a link or a path, which is not opened; write the words there",
        "row 8: its transcript is empty; fill it or remove the record",
    )


def test_a_row_a_segment_is_put_together_by_video(tmp_path: Path) -> None:
    """Rows of several videos may be mixed; times may be clocks, ends durations, and speakers are kept."""
    table = "video_id,start,duration,speaker,text\na,0:01,2.5,Ann,One\nb,1,1,,Other\na,0:05,1,Bo,Two\na,x,1,Bo,Three\n"
    first, second = read(table, tmp_path).transcripts
    assert [(s.text, s.start_seconds, s.end_seconds, s.speaker) for s in first.segments] == [
        ("One", 1, 3.5, "Ann"),
        ("Two", 5, 6, "Bo"),
        ("Three", None, None, "Bo"),
    ]
    assert (first.video_id, first.record, second.video_id, second.record) == ("a", "row 2", "b", "row 3")
    assert first.notes == ("1 row without a readable time was kept without one",)


def test_a_table_of_one_video_has_no_records(tmp_path: Path) -> None:
    """Rows of segments without an id, or of turns, are one transcript; Whisper's TSV is in milliseconds."""
    (segments,) = read("start_ms,end_ms,text\n1500,2000,Hi\n", tmp_path).transcripts
    assert (segments.record, segments.segments[0].start_seconds, segments.segments[0].end_seconds) == (
        None,
        1.5,
        2,
    )
    (turns,) = read("speaker,text\nAnn,Hi\nBo,Yes\n", tmp_path).transcripts
    assert [(turn.speaker, turn.text) for turn in turns.segments] == [("Ann", "Hi"), ("Bo", "Yes")]
    assert turns.notes == ()
    (whisper,) = read("start\tend\ttext\n1500\t2000\tHi\n", tmp_path, "a.tsv").transcripts
    assert (whisper.segments[0].start_seconds, whisper.segments[0].end_seconds) == (1.5, 2)


def test_a_quote_that_is_never_closed_costs_its_row(tmp_path: Path) -> None:
    """The row is a failure, and the rows after it are read."""
    table = 'video_id,title,text\na,t,Hi there\nb,"t,Open there\nc,t,Bye there\n'
    reading = read(table, tmp_path)
    assert [video.video_id for video in reading.transcripts] == ["a", "c"]
    assert reading.failures == ("row 3: a quote in it is never closed; close it or remove it",)


def test_a_field_may_be_as_long_as_a_file(tmp_path: Path) -> None:
    """csv's own limit of 128 KiB is no limit on what was said."""
    words = "word " * 100_000
    (video,) = read(f'video_id,title,text\na,t,"{words}"\n', tmp_path).transcripts
    assert texts(video) == [words.strip()]


def test_a_table_without_words_is_none(tmp_path: Path) -> None:
    """Without a column of what was said it is another table, and the remedy names the column."""
    with pytest.raises(NotATranscript, match="name that column 'transcript' or 'text'"):
        read("video_id,title,views\na,b,3\n", tmp_path)
    (prose,) = read("Well, this text, you know.\nIt goes on.", tmp_path, "a.txt").transcripts
    assert len(prose.segments) == 1


def line(**fields: Any) -> str:
    return json.dumps(fields) + "\n"


def test_a_line_a_video(tmp_path: Path) -> None:
    """JSON Lines of videos with text, segments or captions; a bad line is a failure and the others are read."""
    lines = (
        line(video_id="a", title="t", text="Hi there")
        + "\n"
        + '{"video_id": "b", "text": \n'
        + line(video_id="c", segments=[{"start": 1, "end": 2, "text": "Hi"}])
        + line(id="e", transcript=["Hi", "you"])
        + "[1]\n"
        + line(video_id="d", title="t")
        + line(video_id="f", transcript={"what": 1})
    )
    for name in ("talks.jsonl", "talks.txt"):
        reading = read(lines, tmp_path, name)
        found = [(video.video_id, video.record, texts(video)) for video in reading.transcripts]
        assert found == [
            ("a", "line 1", ["Hi there"]),
            ("c", "line 4", ["Hi"]),
            ("e", "line 5", ["Hi", "you"]),
        ]
        assert [failure.partition(":")[0] for failure in reading.failures] == [
            "line 3",
            "line 6",
            "line 7",
            "line 8",
        ]


def test_a_line_a_segment(tmp_path: Path) -> None:
    """Lines of segments are one transcript a video, with Whisper's certainty; their own ids are none of videos."""
    lines = "".join(
        line(id=at, start=at, end=at + 1, text=f"word {at}", avg_logprob=-0.5, words=[{"word": "x"}])
        for at in range(3)
    )
    (video,) = read(lines, tmp_path, "talk.jsonl").transcripts
    assert (video.video_id, video.record, len(video.segments)) == (None, None, 3)
    assert video.segments[0].avg_logprob == -0.5
    lines = "".join(line(id=f"seg-{at}", start=at, text="word") for at in range(3))
    assert len(read(lines, tmp_path, "talk.jsonl").transcripts) == 1


def test_many_failures_are_counted(tmp_path: Path) -> None:
    """A hundred are told one by one, and the rest is a number."""
    reading = read(line(video_id="a", text="Hi there") + "{\n" * 500, tmp_path, "talks.jsonl")
    assert len(reading.failures) == 101
    assert reading.failures[-1] == "and 400 more like these"


def test_an_id_that_counts_rows_is_none(tmp_path: Path) -> None:
    """``1`` would be the video of every such table; a link says which video it is, and a number in full does."""
    table = "id,url,text\n1,https://youtu.be/kR3v_9TqLxA,Hi there\n2,,Bye there\n"
    assert [video.video_id for video in read(table, tmp_path).transcripts] == ["kR3v_9TqLxA", None]
    found = read(line(video_id=2042206218752610343, text="Hi there") * 2, tmp_path, "a.jsonl").transcripts
    assert found[0].video_id == "2042206218752610343"
