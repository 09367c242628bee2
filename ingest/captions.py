"""Captions with times: WebVTT, SubRip, YouTube json3 and openai-whisper JSON, from text to transcript.

Each ``is_...`` looks at a file's content alone, each ``read_...`` returns what could be read and never raises:
no segments means that nothing could be. What was skipped is counted in ``notes``.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ingest.transcripts import Segment, Transcript

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TIME: Final = r"(?:([0-9]{1,4}):)?([0-9]{1,3}):([0-9]{1,2})(?:[.,]([0-9]{1,9}))?"
_TIMING: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_MEANT_AS_TIMING: Final = re.compile(r"\s*[0-9]{1,4}:[0-9].*-->")
_HEADER: Final = re.compile(r"WEBVTT(?=[ \t\n]|\Z)")
_HEADER_LANGUAGE: Final = re.compile(r"Language:\s*(\S+)\s*")
_NO_CUE: Final = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|\Z)|::cue|X-TIMESTAMP-MAP")
_VOICE: Final = re.compile(r"<v(?:\.[^\s<>]*)?(?:\s+([^<>]*))?>|</v>", re.IGNORECASE)
_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG: Final = re.compile(
    r"</?(?:c|i|b|u|s|ruby|rt|lang|font|em|strong|span)(?:[.\s][^<>]*)?>"  # <c.yellow>, <lang en>, <font color=red>
    r"|<(?:[0-9]{1,4}:)?[0-9]{1,2}:[0-9]{2}(?:[.,][0-9]{1,3})?>"  # YouTube's time of a word
    r"|\{\\[^{}]*\}",  # {\an8}: a place on the screen
    re.IGNORECASE,
)
_MINUTE: Final = 60


def is_webvtt(text: str) -> bool:
    """Tell whether ``text`` begins with the WebVTT header."""
    return _HEADER.match(text.lstrip()) is not None


def is_subrip(text: str) -> bool:
    """Tell whether ``text`` begins with a cue: its times, alone or after one line that is its number."""
    return any(_TIMING.fullmatch(line) for line in text[:4096].lstrip().split("\n")[:2])


def is_json3(text: str) -> bool:
    """Tell whether ``text`` is YouTube's json3: an object whose ``events`` have times or text."""
    data = _object_with("events", text)
    return data is not None and (
        "wireMagic" in data
        or any(
            isinstance(event, dict) and ("segs" in event or "tStartMs" in event) for event in data["events"]
        )
    )


def is_whisper(text: str) -> bool:
    """Tell whether ``text`` is openai-whisper's JSON, or whisperX's: an object whose ``segments`` have text."""
    data = _object_with("segments", text)
    return data is not None and (
        not data["segments"]
        or any(isinstance(segment, dict) and "text" in segment for segment in data["segments"])
    )


def read_webvtt(text: str) -> Transcript:
    """Read WebVTT: each line of each cue is one segment with the cue's times.

    So YouTube's rolling captions keep every repeat; ``ingest.cleaning`` takes the repeats out, and can do so
    exactly because lines stay apart. ``<v Name>`` names the speaker until it ends. ``Language:`` in the header
    is the language. NOTE, STYLE and REGION blocks are passed over.
    """
    lines = text.lstrip().split("\n")
    notes: tuple[str, ...] = ()
    language = None
    first = 0
    if is_webvtt(text):
        first = 1
        while first < len(lines) and lines[first].strip() and not _TIMING.fullmatch(lines[first]):
            named = _HEADER_LANGUAGE.fullmatch(lines[first])
            language = named[1] if named else language
            first += 1
    else:
        notes = ("the WEBVTT header is missing; the cues were read without it",)
    segments, skipped = _read_cues(lines[first:], webvtt=True)
    return Transcript(segments=segments, language=language, notes=notes + skipped)


def read_subrip(text: str) -> Transcript:
    """Read SubRip: each line of each cue is one segment with the cue's times, as ``read_webvtt`` has it.

    Times may have commas or dots, and cues need no numbers.
    """
    segments, notes = _read_cues(text.split("\n"), webvtt=False)
    return Transcript(segments=segments, notes=notes)


def read_json3(text: str) -> Transcript:
    """Read YouTube's json3: each event with text is one segment; numbers may be strings.

    Events without ``segs`` (windows) and those that hold only a newline are no speech and not counted.
    """
    build = _Builder()
    for event in (_object_with("events", text) or {"events": []})["events"]:
        pieces = event.get("segs", []) if isinstance(event, dict) else None
        if not isinstance(pieces, list):
            build.unreadable += 1
            continue
        words = [piece["utf8"] for piece in pieces if isinstance(piece, dict) and "utf8" in piece]
        start, duration = _number(event.get("tStartMs")), _number(event.get("dDurationMs"))
        build.add(
            "".join(words) if all(isinstance(word, str) for word in words) else None,
            None if start is None else start / 1000,
            None if start is None or duration is None else (start + duration) / 1000,
        )
    return Transcript(segments=tuple(build.segments), notes=build.notes("event"))


def read_whisper(text: str) -> Transcript:
    """Read openai-whisper's JSON: each of its segments is one segment; whisperX adds the ``speaker``."""
    data = _object_with("segments", text) or {"segments": []}
    build = _Builder()
    for segment in data["segments"]:
        if not isinstance(segment, dict):
            build.unreadable += 1
            continue
        speaker = segment.get("speaker")
        build.add(
            segment.get("text"),
            _number(segment.get("start")),
            _number(segment.get("end")),
            speaker.strip() or None if isinstance(speaker, str) else None,
        )
    language = data.get("language")
    return Transcript(
        segments=tuple(build.segments),
        language=language.strip() or None if isinstance(language, str) else None,
        notes=build.notes("segment"),
    )


class _Builder:
    """Segments in the making, and a count of what was wrong with their sources."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.unreadable = 0
        self._untimed = 0
        self._backwards = 0

    def add(self, text: Any, start: float | None, end: float | None, speaker: str | None = None) -> None:
        """Add a segment; one without words is none, one whose text is no text is unreadable."""
        if not isinstance(text, str):
            self.unreadable += 1
            return
        if not text.strip():
            return
        if start is None:
            self._untimed += 1
            end = None
        elif end is not None and end < start:
            self._backwards += 1
            end = start
        self.segments.append(
            Segment(text=text.strip(), start_seconds=start, end_seconds=end, speaker=speaker)
        )

    def notes(self, source: str) -> tuple[str, ...]:
        """Say what was wrong, in terms of what the format calls its parts."""
        return (
            *_counted(self.unreadable, f"{source} without readable text", "skipped"),
            *_counted(self._untimed, f"{source} without a readable time", "kept without one"),
            *_counted(
                self._backwards, f"{source} with an end before the start", "given the start as the end"
            ),
        )


@dataclass(slots=True)
class _Cue:
    """``start_seconds`` is None where the times could not be read. ``late``: a blank line came before the text."""

    start_seconds: float | None
    end_seconds: float
    lines: list[str] = field(default_factory=list)
    late: bool = False


class _CueReader:
    """Cues out of lines: ``feed`` each line, then ``flush``; ``skipped`` counts what had no readable time.

    Forgiving where files are: a cue needs no blank line before it, text may follow its times after a blank
    line, and a line with ``-->`` is text wherever a cue is open and the line does not begin as a time does.
    """

    def __init__(self, *, webvtt: bool) -> None:
        self.cues: list[_Cue] = []
        self.skipped = 0
        self._webvtt = webvtt
        self._cue: _Cue | None = None
        self._loose: list[str] = []  # lines outside of a cue: the next cue's name, or text without a time
        self._in_comment = False
        self._after_blank = True

    def feed(self, line: str) -> None:
        """Take the next line, without its newline."""
        # YouTube's captions hold lines of one space, and WebVTT ends a cue at an empty line only
        if not line.strip() and (self._cue is None or not self._webvtt or not line):
            self._blank()
            return
        timing = _TIMING.fullmatch(line)
        is_comment = self._webvtt and self._after_blank and self._is_between() and _NO_CUE.match(line)
        self._after_blank = False
        if (
            timing
            or _MEANT_AS_TIMING.match(line)
            or ("-->" in line and self._cue is None and not is_comment and not self._in_comment)
        ):
            self._open(timing)
        elif is_comment:
            self._cue, self._in_comment = None, True
        elif self._cue is not None:
            self._cue.lines.append(line)
        elif not self._in_comment:
            self._loose.append(line)

    def flush(self) -> None:
        """Say that no line follows."""
        self._blank()

    def _is_between(self) -> bool:
        return self._cue is None or not self._cue.lines

    def _blank(self) -> None:
        self._after_blank = True
        self._in_comment = False
        self.skipped += bool(self._loose)
        self._loose.clear()
        if self._cue is not None and self._cue.lines:
            self._cue = None
        elif self._cue is not None:
            self._cue.late = True

    def _open(self, timing: re.Match[str] | None) -> None:
        """Begin a cue; the line before its times may be its name."""
        self.skipped += len(self._loose) > 1
        self._loose.clear()
        self._in_comment = False
        before = self._cue.lines if self._cue is not None else []
        if self._cue is not None and before:
            named_after_blank = self._cue.late and len(before) == 1
            if named_after_blank or (not self._webvtt and before[-1].strip().isdecimal()):
                before.pop()
        start = end = None
        if timing is not None:
            start, end = _clock(*timing.group(1, 2, 3, 4)), _clock(*timing.group(5, 6, 7, 8))
        if start is None or end is None:
            self.skipped += 1
            self._cue = _Cue(None, 0.0)
        else:
            self._cue = _Cue(start, end)
        self.cues.append(self._cue)


def _read_cues(lines: Iterable[str], *, webvtt: bool) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Read cues into segments, one a line, and notes."""
    reader = _CueReader(webvtt=webvtt)
    for line in lines:
        reader.feed(line)
    reader.flush()
    backwards = 0
    segments: list[Segment] = []
    for cue in reader.cues:
        if cue.start_seconds is None:
            continue
        backwards += cue.end_seconds < cue.start_seconds
        end = max(cue.start_seconds, cue.end_seconds)
        segments.extend(
            Segment(text=text, start_seconds=cue.start_seconds, end_seconds=end, speaker=speaker)
            for text, speaker in _spoken(cue.lines)
        )
    return tuple(segments), (
        *_counted(reader.skipped, "cue without a readable time", "skipped"),
        *_counted(backwards, "cue with an end before the start", "given the start as the end"),
    )


def _spoken(lines: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Yield a cue's lines without tags, each with its speaker; a line with two voices is two."""
    speaker = None
    for line in lines:
        at = 0
        for voice in (*_VOICE.finditer(line), None):
            piece = line[at : voice.start() if voice else len(line)]
            text = _TAG.sub("", _BREAK.sub(" ", piece)).strip()
            if text:
                yield text, speaker
            if voice:
                at = voice.end()
                speaker = (voice[1] or "").strip() or None


def _clock(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float | None:
    """Turn ``(hours:)minutes:seconds(.fraction)`` into seconds, to the millisecond; None if there is no such time."""
    if int(seconds) >= _MINUTE or (hours is not None and int(minutes) >= _MINUTE):
        return None
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return (whole * 1000 + int((fraction or "")[:3].ljust(3, "0"))) / 1000


def _number(value: Any) -> float | None:
    """Read a finite number that is not negative, or its decimal spelling; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _object_with(key: str, text: str) -> dict[str, Any] | None:
    """Parse a JSON object in which ``key`` is a list; None for all else."""
    if not text.lstrip().startswith("{") or f'"{key}"' not in text:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get(key), list) else None


def _counted(count: int, what: str, done: str) -> tuple[str, ...]:
    """Word a note about ``count`` things, none for none: "2 cues without a readable time were skipped"."""
    if not count:
        return ()
    noun, _, rest = what.partition(" ")
    return (f"{count} {noun}{'' if count == 1 else 's'} {rest} {'was' if count == 1 else 'were'} {done}",)
