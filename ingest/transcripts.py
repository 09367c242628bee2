"""A transcript as it was read: who, which video, and what was said when."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of speech as the source gives it: a cue, a segment, a turn or a paragraph.

    ``start_seconds`` and ``end_seconds`` are None where the source has no times. ``speaker`` is None where
    the source names nobody. ``text`` is raw: cleaning comes later.
    """

    text: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What one file says of one video.

    Fields that the file does not state are None; the job fills them from the command line, the folder and
    the file's name. ``published`` is an ISO date.
    """

    segments: tuple[Segment, ...]
    title: str | None = None
    creator: str | None = None
    video_id: str | None = None
    published: str | None = None
    language: str | None = None
    notes: tuple[str, ...] = field(default=())
