"""Captions with times, written in blocks: WebVTT, SubRip and SBV, from text to transcript.

Each ``is_...`` looks at a file's content alone, each ``read_...`` returns what could be read and never raises:
no segments means that nothing could be. What was skipped is counted in ``notes``.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ingest.formats.segmenting import SegmentBuilder, counted
from ingest.formats.turns import is_name
from ingest.transcripts import Segment, Transcript

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TIME: Final = r"(-)?(?:([0-9]{1,4}):)?([0-9]{1,3}):([0-9]{1,2})(?:[.,]([0-9]{1,9}))?"
_TIMING: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_MEANT_AS_TIMING: Final = re.compile(r"\s*-?[0-9]{1,4}:[0-9].*-->")
_HEADER: Final = re.compile(r"WEBVTT(?=[ \t\n]|\Z)")
_HEADER_LANGUAGE: Final = re.compile(r"Language:\s*(\S+)\s*")
_NO_CUE: Final = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|\Z)|::cue|X-TIMESTAMP-MAP")
_SBV_TIMING: Final = re.compile(
    r"^([0-9]{1,2}:[0-9][^,\s]{0,20}),([0-9]{1,2}:[0-9][^,\s]{0,20})[ \t]*$", re.MULTILINE
)
_VOICE: Final = re.compile(r"<v(?:\.[^\s<>]*)?(?:\s([^<>]*))?>|</v>", re.IGNORECASE)
_MAY_BE_VOICE: Final = re.compile("</?[vV]")
_WORD_TIME: Final = re.compile(r"<[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}>")
_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG: Final = re.compile(
    r"</?(?:c|i|b|u|s|ruby|rt|lang|font|em|strong|span)(?:[.\s][^<>]*)?>"  # <c.yellow>, <lang en>, <font color=red>
    r"|<(?:[0-9]{1,4}:)?[0-9]{1,2}:[0-9]{2}(?:[.,][0-9]{1,3})?>"  # YouTube's time of a word
    r"|\{\\[^{}]*\}",  # {\an8}: a place on the screen
    re.IGNORECASE,
)
_NAMED_LINE: Final = re.compile(r"([^\W\d_][^:<>\n]{0,48}):\s+(\S.*)")
_NAMED_SHARE: Final = 0.8
_CUES_A_NAME: Final = 2
_FEWEST_CUES: Final = 3
_MINUTE: Final = 60


def is_webvtt(text: str) -> bool:
    """Tell whether ``text`` begins with the WebVTT header."""
    return _HEADER.match(text[:4096].lstrip()) is not None


def is_subrip(text: str) -> bool:
    """Tell whether ``text`` begins with a cue: its times, alone or after one line that is its number."""
    return any(_TIMING.fullmatch(line) for line in text[:4096].lstrip().split("\n")[:2])


def is_sbv(text: str) -> bool:
    """Tell whether ``text`` begins with the times of a cue as YouTube's SBV has them: ``0:00:01.0,0:00:02.0``."""
    return _SBV_TIMING.match(text[:4096].lstrip()) is not None


def read_webvtt(text: str) -> Transcript:
    """Read WebVTT: each line of each cue is one segment with the cue's times.

    So YouTube's rolling captions keep every repeat; ``ingest.cleaning`` takes the repeats out, and can do so
    exactly because lines stay apart. ``<v Name>`` names the speaker until it ends; where nearly every cue
    begins with ``Name:``, as Zoom writes it, that does. ``Language:`` in the header is the language. NOTE,
    STYLE and REGION blocks are passed over.
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


def read_sbv(text: str) -> Transcript:
    """Read YouTube's SBV, which is SubRip with a comma between the times."""
    return read_subrip(_SBV_TIMING.sub(r"\1 --> \2", text))


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
        if not line or (line.isspace() and (self._cue is None or not self._webvtt)):
            self._blank()
            return
        has_arrow = "-->" in line
        timing = _TIMING.fullmatch(line) if has_arrow else None
        is_comment = self._webvtt and self._after_blank and self._is_between() and _NO_CUE.match(line)
        self._after_blank = False
        if has_arrow and (
            timing
            or _MEANT_AS_TIMING.match(line)
            or (self._cue is None and not is_comment and not self._in_comment)
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
            parts = timing.groups()
            start, end = _clock(*parts[:5]), _clock(*parts[5:])
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
    cues = [(cue, list(_spoken(cue.lines))) for cue in reader.cues if cue.start_seconds is not None]
    named = _named_cues([lines for _, lines in cues])
    build = SegmentBuilder("cue")
    for cue, spoken in cues:
        for place, (text, speaker) in enumerate(_with_name(spoken) if named else spoken):
            build.add(text, cue.start_seconds, cue.end_seconds, speaker, goes_on=place > 0)
    segments, notes = build.finish()
    return segments, (*counted(reader.skipped, "cue without a readable time", "skipped"), *notes)


def _spoken(lines: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Yield a cue's lines without tags, each with its speaker; a line with two voices is two."""
    speaker = None
    for line in lines:
        if "<" not in line and "{" not in line:
            if text := line.strip():
                yield text, speaker
            continue
        at = 0
        voices = _VOICE.finditer(line) if _MAY_BE_VOICE.search(line) else ()
        for voice in (*voices, None):
            text = _without_tags(line[at : voice.start() if voice else len(line)]).strip()
            if text:
                yield text, speaker
            if voice:
                at = voice.end()
                speaker = " ".join((voice[1] or "").split()) or None


def _without_tags(line: str) -> str:
    """Remove what is not text; most of it are YouTube's times of words."""
    line = _WORD_TIME.sub("", line.replace("</c>", "").replace("<c>", ""))
    if "<" in line or "{" in line:
        line = _TAG.sub("", _BREAK.sub(" ", line))
    return line


_Spoken = list[tuple[str, str | None]]


def _named_cues(cues: list[_Spoken]) -> bool:
    """Tell whether nearly every cue begins with a name and a colon, and those names recur."""
    names: Counter[str] = Counter()
    said = 0
    for lines in cues:
        if not lines:
            continue
        text, speaker = lines[0]
        if speaker is not None:
            return False
        said += 1
        if ":" in text[:50] and (found := _NAMED_LINE.fullmatch(text)) and is_name(found[1]):
            names[found[1]] += 1
        elif said > len(cues) // 4 and names.total() * 2 < said:
            return False
    return names.total() >= max(_NAMED_SHARE * said, len(names) * _CUES_A_NAME, _FEWEST_CUES)


def _with_name(lines: _Spoken) -> _Spoken:
    """Take the name off a cue's first line and give it to them all."""
    found = _NAMED_LINE.fullmatch(lines[0][0]) if lines else None
    if found is None or not is_name(found[1]):
        return lines
    speaker = " ".join(found[1].split())
    return [(found[2], speaker), *((text, speaker) for text, _ in lines[1:])]


def _clock(
    minus: str | None, hours: str | None, minutes: str, seconds: str, fraction: str | None
) -> float | None:
    """Turn ``(hours:)minutes:seconds(.fraction)`` into seconds, to the millisecond; None if there is no such time."""
    whole_minutes, whole_seconds = int(minutes), int(seconds)
    if whole_seconds >= _MINUTE:
        return None
    if hours is not None:
        if whole_minutes >= _MINUTE:
            return None
        whole_minutes += int(hours) * 60
    if fraction is None:
        thousandths = 0
    else:
        thousandths = int(fraction if len(fraction) == 3 else fraction[:3].ljust(3, "0"))  # noqa: PLR2004
    found = ((whole_minutes * 60 + whole_seconds) * 1000 + thousandths) / 1000
    return -found if minus else found
