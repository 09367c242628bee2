"""What was said, out of what the file shows: rolling captions repaired, marks and noise removed."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from ingest.flattened import flattened_notes
from ingest.language import language_of
from ingest.links import link_notes, without_link_blocks
from ingest.sounds import without_sounds
from ingest.suspicions import is_silence, silence_notes, suspicions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.transcripts import Segment, Transcript

# cues that follow one another leave at most this gap; nobody repeats a line in it
_TOUCH_SECONDS: Final = 0.05
_ROLLING_SHARE: Final = 0.25

_Span: TypeAlias = tuple[float | None, float | None]  # seconds

_INVISIBLE: Final = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"
    # joiners hold emoji and Persian words together; beside ASCII they are debris
    "|[\u200c\u200d](?![^\x00-\x7f])|(?<![^\x00-\x7f])[\u200c\u200d]"
)
# at once, however often it was escaped
_AGAIN_ESCAPED: Final = re.compile(r"&(?:(?:amp|AMP|#0*38|#[xX]0*26);)+")
_CHANGE_OF_SPEAKER: Final = re.compile(r"(?<!\S)>{2,}(?=\s|\w|\Z)")


def clean(transcript: Transcript) -> Transcript:
    """Keep the words that were said; the same transcript again if there is nothing to remove or to say.

    A caption line that a rolling display shows again is dropped, and the line kept ends where its last repeat
    ends: a repeat is the first line of a cue, equal to the last line kept, by the same speaker, and its time
    touches that line's (in a display that rolls throughout, it may come later). Never by a part of a line, and
    never without times or in what whisper wrote, so that a real repetition stays; one that touches in time, as
    in the same cue, stays as one segment with the words twice.

    Entities are unescaped, ``>>`` and invisible characters go, white space becomes single spaces, and text is
    NFC. Cues such as ``[Music]``, ``(laughs)`` and ``♪ ... ♪`` go; words are never changed otherwise.
    Segments without a letter or digit go, so a transcript without speech ends with no segments.

    What whisper itself takes for silence is left out, and so are blocks of links in what was written. ``notes``
    say how many, and add what looks invented, flattened or in another language, which stays. ``language`` is
    detected where the file states none. Pure, and idempotent: no note is added twice. Times are in seconds;
    other fields stay.
    """
    heard = tuple(segment for segment in transcript.segments if not is_silence(segment))
    silent = tuple(segment for segment in transcript.segments if is_silence(segment))
    segments, links = _settled(heard)
    text = " ".join(segment.text for segment in segments)
    language = language_of(text, stated=transcript.language)
    notes = (
        *silence_notes(silent),
        *link_notes(links),
        *suspicions(segments),
        *flattened_notes(text),
        *language.notes,
    )
    return replace(
        transcript,
        segments=segments,
        title=_settled_name(transcript.title),
        creator=_settled_name(transcript.creator),
        language=language.code,
        notes=transcript.notes + tuple(note for note in notes if note not in transcript.notes),
    )


def _settled(segments: tuple[Segment, ...]) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Clean until nothing changes, since an entity may hide another, and a removed mark make a new pair of brackets."""
    links: tuple[str, ...] = ()
    plain, spoken = cache(_plain), cache(_spoken)  # a second round over the same text costs nothing
    while True:
        written, blocks = without_link_blocks(segments)
        links += blocks
        lines = [_with_text(line, plain(line.text), plain(line.speaker or "") or None) for line in written]
        said = (_with_text(line, spoken(line.text), line.speaker) for line in _without_repeats(lines))
        cleaned = _joined(line for line in said if line.text)
        if cleaned == segments:
            return cleaned, links
        segments = cleaned


def _settled_name(name: str | None) -> str | None:
    while name and (plain := _plain(name)) != name:
        name = plain
    return name or None


def _with_text(segment: Segment, text: str, speaker: str | None) -> Segment:
    if text == segment.text and speaker == segment.speaker:
        return segment  # most are clean, and a new one costs more than its cleaning
    return replace(segment, text=text, speaker=speaker)


def _plain(text: str) -> str:
    """Unescape entities, drop invisible characters, compose accents, and single the spaces."""
    if "&" in text:
        text = html.unescape(_AGAIN_ESCAPED.sub("&", text))
    text = " ".join(text.split())
    if not text.isprintable():  # no invisible character is
        text = " ".join(_INVISIBLE.sub("", text).split())
    return unicodedata.normalize("NFC", text)


def _spoken(text: str) -> str:
    """What was said of a line: without sounds and marks of a change of speaker; empty where there is no word."""
    if ">>" in text:
        text = " ".join(_CHANGE_OF_SPEAKER.sub(" ", text).split())
    text = without_sounds(text)
    return text if any(map(str.isalnum, text)) else ""


def _without_repeats(lines: Iterable[Segment]) -> list[Segment]:
    """Drop the lines that a rolling display carries over from the cue before.

    Where a quarter of the lines or more are carried over, the display rolls throughout, and it carries lines
    over a pause as well.
    """
    shown = [line for line in lines if line.text]
    spans = [(line.start_seconds, line.end_seconds) for line in shown]
    kept = _kept(shown, spans, _TOUCH_SECONDS)
    if len(shown) - len(kept) >= len(shown) * _ROLLING_SHARE:
        kept = _kept(shown, spans, math.inf)
    return [_with_span(shown[place], span) for place, span in kept.items()]


def _kept(lines: Sequence[Segment], spans: Sequence[_Span], over_a_pause_seconds: float) -> dict[int, _Span]:
    """The places of the lines that are not carried over, each with the time that it is on display."""
    kept: dict[int, _Span] = {}
    last = 0
    for place, (line, span) in enumerate(zip(lines, spans, strict=True)):
        begins_cue = place > 0 and span != spans[place - 1]
        both = None
        if begins_cue and line.text == lines[last].text:
            # over a pause, a line carried over stands above a new one; alone it was said again
            stands_above = place + 1 < len(lines) and spans[place + 1] == span
            within = over_a_pause_seconds if stands_above else _TOUCH_SECONDS
            both = _as_one(lines[last], kept[last], line, within_seconds=within)
        if both is None:
            kept[last := place] = span
        else:
            kept[last] = both
    return kept


def _joined(lines: Iterable[Segment]) -> tuple[Segment, ...]:
    """Make one segment of equal lines that touch: what is left of those are words said twice."""
    joined: list[Segment] = []
    for line in lines:
        while joined and joined[-1].text == line.text:
            before = joined[-1]
            span = (before.start_seconds, before.end_seconds)
            both = _as_one(before, span, line, within_seconds=_TOUCH_SECONDS)
            if both is None:
                break
            joined.pop()
            line = replace(_with_span(before, both), text=f"{before.text} {line.text}")  # noqa: PLW2901
        joined.append(line)
    return tuple(joined)


def _as_one(line: Segment, shown: _Span, later: Segment, *, within_seconds: float) -> _Span | None:
    """The time of a line on display and a later one, if they are equal and no more than some seconds apart."""
    if line.text != later.text or line.speaker != later.speaker or line.no_speech_prob is not None:
        return None  # what whisper wrote does not roll
    starts, ends = shown
    if starts is None or ends is None or later.start_seconds is None or later.end_seconds is None:
        return None
    if later.start_seconds > ends + within_seconds or later.end_seconds < starts - within_seconds:
        return None
    return min(starts, later.start_seconds), max(ends, later.end_seconds)


def _with_span(line: Segment, span: _Span) -> Segment:
    starts, ends = span
    if starts == line.start_seconds and ends == line.end_seconds:
        return line
    return replace(line, start_seconds=starts, end_seconds=ends)
