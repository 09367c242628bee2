from __future__ import annotations

import html
import json
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import PUBLIC_DATA, needs_public_data

from ingest.readers import BrokenTranscript, NotATranscript, identity_from_name, read_transcripts
from ingest.transcripts import Segment, Transcript
from rag.errors import BadInput


def read_transcript(path: Path) -> Transcript:
    reading = read_transcripts(path)
    assert reading.failures == ()
    (transcript,) = reading.transcripts
    return transcript


def read(content: str | bytes, name: str = "talk.txt") -> Transcript:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_transcript(path)


def refusal(content: str | bytes, name: str = "talk.txt") -> BadInput:
    with pytest.raises(BadInput) as caught:
        read(content, name)
    return caught.value


def timed(transcript: Transcript) -> list[tuple[str, float | None, float | None]]:
    return [(segment.text, segment.start_seconds, segment.end_seconds) for segment in transcript.segments]


def spoken(transcript: Transcript) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in transcript.segments]


def texts(transcript: Transcript) -> list[str]:
    return [segment.text for segment in transcript.segments]


# --- properties -----------------------------------------------------------------------------------------


class Cue(NamedTuple):
    start_ms: int
    end_ms: int
    lines: list[str]


LINES = st.one_of(
    st.text("abz XYZéß中7-.,!?'\"&<()[]{}:;/#*_", min_size=1, max_size=20).map(str.strip).filter(bool),
    st.sampled_from(["see --> there", "1", "NOTE this", "WEBVTT", "a < b && c > d", "00:01", "x -> y"]),
)
CUES = st.lists(
    st.builds(
        lambda start, length, lines: Cue(start, start + length, lines),
        st.integers(0, 359_999_999),
        st.integers(0, 100_000),
        st.lists(LINES, min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=6,
)


def clock(milliseconds: int, *, point: str = ".", hours: bool = True) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    if not hours and minutes < 60:
        return f"{minutes:02}:{seconds:02}{point}{rest:03}"
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{point}{rest:03}"


def in_order(cues: list[Cue]) -> list[Cue]:
    return sorted(cues, key=lambda cue: cue.start_ms)


def expected(cues: list[Cue]) -> list[tuple[str, float, float]]:
    return [(line, cue.start_ms / 1000, cue.end_ms / 1000) for cue in in_order(cues) for line in cue.lines]


@given(cues=CUES, hours=st.booleans(), named=st.booleans(), newline=st.sampled_from(["\n", "\r\n"]))
def test_any_webvtt_reads_back(cues: list[Cue], hours: bool, named: bool, newline: str) -> None:
    """Every line of every cue comes back with the cue's times, whatever the text, with hours or not."""
    blocks = ["WEBVTT"]
    for number, cue in enumerate(cues):
        timing = f"{clock(cue.start_ms, hours=hours)} --> {clock(cue.end_ms, hours=hours)} align:start"
        text = [html.escape(line, quote=False) if "-->" not in line else line for line in cue.lines]
        blocks.append(newline.join([*([f"cue {number}"] if named else []), timing, *text]))
    got = timed(read((newline * 2).join(blocks), "talk.vtt"))
    assert [(html.unescape(text), start, end) for text, start, end in got] == expected(cues)


@given(cues=CUES, point=st.sampled_from([",", "."]), numbered=st.booleans())
def test_any_subrip_reads_back(cues: list[Cue], point: str, numbered: bool) -> None:
    """Every line of every cue comes back with the cue's times, with commas or dots, with numbers or not."""
    blocks = []
    for number, cue in enumerate(cues, start=1):
        timing = f"{clock(cue.start_ms, point=point)} --> {clock(cue.end_ms, point=point)}"
        blocks.append("\n".join([*([str(number)] if numbered else []), timing, *cue.lines]))
    assert timed(read("\n\n".join(blocks), "talk.srt")) == expected(cues)


@given(cues=CUES, strings=st.booleans())
def test_any_json3_reads_back(cues: list[Cue], strings: bool) -> None:
    """Each event comes back whole with its times, its words joined, its numbers as numbers or as strings."""
    kind = str if strings else int
    events = [
        {
            "tStartMs": kind(cue.start_ms),
            "dDurationMs": kind(cue.end_ms - cue.start_ms),
            "segs": [{"utf8": line} for line in cue.lines],
        }
        for cue in cues
    ]
    got = read(json.dumps({"wireMagic": "pb3", "events": events}), "talk.json3")
    assert timed(got) == [
        ("".join(cue.lines), cue.start_ms / 1000, (cue.start_ms + (cue.end_ms - cue.start_ms)) / 1000)
        for cue in in_order(cues)
    ]


@given(
    turns=st.lists(st.tuples(st.sampled_from(["Ann Lee", "Bo"]), st.sampled_from(["yes", "no no", "so."])))
)
@example(turns=[("Bo", "yes"), ("Bo", "yes")])
def test_any_bold_turns_read_back(turns: list[tuple[str, str]]) -> None:
    """Each ``**Name:**`` turn is one segment of that speaker, also two in a row of one speaker."""
    if turns:
        assert spoken(read("\n\n".join(f"**{who}:** {what}" for who, what in turns), "a.md")) == turns


FRAGMENTS = st.sampled_from([
    "WEBVTT", "\n", "\n\n", " ", "-->", "00:00:01.000", "1:02", "[1:02]", "(", ")", "[", "]", "{", "}", '"', ",",
    ":", '"segments"', '"events"', '"text"', '"segs"', '"utf8"', "---\n", "title: ", "date: 2023-02-31", "**", "__",
    "*", "_", "Ann:", "Ann Lee (AL): ", "#", "# ", "```", "\\", "<v ", "<c>", ">", "NOTE", "STYLE", "&amp;",
    "{\\an8}", "9" * 30, "1e999", "\ufeff", "\u2028", "\x85", "\x0c", "null", "true", "&a [*a]", "!!python/name:os", "text,start\n", "<transcript>", '<text start="1">', "</text>", "0:1.0,0:2.0\n",
    '{"text": "a", "start": 1}\n', '"', '""', ";", "\t",
])  # fmt: skip
NAMES = st.sampled_from(["a.vtt", "a.srt", "a.json", "a.json3", "a.md", "a.txt", "a", "a.pdf", "a.VTT", "a.csv", "a.tsv", "a.jsonl",
                         "a.srv1", "a.sbv"])  # fmt: skip


def reads_or_refuses(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            reading = read_transcripts(path)
        except BadInput as error:
            refused = str(error)
            assert re.fullmatch(
                rf".*{re.escape(name)} .+; .+", refused
            )  # one line: the file, what, the remedy
            return
    assert reading.transcripts
    for segment in (segment for transcript in reading.transcripts for segment in transcript.segments):
        assert segment.text.strip()
        segment.text.encode()
        if segment.start_seconds is not None and segment.end_seconds is not None:
            assert 0 <= segment.start_seconds <= segment.end_seconds


@settings(deadline=None)
@given(content=st.binary() | st.text().map(lambda text: text.encode("utf-16")), name=NAMES)
@example(content=b"\xff\xfe\x00", name="a.vtt")
def test_bytes_are_read_or_refused(content: bytes, name: str) -> None:
    """No bytes make a reader raise anything but ``BadInput``, in one line with the file's name and a remedy."""
    reads_or_refuses(content, name)


@settings(deadline=None, max_examples=400)
@given(content=st.text() | st.lists(FRAGMENTS, max_size=40).map("".join), name=NAMES)
@example(content="[" * 100_000, name="a.json")
@example(content='{"a":' * 100_000, name="a.txt")
@example(content='{"segments":' * 100_000, name="a.json")
@example(content="---\na: " + "[" * 5000 + "\n---\nhello", name="a.md")
@example(content="---\ndate: 2023-02-31\n---\nhello", name="a.md")
@example(content="---\n? [a, b]\n: c\n---\nhello", name="a.md")
@example(content='{"segments": [{"text": "\\ud800", "start": 1, "end": NaN}]}', name="a.json")
@example(content='---\ntitle: "\\ud800"\n---\nhello', name="a.md")
def test_text_is_read_or_refused(content: str, name: str) -> None:
    """No text makes a reader raise anything but ``BadInput``; what is read has words and ordered times."""
    reads_or_refuses(content.encode("utf-8", "surrogatepass"), name)


# --- WebVTT ---------------------------------------------------------------------------------------------

ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.080 --> 00:00:02.310 align:start position:0%
 
welcome<00:00:00.800><c> back</c><00:00:01.100><c> to</c>

00:00:02.310 --> 00:00:02.320 align:start position:0%
welcome back to
 

00:00:02.320 --> 00:00:04.000 align:start position:0%
welcome back to
the<00:00:02.800><c.colorE5E5E5> show</c>
"""  # noqa: W293  # the lines of one space are YouTube's


def test_rolling_captions_keep_each_line_with_its_time() -> None:
    """YouTube's word stamps and tags go, and every line stays apart, repeats too, for cleaning to judge."""
    transcript = read(ROLLING, "talk.en.vtt")
    assert timed(transcript) == [
        ("welcome back to", 0.08, 2.31),
        ("welcome back to", 2.31, 2.32),
        ("welcome back to", 2.32, 4.0),
        ("the show", 2.32, 4.0),
    ]
    assert transcript.language == "en"
    assert transcript.notes == ()


def test_webvtt_voices_are_speakers() -> None:
    """``<v Name>`` speaks until ``</v>``, the next voice or the end of the cue; classes are no names."""
    cues = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud Ann Lee>Hi <i>there</i>\nyou<v Bo>Hello</v> all\n\n"
    assert spoken(read(cues + "00:02.000 --> 00:03.000\nlater", "a.vtt")) == [
        ("Ann Lee", "Hi there"),
        ("Ann Lee", "you"),
        ("Bo", "Hello"),
        (None, "all"),
        (None, "later"),
    ]


def test_webvtt_blocks_that_are_no_cues_are_passed_over() -> None:
    """NOTE, STYLE and REGION blocks are neither speech nor counted; a cue's text may begin with those words."""
    blocks = [
        "WEBVTT - a title",
        "STYLE\n::cue { color: red }",
        "REGION\nid:fred",
        "NOTE\n\nNOTE one line",
        "NOTE about a --> b\nmore",
        "00:01.000 --> 00:02.000\nNOTE this well\nSTYLE matters",
    ]
    transcript = read("\n\n".join(blocks), "a.vtt")
    assert texts(transcript) == ["NOTE this well", "STYLE matters"]
    assert transcript.notes == ()


def test_a_cue_without_a_readable_time_is_skipped_and_counted() -> None:
    """Text whose time cannot be read never joins another cue, and the notes count it."""
    cues = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\none\n\n00:0x.000 --> 00:03.000\ntwo\n\nthree\n\n"
        "00:61.000 --> 00:62.000\nfour\n\n00:05.000 --> 00:06.000\nfive"
    )
    transcript = read(cues, "a.vtt")
    assert texts(transcript) == ["one", "five"]
    assert transcript.notes == ("3 cues without a readable time were skipped",)


def test_one_skipped_cue_is_told_in_the_singular() -> None:
    """A note about one thing reads as a sentence."""
    assert read("WEBVTT\n\n00:01.000 --> 00:02.000\none\n\ntwo", "a.vtt").notes == (
        "1 cue without a readable time was skipped",
    )


def test_an_arrow_inside_text_is_text() -> None:
    """A line with ``-->`` belongs to the open cue unless it begins as a time does."""
    cues = "WEBVTT\n\n00:01.000 --> 00:02.000\npress A --> B\n2 --> 3\n00:03.000 --> 00:04.000\nnext"
    assert timed(read(cues, "a.vtt")) == [("press A --> B", 1, 2), ("2 --> 3", 1, 2), ("next", 3, 4)]


def test_a_line_of_spaces_ends_no_webvtt_cue() -> None:
    """Only an empty line ends a cue, so what follows a line of spaces keeps the cue's time."""
    transcript = read(
        "WEBVTT\n\n00:01.000 --> 00:02.000\none\n \ntwo\n\n00:03.000 --> 00:04.000\nthree", "a.vtt"
    )
    assert timed(transcript) == [("one", 1, 2), ("two", 1, 2), ("three", 3, 4)]


def test_the_name_of_the_cue_after_an_empty_one_is_no_text() -> None:
    """A cue without text takes the text after a blank line, but not the next cue's name."""
    cues = "WEBVTT\n\n00:01.000 --> 00:02.000\n\nsecond cue\n00:03.000 --> 00:04.000\ntwo"
    assert timed(read(cues, "a.vtt")) == [("two", 3, 4)]


def test_an_unreadable_time_ends_the_cue_before_it() -> None:
    """Without a blank line between, the words of the unreadable cue do not join the cue before."""
    transcript = read("WEBVTT\n\n00:01.000 --> 00:02.000\none\n00:0x.000 --> 00:03.000\ntwo", "a.vtt")
    assert texts(transcript) == ["one"]
    assert transcript.notes == ("1 cue without a readable time was skipped",)


def test_a_cue_that_ends_before_it_starts_is_noted() -> None:
    """Its words and its start stay; its end becomes its start, and the notes say so."""
    transcript = read("WEBVTT\n\n00:05.000 --> 00:02.000\nback", "a.vtt")
    assert timed(transcript) == [("back", 5, 5)]
    assert transcript.notes == ("1 cue with an end before the start was given the start as the end",)


def test_webvtt_without_its_header_is_read_and_noted() -> None:
    """The extension decides where the content does not, and the notes say what was missing."""
    transcript = read("STYLE\n::cue {}\n\n00:01.000 --> 00:02.000\none", "a.vtt")
    assert texts(transcript) == ["one"]
    assert transcript.notes == ("the WEBVTT header is missing; the cues were read without it",)


def test_teams_times_are_read() -> None:
    """Hours, minutes and seconds of one digit are times, as Teams writes them."""
    assert timed(read("WEBVTT\n\n0:0:1.5 --> 1:0:2.47\nhi", "a.vtt")) == [("hi", 1.5, 3602.47)]


# --- SubRip ---------------------------------------------------------------------------------------------


def test_subrip_tags_go_and_numbers_are_no_text() -> None:
    """Font tags and places go; a cue's number does not end up in the text before it, even without a blank line."""
    srt = '1\n00:00:01,000 --> 00:00:02,000\n{\\an8}<font color="red">Hi</font><br>all\n2\n00:00:02,000 --> 00:00:03,000\nyou'
    assert timed(read(srt, "a.srt")) == [("Hi all", 1, 2), ("you", 2, 3)]


def test_subrip_text_may_follow_a_blank_line() -> None:
    """ffmpeg writes a blank line between times and text; a cue without any text takes none from the next."""
    srt = "1\n00:00:01,000 --> 00:00:02,000\n\nHi\n\n2\n00:00:02,000 --> 00:00:03,000\n\n3\n00:00:03,000 --> 00:00:04,000\nyou"
    assert timed(read(srt, "a.srt")) == [("Hi", 1, 2), ("you", 3, 4)]


def test_content_decides_before_the_extension() -> None:
    """SubRip named .txt, WebVTT named .srt and whisper JSON named .txt are read as what they are."""
    assert timed(read("1\n00:00:01,000 --> 00:00:02,000\nHi", "a.txt")) == [("Hi", 1, 2)]
    assert read(ROLLING, "a.srt").language == "en"
    assert timed(read('{"segments": [{"start": 1, "end": 2, "text": "Hi"}]}', "a.txt")) == [("Hi", 1, 2)]


# --- JSON -----------------------------------------------------------------------------------------------


def test_whisper_segments_speakers_and_language() -> None:
    """openai-whisper's segments keep their times, whisperX's their speakers; empty ones are none."""
    data = {
        "text": " Hello. So",
        "language": "en",
        "segments": [
            {"id": 0, "start": 0.0, "end": 1.5, "text": " Hello.", "no_speech_prob": 0.1},
            {"start": 1.5, "end": 2.0, "text": " So", "speaker": "SPEAKER_01", "words": [{"word": "20"}]},
            {"start": 2.0, "end": 3.0, "text": " "},
        ],
    }
    transcript = read(json.dumps(data), "a.json")
    assert transcript.segments == (
        Segment(text="Hello.", start_seconds=0.0, end_seconds=1.5, no_speech_prob=0.1),
        Segment(text="So", start_seconds=1.5, end_seconds=2.0, speaker="SPEAKER_01"),
    )
    assert transcript.language == "en"
    assert transcript.notes == ()


def test_what_is_wrong_in_whisper_json_is_counted() -> None:
    """Words without a time are kept without one; what has no text is skipped; both are in the notes."""
    segments = [
        {"start": None, "end": 1, "text": "a"},
        {"start": float("inf"), "text": "b"},
        {"start": 3, "end": 2, "text": "c"},
        {"start": 1, "end": 2},
        "d",
    ]
    transcript = read(json.dumps({"segments": segments}), "a.json")
    assert timed(transcript) == [("a", None, None), ("b", None, None), ("c", 3, 3)]
    assert transcript.notes == (
        "2 segments without readable text were skipped",
        "2 segments without a readable time were kept without one",
        "1 segment with an end before the start was given the start as the end",
    )


def test_json3_events_without_words_are_passed_over() -> None:
    """Windows, newlines and appended newlines are no speech and no fault; an event may lack its duration."""
    events = [
        {"tStartMs": 0, "dDurationMs": 9000, "id": 1, "wpWinPosId": 1},
        {
            "tStartMs": "80",
            "dDurationMs": "2000",
            "segs": [{"utf8": "so"}, {"utf8": " today", "tOffsetMs": 400}],
        },
        {"tStartMs": 2070, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 2080, "aAppend": 1, "segs": [{"utf8": "we"}]},
        {"tStartMs": 3000, "segs": [{"acAsrConf": 0}]},
    ]
    transcript = read(json.dumps({"wireMagic": "pb3", "events": events}), "a.en.json3")
    assert timed(transcript) == [("so today", 0.08, 2.08), ("we", 2.08, None)]
    assert transcript.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"id": "kR3v_9TqLxA", "title": "an .info.json"}',
        "[]",
        '{"segments": {"a": 1}}',
        '{"segments": [{"id": 1}]}',
        '{"events": [{"type": "push"}]}',
    ],
)
def test_json_of_another_shape_is_not_a_transcript(text: str) -> None:
    """JSON that is neither whisper's nor json3 is another kind of file, whatever its extension."""
    assert isinstance(refusal(text, "a.json"), NotATranscript)
    assert isinstance(refusal(text, "a.txt"), NotATranscript)


# --- Markdown -------------------------------------------------------------------------------------------


def test_front_matter_is_metadata() -> None:
    """Title, creator, id, date and language come from the front matter and are no speech."""
    front = "title: 'Loaf: one'\nchannel: Ann\nvideo_id: kR3v_9TqLxA\ndate: 2026-08-14\nlanguage: no\ntags:\n  - x"
    transcript = read(f"---\n{front}\n---\nBread is easy.", "a.md")
    assert transcript == Transcript(
        segments=(Segment(text="Bread is easy."),),
        title="Loaf: one",
        creator="Ann",
        video_id="kR3v_9TqLxA",
        published="2026-08-14",
        language="no",
    )


@pytest.mark.parametrize(
    ("written", "published"),
    [
        ("2026-08-14", "2026-08-14"),
        ("'2026-08-14'", "2026-08-14"),
        ("2026-08-14T10:00:00Z", "2026-08-14"),
        ("20260814", "2026-08-14"),
        ("'2026/08/14'", "2026-08-14"),
    ],
)
def test_dates_become_iso_dates(written: str, published: str) -> None:
    """However YAML takes a date, it comes out as YYYY-MM-DD."""
    assert read(f"---\ndate: {written}\n---\nHi", "a.md").published == published


@pytest.mark.parametrize(
    "field", ["date: August 14th", "date: '2026-02-31'", "video_id: 12345678901", "title: [a]"]
)
def test_a_field_that_cannot_be_used_is_noted(field: str) -> None:
    """A date in words or an id that YAML took for a number is left out, and the notes say so."""
    transcript = read(f"---\n{field}\n---\nHi", "a.md")
    assert (transcript.published, transcript.video_id, transcript.title) == (None, None, None)
    assert len(transcript.notes) == 1
    assert field.partition(":")[0] in transcript.notes[0]


def test_a_link_to_a_whole_video_is_its_id() -> None:
    """``media`` may hold the id; a link to a place in a video does not, as several talks may share it."""
    link = "---\nmedia: https://www.youtube.com/watch?v=kM4912dv39o{}\n---\nHi"
    assert read(link.format(""), "a.md").video_id == "kM4912dv39o"
    assert read(link.format("&t=39m8s"), "a.md").video_id is None
    assert read("---\nmedia: https://youtu.be/kM4912dv39o\n---\nHi", "a.md").video_id == "kM4912dv39o"
    assert read("---\nmedia: https://example.org/kM4912dv39o\n---\nHi", "a.md").video_id is None


@pytest.mark.parametrize(
    "front", ["- a\n- b", "just words", "title: [a", "title: a\n\tb: c", "date: 2023-02-31", "a: b: c"]
)
def test_bad_front_matter_is_broken(front: str) -> None:
    """Front matter that is not YAML, or no mapping, is never read as speech."""
    assert isinstance(refusal(f"---\n{front}\n---\nHi", "a.md"), BrokenTranscript)


def test_front_matter_without_an_end_is_broken() -> None:
    """Fields without the closing line would be read as speech; a rule at the top is no front matter."""
    assert "front matter has no end" in str(refusal("---\ntitle: a\n\nHi", "a.md"))
    assert texts(read("---\n\nHi", "a.md")) == ["Hi"]


def test_the_first_heading_is_the_title_where_none_is_given() -> None:
    """``# heading`` is a title if the front matter has none; no heading is speech, nor is # inside a fence."""
    body = "```\n# no heading\n```\n\n## Part\n\n# My *first* [loaf](http://x.org) #\n\nHi\n\n# Second\n"
    transcript = read(body, "a.md")
    assert transcript.title == "My first loaf"
    assert texts(transcript) == ["# no heading", "Hi"]
    assert read(f"---\ntitle: Given\n---\n{body}", "a.md").title == "Given"


def test_bold_turns_go_on_over_paragraphs() -> None:
    """A turn is one segment, with all its paragraphs, until the next name; both places of the colon are known."""
    body = "**Ann Lee:** One.\n\nTwo.\n\n**Bo**: Three: four.\n\n**Ann Lee:**\n\nFive."
    assert spoken(read(body, "a.md")) == [
        ("Ann Lee", "One.\n\nTwo."),
        ("Bo", "Three: four."),
        ("Ann Lee", "Five."),
    ]


def test_stamps_are_times_and_not_text() -> None:
    """All spellings of a stamp that begins a turn or a line are its time, escaped or linked or alone."""
    body = (
        "**Ann:** \\[00:04:01.06\\] a\n\n\\[04:02\\] b\n\n**Bo:** (00:05:02) c\n\n**Ann [1:02:03]:** d\n\n"
        "**Bo:** [5:30](https://youtu.be/x?t=330) e\n\n(6:00)\n**Ann:** f\n\n**Bo:** g \\[07:00\\] h (8:00) i"
    )
    got = [(segment.speaker, segment.start_seconds, segment.text) for segment in read(body, "a.md").segments]
    assert got == [
        ("Ann", 241.06, "a"),
        ("Ann", 242.0, "b"),
        ("Bo", 302.0, "c"),
        ("Ann", 3723.0, "d"),
        ("Bo", 330.0, "e"),
        ("Ann", 360.0, "f"),
        ("Bo", None, "g"),
        ("Bo", 420.0, "h (8:00) i"),
    ]


def test_a_break_is_nobody() -> None:
    """thechangelog's ``**Break**`` and its stamp are no speech, and date nothing that follows."""
    transcript = read("**Ann:** a\n\n**Break**: \\[17:11\\]\n\n**Ann:** b", "a.md")
    assert transcript.segments == (Segment(text="a", speaker="Ann"), Segment(text="b", speaker="Ann"))
    assert spoken(read("**Ann:** a\n\n**Jingle:** la la", "a.md")) == [("Ann", "a"), (None, "la la")]


def test_a_bold_number_is_no_name() -> None:
    """What has no letter speaks to nobody, so a year in bold stays a part of the text."""
    assert spoken(read("**Ann:** a\n\n**2024:** b", "a.md")) == [("Ann", "a\n\n2024: b")]


def test_plain_names_with_times_are_turns() -> None:
    """bitcointranscripts' two forms: the time after the name on a line of its own, or in brackets before the colon."""
    body = "Ann van Lee: 00:01:35\n\nHi.\nYou know: yes.\n\nBo: 1:02:03\n\nOk.\n\nAnn van Lee [2:03:04]: So."
    got = [(segment.speaker, segment.start_seconds, segment.text) for segment in read(body, "a.md").segments]
    assert got == [
        ("Ann van Lee", 95.0, "Hi.\nYou know: yes."),
        ("Bo", 3723.0, "Ok."),
        ("Ann van Lee", 7384.0, "So."),
    ]


def test_plain_names_are_turns_where_there_are_several() -> None:
    """A name that recurs opens turns, line by line or after blank lines; one that comes once must be capitalised."""
    body = "maaku: Hi.\nJoe Poon: Hello.\nmaaku: So.\n\nI said to him: no.\n\nSee: https://x.org"
    assert spoken(read(body, "a.md")) == [
        ("maaku", "Hi."),
        ("Joe Poon", "Hello."),
        ("maaku", "So.\n\nI said to him: no.\n\nSee: https://x.org"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "Remember: rest the dough.\n\nAnn Lee: she taught me.",
        "Note: rest.\n\nIt rises.\n\nNote: wait.",
        "Oven: 00:30:00\n\nThen eat.",
        "Proposed Timeline: a\n\nNext Steps: b\n\nOpen Questions: c",
        "Intro 0:00\nSetup 1:20\nThe End 9:10",
    ],
)
def test_a_few_colons_or_times_are_no_turns(body: str) -> None:
    """Without several turns such lines are a part of the text, so nothing said is taken for a name."""
    assert spoken(read(body, "a.md")) == [(None, paragraph) for paragraph in body.split("\n\n")]


def test_one_word_that_comes_once_is_a_name_only_where_all_else_is_turns() -> None:
    """In a file of turns alone a single name counts, if capitalised; among other paragraphs it is a word."""
    turns = "Ann: a\n\nBo: b\n\nAnn: c\n\nBo: d\n\n"
    assert spoken(read(f"{turns}Cy: e\n\nwell: f", "a.md"))[-1] == ("Cy", "e\n\nwell: f")
    assert spoken(read(f"{turns}So.\n\nYes.\n\nRemember: e", "a.md"))[-1] == (
        "Bo",
        "d\n\nSo.\n\nYes.\n\nRemember: e",
    )


def test_an_abbreviated_name_is_the_name_it_was_introduced_with() -> None:
    """``Ann Lee (AL):`` says who AL is; the front matter's speakers count as names."""
    body = "---\nspeakers: [Bo]\n---\nAnn Lee (AL): Hi.\n\nBo: Hello.\n\nAL: So.\n\nAL: Yes."
    assert [who for who, _ in spoken(read(body, "a.md"))] == ["Ann Lee", "Bo", "Ann Lee", "Ann Lee"]


def test_markup_is_reduced_to_its_text() -> None:
    """Links, emphasis, code, tags, quotes, bullets and escapes leave their words; rules and images leave none."""
    body = (
        'See [the *best* loaf](http://x.org/a_(b) "t") and ![img](a.png)**now**, __so__ _it_ is `hot` ~~cold~~.\n'
        "> quoted <strike>home</strike> <!-- gone -->\n- 2 * 3 * 4 and snake_case_name\n\n---\n\n"
        "[ref]: http://x.org\n\\[laughs\\] \\*not\\* <http://x.org> f***"
    )  # fmt: skip
    assert texts(read(body, "a.md")) == [
        "See the best loaf and now, so it is hot cold.\nquoted home \n2 * 3 * 4 and snake_case_name",
        "[laughs] *not* http://x.org f***",
    ]


# --- plain text -----------------------------------------------------------------------------------------


def test_paragraphs_of_plain_text_are_segments() -> None:
    """Text without marks is one segment a paragraph, and nothing in it is taken for markup."""
    assert texts(read("One *two*\nthree.\n\n\n# 4 [a](b)", "a.txt")) == ["One *two*\nthree.", "# 4 [a](b)"]


def test_known_fields_may_stand_at_the_top() -> None:
    """``Key: value`` lines before the first empty line are metadata; an unknown one among them is noted."""
    head = "Title: My loaf: part 1\nCreator: Ann\nVideo ID: kR3v_9TqLxA\ndate: 2026-08-14\nlanguage: en\nHost: Bo"
    assert read(f"{head}\n\nHi.\n\nYou.", "a.txt") == Transcript(
        segments=(Segment(text="Hi."), Segment(text="You.")),
        title="My loaf: part 1",
        creator="Ann",
        video_id="kR3v_9TqLxA",
        published="2026-08-14",
        language="en",
        notes=("unknown fields at the top were left out: host",),
    )


def test_a_first_paragraph_that_is_no_block_of_fields_is_speech() -> None:
    """A known key counts only if it is the first and all lines of the block are fields."""
    for text in ("Host: Bo\nTitle: x", "Title: x\nand so on", "So\nTitle: x"):
        assert read(f"{text}\n\nHi.", "a.txt").title is None
        assert texts(read(f"{text}\n\nHi.", "a.txt")) == [text, "Hi."]


def test_youtubes_transcript_panel_pasted() -> None:
    """A time alone on a line dates the lines after it; a time of day inside a line does not."""
    got = timed(read("0:00\nwelcome back\n1:02\nat 10:30 we\n5:30 is early\n1:00:03\nbye", "a.txt"))
    assert got == [("welcome back", 0, None), ("at 10:30 we\n5:30 is early", 62, None), ("bye", 3603, None)]


def test_names_in_plain_text_are_turns() -> None:
    """Otter's and Meet's plain text has turns as Markdown has, and names with a time on a line of their own."""
    assert spoken(read("Ann: Hi.\nBo: Hello.\nAnn: So.", "a.txt")) == [
        ("Ann", "Hi."),
        ("Bo", "Hello."),
        ("Ann", "So."),
    ]
    otter = read("Ann Lee  0:03\nHi.\n\nBo  0:05\nHello.\n\nAnn Lee  1:00\nSo.\n\nBo  1:02\nBye.", "a.txt")
    assert [(segment.speaker, segment.start_seconds) for segment in otter.segments] == [
        ("Ann Lee", 3),
        ("Bo", 5),
        ("Ann Lee", 60),
        ("Bo", 62),
    ]


# --- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_unicode_is_read_with_or_without_its_mark(encoding: str) -> None:
    """UTF-8 with and without BOM and UTF-16 with either BOM give the same text and no note."""
    content = (
        "\ufeff" if encoding == "utf-16-be" else ""
    ) + "WEBVTT\r\n\r\n00:01.000 --> 00:02.000\r\nnaïve 中"
    transcript = read(content.encode(encoding), "a.vtt")
    assert texts(transcript) == ["naïve 中"]
    assert transcript.notes == ()


def test_all_newlines_are_newlines() -> None:
    """Files of old Macs, Windows and Unix read alike, and a text keeps none of the other two."""
    for newline in ("\r", "\r\n", "\n"):
        cue = newline.join(["WEBVTT", "", "00:01.000 --> 00:02.000", "one", "two", ""])
        assert texts(read(cue, "a.vtt")) == ["one", "two"]


def test_a_refusal_is_one_line_whatever_the_name() -> None:
    """A newline in a file's name does not break the message."""
    assert "\n" not in str(refusal("", "a\nb.vtt"))


def test_windows_1252_is_read_and_noted() -> None:
    """What is not UTF-8 is read as Windows-1252, and never silently."""
    transcript = read("caf\u00e9 \u201cok\u201d".encode("cp1252"), "a.txt")
    assert texts(transcript) == ["caf\u00e9 \u201cok\u201d"]
    assert "Windows-1252" in transcript.notes[0]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a.png"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a.txt"),
        (b"%PDF-1.7\nhello", "a.txt"),
        (b"hello\x00there", "a.vtt"),
        (b"hello " * 20_000 + b"\x00", "a.txt"),
        (b"ID3\x03caf\xe9\x01", "a.txt"),
        (b"\x81\x8d\x8f", "a.txt"),
        (b"<?xml version='1.0'?><rss/>", "a.txt"),
        (b"<!DOCTYPE html><p>hello</p>", "a.txt"),
        (b"a,b\n1,2", "a.csv"),
    ],
)
def test_other_kinds_of_file_are_not_transcripts(content: bytes, name: str) -> None:
    """Images, PDFs, binaries, XML and unknown kinds are refused as such, with the file and a remedy."""
    error = refusal(content, name)
    assert isinstance(error, NotATranscript)
    assert re.search(r"[;] (export|save|name) (it as|that column) ", str(error))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("", "a.vtt"),
        ("\ufeff \n\n", "a.txt"),
        ("WEBVTT", "a.vtt"),
        ("WEBVTT\n\nno time", "a.vtt"),
        ("1", "a.srt"),
        ('{"segments": []}', "a.json"),
        ('{"wireMagic": "pb3", "events": []}', "a.json3"),
        ('{"segments": [', "a.json"),
        ("# Only a title", "a.md"),
        ("title: Only a title", "a.txt"),
    ],
)
def test_a_known_format_with_nothing_to_read_is_broken(content: str, name: str) -> None:
    """An empty or cut file of a known format is broken, not of another kind, and the remedy is to export again."""
    error = refusal(content, name)
    assert isinstance(error, BrokenTranscript)
    assert "export it again" in str(error)


def test_why_nothing_could_be_read_is_told() -> None:
    """The notes that would have been lost with the transcript are in the message."""
    error = refusal("WEBVTT\n\n00:0x.000 --> 00:03.000\ntwo", "a.vtt")
    assert "WebVTT" in str(error)
    assert "1 cue without a readable time was skipped" in str(error)


def test_what_cannot_be_opened_is_bad_input(tmp_path: Path) -> None:
    """A path that is not there, or is a folder, is the caller's mistake and neither kind of file."""
    for path in (tmp_path / "absent.vtt", tmp_path):
        with pytest.raises(BadInput, match="check the path") as caught:
            read_transcript(path)
        assert type(caught.value) is BadInput


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("2026-08-14 Some title [kR3v_9TqLxA].en.vtt", ("kR3v_9TqLxA", "Some title")),
        ("20260814 - Some title [kR3v_9TqLxA].vtt", ("kR3v_9TqLxA", "Some title")),
        ("Some [live] title [kR3v_9TqLxA].en-orig.json3", ("kR3v_9TqLxA", "Some [live] title")),
        ("v1.2 is out [kR3v_9TqLxA].md", ("kR3v_9TqLxA", "v1.2 is out")),
        ("[kR3v_9TqLxA].vtt", ("kR3v_9TqLxA", None)),
        ("kR3v_9TqLxA.vtt", ("kR3v_9TqLxA", None)),
        ("-R3v_9TqLxA.en.vtt", ("-R3v_9TqLxA", None)),
        ("20260814_kR3v_9TqLxA.en.vtt", ("kR3v_9TqLxA", None)),
        ("2026-08-14 kR3v_9TqLxA.txt", ("kR3v_9TqLxA", None)),
        ("kR3v_9TqLxA_2026-08-14.srt", ("kR3v_9TqLxA", None)),
        ("2026-08-14_go-time-315.md", (None, None)),
        ("Some title-kR3v_9TqLxA.vtt", (None, None)),
        ("Some title [kR3v_9TqLx].vtt", (None, None)),
        ("My talk [Full-Length].vtt", (None, None)),
        ("go-time-315.md", (None, None)),
        ("transcripts.md", (None, None)),
        ("Interesting.txt", (None, None)),
        ("2026-08-14-.txt", (None, None)),
    ],
)
def test_identity_from_names(name: str, identity: tuple[str | None, str | None]) -> None:
    """yt-dlp's bracketed id and a bare id are ids; words of eleven letters are not, nor is a hyphenated tail."""
    assert identity_from_name(Path("some folder") / name)[:2] == identity


def test_a_date_and_wide_marks_in_names() -> None:
    """The date in front is when the video was published; yt-dlp's wide marks are those of the title."""
    named = identity_from_name(Path("2026-08-14 Why\uff1f Part 1\u29f82\uff1a rye [kR3v_9TqLxA].en.vtt"))
    assert named == ("kR3v_9TqLxA", "Why? Part 1/2: rye", "2026-08-14")
    assert identity_from_name(Path("20260814 - Rye [kR3v_9TqLxA].vtt")).published == "2026-08-14"
    assert identity_from_name(Path("2026-99-14 Rye [kR3v_9TqLxA].vtt")).published is None
    for name in (
        "20260814_kR3v_9TqLxA.vtt",
        "kR3v_9TqLxA_2026-08-14.srt",
        "2026-08-14-rye.md",
        "20260814 Rye.txt",
    ):
        assert identity_from_name(Path(name)).published == "2026-08-14"
    assert identity_from_name(Path("1984.txt")).published is None


# --- real files -----------------------------------------------------------------------------------------

WEBVTT_PY: dict[str, tuple[int, tuple[str, ...]] | type[BadInput]] = {
    "captions_with_bom.vtt": (4, ()),
    "comments.vtt": (5, ()),
    "cue_tags.vtt": (3, ()),
    "empty.vtt": BrokenTranscript,
    "invalid.vtt": (7, ()),
    "invalid_format.sbv": BrokenTranscript,
    "invalid_format1.srt": BrokenTranscript,
    "invalid_format4.srt": BrokenTranscript,
    "invalid_timeframe.srt": (5, ()),
    "invalid_timeframe.vtt": (6, ("1 cue without a readable time was skipped",)),
    "invalid_timeframe_in_cue_text.vtt": (3, ()),
    "metadata_headers_multiline.vtt": (2, ()),
    "missing_caption_text.srt": (4, ()),
    "missing_caption_text.vtt": (4, ()),
    "missing_timeframe.srt": (4, ("1 cue without a readable time was skipped",)),
    "missing_timeframe.vtt": (6, ("1 cue without a readable time was skipped",)),
    "netflix_chicas_del_cable.vtt": (1252, ()),
    "no_captions.vtt": BrokenTranscript,
    "sample.srt": (5, ()),
    "sample.vtt": (16, ()),
    "styles.vtt": (1, ()),
    "using_identifiers.vtt": (6, ()),
    "youtube_dl.vtt": (5, ()),
}


@needs_public_data
@pytest.mark.parametrize("name", WEBVTT_PY)
def test_webvtt_pys_files(name: str) -> None:
    """webvtt-py's valid and malformed files give so many lines and those notes, or are refused as that kind."""
    path = PUBLIC_DATA / "captions" / "webvtt-py" / "tests" / "subtitles" / name
    wanted = WEBVTT_PY[name]
    if isinstance(wanted, tuple):
        transcript = read_transcript(path)
        assert (len(transcript.segments), transcript.notes) == wanted
        assert not any(re.search(r"<|-->", text) for text in texts(transcript))
    else:
        with pytest.raises(wanted):
            read_transcript(path)


@needs_public_data
def test_every_caption_file_is_read_or_refused() -> None:
    """Valid or malformed, each file there ends as segments or as one line that says why not."""
    paths = [path for path in (PUBLIC_DATA / "captions").rglob("*") if path.is_file()]
    assert len(paths) > 30
    for path in paths:
        try:
            assert read_transcript(path).segments
        except BadInput as error:
            assert re.fullmatch(rf"{re.escape(str(path))} .+; .+", str(error))


def words_of(text: str) -> Counter[str]:
    return Counter(re.findall(r"[^\W_]+", text))


@needs_public_data
def test_changelog_transcripts_lose_no_speech() -> None:
    """Every word of thechangelog's turns comes back under a speaker, and no mark or name comes with it."""
    paths = sorted((PUBLIC_DATA / "transcripts" / "changelog").glob("*/*.md"))
    assert len(paths) == 46
    for path in paths:
        transcript = read_transcript(path)
        body = re.sub(r"(?m)^(?:\*\*[^*\n]+:\*\*|\*\*[^*\n]+\*\*:)", "", path.read_text("utf-8"))
        body = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", body)
        body = re.sub(r"\\\[[\d:.]+\\\]|\]\([^\n]*?\)(?=\W|\Z)|(?m:^#.*)|</?strike>", " ", body)
        lost = words_of(body) - words_of(" ".join(texts(transcript)))
        assert lost.total() < 0.002 * words_of(body).total(), (path, lost)
        assert all(segment.speaker for segment in transcript.segments), path
        assert "Break" not in {segment.speaker for segment in transcript.segments}
        assert not any(re.search(r"\\\[|\]\(|^\*\*", text) for text in texts(transcript)), path


@needs_public_data
def test_changelog_stamps_only_go_forward() -> None:
    """A stamp is a time in the episode, so within a file the times never go back."""
    for path in (PUBLIC_DATA / "transcripts" / "changelog").glob("*/*.md"):
        starts = [
            segment.start_seconds
            for segment in read_transcript(path).segments
            if segment.start_seconds is not None
        ]
        assert starts == sorted(starts), path


BITCOIN_SPEAKERS = {
    "bitcoin-explained/bitcoin-core-v25.md": {"Aaron van Wirdum", "Sjors Provoost"},
    "bitcoin-explained/silent-payments-part-2.md": {"Speaker 0", "Speaker 1", "Speaker 2", "Speaker 3"},
    "bitcoin-explained/taproot-activation-lockinontimeout.es.md": {
        None,
        "Aaron van Wirdum",
        "Sjors Provoost",
    },
    "bitcoin-explained/why-open-source-matters-for-bitcoin.md": {"Aaron van Wirdum", "Sjors Provoost"},
    "chaincode-podcast/2021-05-12-matt-corallo-ldk.md": {None, "Adam Jonas", "Matt Corallo", "Murch"},
    "chaincode-podcast/utxos-chaincode-decoded.md": {"John Newbery", "Adam Jonas"},
    "mit-bitcoin-expo/2020-03-07-andrew-poelstra-taproot.md": {None},
    "mit-bitcoin-expo/maaku-panel.md": {None, "maaku", "Q", "Jonas", "andytoshi", "Joseph", "Joseph Poon"},
    "mit-bitcoin-expo/r3.md": {None, "Q", "A"},
    "stephan-livera-podcast/2021-09-29-thomas-jestopher-and-anthony-potdevin.md": {
        None,
        "Stephan Livera",
        "Tony",
        "Jestopher",
    },
    "stephan-livera-podcast/2022-08-02-jonas-nick-tim-ruffing.md": {
        None,
        "Stephan Livera",
        "Jonas Nick",
        "Tim Ruffing",
    },
}


@needs_public_data
@pytest.mark.parametrize("name", BITCOIN_SPEAKERS)
def test_bitcointranscripts_speakers(name: str) -> None:
    """In each of that collection's styles the speakers are those who speak, and no sentence is taken for a name."""
    transcript = read_transcript(PUBLIC_DATA / "transcripts" / "bitcointranscripts" / name)
    assert {segment.speaker for segment in transcript.segments} == BITCOIN_SPEAKERS[name]


@needs_public_data
def test_bitcointranscripts_metadata() -> None:
    """Every file has its front matter's title and nothing of it as speech; ids of videos are not shared."""
    paths = sorted((PUBLIC_DATA / "transcripts" / "bitcointranscripts").glob("*/*.md"))
    assert len(paths) == 40
    transcripts = [read_transcript(path) for path in paths]
    assert all(transcript.title for transcript in transcripts)
    assert not any("transcript_by" in text for transcript in transcripts for text in texts(transcript))
    ids = [transcript.video_id for transcript in transcripts if transcript.video_id]
    assert len(ids) == len(set(ids)) >= 15
    dated = [transcript.published for transcript in transcripts if transcript.published]
    assert all(re.fullmatch(r"20[12]\d-\d\d-\d\d", published) for published in dated)
    assert len(dated) == 35


@needs_public_data
def test_qmsum_meetings_have_a_segment_a_line() -> None:
    """Turns line by line without blank lines are one segment each, whoever speaks twice in a row."""
    path = PUBLIC_DATA / "questions" / "qmsum" / "corpus" / "meeting_000.md"
    lines = [line for line in path.read_text("utf-8").split("\n") if line.strip()]
    assert spoken(read_transcript(path)) == [
        tuple(re.split(r":\s", line.strip(), maxsplit=1)) for line in lines
    ]
