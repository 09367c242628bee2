"""The values that are stored and found: a video, a chunk of what was said in it, a hit."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """One video as the store knows it.

    ``tokens`` maps an encoding's name to the count of the cleaned text, counted once, however chunks
    overlap. ``opening`` is the video's first sentences. ``language`` is an ISO 639 code.

    ``content_hash`` names the version: it covers everything that its chunks depend on. ``vectors_hash``
    covers what its vectors depend on, the words and where windows begin; a video with an equal one can lend
    them. ``sketch`` is a sample of its words, by which near-identical videos are found, empty where it has
    too few. ``path`` is its file, ``file_hash`` covers the file and all that was read beside it, and
    ``file_videos`` is how many videos that file is; 0 means that some of the file could not be read, so that it
    is read again.
    """

    creator: str
    video_id: str
    title: str
    path: str
    content_hash: str
    chunks: int
    tokens: dict[str, int]
    opening: str
    published: str | None = None
    language: str | None = None
    vectors_hash: str = ""
    sketch: str = ""
    file_hash: str = ""
    file_videos: int = 1

    @property
    def key(self) -> tuple[str, str]:
        """What identifies a video: its creator and its id."""
        return self.creator, self.video_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Whole sentences of one video, as a slice of its cleaned text.

    ``start_char`` and ``end_char`` are offsets into that text: ``text == cleaned[start_char:end_char]``.
    ``sentence_ends`` are the ends of its sentences as offsets into ``text``, ascending; the last one is
    ``len(text)``. Times are seconds, None where the transcript has none. ``position`` counts from 0, which
    is the video's opening. ``speakers`` are those who speak in it, in the order in which they begin; nobody
    where the transcript names none. ``tokens`` maps an encoding's name to the count of ``text``.
    """

    id: str
    creator: str
    video_id: str
    title: str
    text: str
    start_char: int
    end_char: int
    sentence_ends: tuple[int, ...]
    position: int
    start_seconds: float | None = None
    end_seconds: float | None = None
    speakers: tuple[str, ...] = ()
    tokens: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def video(self) -> tuple[str, str]:
        """What identifies the chunk's video: its creator and the video's id."""
        return self.creator, self.video_id

    @property
    def is_opening(self) -> bool:
        """Whether it is how its video begins, where the hook is."""
        return self.position == 0

    @property
    def sentences(self) -> list[str]:
        """Its sentences, in order."""
        return split_at(self.text, self.sentence_ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A chunk that a search found. ``score`` is cosine similarity, -1 to 1, higher is nearer."""

    chunk: Chunk
    score: float


def tidy_name(text: str) -> str:
    r"""A creator's name, an id or a title on one line, composed, and without what separates sources.

    >>> tidy_name(" Mara;\nBakes ")
    'Mara, Bakes'
    """
    return " ".join(unicodedata.normalize("NFC", text).replace(";", ",").split())


def split_at(text: str, ends: Sequence[int]) -> list[str]:
    """The parts of ``text`` that end at ``ends``, without the space around them.

    >>> split_at("Rye. Wheat.", [4, 11])
    ['Rye.', 'Wheat.']
    """
    return [text[start:end].strip() for start, end in zip((0, *ends[:-1]), ends, strict=True)]


def clock(seconds: float | None) -> str:
    """Seconds as ``mm:ss``, or ``h:mm:ss`` past an hour; an empty string where there is no time.

    >>> clock(83.9), clock(3723), clock(None)
    ('01:23', '1:02:03', '')
    """
    if seconds is None:
        return ""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute:02}:{second:02}"


def source_of(creator: str, video_id: str, start_seconds: float | None) -> str:
    """How a place in a video is cited: ``creator/video_id@mm:ss``, without ``@`` where there is no time.

    >>> source_of("mara", "x1", 83.9)
    'mara/x1@01:23'
    """
    time = clock(start_seconds)
    return f"{creator}/{video_id}@{time}" if time else f"{creator}/{video_id}"
