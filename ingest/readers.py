"""A transcript file, of whichever format, into ``Transcript``s.

The formats stand in one ordered table. A file's content decides; its extension only where content does not.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ingest.catalogues import INFO_SUFFIX
from ingest.file_names import Named, identity_from_name
from ingest.formats.captions import is_sbv, is_subrip, is_webvtt, read_sbv, read_subrip, read_webvtt
from ingest.formats.decoding import EXPORT, MAX_BYTES, text_of
from ingest.formats.front_matter import FrontMatterError
from ingest.formats.json_shapes import (
    SHAPES,
    Shape,
    is_lines,
    parsed,
    read_list,
    records_in,
    refuse,
    shape_of,
)
from ingest.formats.prose import is_markdown, read_markdown, read_plain
from ingest.formats.record_fields import fields_of
from ingest.formats.records import with_metadata
from ingest.formats.tabbed_text import is_tabbed, read_tabbed
from ingest.formats.tables import is_table, read_json_lines, read_table
from ingest.formats.timed_text import is_timed_text, read_timed_text
from ingest.reading import BrokenTranscript, NotATranscript, Reading
from rag.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.transcripts import Transcript

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "BrokenTranscript",
    "Named",
    "NotATranscript",
    "Reading",
    "identity_from_name",
    "read_transcripts",
]

_MARKUP_DOCUMENT: Final = re.compile(r"\s{0,64}<(?:\?xml|!doctype|!--|html|rss|feed|svg)\b", re.IGNORECASE)
_MEANT_AS_JSON: Final = re.compile(r"[\s\[{]{0,200}[\[{]\s{0,200}\"")
_JSON_LINES: Final = frozenset({".jsonl", ".ndjson"})
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _Source:
    """A file's text, and what it is as JSON, parsed at most once."""

    def __init__(self, text: str, extension: str) -> None:
        self.text = text
        self.extension = extension

    @cached_property
    def json(self) -> Any:
        """The parsed JSON; ``BrokenTranscript`` itself where it cannot be parsed, None where it is none."""
        if not self.text[:1024].lstrip().startswith(("{", "[")):
            return None
        try:
            return parsed(self.text)
        except BrokenTranscript as error:
            return error

    @cached_property
    def is_json(self) -> bool:
        """Whether the whole text is JSON."""
        return isinstance(self.json, dict | list)

    @cached_property
    def records(self) -> list[Any] | None:
        """The records of videos in the JSON."""
        return records_in(self.json)


class _Format(NamedTuple):
    """How to tell a format and how to read it; ``read`` returns no segments where it finds none."""

    name: str
    extensions: frozenset[str]
    is_like: Callable[[_Source], bool]
    read: Callable[[_Source], Transcript | Reading]


def _text_format(
    name: str, extensions: set[str], is_like: Callable[[str], bool], read: Callable[[str], Transcript]
) -> _Format:
    return _Format(
        name, frozenset(extensions), lambda source: is_like(source.text), lambda source: read(source.text)
    )


def _json_format(shape: Shape) -> _Format:
    return _Format(
        shape.name,
        frozenset({".json3"} if shape is SHAPES[0] else ()),
        lambda source: source.is_json and shape.is_like(source.json),
        lambda source: _read_shape(shape, source),
    )


def _read_shape(shape: Shape, source: _Source) -> Transcript:
    """Read JSON of one video; raises where the file's extension promised that and it is not."""
    if not source.is_json:
        raise source.json or BrokenTranscript("is not whole JSON; export it again")
    transcript = shape.read(source.json)
    return with_metadata(transcript, fields_of(source.json)) if isinstance(source.json, dict) else transcript


def _is_json_lines(source: _Source) -> bool:
    """Tell whether each line is an object of its own; one of the first must be whole."""
    if source.extension in _JSON_LINES:
        return True
    if source.is_json or not isinstance(source.json, BrokenTranscript):
        return False
    lines = [line for line in source.text[: 1 << 20].split("\n", 8) if line.strip()]
    return len(lines) > 1 and any(isinstance(_Source(line, "").json, dict) for line in lines[:3])


def _read_json_lines(source: _Source) -> Reading:
    """Read JSON Lines; raises ``NotATranscript`` where none of the first lines has anything that was said."""
    reading = read_json_lines(source.text, parsed, _read_body)
    if not reading.transcripts:
        lines = [line for line in source.text[: 1 << 20].split("\n", 8) if line.strip()]
        objects = [data for line in lines if isinstance(data := _Source(line, "").json, dict)]
        if objects and records_in(objects) is None:
            return refuse(objects)
    return reading


def _is_other_json(source: _Source) -> bool:
    """Tell whether the text is JSON, or was meant to be: plain text may begin with a bracket."""
    return source.is_json or (source.json is not None and _MEANT_AS_JSON.match(source.text) is not None)


def _read_other_json(source: _Source) -> Reading:
    if source.is_json:
        return refuse(source.json)
    raise source.json or BrokenTranscript("is not whole JSON; export it again")


def _read_body(body: Any) -> Transcript | None:
    """Read what a record holds as its words: captions, text or JSON; None for JSON of no known shape."""
    if isinstance(body, str):
        source = _Source(body, ".txt")
        if source.is_json and (shape := shape_of(source.json)):
            return shape.read(source.json)
        known = (
            (is_webvtt, read_webvtt),
            (is_subrip, read_subrip),
            (is_sbv, read_sbv),
            (is_tabbed, read_tabbed),
        )
        return next((read for is_like, read in known if is_like(body)), read_plain)(body)
    if is_lines(body):
        return read_plain("\n\n".join(body))
    shape = shape_of(body)
    return None if shape is None else shape.read(body)


FORMATS: Final = (
    _text_format("WebVTT", {".vtt", ".webvtt"}, is_webvtt, read_webvtt),
    _text_format("SubRip", {".srt"}, is_subrip, read_subrip),
    _text_format("SBV", {".sbv"}, is_sbv, read_sbv),
    *map(_json_format, SHAPES),
    _Format(
        "JSON of transcripts",
        frozenset(),
        lambda source: source.is_json and source.records is not None,
        lambda source: read_list(source.records or [], _read_body),
    ),
    _Format(
        "JSON Lines",
        _JSON_LINES,
        _is_json_lines,
        _read_json_lines,
    ),
    _Format("JSON", frozenset({".json"}), _is_other_json, _read_other_json),
    _text_format(
        "timed text",
        {".srv1", ".srv2", ".srv3", ".ttml", ".xml"},
        is_timed_text,
        read_timed_text,
    ),
    _text_format("Zoom's text", set(), is_tabbed, read_tabbed),
    _Format(
        "a table",
        frozenset({".csv", ".tsv", ".tab"}),
        lambda source: is_table(source.text),
        lambda source: read_table(source.text, _read_body),
    ),
    _text_format("Markdown", {".md", ".markdown"}, is_markdown, read_markdown),
    _text_format("plain text", {".txt", ".text", ""}, lambda _: False, read_plain),
)


def read_transcripts(path: Path) -> Reading:
    """Read the transcripts in ``path``: one, or of a table or a list all that can be read.

    Text is as in the file but for the format's own marks: ``ingest.cleaning`` does the rest. Times are in
    seconds. ``notes`` say what had to be assumed or left out. Raises ``NotATranscript`` for another kind of
    file, ``BrokenTranscript`` if nothing can be read from it, and ``BadInput`` if the file cannot be opened.
    """
    name = " ".join(str(path).split())
    try:
        if path.name.endswith(INFO_SUFFIX):
            raise NotATranscript("is metadata, not a transcript; it is used for the transcripts beside it")
        text, notes = text_of(path)
        reading = _parse(_Source(text, path.suffix.lower()))
    except BadInput as error:
        raise type(error)(_encodable(f"{name} {error}")) from error
    except OSError as error:
        raise BadInput(
            _encodable(f"{name} cannot be read ({error.strerror}); check the path and its permissions")
        ) from error
    return Reading(
        tuple(
            _encodable_all(replace(transcript, notes=notes + transcript.notes))
            for transcript in reading.transcripts
        ),
        tuple(map(_encodable, reading.failures)),
    )


def _parse(source: _Source) -> Reading:
    """Choose the format and read; raises without the file's name."""
    chosen = next((known for known in FORMATS if known.is_like(source)), None)
    if chosen is None and _MARKUP_DOCUMENT.match(source.text):
        raise NotATranscript(f"is XML or HTML; {EXPORT}")
    chosen = chosen or next((known for known in FORMATS if source.extension in known.extensions), None)
    if chosen is None:
        raise NotATranscript(
            f"is of no known kind ({source.extension}); {EXPORT}, or rename plain text to .txt"
        )
    try:
        found = chosen.read(source)
    except FrontMatterError as error:
        raise BrokenTranscript(f"cannot be read: {error}") from error
    reading = found if isinstance(found, Reading) else Reading((found,))
    read = tuple(transcript for transcript in reading.transcripts if transcript.segments)
    if not read:
        notes = [note for transcript in reading.transcripts for note in transcript.notes]
        why = "; ".join((*notes, *reading.failures[:3]))
        raise BrokenTranscript(
            f"looks like {chosen.name}, but nothing in it can be read{f' ({why})' if why else ''};"
            " export it again or remove it"
        )
    return Reading(read, reading.failures)


def _encodable(text: str) -> str:
    """Replace lone surrogates, which JSON and YAML escapes can spell, so that all text can be written."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def _encodable_all(transcript: Transcript) -> Transcript:
    def mend(text: str | None) -> str | None:
        return text and _encodable(text)

    segments = transcript.segments
    try:
        "".join(f"{segment.speaker}{segment.text}" for segment in segments).encode()
    except UnicodeEncodeError:
        segments = tuple(
            replace(segment, text=_encodable(segment.text), speaker=mend(segment.speaker))
            for segment in segments
        )
    return replace(
        transcript,
        segments=segments,
        title=mend(transcript.title),
        creator=mend(transcript.creator),
        video_id=mend(transcript.video_id),
        published=mend(transcript.published),
        language=mend(transcript.language),
        notes=tuple(map(_encodable, transcript.notes)),
    )
