"""What a run did with every file, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["added", "updated", "moved", "unchanged", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A file, or a record of one, of which something must be said: that it is no video, or what is odd in it."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A video and what became of it: ``moved`` is one whose file has another name now."""

    path: str
    creator: str
    video_id: str
    status: Status
    chunks: int


@dataclass(slots=True, kw_only=True)
class Report:
    """What a run did. ``tokens`` maps an encoding to the cleaned text's count, windows not counted twice.

    ``transcripts`` is the number of videos that the files given now have in the store: added, updated (those
    that moved among them) and unchanged. ``removed`` counts videos that a changed file no longer is, or no
    longer says anything in, and those whose file is gone, where pruning was asked for. ``files`` says it for each video; ``failed`` and
    ``skipped`` list the files that are none.
    """

    transcripts: int = 0
    chunks: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[Unread] = field(default_factory=list)
    skipped: list[Unread] = field(default_factory=list)
    notes: list[Unread] = field(default_factory=list)
    files: list[Done] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: bytes of transcript done, of all, and the file it is at."""

    done_bytes: int
    total_bytes: int
    path: str
