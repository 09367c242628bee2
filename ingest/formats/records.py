"""Records to transcripts: the rows of a table, the lines of JSON Lines, the items of a JSON list.

A record is a video with all that was said in it, or one stretch of speech of a video; those are put together
by the video that they name. Links and paths in a record are data: they are never opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ingest.file_names import is_id
from ingest.formats.front_matter import LINK_KEYS
from ingest.formats.record_fields import (
    BODY_KEYS,
    DURATION_KEYS,
    END_KEYS,
    FILE_KEYS,
    RECORD_KEYS,
    SPEAKER_KEYS,
    START_KEYS,
    body_of,
    fields_of,
    file_of,
    record_metadata,
    time_in,
)
from ingest.formats.segmenting import SegmentBuilder, certainty_of, name_of, seconds_of
from ingest.reading import BrokenTranscript, NotATranscript, Reading
from ingest.transcripts import Transcript

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ReadBody = Callable[[Any], Transcript | None]

_VIDEO_KEYS: Final = frozenset({*RECORD_KEYS["video_id"], *RECORD_KEYS["title"], *FILE_KEYS, *LINK_KEYS})
_TOLD: Final = 100
_MAY_BE_A_DATE: Final = ("timestamp", "time", "offset")
_A_YEAR: Final = 31_536_000


def with_metadata(transcript: Transcript, fields: Mapping[str, Any]) -> Transcript:
    """Give a transcript what the record around it says of the video."""
    metadata, notes = record_metadata(fields)
    return replace(
        transcript,
        title=metadata.get("title") or transcript.title,
        creator=metadata.get("creator") or transcript.creator,
        video_id=metadata.get("video_id") or transcript.video_id,
        published=metadata.get("published") or transcript.published,
        language=metadata.get("language") or transcript.language,
        notes=notes + transcript.notes,
    )


def read_records(records: Iterable[tuple[str, Any]], *, part: str, read_body: ReadBody) -> Reading:
    """Read records, each with its place as ``row 12``; ``part`` names one in notes.

    ``read_body`` reads what a record holds as its words, a text or parsed JSON; None where it knows no such
    shape. A record that cannot be read is a failure, and the others are read all the same; an error in place of
    a record is one already.
    """
    many = _Records(part, read_body)
    for place, record in records:
        try:
            many.take(place, record)
        except (BrokenTranscript, NotATranscript) as error:
            many.failures.append(f"{place}: {error}")
    return many.finish()


class _Records:
    def __init__(self, part: str, read_body: ReadBody) -> None:
        self.failures: list[str] = []
        self._part = part
        self._read_body = read_body
        self._done: dict[str, Transcript | _Parts] = {}  # in the order of the file
        self._parts: dict[
            tuple[tuple[str, str | int], ...], _Parts
        ] = {}  # by the fields that may name the video

    def take(self, place: str, record: Any) -> None:
        """Read the next record; raises where it cannot be."""
        if isinstance(record, BrokenTranscript):
            raise record
        if not isinstance(record, dict):
            raise BrokenTranscript("it is no record of fields; mend it or remove it")
        fields = fields_of(record)
        body = body_of(fields)
        if body is None:
            raise BrokenTranscript(_what_is_missing(fields))
        if isinstance(body, str) and _is_part(fields):
            self._parts_of(place, fields).add(body, fields)
            return
        transcript = self._read_body(record) if any(map(_holds_more, record.values())) else None
        transcript = transcript or self._read_body(body)
        if transcript is None:
            raise BrokenTranscript("its transcript is of no known shape; write the words there as text")
        if not transcript.segments:
            found = "; ".join(transcript.notes)
            raise BrokenTranscript(
                f"there is no speech in it{f' ({found})' if found else ''}; mend it or remove it"
            )
        self._done[place] = replace(with_metadata(transcript, fields), record=place)

    def _parts_of(self, place: str, fields: Mapping[str, Any]) -> _Parts:
        """Return the video that a stretch of speech is of; its first one says what else is known of it.

        An ``id`` may be the stretch's own: it is the video's if it is one of YouTube's.
        """
        own = fields.get("id")
        if "id" in fields and not (isinstance(own, str) and is_id(own)):
            fields = {key: value for key, value in fields.items() if key != "id"}
        named = tuple(
            (key, value)
            for key, value in fields.items()
            if key in _VIDEO_KEYS and isinstance(value, str | int)
        )
        if named in self._parts:
            return self._parts[named]
        metadata, _ = record_metadata(fields)
        key = metadata.get("video_id") or file_of(fields) or metadata.get("title") or ""
        parts = self._done.setdefault(f"parts {key}", _Parts(place, self._part, metadata))
        assert isinstance(parts, _Parts)
        self._parts[named] = parts
        return parts

    def finish(self) -> Reading:
        """Return what was read; the only transcript of a file is no record of it."""
        done = [
            transcript
            for found in self._done.values()
            if (transcript := found.finish() if isinstance(found, _Parts) else found).segments
        ]
        if len(done) == 1 and not self.failures:
            done = [replace(done[0], record=None)]
        failures = self.failures[:_TOLD]
        if len(self.failures) > _TOLD:
            failures.append(f"and {len(self.failures) - _TOLD} more like these")
        return Reading(tuple(done), tuple(failures))


class _Parts:
    """A video in the making, out of records that are a stretch of speech each."""

    def __init__(self, place: str, part: str, metadata: dict[str, str]) -> None:
        self._place = place
        self._metadata = metadata
        self._build = SegmentBuilder(part)
        self._is_timed = False

    def add(self, text: str, fields: Mapping[str, Any]) -> None:
        """Take the next stretch of it."""
        start = time_in(fields, START_KEYS)
        end = time_in(fields, END_KEYS)
        duration = time_in(fields, DURATION_KEYS)
        if end is None and start is not None and duration is not None:
            end = start + duration
        speaker = next((name for key in SPEAKER_KEYS if (name := name_of(fields.get(key)))), None)
        self._build.add(text, start, end, speaker, certainty_of(dict(fields)))

    def finish(self) -> Transcript:
        segments, notes = self._build.finish()
        if not any(segment.start_seconds is not None for segment in segments):
            notes = ()  # a table of turns has no times, and misses none
        return Transcript(segments=segments, record=self._place, notes=notes, **self._metadata)


def _what_is_missing(fields: Mapping[str, Any]) -> str:
    held = next((key for key in BODY_KEYS if key in fields), None)
    if held is None:
        return "it has no transcript; name that field 'transcript' or 'text'"
    if isinstance(fields[held], str) and fields[held].strip():
        return f"its {held} is only a link or a path, which is not opened; write the words there"
    return f"its {held} is empty; fill it or remove the record"


def _is_part(fields: Mapping[str, Any]) -> bool:
    """Tell whether a record is a stretch of speech: it has a start, or a speaker and no title.

    What may also be the day of the upload is a start only if it is a time that a video can have.
    """
    if any(key in fields for key in START_KEYS if key not in _MAY_BE_A_DATE):
        return True
    if any((found := seconds_of(fields.get(key))) is not None and found < _A_YEAR for key in _MAY_BE_A_DATE):
        return True
    return any(key in fields for key in SPEAKER_KEYS) and not any(
        key in fields for key in RECORD_KEYS["title"]
    )


def _holds_more(value: Any) -> bool:
    return isinstance(value, list)
