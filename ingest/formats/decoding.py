"""A file's bytes into text: only of a file that is one, only so many, in whichever encoding they were written.

UTF-8 comes first, then a byte order mark, then UTF-16 by its zero bytes. What is none of these is judged by
the lines that hold other bytes than ASCII's: where those stand alone between ASCII's, the encoding is a Latin
one, and which one the letters tell; where they come together, charset-normalizer says which.
"""

from __future__ import annotations

import codecs
import re
import stat
from typing import TYPE_CHECKING, Final

from charset_normalizer import from_bytes

from ingest.formats.segmenting import counted
from ingest.reading import BrokenTranscript, NotATranscript
from rag.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 64 << 20
EXPORT: Final = "export it as WebVTT, SubRip, JSON, CSV, Markdown or plain text"

_HEAD_BYTES: Final = 1 << 16
_SAMPLE_BYTES: Final = 1 << 14
_SIGNATURES: Final = {b"%PDF": "a PDF", b"{\\rtf": "an RTF document"}  # others have NULs early on
_MARKS: Final = (  # UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_RUN: Final = re.compile(rb"[\x80-\xff]{2,}")
_OTHER: Final = re.compile(rb"[\x80-\xff]")
_MOSTLY: Final = 0.5
_ENOUGH: Final = 6
_BEFORE: Final = 64
_CENTRAL_EUROPEAN: Final = re.compile(rb"[A-Za-z][\x9a\x9e\x9f\xb3\xb9\xbe\xbf]|[\x9a\x9e\xb3\xb9\xbe][a-z]")
_TURKISH: Final = re.compile(rb"[A-Za-z][\xf0\xfd\xfe]|[\xdd\xde\xf0\xfd\xfe][a-z]")
_NAMES: Final = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "koi8_r": "KOI8-R",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "Korean (cp949)",
}
_REPLACED: Final = 100  # one character in so many may be damaged
_ZERO_SHARE: Final = 5  # one pair in so many at least has a zero byte, as every ASCII mark has


def text_of(path: Path) -> tuple[str, tuple[str, ...]]:
    """Read and decode a file, with newlines made one kind; the notes say what had to be guessed.

    Nothing but a plain file is opened, and none over ``MAX_BYTES`` is read. Raises without the file's name.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise BadInput("is a pipe, a device or a socket; name a file")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        _refuse_binary(head)
        if found.st_size > MAX_BYTES:
            raise BrokenTranscript(_too_long(found.st_size))
        data = head + file.read(max(found.st_size - len(head), 0))  # as long as it was, if it grows meanwhile
    text, notes = _decoded(data)
    if "\0" in text:
        raise NotATranscript(f"is binary, not text; {EXPORT}")
    if not text.strip():
        raise BrokenTranscript("is empty; export it again or remove it")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text, notes


def _too_long(size: int) -> str:
    return f"has {size >> 20} MiB, more than the {MAX_BYTES >> 20} that are read; split it"


def _refuse_binary(head: bytes) -> None:
    kind = next((kind for mark, kind in _SIGNATURES.items() if head.startswith(mark)), None)
    if kind is None and b"\0" in head and _wide_encoding(head) is None:
        kind = "binary"
    if kind is not None:
        raise NotATranscript(f"is {kind}, not text; {EXPORT}")


def _wide_encoding(head: bytes) -> str | None:
    """Return the encoding of more than a byte a mark that ``head`` begins in, by its mark or its zeros."""
    for mark, encoding, _ in _MARKS[1:]:
        if head.startswith(mark):
            return encoding
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * _ZERO_SHARE * 2 < len(head) or min(even, odd) * 10 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _decoded(data: bytes) -> tuple[str, tuple[str, ...]]:
    for mark, encoding, name in _MARKS:
        if data.startswith(mark):
            return _by_mark(data, encoding, name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if "\0" not in text:
            return text, ()
    wide = _wide_encoding(data[:_HEAD_BYTES]) if b"\0" in data else None
    if wide is not None:
        return _by_mark(data, wide, "UTF-16")[0], ("it has no byte order mark and was read as UTF-16",)
    if b"\0" in data:
        raise NotATranscript(f"is binary, not text; {EXPORT}")
    return _damaged_utf8(data) or _other_text(data)


def _by_mark(data: bytes, encoding: str, name: str) -> tuple[str, tuple[str, ...]]:
    try:
        return data.decode(encoding), ()
    except UnicodeDecodeError as error:
        if name == "UTF-8":
            return _damaged_utf8(data[len(codecs.BOM_UTF8) :]) or _other_text(data)
        raise BrokenTranscript(f"begins as {name} but is not whole; save it as UTF-8") from error


def _damaged_utf8(data: bytes) -> tuple[str, tuple[str, ...]] | None:
    """Read UTF-8 with a few bytes that are not; None where more are not than are."""
    whole = data.decode("utf-8", "ignore")
    wide = len(whole.encode("utf-8")) - len(whole)  # bytes beyond the first of each character
    bad = len(data) - len(whole.encode("utf-8"))
    if wide <= bad:
        return None
    note = counted(bad, "byte that is not UTF-8", "replaced: check the text, or save it as UTF-8")
    return data.decode("utf-8", "replace"), note


def _other_text(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Read text in none of Unicode's encodings."""
    encoding = _single_encoding(data)
    text = data.decode(encoding, "replace")
    if text.count("\ufffd") * _REPLACED > len(text):
        raise NotATranscript(
            "is not text in UTF-8, UTF-16 or another encoding that is known; save it as UTF-8"
        )
    if _CONTROL.search(text):
        raise NotATranscript(f"is binary, not text; {EXPORT}")
    name = _NAMES[encoding]
    return text, (f"it is not UTF-8 and was read as {name}: check accents, or save it as UTF-8",)


def _single_encoding(data: bytes) -> str:
    """Guess an encoding of ``_NAMES`` from the lines that are not ASCII."""
    sample = _sample(data)
    together = sum(len(run[0]) for run in _RUN.finditer(sample))
    if together >= _ENOUGH and together >= _MOSTLY * len(_OTHER.findall(sample)):
        for piece in (sample, sample[:-1]):  # it may end in the middle of a character
            best = from_bytes(piece, cp_isolation=list(_NAMES)).best()
            if best is not None and best.encoding in _NAMES:
                return best.encoding
    if _CENTRAL_EUROPEAN.search(sample):
        return "cp1250"
    return "cp1254" if _TURKISH.search(sample) else "cp1252"


def _sample(data: bytes) -> bytes:
    """Return the first lines that hold other bytes than ASCII's, a few KiB of them."""
    lines: list[bytes] = []
    size = 0
    for line in data.split(b"\n"):
        if not line.isascii():
            first = _OTHER.search(line)
            at = max(first.start() - _BEFORE, 0) if first else 0
            lines.append(line[at : at + _SAMPLE_BYTES - size])
            size += len(lines[-1])
            if size >= _SAMPLE_BYTES:
                break
    return b"\n".join(lines)
