"""Transcripts written as text, Markdown or plain, to segments: who speaks, from when, and the words.

A turn, or what follows a time stamp, is one segment; text that has neither is one segment a paragraph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.formats.front_matter import METADATA_KEYS, metadata_of, split_front_matter
from ingest.formats.markup import blocks, without_long_spaces, without_marks
from ingest.formats.stamps import INNER_TIME, LEADING_TIME, ONLY_TIME, stamped_seconds
from ingest.formats.turns import Turn, bold_turns, has_bold_turn, plain_turns
from ingest.transcripts import Segment, Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def is_markdown(text: str) -> bool:
    """Tell whether ``text`` has front matter, begins with a heading, or has ``**Name:**`` turns."""
    return bool(
        re.match(r"---[ \t]*\n\s*[\w-]+\s*:", text)
        or re.match(r"\s*#{1,6}\s+\S", text)
        or has_bold_turn(text.split("\n"))
    )


def read_markdown(text: str) -> Transcript:
    """Read Markdown: front matter, turns, stamps; links become their text, marks and headings go.

    The first ``# heading`` is the title where the front matter has none. ``video_id`` may come from a
    ``media`` or ``url`` field that links to a YouTube video as a whole. Raises ``FrontMatterError``.
    """
    front, body = split_front_matter(text)
    metadata, notes = metadata_of(front)
    lines, heading = blocks(without_long_spaces(body))
    if heading:
        metadata.setdefault("title", heading)
    speakers = front.get("speakers")
    turns = bold_turns(lines) or plain_turns(lines, speakers if isinstance(speakers, list) else [])
    return Transcript(segments=_segments(lines, turns, inline=without_marks), notes=notes, **metadata)


def read_plain(text: str) -> Transcript:
    """Read plain text: paragraphs, or turns and stamps where there are any.

    ``Key: value`` lines before the first empty line are metadata if the first key is a known one.
    """
    text = without_long_spaces(text)
    head, *rest = re.split(r"\n\s*\n", text.strip("\n"), maxsplit=1)
    pairs = [line.partition(":") for line in head.split("\n")]
    fields = {re.sub(r"[ -]", "_", key.strip().lower()): value.strip() for key, _, value in pairs}
    known = {key for keys in METADATA_KEYS.values() for key in keys}
    metadata: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    if next(iter(fields)) in known and all(colon for _, colon, _ in pairs):
        metadata, notes = metadata_of(fields)
        text = "".join(rest)
        unknown = [key for key in fields if key not in known]
        if unknown:
            notes += (f"unknown fields at the top were left out: {', '.join(unknown)}",)
    lines = text.split("\n")
    return Transcript(segments=_segments(lines, plain_turns(lines, []), inline=str), notes=notes, **metadata)


@dataclass(slots=True)
class _SegmentBuilder:
    """Segments out of turns, stamps, lines and ends of paragraphs, in the order of the file."""

    inline: Callable[[str], str]
    segments: list[Segment] = field(default_factory=list)
    _speaker: str | None = None
    _start_seconds: float | None = None
    _awaits_turn: bool = False  # a stamp on a line of its own also dates the turn that follows it
    _lines: list[str] = field(default_factory=list)

    def turn(self, speaker: str | None, rest: str) -> None:
        """Take the line that opens a turn."""
        self.flush()
        self._speaker = speaker
        if not self._awaits_turn:
            self._start_seconds = None
        self.line(rest)
        self._awaits_turn = False

    def line(self, line: str) -> None:
        """Take a line of text, with or without stamps."""
        if ":" not in line:
            self._add(line)
            return
        leading = ONLY_TIME.fullmatch(line) or LEADING_TIME.match(line)
        at = 0
        for stamp in (
            *([leading] if leading else []),
            *INNER_TIME.finditer(line, leading.end() if leading else 0),
        ):
            self._add(line[at : stamp.start()])
            self.flush()
            self._start_seconds = stamped_seconds(stamp[0])
            self._awaits_turn = True
            at = stamp.end()
        self._add(line[at:])

    def end_paragraph(self) -> None:
        """Take an empty line: a turn goes on over it."""
        if self._speaker is None:
            self.flush()
        else:
            self._lines.append("")

    def flush(self) -> None:
        """End the segment."""
        text = self.inline("\n".join(self._lines)).strip()
        self._lines.clear()
        if text:
            self.segments.append(Segment(text=text, start_seconds=self._start_seconds, speaker=self._speaker))
            self._start_seconds = None
            self._awaits_turn = False

    def _add(self, text: str) -> None:
        if text.strip():
            self._lines.append(text)


def _segments(
    lines: Iterable[str], turns: Mapping[int, Turn], *, inline: Callable[[str], str]
) -> tuple[Segment, ...]:
    """Build the segments; ``inline`` takes what is markup out of a segment's text."""
    build = _SegmentBuilder(inline)
    for index, line in enumerate(lines):
        if index in turns:
            build.turn(*turns[index])
        elif line.strip():
            build.line(line)
        else:
            build.end_paragraph()
    build.flush()
    return tuple(build.segments)
