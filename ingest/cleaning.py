"""What was said, out of what the file shows: rolling captions repaired, marks and noise removed."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.transcripts import Segment, Transcript

# cues that follow one another leave at most this gap; nobody repeats a line in it
_TOUCH_SECONDS: Final = 0.05
_ROLLING_SHARE: Final = 0.25

_INVISIBLE: Final = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"
    # joiners hold emoji and Persian words together; beside ASCII they are debris
    "|[\u200c\u200d](?![^\x00-\x7f])|(?<![^\x00-\x7f])[\u200c\u200d]"
)
_AGAIN_ESCAPED: Final = re.compile(r"&(?:amp;)+")  # at once, however often it was escaped
_CHANGE_OF_SPEAKER: Final = re.compile(r"(?<!\S)>{2,}(?=\s|\w|\Z)")
_NOTES: Final = "\u2669-\u266c\U0001f3b5\U0001f3b6"
_SUNG: Final = rf"[{_NOTES}][^{_NOTES}]*[{_NOTES}]|^[{_NOTES}].*|[{_NOTES}]"
_WHOLE_IN_BRACKETS: Final = re.compile(r"\[[^\[\]]{0,80}\]")
_SOUNDS: Final = (
    "applause applauds applauding music musical laughter laugh laughs laughing chuckle chuckles chuckling"
    " giggles giggling cheering cheers clapping claps crosstalk silence sigh sighs sighing cough coughs coughing"
    " sniffs gasps gasping groans beep beeps beeping static jingle ding whoosh sneezes screams screaming"
    " m\u00fasica musik musique applaus aplausos applaudissements gel\u00e4chter risas rires"
)
_MANNERS: Final = (
    "a and all audience background both break crowd dramatic everyone fades gentle group host in in-out intro"
    " light lightly loud loudly nervous nervously out outro playing plays quiet quietly soft softly swelling the"
    " theme together upbeat"
)
_SOUND: Final = r"[\[(]\s*(?:(?:{manners})\s+)*(?:{sounds})(?:\s+(?:{manners}|{sounds}))*\s*[\])]".format(
    sounds="|".join(_SOUNDS.split()), manners="|".join(_MANNERS.split())
)
_NOISE: Final = re.compile(rf"\s*(?:{_SUNG}|{_SOUND})\s*([,.;:!?](?=\s|\Z))?", re.IGNORECASE)
_MAY_BE_NOISE: Final = re.compile(rf"[\[({_NOTES}]")


def clean(transcript: Transcript) -> Transcript:
    """Keep the words that were said; the same transcript again if there is nothing to remove.

    A caption line that a rolling display shows again is dropped, and the line kept ends where its last repeat
    ends: a repeat is the first line of a cue, equal to the last line kept, by the same speaker, and its time
    touches that line's (in a display that rolls throughout, it may come later). Never by a part of a line, and never without times, so that a real repetition stays;
    one that touches in time, as in the same cue, stays as one segment with the words twice.

    Entities are unescaped, ``>>`` and invisible characters go, white space becomes single spaces, and text is
    NFC. Cues such as ``[Music]``, ``(laughs)`` and ``♪ ... ♪`` go; words are never changed otherwise.
    Segments without a letter or digit go, so a transcript without speech ends with no segments. Pure, and
    idempotent. Times are in seconds; other fields stay.
    """
    while (cleaned := _cleaned_once(transcript)) != transcript:
        transcript = cleaned  # an entity may hide another, and a removed mark make a new pair of brackets
    return cleaned


def _cleaned_once(transcript: Transcript) -> Transcript:
    lines = (
        replace(
            segment,
            text=_CHANGE_OF_SPEAKER.sub(" ", _plain(segment.text)).strip(),
            speaker=_plain(segment.speaker or "") or None,
        )
        for segment in transcript.segments
    )
    spoken = (replace(line, text=_without_noise(line.text)) for line in _without_repeats(lines))
    return replace(
        transcript,
        segments=_joined(line for line in spoken if any(map(str.isalnum, line.text))),
        title=_plain(transcript.title or "") or None,
        creator=_plain(transcript.creator or "") or None,
    )


def _plain(text: str) -> str:
    """Unescape entities, drop invisible characters, compose accents, and single the spaces."""
    text = _INVISIBLE.sub("", html.unescape(_AGAIN_ESCAPED.sub("&", text)))
    return " ".join(unicodedata.normalize("NFC", text).split())


def _without_repeats(lines: Iterable[Segment]) -> list[Segment]:
    """Drop the lines that a rolling display carries over from the cue before.

    Where a quarter of the lines or more are carried over, the display rolls throughout, and it carries lines
    over a pause as well.
    """
    shown = [line for line in lines if line.text]
    kept = _carried_over_out(shown, _TOUCH_SECONDS)
    if len(shown) - len(kept) >= len(shown) * _ROLLING_SHARE:
        kept = _carried_over_out(shown, math.inf)
    return kept


def _carried_over_out(lines: Sequence[Segment], over_a_pause_seconds: float) -> list[Segment]:
    kept: list[Segment] = []
    times: tuple[float | None, float | None] | None = None
    for place, line in enumerate(lines):
        begins_cue = (line.start_seconds, line.end_seconds) != times
        times = (line.start_seconds, line.end_seconds)
        after = lines[place + 1] if place + 1 < len(lines) else None
        # over a pause, a line carried over stands above a new one; alone it was said again
        stands_above = after is not None and (after.start_seconds, after.end_seconds) == times
        within = over_a_pause_seconds if stands_above else _TOUCH_SECONDS
        if begins_cue and kept and _is_shown_again(kept[-1], line, within):
            kept[-1] = _with_times_of(kept[-1], line)
        else:
            kept.append(line)
    return kept


def _joined(lines: Iterable[Segment]) -> tuple[Segment, ...]:
    """Make one segment of equal lines that touch: what is left of those are words said twice."""
    joined: list[Segment] = []
    for line in lines:
        joined.append(line)
        while len(joined) > 1 and _is_shown_again(joined[-2], joined[-1], _TOUCH_SECONDS):
            again = joined.pop()
            joined[-1] = replace(_with_times_of(joined[-1], again), text=f"{joined[-1].text} {again.text}")
    return tuple(joined)


def _is_shown_again(line: Segment, later: Segment, within_seconds: float) -> bool:
    """Tell whether two lines are equal and overlap in time, or come within some seconds of each other."""
    if line.text != later.text or line.speaker != later.speaker:
        return False
    if line.start_seconds is None or line.end_seconds is None:
        return False
    if later.start_seconds is None or later.end_seconds is None:
        return False
    return (
        later.start_seconds <= line.end_seconds + within_seconds
        and later.end_seconds >= line.start_seconds - within_seconds
    )


def _with_times_of(line: Segment, later: Segment) -> Segment:
    """Extend ``line`` over the time of ``later``."""
    starts = [time for time in (line.start_seconds, later.start_seconds) if time is not None]
    ends = [time for time in (line.end_seconds, later.end_seconds) if time is not None]
    return replace(line, start_seconds=min(starts), end_seconds=max(ends))


def _without_noise(text: str) -> str:
    """Remove what is heard but not said."""
    if _WHOLE_IN_BRACKETS.fullmatch(text):
        return ""
    if not _MAY_BE_NOISE.search(text):
        return text
    return " ".join(_NOISE.sub(lambda noise: noise[1] or " ", text).split())
