"""Captions written as XML: YouTube's srv1, srv2 and srv3, and TTML, from text to transcript.

It is read as it streams by, so nothing that nests or repeats takes memory, and defusedxml refuses entities.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import ParseError  # only the error; the parser is defusedxml's

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from ingest.formats.segmenting import SegmentBuilder, number, seconds_of
from ingest.transcripts import Transcript

_ROOT: Final = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--[^>]{0,2000}-->\s*)?<(?:transcript|timedtext|(?:\w{1,10}:)?tt)[\s/>]",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")
_OFFSET: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|t)")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_FRAMES: Final = 4  # hours, minutes, seconds and frames
_PIECE_CHARS: Final = 1 << 16


def is_timed_text(text: str) -> bool:
    """Tell whether ``text`` begins as one of these formats does."""
    return _ROOT.match(text[:4096]) is not None


def read_timed_text(text: str) -> Transcript:
    """Read XML captions: each ``<text>`` or ``<p>`` is one segment, with what was read before it breaks off.

    srv1's times are in seconds, srv3's in milliseconds, TTML's say it themselves.
    """
    target = _Target()
    parser = XMLParser(target=target)  # defusedxml's
    broken: tuple[str, ...] = ()
    try:
        for at in range(0, len(text), _PIECE_CHARS):
            parser.feed(text[at : at + _PIECE_CHARS])
        parser.close()
    except ParseError as error:
        line, _ = getattr(error, "position", (0, 0))
        broken = (f"its XML is broken in line {line}; what comes after it was left out",)
    except DefusedXmlException:
        broken = ("its XML declares entities, and was read only up to there",)
    segments, notes = target.build.finish()
    return Transcript(segments=segments, language=target.language, notes=broken + notes)


class _Target:
    """What the parser calls for each tag and text."""

    def __init__(self) -> None:
        self.build = SegmentBuilder("cue")
        self.language: str | None = None
        self._open: dict[str, str] | None = None
        self._is_text = False
        self._pieces: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2].lower()
        if name in {"text", "p"}:
            self._flush()
            self._open, self._is_text = attributes, name == "text"
        elif name == "br" and self._open is not None:
            self._pieces.append(" ")
        elif name in {"tt", "transcript", "timedtext"}:
            self.language = next(
                (value for key, value in attributes.items() if key.rpartition("}")[2] == "lang" and value),
                None,
            )

    def data(self, text: str) -> None:
        if self._open is not None:
            self._pieces.append(text)

    def end(self, tag: str) -> None:
        if tag.rpartition("}")[2].lower() in {"text", "p"}:
            self._flush()

    def close(self) -> None:
        self._flush()

    def _flush(self) -> None:
        """End the cue that is open."""
        if self._open is None:
            return
        words = _TAG.sub("", "".join(self._pieces))
        start, end = _times(self._open, is_text=self._is_text)
        self.build.add(words, start, end)
        self._pieces.clear()
        self._open = None


def _times(attributes: dict[str, str], *, is_text: bool) -> tuple[float | None, float | None]:
    """Return start and end in seconds, by the attributes that each of the formats has."""
    if "begin" in attributes:
        start, end, duration = (_ttml_seconds(attributes.get(key)) for key in ("begin", "end", "dur"))
    elif is_text and "start" in attributes:
        start, end, duration = number(attributes["start"]), None, number(attributes.get("dur"))
    else:
        start, end, duration = _thousandth(attributes.get("t")), None, _thousandth(attributes.get("d"))
    if end is None and start is not None and duration is not None:
        end = round(start + duration, 3)
    return start, end


def _thousandth(value: str | None) -> float | None:
    found = number(value)
    return None if found is None else found / 1000


def _ttml_seconds(value: str | None) -> float | None:
    """Read TTML's times: ``00:00:01.5``, ``00:00:01:12`` with frames that are left out, ``1.5s``, ``1500ms``."""
    if value is None:
        return None
    offset = _OFFSET.fullmatch(value.strip()[:32])
    if offset:
        unit = _UNIT_SECONDS.get(offset[2])
        return None if unit is None else round(float(offset[1]) * unit, 3)
    parts = value.split(":", _FRAMES)
    return seconds_of(":".join(parts[:3]) if len(parts) == _FRAMES else value)
