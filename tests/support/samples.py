"""Builders of chunks and hits, and a counter without rank files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from rag.documents import Chunk, Hit

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
DATA = ROOT / "data"
PUBLIC_DATA = SHARED / "data"
needs_public_data = pytest.mark.skipif(
    not PUBLIC_DATA.is_dir(), reason=f"the public data is not at {PUBLIC_DATA}"
)


class WordCounter:
    """One token a word and a mark: quick, and unlike tiktoken in every detail."""

    encoding = "words"

    def count(self, text: str) -> int:
        return len(text.replace("[", " [ ").replace("]", " ] ").split())


def chunk_of(
    sentences: Sequence[str],
    *,
    creator: str = "mara",
    video_id: str = "v1",
    start_char: int = 0,
    position: int = 0,
) -> Chunk:
    """A chunk of ``sentences`` joined by spaces, two seconds a sentence."""
    ends: list[int] = []
    length = -1
    for sentence in sentences:
        length += 1 + len(sentence)
        ends.append(length)
    return Chunk(
        id=f"{creator}-{video_id}-{start_char}",
        creator=creator,
        video_id=video_id,
        title=f"Title of {video_id}",
        text=" ".join(sentences),
        start_char=start_char,
        end_char=start_char + length,
        sentence_ends=tuple(ends),
        position=position,
        start_seconds=2.0 * position,
        end_seconds=2.0 * (position + len(sentences)),
    )


def hits_of(chunks: Sequence[Chunk]) -> list[Hit]:
    """Chunks as hits, best first."""
    return [Hit(chunk=chunk, score=1.0 - number / 100) for number, chunk in enumerate(chunks)]
