"""The store port, and an in-memory reference that every other store must behave like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import numpy as np

from rag.documents import Chunk, Hit, Video
from rag.embedding import Vectors

Written = tuple[Video, Sequence[Chunk], Vectors]
EMBEDDED_FILE = "chroma.sqlite3"  # a folder that holds it is a store, whatever lies beside it


class Store(Protocol):
    """Videos, their chunks and their vectors, all written by one embedding model."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold the store for writing; one process at a time. Raises ``StoreBusy`` when waited too long."""
        ...

    def videos(self) -> list[Video]:
        """Every complete video, by creator and id."""
        ...

    def replace_videos(self, batch: Sequence[Written]) -> None:
        """Make each video's chunks those given, whatever was there before, half-written or whole.

        ``vectors`` have the shape ``(len(chunks), dimensions)``. Killed at any instant and called again, the
        result is the same (law 6): a video counts as complete only once all of it is written.
        """
        ...

    def update_videos(self, videos: Sequence[Video]) -> None:
        """Replace what is known of videos whose chunks, and so ``content_hash``, stay as they are."""
        ...

    def remove_videos(self, keys: Sequence[tuple[str, str]]) -> None:
        """Forget videos, by creator and id, and their chunks; nothing happens for one that is not there."""
        ...

    def chunks(self, creator: str, video_id: str) -> list[Chunk]:
        """A complete video's chunks by position; none if it is not there."""
        ...

    def vectors(self, creator: str, video_id: str) -> Vectors:
        """The vectors of ``chunks``, in their order, shape ``(chunks, dimensions)``."""
        ...

    def search(self, vector: Vectors, *, limit: int, creators: Sequence[str] | None = None) -> list[Hit]:
        """The ``limit`` nearest chunks of each creator, best first, ties by chunk id.

        ``creators`` restricts whose; None is everybody's, an empty list nobody's. The limit holds a creator, so that a talkative creator cannot crowd out the others.
        """
        ...


def ranked(hits: list[Hit]) -> list[Hit]:
    """Hits in the order every store returns: best first, ties by chunk id."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))


def by_position(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Chunks of one video in the order they were said."""
    return sorted(chunks, key=lambda chunk: chunk.position)


class MemoryStore:
    """The reference: exact search over plain dictionaries."""

    def __init__(self) -> None:
        self._videos: dict[tuple[str, str], Video] = {}
        self._chunks: dict[tuple[str, str], list[tuple[Chunk, Vectors]]] = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Nothing to hold: a process's own memory has one writer."""
        yield

    def videos(self) -> list[Video]:
        """Every video, by creator and id."""
        return [video for _, video in sorted(self._videos.items())]

    def replace_videos(self, batch: Sequence[Written]) -> None:
        """Make each video's chunks those given."""
        for video, chunks, vectors in batch:
            self._chunks[video.key] = list(zip(chunks, vectors, strict=True))
            self._videos[video.key] = video

    def update_videos(self, videos: Sequence[Video]) -> None:
        """Replace what is known of videos whose chunks stay."""
        for video in videos:
            self._videos[video.key] = video

    def remove_videos(self, keys: Sequence[tuple[str, str]]) -> None:
        """Forget videos and their chunks."""
        for key in keys:
            self._videos.pop(key, None)
            self._chunks.pop(key, None)

    def chunks(self, creator: str, video_id: str) -> list[Chunk]:
        """A video's chunks by position."""
        return by_position(chunk for chunk, _ in self._chunks.get((creator, video_id), ()))

    def vectors(self, creator: str, video_id: str) -> Vectors:
        """The vectors of a video's chunks, in their order."""
        rows = sorted(self._chunks[creator, video_id], key=lambda row: row[0].position)
        return np.stack([vector for _, vector in rows])

    def search(self, vector: Vectors, *, limit: int, creators: Sequence[str] | None = None) -> list[Hit]:
        """The ``limit`` nearest chunks of each creator, best first."""
        by_creator: dict[str, list[Hit]] = {}
        for (creator, _), rows in self._chunks.items():
            if creators is None or creator in creators:
                by_creator.setdefault(creator, []).extend(
                    Hit(chunk=chunk, score=float(np.dot(row, vector))) for chunk, row in rows
                )
        return ranked([hit for hits in by_creator.values() for hit in ranked(hits)[:limit]])
