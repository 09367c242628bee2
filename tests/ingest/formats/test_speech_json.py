from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.readers import BrokenTranscript, NotATranscript, Reading, read_transcripts
from ingest.transcripts import Segment, Transcript


def read_all(data: Any, folder: Path) -> Reading:
    path = folder / "talk.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return read_transcripts(path)


def read(data: Any, folder: Path) -> Transcript:
    reading = read_all(data, folder)
    assert reading.failures == ()
    (transcript,) = reading.transcripts
    return transcript


def timed(transcript: Transcript) -> list[tuple[str, float | None, float | None]]:
    return [(segment.text, segment.start_seconds, segment.end_seconds) for segment in transcript.segments]


CERTAINTY = {"no_speech_prob": 0.9, "avg_logprob": -1.2, "compression_ratio": 2.6}


def test_whispers_certainty_is_kept(tmp_path: Path) -> None:
    """The three numbers come through where they are numbers, and are None where they are not."""
    part = {"start": 1, "end": 2, "text": "Thanks for watching!"}
    broken = {**part, "no_speech_prob": "NaN", "avg_logprob": None, "compression_ratio": True}
    transcript = read({"segments": [{**part, **CERTAINTY}, broken]}, tmp_path)
    assert transcript.segments == (
        Segment(text=part["text"], start_seconds=1, end_seconds=2, **CERTAINTY),  # type: ignore[arg-type]
        Segment(text=part["text"], start_seconds=1, end_seconds=2),  # type: ignore[arg-type]
    )


def test_named_tuples_of_faster_whisper(tmp_path: Path) -> None:
    """A list of arrays is a dump of its segments, by place."""
    rows = [
        [1, 0, 0.5, 2.0, " Hi", [5], 0.0, -0.4, 1.5, 0.1, None],
        [2, 0, 2.0, 3.0, " you", [6], -0.4, 1.5, 0.1, None],
    ]
    first, second = read(rows, tmp_path).segments
    assert first == Segment(
        text="Hi",
        start_seconds=0.5,
        end_seconds=2.0,
        avg_logprob=-0.4,
        compression_ratio=1.5,
        no_speech_prob=0.1,
    )
    assert (second.text, second.avg_logprob) == ("you", None)  # of another version, whose order is not known


def test_whisperx_speakers_of_words(tmp_path: Path) -> None:
    """A segment without a speaker has that of most of its words; words without times are no fault."""
    words = [
        {"word": "a", "speaker": "B"},
        {"word": "20"},
        {"word": "c", "speaker": "A"},
        {"word": "d", "speaker": "A"},
    ]
    transcript = read({"segments": [{"start": 0, "end": 1, "text": "a 20 c d", "words": words}]}, tmp_path)
    assert transcript.segments[0].speaker == "A"
    assert transcript.notes == ()


def test_words_alone_become_sentences(tmp_path: Path) -> None:
    """A segment ends at the end of a sentence, at a pause and where another speaks; a number has its neighbour's time."""
    words = [
        {"word": "It", "start": 0.0, "end": 0.2},
        {"word": "is", "start": 0.2, "end": 0.4},
        {"word": "26."},
        {"word": "So", "start": 1.0, "end": 1.2},
        {"word": "then", "start": 5.0, "end": 5.2},
        {"word": "no", "start": 5.3, "end": 5.4, "speaker": "B"},
        {"start": 9},
    ]
    transcript = read({"word_segments": words}, tmp_path)
    assert timed(transcript) == [
        ("It is 26.", 0.0, 0.4),
        ("So", 1.0, 1.2),
        ("then", 5.0, 5.2),
        ("no", 5.3, 5.4),
    ]
    assert transcript.notes == ("1 word without readable text was skipped",)


def test_words_bring_their_spaces_or_none(tmp_path: Path) -> None:
    """Whisper's words begin with their space, OpenAI's have none, and Japanese is written without."""
    for words, text in (
        ([" It", " is", "n't"], "It isn't"),
        (["It", "is"], "It is"),
        (["今日", "は"], "今日は"),
    ):
        data = {"words": [{"word": word, "start": at, "end": at} for at, word in enumerate(words)]}
        assert [part.text for part in read(data, tmp_path).segments] == [text]


def test_assemblyais_times_are_milliseconds(tmp_path: Path) -> None:
    """Utterances come first, then sentences, then words; its own id is not the video's."""
    part = {"text": "Hi there.", "start": 1500, "end": 2250, "speaker": "A", "confidence": 0.9}
    data = {
        "id": "5551722-f677",
        "audio_url": "https://e.org/a.mp3",
        "status": "completed",
        "text": "Hi there.",
    }
    for key in ("utterances", "sentences"):
        transcript = read({**data, key: [part], "language_code": "en_us"}, tmp_path)
        assert timed(transcript) == [("Hi there.", 1.5, 2.25)]
        assert (transcript.video_id, transcript.language) == (None, "en_us")
    words = [{"text": "Hi", "start": 100, "end": 200}, {"text": "there.", "start": 200, "end": 300}]
    assert timed(read({**data, "words": words}, tmp_path)) == [("Hi there.", 0.1, 0.3)]
    assert timed(read({**data, "words": []}, tmp_path)) == [("Hi there.", None, None)]


def test_a_failed_job_is_broken(tmp_path: Path) -> None:
    """What went wrong there is told, in one line."""
    with pytest.raises(
        BrokenTranscript, match=r"status is 'error' \(Download error\); export it when it is done"
    ):
        read({"id": "x", "status": "error", "error": "Download\nerror", "text": None}, tmp_path)


def test_the_api_of_youtubes_transcripts(tmp_path: Path) -> None:
    """A list of snippets, an object of one video, a list of those, lists by id, and a list of lists are all read."""
    snippets = [{"text": "Hi", "start": 1.5, "duration": 2}, {"text": "you", "start": 3, "duration": 1}]
    assert timed(read(snippets, tmp_path)) == [("Hi", 1.5, 3.5), ("you", 3, 4)]
    one = {"snippets": snippets, "video_id": "kR3v_9TqLxA", "language_code": "de"}
    transcript = read(one, tmp_path)
    assert (transcript.video_id, transcript.language, transcript.record) == ("kR3v_9TqLxA", "de", None)
    for data in (
        [one, {**one, "video_id": "b"}],
        {"kR3v_9TqLxA": snippets, "b": snippets},
        [{"kR3v_9TqLxA": snippets, "b": snippets}, []],
    ):
        found = read_all(data, tmp_path).transcripts
        assert [(video.video_id, video.record) for video in found] == [
            ("kR3v_9TqLxA", "item 1"),
            ("b", "item 2"),
        ]
    assert [video.video_id for video in read_all([snippets, snippets], tmp_path).transcripts] == [None, None]


def test_what_surrounds_the_segments_says_of_which_video(tmp_path: Path) -> None:
    """Title, channel and id beside Whisper's segments are the transcript's."""
    data = {"title": "Rye", "channel": "Mara", "videoId": "kR3v_9TqLxA", "upload_date": "20260814"}
    transcript = read({**data, "segments": [{"start": 0, "end": 1, "text": "Hi"}]}, tmp_path)
    assert (transcript.title, transcript.creator, transcript.video_id, transcript.published) == (
        "Rye",
        "Mara",
        "kR3v_9TqLxA",
        "2026-08-14",
    )


@pytest.mark.parametrize(
    "data",
    [
        {
            "id": "kR3v_9TqLxA",
            "title": "t",
            "formats": [{"url": "x"}],
            "automatic_captions": {"en": [{"ext": "vtt"}]},
        },
        {"videos": [{"id": "a", "title": "t"}, {"id": "b", "title": "u"}]},
        {"kR3v_9TqLxA": {"title": "t", "url": "https://e.org"}},
        [{"video_id": "a", "title": "t", "transcript": "transcripts/a.vtt"}],
    ],
)
def test_metadata_is_no_transcript(data: Any, tmp_path: Path) -> None:
    """JSON that only says which videos there are is used for those, and refused as a transcript."""
    with pytest.raises(
        NotATranscript, match=r"is metadata, not a transcript; it is used for the transcripts beside it"
    ):
        read_all(data, tmp_path)


def test_numbers_of_any_length_and_kind(tmp_path: Path) -> None:
    """Ten thousand digits, 1e400 and NaN are times that cannot be read; their words are kept."""
    for number in ("9" * 10_000, "1e400", "NaN", "-Infinity", '"1e400"', "[]"):
        transcript = read(f'{{"segments": [{{"text": "Hi", "start": {number}, "end": 1}}]}}', tmp_path)
        assert timed(transcript) == [("Hi", None, None)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"segments": [{"text": "a", "x": ' + "[" * 100_000, "nested too deep"),
        ('{"segments": [{"text": "a"', "not whole JSON"),
        ('[{"text": "a", "start": 1', "not whole JSON"),
    ],
)
def test_json_that_cannot_be_parsed_is_broken(text: str, why: str, tmp_path: Path) -> None:
    """Cut or nested too deep, with the remedy to export it again."""
    with pytest.raises(BrokenTranscript, match=rf"{why}.*; export it again"):
        read_all(text, tmp_path)


def test_plain_text_may_begin_with_a_bracket(tmp_path: Path) -> None:
    """``[Music]`` and ``{laughs}`` begin no JSON."""
    path = tmp_path / "talk.txt"
    for text in ("[Music] Hi there", "{laughs} Hi"):
        path.write_text(text)
        assert read_transcripts(path).transcripts[0].segments[0].text == text
