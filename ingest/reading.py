"""What comes of reading a file: the transcripts in it, or why there are none.

BadInput                the path cannot be read
├── NotATranscript      another kind of file: pass it over
└── BrokenTranscript    a transcript, but nothing can be read from it
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.transcripts import Transcript
from rag.errors import BadInput


class NotATranscript(BadInput):
    """The file is of another kind: an image, a PDF, JSON of another shape. One line with the remedy."""


class BrokenTranscript(BadInput):
    """The file is of a known format, but nothing can be read from it. One line with the remedy."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The transcripts of one file, and a line for each of its records that could not be read.

    A file of one video has one transcript and no failures; a table or a list of videos may have many of both.
    """

    transcripts: tuple[Transcript, ...]
    failures: tuple[str, ...] = ()
