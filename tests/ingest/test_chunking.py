"""Chunks: whole sentences, never longer than the model reads, each a slice with its time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import WINDOW_PIECES, chunks_of, script_of, windows_of
from ingest.transcripts import Segment, Transcript
from rag.documents import Chunk
from rag.embedding import HashingEmbedder
from rag.tokens import counter_for

COUNTER = counter_for("cl100k_base")
PIECES = HashingEmbedder().pieces
WORD = st.text(alphabet="abcé", min_size=1, max_size=9)
SENTENCE = st.lists(WORD, min_size=1, max_size=40).map(lambda words: " ".join(words).capitalize() + ".")
LONG = st.lists(WORD, min_size=140, max_size=200).map(" ".join)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Timed or untimed segments of one or two speakers, with and without sentence marks."""
    texts = draw(st.lists(SENTENCE | LONG, min_size=1, max_size=8))
    timed = draw(st.booleans())
    return Transcript(
        segments=tuple(
            Segment(
                text=text,
                start_seconds=10.0 * i if timed else None,
                end_seconds=10.0 * i + 8 if timed else None,
                speaker=draw(st.sampled_from([None, "Lena", "Amadou"])),
            )
            for i, text in enumerate(texts)
        )
    )


def chunked(transcript: Transcript) -> tuple[str, list[Chunk]]:
    """The text and its chunks."""
    script = script_of(transcript, PIECES)
    return script.text, chunks_of(
        script, windows_of(script), [COUNTER], creator="mara", video_id="v1", title="T"
    )


@given(transcripts())
def test_a_chunk_is_a_slice_that_the_model_reads_whole(transcript: Transcript) -> None:
    """Each chunk is a slice of the text, ends with a sentence, and is never past a window."""
    text, chunks = chunked(transcript)
    for place, chunk in enumerate(chunks):
        assert chunk.text == text[chunk.start_char : chunk.end_char]
        assert PIECES([chunk.text])[0] <= WINDOW_PIECES
        assert list(chunk.sentence_ends) == sorted(set(chunk.sentence_ends))
        assert chunk.sentence_ends[-1] == len(chunk.text)
        assert chunk.position == place
        assert chunk.is_opening == (place == 0)
        assert chunk.tokens == {"cl100k_base": COUNTER.count(chunk.text)}


@given(transcripts())
def test_nothing_that_was_said_is_left_out(transcript: Transcript) -> None:
    """Every character but the space between sentences is in some chunk; chunks go forward."""
    text, chunks = chunked(transcript)
    covered = {at for chunk in chunks for at in range(chunk.start_char, chunk.end_char)}
    assert all(text[at] == " " for at in range(len(text)) if at not in covered)
    assert [c.start_char for c in chunks] == sorted({c.start_char for c in chunks})


@given(transcripts())
def test_times_lie_in_the_transcript_and_go_forward(transcript: Transcript) -> None:
    """Chunks have times where the transcript has, in order, and inside it."""
    _, chunks = chunked(transcript)
    starts = [chunk.start_seconds for chunk in chunks]
    if transcript.segments[0].start_seconds is None:
        assert starts == [None] * len(chunks)
        return
    known = [start for start in starts if start is not None]
    assert known == sorted(known)
    assert len(known) == len(starts)
    for chunk in chunks:
        assert chunk.start_seconds is not None
        assert chunk.end_seconds is not None
        assert 0 <= chunk.start_seconds <= chunk.end_seconds <= 10.0 * len(transcript.segments) - 2


@given(transcripts())
def test_the_same_transcript_gives_the_same_chunks(transcript: Transcript) -> None:
    """Ids depend on content and place alone, and differ from each other."""
    _, chunks = chunked(transcript)
    assert chunked(transcript)[1] == chunks
    assert len({chunk.id for chunk in chunks}) == len(chunks)


@given(transcripts())
def test_windows_lie_side_by_side_and_over_every_border(transcript: Transcript) -> None:
    """Windows that begin where the last one ended hold each sentence once; the others lie over a border of two."""
    windows = windows_of(script_of(transcript, PIECES))
    assert windows == sorted(set(windows))
    side_by_side = windows[:1]
    for first, after in windows[1:]:
        if first == side_by_side[-1][1]:
            side_by_side.append((first, after))
        else:
            assert side_by_side[-1][0] <= first < side_by_side[-1][1] < after
    assert side_by_side[-1][1] == len(script_of(transcript, PIECES).sentences)


def test_windows_overlap_by_about_half() -> None:
    """Of sentences alike, a window shares half of its text with the one before and half with the one after."""
    sentences = [f"Sentence number {n} has exactly eight words here." for n in range(40)]
    _, chunks = chunked(Transcript(segments=tuple(Segment(text=s) for s in sentences)))
    assert len(chunks) > 4
    for before, after in pairwise(chunks):
        shared = before.end_char - after.start_char
        assert 0.35 * len(before.text) <= shared <= 0.65 * len(before.text)


def test_a_window_names_those_who_speak_in_it() -> None:
    """In the order in which they begin, each once; nobody where the transcript names none."""
    turns = [("Lena", "We open."), ("Amadou", "At nine?"), ("Lena", "Nine sharp.")]
    said = tuple(Segment(text=text, speaker=speaker) for speaker, text in turns)
    assert chunked(Transcript(segments=said))[1][0].speakers == ("Lena", "Amadou")
    assert chunked(Transcript(segments=(Segment(text="We open."),)))[1][0].speakers == ()


def test_a_day_without_a_full_stop_is_cut_at_its_pauses_in_linear_time() -> None:
    """A million characters without a mark become windows that begin where somebody paused."""
    line = "and then we knead the dough for as long as it takes to come together"
    segments = tuple(
        Segment(text=line, start_seconds=10.0 * n, end_seconds=10.0 * n + 4) for n in range(15_000)
    )
    _, chunks = chunked(Transcript(segments=segments))
    assert all(chunk.text.startswith("and then we knead") for chunk in chunks)


def test_a_sentence_never_runs_over_a_change_of_speaker() -> None:
    """Words without marks still end where somebody else begins."""
    transcript = Transcript(
        segments=(
            Segment(text="we open at nine", speaker="Lena"),
            Segment(text="Nine sharp.", speaker="Amadou"),
        )
    )
    script = script_of(transcript, PIECES)
    assert [script.text[s.start : s.end] for s in script.sentences] == ["we open at nine", "Nine sharp."]


def test_a_time_inside_a_segment_is_in_proportion() -> None:
    """The second half of a ten-second segment begins after about five seconds."""
    transcript = Transcript(
        segments=(Segment(text="Aaaa bbbb. Cccc dddd.", start_seconds=10, end_seconds=20),)
    )
    script = script_of(transcript, PIECES)
    assert script.sentences[1].start_seconds == round(10 + 10 * 11 / 21, 3)


def test_times_between_stamps_are_in_proportion() -> None:
    """A transcript with a stamp every few minutes still has a time for every sentence, in order."""
    segments = [
        Segment(text=f"Sentence {n:03} is here.", start_seconds=60.0 * n if n % 5 == 2 else None)
        for n in range(12)
    ]
    times = [s.start_seconds for s in script_of(Transcript(segments=tuple(segments)), PIECES).sentences]
    assert [times[2], times[7]] == [120.0, 420.0]
    assert times == pytest.approx([60.0 * n for n in range(12)])
    untimed = script_of(Transcript(segments=(Segment(text="One. Two."),)), PIECES)
    assert [s.start_seconds for s in untimed.sentences] == [None, None]


def test_the_opening_is_the_first_two_sentences() -> None:
    """Where the hook is: the first two sentences, or what there is."""
    script = script_of(Transcript(segments=(Segment(text="One is here. Two is here. Three."),)), PIECES)
    assert script.opening() == "One is here. Two is here."
    assert script_of(Transcript(segments=()), PIECES).opening() == ""
