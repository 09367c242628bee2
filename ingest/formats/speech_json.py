"""Recognisers' JSON, already parsed, to transcripts: Whisper and those built on it, and AssemblyAI.

openai-whisper, OpenAI's own ``verbose_json`` and faster-whisper's dumps have ``segments``; whisperX adds the
speakers, of a segment or of its words. Where there are only words, they are put into segments here. Times are
in seconds, but AssemblyAI's in milliseconds. Nothing here raises but ``BrokenTranscript`` for a failed job.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from ingest.formats.segmenting import SegmentBuilder, certainty_of, name_of, seconds_of
from ingest.reading import BrokenTranscript
from ingest.transcripts import Transcript

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_MILLISECONDS: Final = 0.001
_START_KEYS: Final = ("start", "start_time", "offset")
_END_KEYS: Final = ("end", "end_time")
_DURATION_KEYS: Final = ("duration", "dur")
_NAMED_TUPLE: Final = 8  # faster-whisper's: id, seek, start, end, text, tokens, and then by version
_CERTAINTY_AT: Final = {11: {7: "avg_logprob", 8: "compression_ratio", 9: "no_speech_prob"}}
_NEW_SENTENCE_SECONDS: Final = 1.0
_WORDS_A_SEGMENT: Final = 40
_SENTENCE_ENDS: Final = (".", "?", "!", "\u2026", "\u3002", "\uff1f", "\uff01")
_UNSPACED: Final = "\u2e80"  # from here on scripts are written without spaces


def is_pieces(data: Any) -> bool:
    """Tell whether ``data`` is a list of stretches of speech: objects with a text and a time, or named tuples."""
    return isinstance(data, list) and any(_is_piece(part) for part in data[:8])


def _is_piece(part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(part.get("text"), str) and any(
            key in part for key in (*_START_KEYS, *_DURATION_KEYS)
        )
    return isinstance(part, list) and len(part) >= _NAMED_TUPLE and isinstance(part[4], str)


def read_pieces(data: list[Any]) -> Transcript:
    """Read a list of stretches of speech: youtube-transcript-api's, or a dump of faster-whisper's segments."""
    return _of_segments(data)


def is_whisper(data: Any) -> bool:
    """Tell whether ``data`` is Whisper's or whisperX's: ``segments`` with text, or only words."""
    if not isinstance(data, dict):
        return False
    segments = data.get("segments")
    if isinstance(segments, list):
        return not segments or any(
            (isinstance(part, dict) and "text" in part) or _is_piece(part) for part in segments
        )
    return any(
        isinstance(words := data.get(key), list)
        and any(isinstance(word, dict) and "word" in word for word in words)
        for key in ("words", "word_segments")
    )


def read_whisper(data: dict[str, Any]) -> Transcript:
    """Read Whisper's: each of its segments is one; from words alone, sentences are."""
    segments = data.get("segments")
    words = data.get("words") or data.get("word_segments")
    if segments or not isinstance(words, list):
        return _of_segments(segments if isinstance(segments, list) else [])
    return _of_words(words, key="word")


def is_assembly(data: Any) -> bool:
    """Tell whether ``data`` is AssemblyAI's: utterances, or words that have a ``text``."""
    if not isinstance(data, dict):
        return False
    if data.get("status") in {"error", "queued", "processing"} and ("audio_url" in data or "error" in data):
        return True
    return any(
        isinstance(parts := data.get(key), list)
        and any(isinstance(part, dict) and "text" in part and "start" in part for part in parts)
        for key in ("utterances", "sentences", "paragraphs", "words")
    )


def read_assembly(data: dict[str, Any]) -> Transcript:
    """Read AssemblyAI's: its utterances with their speakers, else its sentences, else its words.

    Raises ``BrokenTranscript`` where the job that should have made it failed or has not ended.
    """
    status = data.get("status")
    if status in {"error", "queued", "processing"}:
        why = " ".join(str(data.get("error") or "")[:200].split()) if status == "error" else ""
        said = f" ({why})" if why else ""
        raise BrokenTranscript(
            f"is of a job at AssemblyAI whose status is '{status}'{said}; export it when it is done"
        )
    for key in ("utterances", "sentences", "paragraphs"):
        parts = data.get(key)
        if isinstance(parts, list) and parts:
            return _of_segments(parts, scale=_MILLISECONDS)
    words = data.get("words")
    return _of_words(words if isinstance(words, list) else [], key="text", scale=_MILLISECONDS)


def _of_segments(parts: Iterable[Any], *, scale: float = 1.0) -> Transcript:
    build = SegmentBuilder("segment")
    for part in parts:
        if isinstance(part, list) and _is_piece(part):
            names = _CERTAINTY_AT.get(len(part), {})
            build.add(
                part[4],
                seconds_of(part[2]),
                seconds_of(part[3]),
                certainty=certainty_of({name: part[at] for at, name in names.items()}),
            )
        elif isinstance(part, dict):
            start, end = _times(part, scale)
            build.add(part.get("text"), start, end, _speaker(part), certainty_of(part))
        else:
            build.skip()
    segments, notes = build.finish()
    return Transcript(segments=segments, notes=notes)


def _times(part: Mapping[str, Any], scale: float) -> tuple[float | None, float | None]:
    """Return start and end in seconds."""
    start = next((seconds_of(part[key]) for key in _START_KEYS if key in part), None)
    end = next((seconds_of(part[key]) for key in _END_KEYS if key in part), None)
    if end is None and start is not None:
        duration = next((seconds_of(part[key]) for key in _DURATION_KEYS if key in part), None)
        end = None if duration is None else start + duration
    if scale == 1.0:
        return start, end
    return (
        None if start is None else round(start * scale, 3),
        None if end is None else round(end * scale, 3),
    )


def _speaker(part: Mapping[str, Any]) -> str | None:
    """Return who speaks: as the part says, else as most of its words do."""
    named = name_of(part.get("speaker"))
    words = part.get("words")
    if named is not None or not isinstance(words, list):
        return named
    by_word = Counter(
        name for word in words if isinstance(word, dict) and (name := name_of(word.get("speaker")))
    )
    return by_word.most_common(1)[0][0] if by_word else None


def _of_words(words: Iterable[Any], *, key: str, scale: float = 1.0) -> Transcript:
    """Put words into segments: a sentence, or what is said between two pauses, by one speaker."""
    build = SegmentBuilder("word")
    for group in _sentences(words, key, scale, build):
        starts = [start for _, start, _, _ in group if start is not None]
        ends = [end for _, _, end, _ in group if end is not None]
        build.add(
            _joined([word for word, _, _, _ in group]),
            min(starts) if starts else None,
            max(ends) if ends else None,
            group[0][3],
        )
    segments, notes = build.finish()
    return Transcript(segments=segments, notes=notes)


_Word = tuple[str, float | None, float | None, str | None]


def _sentences(words: Iterable[Any], key: str, scale: float, build: SegmentBuilder) -> Iterator[list[_Word]]:
    group: list[_Word] = []
    last_end: float | None = None
    for word in words:
        text = word.get(key) if isinstance(word, dict) else None
        if not isinstance(text, str):
            build.skip()
            continue
        start, end = _times(word, scale)
        if start is None:
            start = end = last_end  # whisperX gives numbers no time
        speaker = name_of(word.get("speaker")) or (group[-1][3] if group else None)
        pauses = start is not None and last_end is not None and start - last_end > _NEW_SENTENCE_SECONDS
        if group and (pauses or speaker != group[-1][3] or len(group) >= _WORDS_A_SEGMENT):
            yield group
            group = []
        group.append((text, start, end, speaker))
        last_end = end if end is not None else last_end
        if text.rstrip().endswith(_SENTENCE_ENDS):
            yield group
            group = []
    if group:
        yield group


def _joined(words: Iterable[str]) -> str:
    """Join words that may bring their own spaces, and of scripts that have none."""
    pieces: list[str] = []
    last = " "
    words = list(words)
    if any(word[:1].isspace() for word in words[1:]):
        return "".join(words)
    for word in words:
        if not word:
            continue
        if not (last.isspace() or word[0].isspace() or (last >= _UNSPACED and word[0] >= _UNSPACED)):
            pieces.append(" ")
        pieces.append(word)
        last = word[-1]
    return "".join(pieces)
