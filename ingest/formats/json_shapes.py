"""JSON, parsed once, to transcripts: which shape it has, and whether it is one video or a list of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ingest.formats.record_fields import body_of, fields_of
from ingest.formats.records import ReadBody, read_records
from ingest.formats.speech_json import (
    is_assembly,
    is_pieces,
    is_whisper,
    read_assembly,
    read_pieces,
    read_whisper,
)
from ingest.formats.youtube_json import is_json3, is_snippets, read_json3, read_snippets
from ingest.reading import BrokenTranscript, NotATranscript, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ingest.transcripts import Transcript

_LISTS: Final = (
    "transcripts",
    "videos",
    "items",
    "entries",
    "episodes",
    "records",
    "results",
    "data",
    "rows",
)
_METADATA_KEYS: Final = frozenset({
    *("id", "video_id", "videoid", "youtube_id", "url", "webpage_url", "title", "channel", "uploader"),
    *("upload_date", "published", "published_at", "file", "path", "filename", "date", "slug", "source_url"),
})  # fmt: skip


class Shape(NamedTuple):
    """One video's transcript as parsed JSON."""

    name: str
    is_like: Callable[[Any], bool]
    read: Callable[[Any], Transcript]


SHAPES: Final = (
    Shape("YouTube json3", is_json3, read_json3),
    Shape("youtube-transcript-api's JSON", is_snippets, read_snippets),
    Shape("AssemblyAI's JSON", is_assembly, read_assembly),
    Shape("Whisper's JSON", is_whisper, read_whisper),
    Shape("a list of segments", is_pieces, read_pieces),
)


def parsed(text: str) -> Any:
    """Parse JSON; raises ``BrokenTranscript``. Numbers of any length are numbers."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BrokenTranscript(
            f"is not whole JSON ({error.msg}, line {error.lineno}); export it again"
        ) from error
    except RecursionError as error:
        raise BrokenTranscript("is JSON that is nested too deep; export it again") from error
    except ValueError:  # an integer of more digits than Python reads
        return _with_long_numbers(text)


def _with_long_numbers(text: str) -> Any:
    try:
        return json.loads(text, parse_int=lambda digits: float(digits[:400]))
    except (ValueError, RecursionError) as error:
        raise BrokenTranscript("is not whole JSON; export it again") from error


def shape_of(data: Any) -> Shape | None:
    """Return the shape of one video's transcript that ``data`` has, None where it has none."""
    return next((shape for shape in SHAPES if shape.is_like(data)), None)


def records_in(data: Any) -> list[Any] | None:
    """Return the records of videos that ``data`` holds, as a list or by their ids; None where it holds none."""
    if isinstance(data, dict):
        if _has_speech(data):
            return [data]
        lists = [data[key] for key in _LISTS if isinstance(data.get(key), list | dict)]
        return next((found for inner in lists if (found := records_in(inner)) is not None), _by_id(data))
    if isinstance(data, list):
        if any(_is_record(item) for item in data):
            return [{"segments": item} if is_pieces(item) else item for item in data]
        # youtube-transcript-api's get_transcripts: transcripts by id, and the ids of those that failed
        return next((found for item in data[:2] if isinstance(item, dict) and (found := _by_id(item))), None)
    return None


def _has_speech(record: Any) -> bool:
    """Tell whether a record holds words that were said, not only where they are."""
    body = body_of(fields_of(record)) if isinstance(record, dict) else None
    return isinstance(body, str) or is_lines(body) or shape_of(body) is not None


def is_lines(data: Any) -> bool:
    """Tell whether ``data`` is a list of texts alone."""
    return isinstance(data, list) and bool(data) and all(isinstance(line, str) for line in data)


def _is_record(item: Any) -> bool:
    return _has_speech(item) or is_pieces(item) or (isinstance(item, dict) and shape_of(item) is not None)


def _by_id(data: dict[str, Any]) -> list[Any] | None:
    """Return the records of an object whose keys are the videos' ids."""
    if not any(_is_record(value) for value in data.values()):
        return None
    records: list[Any] = []
    for key, value in data.items():
        record = {"segments": value} if isinstance(value, list) else value
        named = isinstance(record, dict) and not {"id", "video_id"} & fields_of(record).keys()
        records.append({**record, "video_id": key} if named else record)
    return records


def is_metadata(data: Any) -> bool:
    """Tell whether ``data`` says of videos who made them and when, and nothing of what was said."""
    if isinstance(data, dict):
        if len(_METADATA_KEYS & fields_of(data).keys()) > 1:
            return True
        inner = next((data[key] for key in _LISTS if isinstance(data.get(key), list)), [*data.values()])
        return is_metadata(inner) if isinstance(inner, list) else False
    return isinstance(data, list) and any(
        isinstance(item, dict) and len(_METADATA_KEYS & fields_of(item).keys()) > 1 for item in data[:8]
    )


def read_list(records: Iterable[Any], read_body: ReadBody) -> Reading:
    """Read records of a JSON list; ``item 3`` is the third."""
    placed = ((f"item {place}", record) for place, record in enumerate(records, start=1))
    return read_records(placed, part="item", read_body=read_body)


def refuse(data: Any) -> Reading:
    """Say what JSON without a transcript is; raises ``NotATranscript``."""
    if is_metadata(data):
        raise NotATranscript("is metadata, not a transcript; it is used for the transcripts beside it")
    raise NotATranscript(
        "is JSON of a shape that is not known; export it as Whisper's JSON, json3, WebVTT or plain text"
    )
