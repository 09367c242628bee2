"""A cleaned transcript into windows of whole sentences, each a slice with its time."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import sentencex

from ingest.transcripts import Transcript
from rag.documents import Chunk
from rag.tokens import TokenCounter

WINDOW_PIECES = 128
PAUSE_SECONDS = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, or a part of one that was too long, as a slice ``[start, end)`` of the text.

    ``pieces`` is its length in the embedding model's own pieces.
    """

    start: int
    end: int
    pieces: int
    start_seconds: float | None
    end_seconds: float | None
    speaker: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What was said, as one text with a place in time for every character.

    Segments are joined by a space. ``sentences`` cover all of ``text`` but the spaces between them.
    """

    text: str
    sentences: tuple[Sentence, ...]

    def opening(self, sentences: int = 2) -> str:
        """The first sentences: where the hook is."""
        return self.text[: self.sentences[min(sentences, len(self.sentences)) - 1].end] if self.text else ""


def script_of(
    transcript: Transcript,
    pieces: Callable[[Sequence[str]], list[int]],
    *,
    window_pieces: int = WINDOW_PIECES,
) -> Script:
    """Join a cleaned transcript's segments and find its sentences.

    A sentence never runs over a change of speaker. Where a stretch has no sentence marks, as in older
    automatic captions, pauses of 2.5 seconds and, failing those, segments end a sentence. A piece longer
    than a window is cut at words. ``pieces`` counts the embedding model's pieces of each text.
    """
    text, starts = _joined(transcript)
    spans = [
        span
        for turn in _turns(transcript, starts, len(text))
        for span in _sentence_spans(text, turn, transcript.language or "en")
    ]
    sizes = pieces([text[left:right] for left, right in spans])
    while any(size > window_pieces for size in sizes):
        shorter: list[tuple[int, int]] = []
        for (left, right), size in zip(spans, sizes, strict=True):
            if size <= window_pieces or right - left == 1:
                shorter.append((left, right))
            else:  # half a window each, so that windows of them overlap as others do
                limit = max(1, (right - left) * window_pieces // (2 * size))
                shorter += _cut(text, left, right, limit, _pauses(transcript, starts, left, right))
        if shorter == spans:
            break  # single characters of more pieces than a window
        spans, sizes = shorter, pieces([text[left:right] for left, right in shorter])
    begins = _times(transcript, starts, [left for left, _ in spans])
    ends = _times(transcript, starts, [right for _, right in spans])
    said_in = [bisect_right(starts, left) - 1 for left, _ in spans]
    return Script(
        text=text,
        sentences=tuple(
            Sentence(
                start=left,
                end=right,
                pieces=size,
                start_seconds=begin,
                end_seconds=end,
                speaker=transcript.segments[segment].speaker,
            )
            for (left, right), size, begin, end, segment in zip(
                spans, sizes, begins, ends, said_in, strict=True
            )
        ),
    )


def windows_of(script: Script, *, window_pieces: int = WINDOW_PIECES) -> list[tuple[int, int]]:
    """Windows of at most ``window_pieces``, as half-open ranges of sentences, in the order they begin.

    Windows that lie side by side hold everything; over each border between two of them lies one more, of
    the last sentences of the one and the first of the other, up to half a window of each. So whatever is
    said at a border is whole somewhere, and the model need not read it again (``Embedder.embed_windows``).
    """
    sizes = [sentence.pieces for sentence in script.sentences]
    side_by_side: list[tuple[int, int]] = []
    start = filled = 0
    for at, size in enumerate(sizes):
        if at > start and filled + size > window_pieces:
            side_by_side.append((start, at))
            start, filled = at, 0
        filled += size
    if sizes:
        side_by_side.append((start, len(sizes)))
    windows = side_by_side[:1]
    for (before, border), (_, after) in pairwise(side_by_side):
        start = border - _fitting(sizes[before:border][::-1], window_pieces // 2)
        end = border + _fitting(sizes[border:after], window_pieces // 2)
        if start < border < end and (start, end) != windows[-1]:
            windows.append((start, end))
        windows.append((border, after))
    return windows


def _fitting(sizes: Sequence[int], room: int) -> int:
    """How many of ``sizes`` fit from the first on."""
    return sum(filled <= room for filled in accumulate(sizes))


def chunks_of(
    script: Script,
    windows: Sequence[tuple[int, int]],
    counters: Sequence[TokenCounter],
    *,
    creator: str,
    video_id: str,
    title: str,
) -> list[Chunk]:
    """A chunk a window. Ids depend on the creator, the video, the place and the text alone."""
    chunks: list[Chunk] = []
    for position, (first, after) in enumerate(windows):
        inside = script.sentences[first:after]
        start, end = inside[0].start, inside[-1].end
        text = script.text[start:end]
        identity = "\0".join((creator, video_id, str(start), text))
        speakers = dict.fromkeys(sentence.speaker for sentence in inside if sentence.speaker)
        chunks.append(
            Chunk(
                id=hashlib.sha256(identity.encode()).hexdigest()[:16],
                creator=creator,
                video_id=video_id,
                title=title,
                text=text,
                start_char=start,
                end_char=end,
                sentence_ends=tuple(sentence.end - start for sentence in inside),
                position=position,
                start_seconds=inside[0].start_seconds,
                end_seconds=inside[-1].end_seconds,
                speakers=tuple(speakers),
                tokens={counter.encoding: counter.count(text) for counter in counters},
            )
        )
    return chunks


def _joined(transcript: Transcript) -> tuple[str, list[int]]:
    """The text, and where each segment starts in it."""
    starts: list[int] = []
    length = 0
    for segment in transcript.segments:
        starts.append(length)
        length += len(segment.text) + 1
    return " ".join(segment.text for segment in transcript.segments), starts


def _times(transcript: Transcript, starts: Sequence[int], chars: Sequence[int]) -> list[float | None]:
    """When each of ``chars`` was said: in proportion between the times that the transcript states.

    A transcript may state a time for every line, or one every few minutes. Before the first it is taken to
    begin at zero; after the last it goes on at its average pace. Without any time all are None.
    """
    known: dict[int, float] = {}
    for start, segment in zip(starts, transcript.segments, strict=True):
        if segment.start_seconds is not None:
            known.setdefault(start, segment.start_seconds)
        if segment.end_seconds is not None:
            known.setdefault(start + len(segment.text), segment.end_seconds)
    if not known:
        return [None] * len(chars)
    known.setdefault(0, 0.0)
    places = sorted(known)
    seconds = np.maximum.accumulate([known[place] for place in places])
    pace = (seconds[-1] - seconds[0]) / max(1, places[-1] - places[0])
    at = np.asarray(chars, dtype=float)
    times = np.interp(at, places, seconds) + np.maximum(0.0, at - places[-1]) * pace
    return [round(float(time), 3) for time in times]


def _turns(transcript: Transcript, starts: list[int], length: int) -> list[tuple[int, int]]:
    """Spans in which one speaker speaks."""
    said = transcript.segments
    borders = [0]
    borders += [starts[i] for i in range(1, len(starts)) if said[i].speaker != said[i - 1].speaker]
    ends = [*(border - 1 for border in borders[1:]), length]
    return [(start, end) for start, end in zip(borders, ends, strict=True) if start < end]


def _sentence_spans(text: str, turn: tuple[int, int], language: str) -> list[tuple[int, int]]:
    """The sentences of a turn, without the space around them."""
    spans: list[tuple[int, int]] = []
    position, end = turn
    for sentence in sentencex.segment(language, text[position:end]):
        left = position + len(sentence) - len(sentence.lstrip())
        right = position + len(sentence.rstrip())
        position += len(sentence)
        if left < right:
            spans.append((left, right))
    return spans


def _pauses(transcript: Transcript, starts: list[int], left: int, right: int) -> list[int]:
    """Where segments begin inside a span: those after a pause, or all where there is no pause."""
    inside = range(max(1, bisect_right(starts, left)), bisect_left(starts, right))
    after_pause = [
        starts[index]
        for index in inside
        if (before := transcript.segments[index - 1].end_seconds) is not None
        and (begins := transcript.segments[index].start_seconds) is not None
        and begins - before >= PAUSE_SECONDS
    ]
    return after_pause or [starts[index] for index in inside]


def _cut(text: str, left: int, right: int, limit: int, borders: list[int]) -> list[tuple[int, int]]:
    """A span in parts of at most ``limit`` characters, at the last of ``borders`` that fits or else at words."""
    parts: list[tuple[int, int]] = []
    while right - left > limit:
        at = borders[bisect_right(borders, left + limit) - 1] if borders else 0
        if at <= left:
            space = text.rfind(" ", left + 1, left + limit + 1)
            at = space + 1 if space > left else left + limit
        parts.append((left, left + len(text[left:at].rstrip())))
        left = at
        while left < right and text[left].isspace():
            left += 1
    if left < right:
        parts.append((left, right))
    return parts
