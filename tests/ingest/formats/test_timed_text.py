from __future__ import annotations

from pathlib import Path

import pytest
from samples import PUBLIC_DATA, needs_public_data

from ingest.formats.timed_text import is_timed_text, read_timed_text
from ingest.readers import BrokenTranscript, NotATranscript, read_transcripts
from ingest.transcripts import Transcript


def timed(transcript: Transcript) -> list[tuple[str, float | None, float | None]]:
    return [(segment.text, segment.start_seconds, segment.end_seconds) for segment in transcript.segments]


@pytest.mark.parametrize(
    ("xml", "segments"),
    [
        ('<transcript><text start="1.5" dur="2">Hi &lt;i&gt;you&lt;/i&gt;</text></transcript>', ("Hi you", 1.5, 3.5)),
        ('<timedtext><text t="1500" d="2000">Hi you</text></timedtext>', ("Hi you", 1.5, 3.5)),
        ('<timedtext format="3"><body><p t="1500" d="2000"><s>Hi</s><s t="9"> you</s></p></body></timedtext>',
         ("Hi you", 1.5, 3.5)),
        ('<tt xmlns="http://www.w3.org/ns/ttml"><body><p begin="00:00:01.500" end="3.5s">Hi<br/>you</p></body></tt>',
         ("Hi you", 1.5, 3.5)),
        ('<tt><body><p begin="1500ms" dur="00:00:02:11">Hi you</p></body></tt>', ("Hi you", 1.5, 3.5)),
        ('<transcript><text start="-1" dur="x">Hi</text></transcript>', ("Hi", 0.0, None)),
        ("<transcript><text>Hi</text></transcript>", ("Hi", None, None)),
    ],
)  # fmt: skip
def test_each_kind_of_xml_has_its_times(xml: str, segments: tuple[str, float, float]) -> None:
    """srv1 in seconds, srv2 and srv3 in milliseconds, TTML as it says, with tags and escaped tags gone."""
    assert is_timed_text(xml)
    assert timed(read_timed_text(xml)) == [segments]


def test_a_language_is_read() -> None:
    """``xml:lang`` and ``lang`` of the root are the language."""
    assert read_timed_text('<tt xml:lang="de"><p begin="1s">Hi</p></tt>').language == "de"
    assert read_timed_text('<transcript lang="fr"><text start="1">Hi</text></transcript>').language == "fr"


def test_what_comes_before_a_break_is_read() -> None:
    """A bare ampersand, or the end of the file, ends the reading there, and the notes say in which line."""
    cut = '<transcript>\n<text start="1" dur="2">Hi</text>\n<text start="3" dur="2">you & me</text></transcript>'
    transcript = read_timed_text(cut)
    assert timed(transcript)[0] == ("Hi", 1, 3)
    assert transcript.notes == ("its XML is broken in line 3; what comes after it was left out",)


def test_entities_are_refused(tmp_path: Path) -> None:
    """A bomb is never expanded, whether the document type comes first or later."""
    bomb = "".join(f'<!ENTITY a{at} "{f"&a{at - 1};" * 10}">' for at in range(1, 12))
    doctype = f'<!DOCTYPE t [<!ENTITY a0 "x">{bomb}]>'
    text = '<text start="1" dur="1">&a11;</text></transcript>'
    path = tmp_path / "talk.xml"
    path.write_text(f"<?xml version='1.0'?>{doctype}<transcript>{text}")
    with pytest.raises(NotATranscript, match="is XML or HTML"):
        read_transcripts(path)
    path.write_text(f"<?xml version='1.0'?><!-- {'a' * 100} --><transcript>{doctype}{text}")
    with pytest.raises(BrokenTranscript, match="XML"):
        read_transcripts(path)
    path = tmp_path / "talk.srv1"
    path.write_text(f"{doctype}<transcript>{text}")
    with pytest.raises((BrokenTranscript, NotATranscript)):
        read_transcripts(path)


def test_depth_and_length_take_no_memory() -> None:
    """A hundred thousand open tags are broken XML, not a crash."""
    assert read_timed_text("<transcript>" + "<a>" * 100_000).segments == ()


@needs_public_data
def test_youtube_transcript_apis_file() -> None:
    """Its three cues with words are read, the empty one is none."""
    folder = (
        PUBLIC_DATA / "captions" / "youtube-transcript-api" / "youtube_transcript_api" / "test" / "assets"
    )
    (transcript,) = read_transcripts(folder / "transcript.xml.static").transcripts
    assert [(start, end) for _, start, end in timed(transcript)] == [(0, 1.54), (1.54, 5.7), (5.7, 8.939)]
    assert not any("<" in text for text, _, _ in timed(transcript))
