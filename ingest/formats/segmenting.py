"""Segments in the making: what a format says of each stretch of speech, checked, and a count of what was wrong."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from ingest.transcripts import Segment

_LONGEST_SECONDS: Final = 36_000_000.0  # 10,000 hours: what is later is no time in a video
_NUMBER_DIGITS: Final = 64
_CLOCK: Final = re.compile(r"\s*(?:([0-9]{1,4}):)?([0-9]{1,3}):([0-9]{1,2}(?:[.,][0-9]{1,9})?)\s*")
_PART_OF_A_FILE: Final = 10
_CERTAINTY: Final = ("no_speech_prob", "avg_logprob", "compression_ratio")


class SegmentBuilder:
    """Segments out of a format's parts: cues, events, segments or rows, as ``part`` names them in the notes."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._segments: list[Segment] = []
        self._unreadable = 0
        self._untimed = 0
        self._backwards = 0
        self._negative = 0
        self._last_seconds = 0.0
        self._starts: list[int] = [0]  # where the times go back: the first segment of each run

    def skip(self) -> None:
        """Count a part that is none."""
        self._unreadable += 1

    def add(
        self,
        text: object,
        start_seconds: float | None,
        end_seconds: float | None = None,
        speaker: str | None = None,
        certainty: dict[str, float] | None = None,
        *,
        goes_on: bool = False,
    ) -> None:
        """Add a segment; one without words is none, one whose text is no text is counted as unreadable.

        One that ``goes_on`` is of the part before it, whose times are counted already.

        Without a start there is no end either; a time before zero becomes zero, and an end before the start
        becomes the start.
        """
        if not isinstance(text, str):
            self._unreadable += 1
            return
        text = text.strip()
        if not text:
            return
        if start_seconds is None or start_seconds > _LONGEST_SECONDS:
            self._untimed += not goes_on
            start_seconds = end_seconds = None
        else:
            if start_seconds < 0:
                self._negative += not goes_on
                start_seconds = 0.0
            if end_seconds is not None and end_seconds < start_seconds:
                self._backwards += not goes_on
                end_seconds = start_seconds
            if start_seconds < self._last_seconds:
                self._starts.append(len(self._segments))
            self._last_seconds = start_seconds
        self._segments.append(
            Segment(
                text=text,
                start_seconds=start_seconds,
                end_seconds=end_seconds,
                speaker=speaker,
                **(certainty or {}),
            )
        )

    def finish(self) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
        """Return the segments in the order of time, and notes on what was wrong.

        Where the times begin anew and then go on, parts of a video were joined: those keep their order.
        """
        segments = self._segments
        disorder: tuple[str, ...] = ()
        if len(self._starts) > 1:
            runs = [
                after - first
                for first, after in zip(self._starts, [*self._starts[1:], len(segments)], strict=True)
            ]
            if min(runs) >= _PART_OF_A_FILE:
                disorder = counted(
                    len(runs) - 1, f"place at which the {self._part}s' times go back", "kept as in the file"
                )
            else:
                disorder = counted(len(runs) - 1, f"{self._part} that came before its time", "put in order")
                segments = _in_order(segments)
        return tuple(segments), (
            *counted(self._unreadable, f"{self._part} without readable text", "skipped"),
            *counted(self._untimed, f"{self._part} without a readable time", "kept without one"),
            *counted(self._negative, f"{self._part} with a time before zero", "given zero"),
            *counted(
                self._backwards, f"{self._part} with an end before the start", "given the start as the end"
            ),
            *disorder,
        )


def _in_order(segments: list[Segment]) -> list[Segment]:
    """Sort by time; one without a time stays behind the one before it, and equal times keep their order."""
    at = 0.0
    keys: list[float] = []
    for segment in segments:
        at = at if segment.start_seconds is None else segment.start_seconds
        keys.append(at)
    return [segments[index] for index in sorted(range(len(segments)), key=keys.__getitem__)]


def number(value: Any) -> float | None:
    """Read a finite number, or its decimal spelling; None for all else."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, str) and len(value) > _NUMBER_DIGITS:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def seconds_of(value: Any) -> float | None:
    """Read a time in seconds: a number, or a text such as ``1:02:03.5``; None for all else."""
    found = number(value)
    if found is None and isinstance(value, str) and (clock := _CLOCK.fullmatch(value[:_NUMBER_DIGITS])):
        hours, minutes, seconds = clock.groups()
        found = round((int(hours or 0) * 60 + int(minutes)) * 60 + float(seconds.replace(",", ".")), 3)
    return found


def certainty_of(part: dict[str, Any]) -> dict[str, float]:
    """Return what a recogniser says of its own certainty, under the names of ``Segment``."""
    return {name: value for name in _CERTAINTY if (value := number(part.get(name))) is not None}


def name_of(value: Any) -> str | None:
    """Return a speaker's name on one line; None where ``value`` names nobody."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000:  # noqa: PLR2004
        return f"Speaker {value}"
    return " ".join(value.split()) or None if isinstance(value, str) else None


def counted(count: int, what: str, done: str) -> tuple[str, ...]:
    """Word a note about ``count`` things, none for none: "2 cues without a readable time were skipped"."""
    if not count:
        return ()
    noun, _, rest = what.partition(" ")
    return (f"{count} {noun}{'' if count == 1 else 's'} {rest} {'was' if count == 1 else 'were'} {done}",)
