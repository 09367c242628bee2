from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from reader_samples import SAID, SAMPLES, damaged

from ingest.cleaning import clean
from ingest.readers import BrokenTranscript, NotATranscript, Reading, read_transcripts
from ingest.transcripts import Transcript

FILES_A_FORMAT = 40
SECONDS = 5  # a hang, not a measure: benchmarks/reader_fuzz.py measures


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def reading_of(folder: Path, name: str, content: bytes) -> Reading:
    path = folder / SAMPLES[name][0]
    path.write_bytes(content)
    return read_transcripts(path)


def is_in_order(transcript: Transcript) -> bool:
    return all(
        segment.start_seconds is None
        or (
            segment.start_seconds >= 0
            and (segment.end_seconds is None or segment.end_seconds >= segment.start_seconds)
        )
        for segment in transcript.segments
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_is_read_whole(name: str, tmp_path: Path) -> None:
    """Each sample gives its words in their order, each once after cleaning, and nothing is flagged."""
    reading = reading_of(tmp_path, name, SAMPLES[name][1].encode())
    assert reading.failures == ()
    first = reading.transcripts[0]
    assert first.notes == ()
    said = words_of(" ".join(segment.text for segment in clean(first).segments))
    assert [word for word in said if word != "26"] == [w for w in words_of(" ".join(SAID)) if w != "26"]


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    """Whatever is done to a file, it is read or refused in one line, soon, and what is read can be cleaned."""
    for seed in range(FILES_A_FORMAT):
        content = damaged(name, seed)
        began = time.perf_counter()
        try:
            reading = reading_of(tmp_path, name, content)
        except (NotATranscript, BrokenTranscript) as error:
            assert re.fullmatch(r".+; .+", str(error)), (seed, str(error))
            continue
        assert reading.transcripts, seed
        for transcript in reading.transcripts:
            assert transcript.segments, seed
            assert is_in_order(transcript), seed
            assert is_in_order(clean(transcript)), seed
            "".join(segment.text for segment in transcript.segments).encode()
        assert all("\n" not in failure for failure in reading.failures), seed
        assert time.perf_counter() - began < SECONDS, seed
