"""Tables of transcripts: CSV with commas, semicolons or tabs, a row a video or a row a stretch of speech."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

from ingest.formats.record_fields import (
    BODY_KEYS,
    FILE_KEYS,
    RECORD_KEYS,
    SPEAKER_KEYS,
    START_KEYS,
    field_name,
)
from ingest.formats.records import ReadBody, read_records
from ingest.reading import BrokenTranscript, NotATranscript, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DELIMITERS: Final = ",;\t|"
_HEADER_CHARS: Final = 8192
_LONGEST_FIELD: Final = 1 << 27
_MENDED: Final = 3
_WHISPER_TSV: Final = ["start", "end", "text"]
_OTHERS: Final = frozenset({
    *START_KEYS, *SPEAKER_KEYS, *FILE_KEYS, "url", "video_url", "link",
    *(key for keys in RECORD_KEYS.values() for key in keys),
})  # fmt: skip


def is_table(text: str) -> bool:
    """Tell whether the first line names columns: one of what was said, and one of whom or when or which video."""
    names, _ = _header(text)
    return any(name in BODY_KEYS for name in names) and any(name in _OTHERS for name in names)


def read_table(text: str, read_body: ReadBody) -> Reading:
    """Read a table, a transcript for each video in it; its rows are counted as a spreadsheet does.

    Raises ``NotATranscript`` where no column holds what was said.
    """
    names, delimiter = _header(text)
    if not any(name in BODY_KEYS for name in names):
        raise NotATranscript(
            "is a table without a column of transcripts; name that column 'transcript' or 'text',"
            " or export it as plain text"
        )
    milliseconds = names == _WHISPER_TSV and delimiter == "\t"

    def records() -> Iterator[tuple[str, Any]]:
        for place, row in _rows(text, delimiter):
            if isinstance(row, BrokenTranscript):
                yield f"row {place}", row
            elif place > 1 and any(cell.strip() for cell in row):
                record: dict[str, Any] = dict(zip(names, row, strict=False))
                if milliseconds:  # so openai-whisper writes its TSV
                    record |= {f"{key}_ms": record.pop(key) for key in ("start", "end") if key in record}
                yield f"row {place}", record

    return read_records(records(), part="row", read_body=read_body)


def _header(text: str) -> tuple[list[str], str]:
    """Return the names of the columns, and the delimiter that makes most of them known."""
    line = text.lstrip("\n")[:_HEADER_CHARS].partition("\n")[0]
    best: tuple[int, list[str], str] = (-1, [], ",")
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            continue
        names = [field_name(cell) for cell in cells]
        known = sum(name in _OTHERS or name in BODY_KEYS for name in names) if len(names) > 1 else 0
        if known > best[0]:
            best = (known, names, delimiter)
    return best[1], best[2]


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | BrokenTranscript]]:
    """Yield rows and their numbers; where a quote is never closed, the lines after its own are read anew.

    That is done a few times only, so that the time stays that of the file's length.
    """
    csv.field_size_limit(_LONGEST_FIELD)  # the limit on a file's size is the limit on a field's
    lines = text.lstrip("\n").split("\n")
    place = 0
    for _ in range(_MENDED + 1):
        feed = _Feed(lines)
        rows = csv.reader(feed, delimiter=delimiter)
        before = 0
        while True:
            before, place = feed.given, place + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield place, BrokenTranscript(f"{error}; mend it or remove it")
                continue
            if feed.given == len(lines) and _is_open(lines[before:]):
                yield place, BrokenTranscript("a quote in it is never closed; close it or remove it")
                break
            yield place, row
        lines = lines[before + 1 :]
    yield place + 1, BrokenTranscript("too many quotes are not closed, and it ends here; close them")


class _Feed:
    """Lines for a csv reader, and how many it has taken."""

    def __init__(self, lines: list[str]) -> None:
        self.given = 0
        self._lines = lines

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self.given == len(self._lines):
            raise StopIteration
        self.given += 1
        return f"{self._lines[self.given - 1]}\n"


def _is_open(lines: list[str]) -> bool:
    """Tell whether the last row, of more than one line, has a quote without its other."""
    return len(lines) > 1 and sum(line.count('"') for line in lines) % 2 == 1


def read_json_lines(text: str, parse: Callable[[str], Any], read_body: ReadBody) -> Reading:
    """Read JSON Lines: each line a video, or each a stretch of speech."""

    def records() -> Iterator[tuple[str, Any]]:
        for place, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    yield f"line {place}", parse(line)
                except BrokenTranscript as error:
                    yield f"line {place}", error

    return read_records(records(), part="line", read_body=read_body)
