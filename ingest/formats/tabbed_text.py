"""Zoom's text: a line a turn, with tabs between its time, who speaks, and the words."""

from __future__ import annotations

import re
from typing import Final

from ingest.formats.segmenting import SegmentBuilder, name_of, seconds_of
from ingest.transcripts import Transcript

_TIME: Final = r"(?:[0-9]{1,2}:)?[0-9]{1,2}:[0-9]{2}(?:[.,][0-9]{1,3})?"
_LINE: Final = re.compile(rf"\s{{0,8}}({_TIME})\t([^\t]{{0,200}}?):?\t(.*)")
_LOOKED_AT: Final = 20
_MOST: Final = 0.6


def is_tabbed(text: str) -> bool:
    """Tell whether most of the first lines have a time, a tab, a name, a tab and words."""
    lines = [line for line in text[:16384].split("\n") if line.strip()][:_LOOKED_AT]
    return sum(_LINE.fullmatch(line) is not None for line in lines) > _MOST * len(lines)


def read_tabbed(text: str) -> Transcript:
    """Read it: each line is one segment, and a line of another form goes on with the one before."""
    build = SegmentBuilder("line")
    start: str | None = None
    speaker: str | None = None
    words: list[str] = []
    for line in text.split("\n"):
        found = _LINE.fullmatch(line)
        if found is None:
            words.append(line)
            continue
        build.add("\n".join(words), seconds_of(start), None, speaker)
        start, speaker, words = found[1], name_of(found[2]), [found[3]]
    build.add("\n".join(words), seconds_of(start), None, speaker)
    segments, notes = build.finish()
    return Transcript(segments=segments, notes=notes)
