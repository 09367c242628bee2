"""A record's fields: which of its keys holds the words, the times, and what is said of the video."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ingest.formats.front_matter import LINK_KEYS, METADATA_KEYS, metadata_of, youtube_id
from ingest.formats.segmenting import number, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BODY_KEYS: Final = (
    *(
        "transcript",
        "transcript_text",
        "full_transcript",
        "raw_transcript",
        "clean_transcript",
        "transcription",
    ),
    *("transcripts", "captions", "subtitles", "segments", "snippets", "text", "full_text", "content", "body"),
)
START_KEYS: Final = (
    *("start", "start_time", "start_seconds", "start_sec", "start_s", "start_ms", "offset", "timestamp"),
    *("time", "begin"),
)
END_KEYS: Final = ("end", "end_time", "end_seconds", "end_sec", "end_s", "end_ms", "stop")
DURATION_KEYS: Final = ("duration", "dur", "duration_seconds", "duration_ms")
SPEAKER_KEYS: Final = ("speaker", "speaker_name", "speaker_label", "speaker_id")
RECORD_KEYS: Final = {
    **METADATA_KEYS,
    "creator": (
        *METADATA_KEYS["creator"],
        *(
            "channel_name",
            "channel_title",
            "channeltitle",
            "author",
            "author_name",
            "account",
            "podcast",
            "show",
        ),
    ),
    "video_id": (*METADATA_KEYS["video_id"], "videoid", "yt_id", "ytid", "id"),
    "title": (*METADATA_KEYS["title"], "video_title", "episode_title"),
    "published": (
        *METADATA_KEYS["published"],
        *(
            "published_at",
            "publishedat",
            "publish_date",
            "published_date",
            "upload_at",
            "uploaded",
            "uploaded_at",
        ),
        *("release_date", "aired"),
    ),
    "language": ("language_code", *METADATA_KEYS["language"]),
}
FILE_KEYS: Final = ("file", "filename", "file_name", "path", "filepath", "file_path", "source_file")

_FILE: Final = re.compile(r"\S{1,250}\.[A-Za-z0-9]{2,5}")
_LONGEST_LINK: Final = 1000
_ROW_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_ASSEMBLY_KEYS: Final = frozenset({"audio_url", "audio_duration", "utterances", "acoustic_model"})
_LONGEST_ID: Final = 10**24
_NAME_CHARS: Final = 80
_NO_WORD: Final = re.compile(r"\W+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def fields_of(record: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a record's fields under names in lower case, with underscores; the first of a name counts."""
    fields: dict[str, Any] = {}
    for key, value in record.items():
        fields.setdefault(field_name(key), value)
    return fields


def field_name(name: Any) -> str:
    """Return ``videoId``, ``Video ID`` and ``video-id`` as ``video_id``."""
    return _named(name[:_NAME_CHARS] if isinstance(name, str) else str(name))


@lru_cache(maxsize=4096)
def _named(name: str) -> str:
    return _NO_WORD.sub("_", _CAMEL.sub("_", name)).strip("_").lower()


def record_metadata(fields: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Pick the fields of a ``Transcript`` out of a record's, as ``metadata_of`` does.

    An ``id`` that only counts rows is none, nor is AssemblyAI's own. The video that a link names goes before an ``id``.
    """
    kept = dict(fields)
    for key in RECORD_KEYS["video_id"][:-1]:
        if isinstance(kept.get(key), int):
            kept[key] = str(kept[key]) if abs(kept[key]) < _LONGEST_ID else None
    own = kept.get("id")
    if not isinstance(own, str) or _ROW_NUMBER.fullmatch(own) or kept.keys() & _ASSEMBLY_KEYS:
        kept.pop("id", None)
    for key in RECORD_KEYS["creator"]:
        if isinstance(kept.get(key), dict):
            kept[key] = kept[key].get("name") or kept[key].get("title")
    if kept.get("id") and not any(kept.get(key) for key in RECORD_KEYS["video_id"][:-1]):
        linked = next((found for key in LINK_KEYS if (found := youtube_id(kept.get(key)))), None)
        if linked is not None:
            kept["id"] = linked
    return metadata_of(kept, RECORD_KEYS)


def body_of(fields: Mapping[str, Any]) -> Any:
    """Return the words of a record: a text, a list or an object; None where it has none."""
    for key in BODY_KEYS:
        value = fields.get(key)
        if isinstance(value, str) and value.strip() and not _is_link(value):
            return value
        if isinstance(value, list | dict) and value:
            return value
    return None


def _is_link(text: str) -> bool:
    """Tell whether a text is only a link, a path or the name of a file."""
    text = text.strip() if len(text) < _LONGEST_LINK else ""
    return len(text.split(None, 1)) == 1 and ("/" in text or "\\" in text or bool(_FILE.fullmatch(text)))


def file_of(fields: Mapping[str, Any]) -> str | None:
    """Return the file that a record says it is of."""
    return next((value for key in FILE_KEYS if isinstance(value := fields.get(key), str) and value), None)


def time_in(fields: Mapping[str, Any], keys: Iterable[str]) -> float | None:
    """Return the time under the first of ``keys`` that is there, in seconds."""
    for key in keys:
        if key in fields:
            if key.endswith("_ms"):
                found = number(fields[key])
                return None if found is None else found / 1000
            return seconds_of(fields[key])
    return None
