from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.formats.captions import read_sbv, read_subrip, read_webvtt
from ingest.formats.segmenting import SegmentBuilder, counted, number, seconds_of
from ingest.transcripts import Transcript


def timed(transcript: Transcript) -> list[tuple[str, float | None, float | None]]:
    return [(segment.text, segment.start_seconds, segment.end_seconds) for segment in transcript.segments]


def spoken(transcript: Transcript) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in transcript.segments]


def cues(*texts: str) -> str:
    blocks = [f"00:{at:02}.000 --> 00:{at + 1:02}.000\n{text}" for at, text in enumerate(texts)]
    return "WEBVTT\n\n" + "\n\n".join(blocks)


def test_zooms_names_are_speakers() -> None:
    """Where nearly every cue begins with a name that recurs, it is who speaks, in all lines of the cue."""
    zoom = cues("Mara Lind: Hi\nthere", "Bo: Hello", "Mara Lind: So", "Bo: Yes: no")
    assert spoken(read_webvtt(zoom)) == [
        ("Mara Lind", "Hi"),
        ("Mara Lind", "there"),
        ("Bo", "Hello"),
        ("Mara Lind", "So"),
        ("Bo", "Yes: no"),
    ]


def test_a_colon_in_some_cues_is_no_name() -> None:
    """Words with a colon here and there, or that never recur, are speech."""
    for texts in (
        ("Note: rest", "it rises", "Note: wait"),
        ("One: a", "Two: b", "Three: c"),
        ("so: a", "is it: b"),
        ("So: a", "So: b"),
    ):
        assert [text for _, text in spoken(read_webvtt(cues(*texts)))] == list(texts)
    voiced = cues("<v Ann>Bo: he said", "Bo: yes", "Bo: no")
    assert spoken(read_webvtt(voiced)) == [("Ann", "Bo: he said"), (None, "Bo: yes"), (None, "Bo: no")]


def test_a_time_before_zero_is_zero() -> None:
    """An offset that went too far back is noted, and the words stay."""
    transcript = read_subrip("1\n-00:00:01,000 --> 00:00:02,000\nHi")
    assert timed(transcript) == [("Hi", 0.0, 2.0)]
    assert transcript.notes == ("1 cue with a time before zero was given zero",)


def test_cues_out_of_order_are_put_in_order() -> None:
    """A cue that stands too late comes back to its time, and the notes say that one did."""
    transcript = read_webvtt(
        "WEBVTT\n\n00:01.000 --> 00:02.000\none\n\n00:09.000 --> 00:10.000\nthree\n\n00:05.000 --> 00:06.000\ntwo"
    )
    assert [text for text, _, _ in timed(transcript)] == ["one", "two", "three"]
    assert transcript.notes == ("1 cue that came before its time was put in order",)


def test_parts_that_were_joined_keep_their_order() -> None:
    """Where the times begin anew and go on, sorting would mix two parts of a video."""
    part = "".join(f"00:{at:02}.000 --> 00:{at + 1:02}.000\n{{}} {at}\n\n" for at in range(12))
    transcript = read_webvtt("WEBVTT\n\n" + part.replace("{}", "first") + part.replace("{}", "second"))
    assert [text.split()[0] for text, _, _ in timed(transcript)] == ["first"] * 12 + ["second"] * 12
    assert transcript.notes == ("1 place at which the cues' times go back was kept as in the file",)


def test_sbv_is_read() -> None:
    """YouTube's SBV has a comma between its times, and one that cannot be read is counted."""
    transcript = read_sbv(
        "0:00:00.378,0:00:11.378\nHi\nyou\n\n0:00:1x.0,0:00:12.0\nlost\n\n0:00:13.0,0:00:15.4\nBye"
    )
    assert timed(transcript) == [("Hi", 0.378, 11.378), ("you", 0.378, 11.378), ("Bye", 13.0, 15.4)]
    assert transcript.notes == ("1 cue without a readable time was skipped",)


TIMES = st.one_of(st.none(), st.floats(-10, 1e9), st.floats(allow_nan=False, allow_infinity=False))


@given(parts=st.lists(st.tuples(st.text(max_size=5), TIMES, TIMES), max_size=30))
def test_segments_are_always_in_order(parts: list[tuple[str, float | None, float | None]]) -> None:
    """Whatever times come in, none is negative or backwards, starts only go up, and no words are lost."""
    build = SegmentBuilder("cue")
    for text, start, end in parts:
        build.add(text, start, end)
    segments, _ = build.finish()
    assert sorted(segment.text for segment in segments) == sorted(
        text.strip() for text, _, _ in parts if text.strip()
    )
    starts = [segment.start_seconds for segment in segments if segment.start_seconds is not None]
    assert all(start >= 0 for start in starts)
    assert starts == sorted(starts) or len(segments) >= 20
    for segment in segments:
        assert segment.end_seconds is None or segment.end_seconds >= (segment.start_seconds or 0)


@given(value=st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()))
def test_any_value_is_a_finite_number_or_none(value: object) -> None:
    """No JSON value breaks the reading of a number or of a time."""
    for found in (number(value), seconds_of(value)):
        assert found is None or abs(found) < float("inf")
    assert number(10**5000) is None
    assert number("9" * 5000) is None


def test_clocks_are_seconds() -> None:
    """Times of day as tables write them; a date is none."""
    assert seconds_of("1:02:03,5") == 3723.5
    assert seconds_of("02:03") == 123
    assert seconds_of(" 7.5 ") == 7.5
    assert seconds_of("2026-08-14") is None


def test_notes_count_in_the_singular_and_plural() -> None:
    """A note about nothing is none."""
    assert counted(0, "cue", "skipped") == ()
    assert counted(2, "cue without a time", "skipped") == ("2 cues without a time were skipped",)
