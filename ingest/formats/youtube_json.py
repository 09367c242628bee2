"""YouTube's captions as JSON, already parsed: json3, and what youtube-transcript-api returns."""

from __future__ import annotations

from typing import Any

from ingest.formats.segmenting import SegmentBuilder, number
from ingest.formats.speech_json import read_pieces
from ingest.transcripts import Transcript


def is_json3(data: Any) -> bool:
    """Tell whether ``data`` is YouTube's json3: an object whose ``events`` have times or text."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("events"), list)
        and (
            "wireMagic" in data
            or any(
                isinstance(event, dict) and ("segs" in event or "tStartMs" in event)
                for event in data["events"]
            )
        )
    )


def read_json3(data: dict[str, Any]) -> Transcript:
    """Read YouTube's json3: each event with text is one segment; numbers may be strings.

    Events without ``segs`` (windows) and those that hold only a newline are no speech and not counted.
    """
    build = SegmentBuilder("event")
    for event in data["events"]:
        pieces = event.get("segs", []) if isinstance(event, dict) else None
        if not isinstance(pieces, list):
            build.skip()
            continue
        words = [piece["utf8"] for piece in pieces if isinstance(piece, dict) and "utf8" in piece]
        start, duration = number(event.get("tStartMs")), number(event.get("dDurationMs"))
        build.add(
            "".join(words) if all(isinstance(word, str) for word in words) else None,
            None if start is None else start / 1000,
            None if start is None or duration is None else (start + duration) / 1000,
        )
    segments, notes = build.finish()
    return Transcript(segments=segments, notes=notes)


def is_snippets(data: Any) -> bool:
    """Tell whether ``data`` is youtube-transcript-api's: an object with ``snippets`` that have a text."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("snippets"), list)
        and any(isinstance(snippet, dict) and "text" in snippet for snippet in data["snippets"])
    )


def read_snippets(data: dict[str, Any]) -> Transcript:
    """Read youtube-transcript-api's snippets: each is one segment."""
    return read_pieces(data["snippets"])
