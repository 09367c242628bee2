"""A transcript file, of whichever format, into a ``Transcript``.

    BadInput                the path cannot be read
    ├── NotATranscript      another kind of file: pass it over
    └── BrokenTranscript    a transcript, but nothing can be read from it

The formats stand in one ordered table. A file's content decides; its extension only where content does not.
"""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from ingest.captions import (
    is_json3,
    is_subrip,
    is_webvtt,
    is_whisper,
    read_json3,
    read_subrip,
    read_webvtt,
    read_whisper,
)
from ingest.front_matter import FrontMatterError, iso_date
from ingest.prose import is_markdown, read_markdown, read_plain
from rag.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest.transcripts import Transcript

_HEAD_BYTES: Final = 1 << 16
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_SIGNATURES: Final = {b"%PDF": "a PDF", b"{\\rtf": "an RTF document"}  # others have NULs early on
_MARKUP_DOCUMENT: Final = re.compile(r"\s*<(?:\?xml|!doctype|html|tt|transcript|timedtext)\b", re.IGNORECASE)
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_EXPORT: Final = "export it as WebVTT, SubRip, whisper JSON, json3, Markdown or plain text"
_VIDEO_ID: Final = re.compile(r"[A-Za-z0-9_-]{11}")
_WORD: Final = "(?:[A-Z]?[a-z]+[0-9]*|[A-Z]+|[0-9]+)"
_WORDS: Final = re.compile(rf"[-_]*{_WORD}(?:[-_]+{_WORD})*[-_]*")
_YT_DLP_NAME: Final = re.compile(r"(?P<title>.*?)\s*\[(?P<id>[A-Za-z0-9_-]{11})\](?:\.[A-Za-z0-9_-]+)*")
_DATE_IN_FRONT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}|(?:19|20)[0-9]{6})[\s_-]+(?=\S)")
_WIDE_MARKS: Final = str.maketrans("\uff1a\uff1f\uff02\uff0a\uff1c\uff1e\uff5c\u29f8\u29f9", ':?"*<>|/\\')


class NotATranscript(BadInput):
    """The file is of another kind: an image, a PDF, JSON of another shape. One line with the remedy."""


class BrokenTranscript(BadInput):
    """The file is of a known format, but nothing can be read from it. One line with the remedy."""


class _Format(NamedTuple):
    """How to tell a format and how to read it; ``read`` returns no segments where it finds none."""

    name: str
    extensions: frozenset[str]
    is_like: Callable[[str], bool]
    read: Callable[[str], Transcript]


def _is_other_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read_other_json(text: str) -> Transcript:
    if _is_other_json(text):
        raise NotATranscript(
            "is JSON, but neither openai-whisper's ('segments') nor YouTube's json3 ('events'); export one of those"
        )
    raise BrokenTranscript("is not whole JSON; export it again")


FORMATS: Final = (
    _Format("WebVTT", frozenset({".vtt", ".webvtt"}), is_webvtt, read_webvtt),
    _Format("SubRip", frozenset({".srt"}), is_subrip, read_subrip),
    _Format("YouTube json3", frozenset({".json3"}), is_json3, read_json3),
    _Format("openai-whisper JSON", frozenset(), is_whisper, read_whisper),
    _Format("JSON", frozenset({".json"}), _is_other_json, _read_other_json),
    _Format("Markdown", frozenset({".md", ".markdown"}), is_markdown, read_markdown),
    _Format("plain text", frozenset({".txt", ".text", ""}), lambda _: False, read_plain),
)


def read_transcript(path: Path) -> Transcript:
    """Read the transcript in ``path``; it has at least one segment.

    Text is as in the file but for the format's own marks: ``ingest.cleaning`` does the rest. Times are in
    seconds. ``notes`` say what had to be assumed or left out. Raises ``NotATranscript`` for another kind of
    file, ``BrokenTranscript`` if nothing can be read from it, and ``BadInput`` if the file cannot be opened.
    """
    name = " ".join(str(path).split())
    try:
        text, notes = _text_of(path)
        transcript = _parse(text, path.suffix.lower())
    except (NotATranscript, BrokenTranscript) as error:
        raise type(error)(f"{name} {error}") from error
    except OSError as error:
        raise BadInput(
            f"{name} cannot be read ({error.strerror}); check the path and its permissions"
        ) from error
    return _encodable(replace(transcript, notes=notes + transcript.notes))


class Named(NamedTuple):
    """What a file's name says of its video; None for what it does not say. ``published`` is an ISO date."""

    video_id: str | None = None
    title: str | None = None
    published: str | None = None


def identity_from_name(path: Path) -> Named:
    """Take apart a name that yt-dlp gave: ``2026-08-14 Title [kR3v_9TqLxA].en.vtt``, or the id alone.

    The wide marks that yt-dlp writes for those that a file name may not hold are turned back. Where the name
    is of another form, all is None; so is what could be an id but reads as words, such as ``go-time-315``.
    """
    named = _YT_DLP_NAME.fullmatch(path.name)
    if named and _is_id(named["id"]):
        title = unicodedata.normalize("NFC", named["title"]).strip().translate(_WIDE_MARKS)
        dated = _DATE_IN_FRONT.match(title)
        return Named(
            named["id"], title[dated.end() if dated else 0 :] or None, iso_date(dated[1]) if dated else None
        )
    stem = path.name.partition(".")[0]
    return Named(stem) if _is_id(stem) else Named()


def _is_id(name: str) -> bool:
    return _VIDEO_ID.fullmatch(name) is not None and _WORDS.fullmatch(name) is None


def _text_of(path: Path) -> tuple[str, tuple[str, ...]]:
    """Read and decode a file, with newlines made one kind; raises without the file's name."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        is_utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        kind = next((kind for mark, kind in _SIGNATURES.items() if head.startswith(mark)), None)
        if kind is None and b"\0" in head and not is_utf16:
            kind = "binary"
        if kind is not None:
            raise NotATranscript(f"is {kind}, not text; {_EXPORT}")
        data = head + file.read()
    notes: tuple[str, ...] = ()
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        if is_utf16:
            raise BrokenTranscript("begins as UTF-16 but is not whole; save it as UTF-8") from error
        text = _windows_text(data)
        notes = ("it is not UTF-8 and was read as Windows-1252: check accents, or save it as UTF-8",)
    if "\0" in text:
        raise NotATranscript(f"is binary, not text; {_EXPORT}")
    if not text.strip():
        raise BrokenTranscript("is empty; export it again or remove it")
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def _windows_text(data: bytes) -> str:
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise NotATranscript("is not text in UTF-8, UTF-16 or Windows-1252; save it as UTF-8") from error
    if _CONTROL.search(text):
        raise NotATranscript(f"is binary, not text; {_EXPORT}")
    return text


def _parse(text: str, extension: str) -> Transcript:
    """Choose the format and read; raises without the file's name."""
    if _MARKUP_DOCUMENT.match(text):
        raise NotATranscript(f"is XML or HTML; {_EXPORT}")
    chosen = next((known for known in FORMATS if known.is_like(text)), None)
    chosen = chosen or next((known for known in FORMATS if extension in known.extensions), None)
    if chosen is None:
        raise NotATranscript(f"is of no known kind ({extension}); {_EXPORT}, or rename plain text to .txt")
    try:
        transcript = chosen.read(text)
    except FrontMatterError as error:
        raise BrokenTranscript(f"cannot be read: {error}") from error
    if not transcript.segments:
        found = "; ".join(transcript.notes)
        raise BrokenTranscript(
            f"looks like {chosen.name}, but nothing in it can be read{f' ({found})' if found else ''};"
            " export it again or remove it"
        )
    return transcript


def _encodable(transcript: Transcript) -> Transcript:
    """Replace lone surrogates, which JSON and YAML escapes can spell, so that all text can be written."""

    def mend(text: str | None) -> str | None:
        return text and _LONE_SURROGATE.sub("\ufffd", text)

    return replace(
        transcript,
        segments=tuple(
            replace(segment, text=mend(segment.text) or "", speaker=mend(segment.speaker))
            for segment in transcript.segments
        ),
        title=mend(transcript.title),
        creator=mend(transcript.creator),
        video_id=mend(transcript.video_id),
        language=mend(transcript.language),
        notes=tuple(mend(note) or "" for note in transcript.notes),
    )
