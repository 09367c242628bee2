"""A transcript as it was read: who, which video, and what was said when."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of speech as the source gives it: a cue, a segment, a turn or a paragraph.

    ``start_seconds`` and ``end_seconds`` are None where the source has no times. ``speaker`` is None where
    the source names nobody. ``text`` is raw: cleaning comes later. The last three are what openai-whisper
    says of its own certainty, None elsewhere: the probability that nothing was said (0 to 1), the average
    log probability of the tokens (at most 0), and how well the text compresses (repetition compresses well).
    """

    text: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    speaker: str | None = None
    no_speech_prob: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What one file, or one record of a file of many, says of one video.

    Fields that the file does not state are None; the job fills them from the command line, the folder and
    the file's name. ``published`` is an ISO date. ``language`` is as the file states it; ``record`` is the place of the record in a file of many (``row 12``, ``line 3``), None for a file of one.
    """

    segments: tuple[Segment, ...]
    title: str | None = None
    creator: str | None = None
    video_id: str | None = None
    published: str | None = None
    language: str | None = None
    record: str | None = None
    notes: tuple[str, ...] = field(default=())
