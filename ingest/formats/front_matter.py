"""What a file says of its video in ``key: value`` form: YAML front matter, or plain lines at the top."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

METADATA_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "title": ("title",),
    "creator": ("creator", "channel", "uploader"),
    "video_id": ("video_id", "youtube_id"),
    "published": ("date", "published", "upload_date"),
    "language": ("language", "lang"),
}
LINK_KEYS: Final = ("media", "url", "webpage_url", "video_url", "source_url", "link", "video")
_LONGEST_FIELD: Final = 1000
_LONGEST_NUMBER: Final = 20
_LONGEST_BLOCK: Final = 1 << 15
_YOUTUBE: Final = re.compile(
    r"https?://(?:www\.|m\.)?(?:youtube\.com/(?:watch\?v=|shorts/|live/|embed/)|youtu\.be/)([\w-]{11})(?![\w-])(.*)"
)
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DATE: Final = re.compile(r"([0-9]{4})[-/.]?([0-9]{2})[-/.]?([0-9]{2})(?:[T ].*)?")


class FrontMatterError(ValueError):
    """The block between the ``---`` lines cannot be used; the message says why and what to do."""


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Split ``text`` into its front matter, empty where it has none, and its body.

    Keys are in lower case, with underscores for spaces and hyphens. Raises ``FrontMatterError`` if the block is not closed, not YAML or no mapping.
    """
    text = text.lstrip("\n")
    if not re.match(r"---[ \t]*\n", text):
        return {}, text
    block = re.match(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", text, re.DOTALL | re.MULTILINE)
    if block is None:
        if re.match(r"---[ \t]*\n\s*[\w-]+\s*:", text):
            raise FrontMatterError("its front matter has no end; put a line of --- after it")
        return {}, text
    if len(block[1]) > _LONGEST_BLOCK:
        raise FrontMatterError(f"its front matter has more than {_LONGEST_BLOCK >> 10} KiB; shorten it")
    try:
        front = yaml.load(block[1], Loader=_LOADER)  # noqa: S506  # both are safe ones
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise FrontMatterError(
            f"its front matter is not YAML (line {line}: {error.problem}); mend it"
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise FrontMatterError("its front matter is not YAML; mend it or remove it") from error
    if not isinstance(front, dict | None):
        raise FrontMatterError("its front matter is no list of 'key: value' lines; mend it or remove it")
    return {re.sub(r"[ -]", "_", str(key).lower()): value for key, value in (front or {}).items()}, text[
        block.end() :
    ]


def metadata_of(
    front: Mapping[str, Any], names: Mapping[str, tuple[str, ...]] = METADATA_KEYS
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Pick the fields of a ``Transcript`` out of ``front``, and note those that cannot be used.

    ``names`` are the keys that each field may have, the first that is there counts.
    ``published`` comes out as an ISO date. ``video_id`` may come from a link to a YouTube video as a whole.
    """
    metadata: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    for name, keys in names.items():
        key = next((key for key in keys if front.get(key) is not None and front[key] != ""), None)
        if key is None:
            continue
        value = iso_date(front[key]) if name == "published" else _words(front[key], name)
        if value:
            metadata[name] = value
        else:
            remedy = "write it as YYYY-MM-DD" if name == "published" else "write it as text in quotes"
            notes += (f"the field {key} could not be used and was left out; {remedy}",)
    if "video_id" not in metadata:
        links = (youtube_id(front.get(key)) for key in LINK_KEYS)
        video_id = next((found for found in links if found), None)
        if video_id:
            metadata["video_id"] = video_id
    return metadata, notes


def _words(value: Any, name: str) -> str | None:
    """Return a field's text; YAML takes some words for other things, and only ``no`` is certain."""
    if value is False and name == "language":
        return "no"  # Norwegian
    if isinstance(value, int) and not isinstance(value, bool) and name != "video_id":
        value = str(value) if abs(value) < 10**_LONGEST_NUMBER else None
    if not isinstance(value, str) or len(value) > _LONGEST_FIELD:
        return None
    return " ".join(value.split()) or None


def iso_date(value: Any) -> str | None:
    """A date, or a text such as ``2026-08-14`` or ``20260814``, as an ISO date; None if it is no date."""
    if isinstance(value, date):
        return (value.date() if isinstance(value, datetime) else value).isoformat()
    if isinstance(value, int) and 0 < value < 10**8:
        value = str(value)
    written = _DATE.fullmatch(value.strip()[:40]) if isinstance(value, str) else None
    try:
        return date(*map(int, written.groups())).isoformat() if written else None
    except ValueError:
        return None


def youtube_id(link: Any) -> str | None:
    """Return the id in a link to a YouTube video, but not to a place in it: several talks may share that video."""
    found = _YOUTUBE.match(link.strip()[:_LONGEST_FIELD]) if isinstance(link, str) else None
    return None if found is None or re.search(r"[?&#](?:t|start)=", found[2]) else found[1]
