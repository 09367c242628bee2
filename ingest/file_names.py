"""What a file's name says of its video: yt-dlp's form, an id, or a date."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from ingest.formats.front_matter import iso_date

if TYPE_CHECKING:
    from pathlib import Path

_VIDEO_ID: Final = re.compile(r"[A-Za-z0-9_-]{11}")
_WORD: Final = "(?:[A-Z]?[a-z]+[0-9]*|[A-Z]+|[0-9]+)"
_WORDS: Final = re.compile(rf"[-_]*{_WORD}(?:[-_]+{_WORD})*[-_]*")
_YT_DLP_NAME: Final = re.compile(r"(?P<title>.*?)\s*\[(?P<id>[A-Za-z0-9_-]{11})\](?:\.[A-Za-z0-9_-]+)*")
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|(?:19|20)[0-9]{6}"
_DATE_IN_FRONT: Final = re.compile(rf"({_DATE})[\s_-]+(?=\S)")
_DATE_AND_ID: Final = re.compile(rf"({_DATE})[\s_-]([A-Za-z0-9_-]{{11}})")
_ID_AND_DATE: Final = re.compile(rf"([A-Za-z0-9_-]{{11}})[\s_-]({_DATE})")
_WIDE_MARKS: Final = str.maketrans("\uff1a\uff1f\uff02\uff0a\uff1c\uff1e\uff5c\u29f8\u29f9", ':?"*<>|/\\')


class Named(NamedTuple):
    """What a file's name says of its video; None for what it does not say. ``published`` is an ISO date."""

    video_id: str | None = None
    title: str | None = None
    published: str | None = None


def identity_from_name(path: Path) -> Named:
    """Take apart a name that yt-dlp gave: ``2026-08-14 Title [kR3v_9TqLxA].en.vtt``, or an id with a date or alone.

    The wide marks that yt-dlp writes for those that a file name may not hold are turned back. Of a name of
    another form only a date in front is taken. What could be an id but reads as words, such as
    ``go-time-315``, is none.
    """
    named = _YT_DLP_NAME.fullmatch(path.name)
    if named and is_id(named["id"]):
        title = unicodedata.normalize("NFC", named["title"]).strip().translate(_WIDE_MARKS)
        dated = _DATE_IN_FRONT.match(title)
        return Named(
            named["id"], title[dated.end() if dated else 0 :] or None, iso_date(dated[1]) if dated else None
        )
    stem = path.name.partition(".")[0]
    if is_id(stem):
        return Named(stem)
    if (found := _DATE_AND_ID.fullmatch(stem)) and is_id(found[2]):
        return Named(found[2], None, iso_date(found[1]))
    if (found := _ID_AND_DATE.fullmatch(stem)) and is_id(found[1]):
        return Named(found[1], None, iso_date(found[2]))
    dated = _DATE_IN_FRONT.match(path.name)
    return Named(published=iso_date(dated[1])) if dated else Named()


def is_id(name: str) -> bool:
    """Tell whether ``name`` is an id as YouTube has them, and no words of as many letters."""
    return _VIDEO_ID.fullmatch(name) is not None and _WORDS.fullmatch(name) is None
