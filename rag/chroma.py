"""Chroma as the store: embedded in a folder, or a server that ``chroma run`` started.

Layout, private to this module: one collection of chunks a creator, because a metadata filter costs time
linear in its collection (``benchmarks/creator_search.py``), one collection with a record a video, and one
with a mark for every video whose write has begun and not ended.

A write is crash-safe without transactions: chunks carry the content hash of the version they belong to, the
record names the version that counts, so writing the record is the commit. Chunks of any other version are
invisible to a search, and whoever writes next removes those that a killed writer left.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import chromadb
import numpy as np
from chromadb.config import Settings
from chromadb.errors import ChromaError, NotFoundError
from filelock import FileLock, Timeout

from rag.documents import Chunk, Hit, Video
from rag.errors import BadInput, HooklineError, StoreBusy
from rag.store import by_position, ranked

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

    from rag.embedding import Vectors

LOCK_WAIT_SECONDS = 10.0
_ABANDONED_SECONDS = 3600.0
_VIDEOS = "hookline-videos"
_UNFINISHED = "hookline-unfinished"
_CHUNKS = "hookline-chunks-"
_NO_VECTOR = np.ones(
    (1, 1), dtype=np.float32
)  # Chroma wants a vector for every record; these are only ever fetched by id


def embedded_exists(path: Path) -> bool:
    """Whether ``path`` holds an embedded Chroma store."""
    return (path / "chroma.sqlite3").is_file()


class ChromaStore:
    """A store of one embedding model in Chroma. Opening it with another model is refused.

    ``location`` is a folder, made here if need be, or the URL of a Chroma server. ``on_wait`` is called
    with one line when another process holds the write lock and the wait begins.
    """

    def __init__(
        self,
        location: Path | str,
        *,
        embedding_model: str,
        on_wait: Callable[[str], None] | None = None,
        lock_wait_seconds: float = LOCK_WAIT_SECONDS,
    ) -> None:
        self.location = location
        self._embedding_model = embedding_model
        self._on_wait = on_wait
        self._lock_wait_seconds = lock_wait_seconds
        if isinstance(location, Path) and not embedded_exists(location):
            location.mkdir(parents=True, exist_ok=True)
            with self._locked(location):  # two processes that make one store at once break it
                _connect(location).heartbeat()
        self._client = _connect(location)
        self._opened: dict[str, Collection] = {}
        self._videos = self._collection(_VIDEOS, {"embedding_model": embedding_model})
        written_by = (self._videos.metadata or {}).get("embedding_model")
        if written_by != embedding_model:
            raise BadInput(
                f"the store {location} was made with the embedding model {written_by}, not {embedding_model}: "
                f"use that model, or another --store"
            )
        self._unfinished = self._collection(_UNFINISHED, None)

    def _collection(self, name: str, metadata: dict[str, Any] | None) -> Collection:
        if name not in self._opened:
            self._opened[name] = self._client.get_or_create_collection(
                name,
                metadata=metadata,
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine"}},
            )
        return self._opened[name]

    def _chunks_of(self, creator: str) -> Collection:
        return self._collection(_CHUNKS + _digest(creator), {"creator": creator})

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store for writing, and first mend what a killed writer left.

        Waits ``lock_wait_seconds`` for another process, then raises ``StoreBusy``. A crash releases the
        lock: it belongs to the process, not to the file. A server takes several writers; there only what was
        begun more than an hour ago is taken for abandoned.
        """
        if isinstance(self.location, Path):
            with self._locked(self.location):
                self._mend(begun_before=math.inf)
                yield
        else:
            self._mend(begun_before=time.time() - _ABANDONED_SECONDS)
            yield

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        lock = FileLock(folder / "hookline.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if self._on_wait is not None:
                self._on_wait(
                    f"another process writes {self.location}: waiting up to {self._lock_wait_seconds:.0f} s"
                )
            try:
                lock.acquire(timeout=self._lock_wait_seconds)
            except Timeout:
                raise StoreBusy(
                    f"another process is writing the store {self.location}: wait for it to end, and try again"
                ) from None
        try:
            yield
        finally:
            lock.release()

    def _mend(self, *, begun_before: float) -> None:
        for mark in _rows(self._unfinished.get(include=["metadatas"])):
            if mark["begun"] >= begun_before:
                continue
            creator, video_id = mark["creator"], mark["video_id"]
            self._drop_other_versions(creator, video_id, keep=self._version(creator, video_id))
            self._unfinished.delete(ids=[_key(creator, video_id)])

    def _version(self, creator: str, video_id: str) -> str | None:
        for row in _rows(self._videos.get(ids=[_key(creator, video_id)], include=["metadatas"])):
            return str(row["content_hash"])
        return None

    def _drop_other_versions(self, creator: str, video_id: str, *, keep: str | None) -> None:
        chunks = self._chunks_of(creator)
        found = chunks.get(where={"video_id": video_id}, include=["metadatas"])
        stale = [
            id_
            for id_, row in zip(found["ids"], found["metadatas"] or [], strict=True)
            if row["content_hash"] != keep
        ]
        for start in range(0, len(stale), self._client.get_max_batch_size()):
            chunks.delete(ids=stale[start : start + self._client.get_max_batch_size()])
        if chunks.count() == 0:
            self._client.delete_collection(chunks.name)
            del self._opened[chunks.name]

    def videos(self) -> list[Video]:
        """Every complete video, by creator and id."""
        found = self._videos.get(include=["metadatas", "documents"])
        videos = [
            Video(
                creator=row["creator"],
                video_id=row["video_id"],
                title=row["title"],
                path=row["path"],
                content_hash=row["content_hash"],
                chunks=row["chunks"],
                tokens=json.loads(row["tokens"]),
                opening=opening,
                published=row.get("published"),
            )
            for row, opening in zip(_rows(found), found["documents"] or [], strict=True)
        ]
        return sorted(videos, key=lambda video: video.key)

    def replace_video(self, video: Video, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Make ``chunks`` the chunks of ``video``; see the module's docstring for what a crash leaves."""
        key = _key(video.creator, video.video_id)
        before = self._version(video.creator, video.video_id)
        self._unfinished.upsert(
            ids=[key],
            embeddings=_NO_VECTOR,
            metadatas=[{"creator": video.creator, "video_id": video.video_id, "begun": time.time()}],
        )
        collection = self._chunks_of(video.creator)
        step = self._client.get_max_batch_size()
        for start in range(0, len(chunks), step):
            part = chunks[start : start + step]
            collection.upsert(
                ids=[f"{chunk.id}-{video.content_hash[:16]}" for chunk in part],
                embeddings=np.asarray(vectors[start : start + step], dtype=np.float32),
                documents=[chunk.text for chunk in part],
                metadatas=[_chunk_row(chunk, video.content_hash) for chunk in part],
            )
        row: dict[str, Any] = {
            "creator": video.creator,
            "video_id": video.video_id,
            "title": video.title,
            "path": video.path,
            "content_hash": video.content_hash,
            "chunks": video.chunks,
            "tokens": json.dumps(video.tokens),
        }
        if video.published is not None:
            row["published"] = video.published
        self._videos.upsert(ids=[key], embeddings=_NO_VECTOR, documents=[video.opening], metadatas=[row])
        if before is not None and before != video.content_hash:
            self._drop_other_versions(video.creator, video.video_id, keep=video.content_hash)
        self._unfinished.delete(ids=[key])

    def remove_video(self, creator: str, video_id: str) -> None:
        """Forget a video and its chunks."""
        key = _key(creator, video_id)
        if self._version(creator, video_id) is None:
            return
        self._unfinished.upsert(
            ids=[key],
            embeddings=_NO_VECTOR,
            metadatas=[{"creator": creator, "video_id": video_id, "begun": time.time()}],
        )
        self._videos.delete(ids=[key])
        self._drop_other_versions(creator, video_id, keep=None)
        self._unfinished.delete(ids=[key])

    def chunks(self, creator: str, video_id: str) -> list[Chunk]:
        """A complete video's chunks by position; none if it is not there."""
        version = self._version(creator, video_id)
        if version is None:
            return []
        found = self._chunks_of(creator).get(where={"video_id": video_id}, include=["metadatas", "documents"])
        return by_position(
            _chunk(row, text)
            for row, text in zip(_rows(found), found["documents"] or [], strict=True)
            if row["content_hash"] == version
        )

    def search(self, vector: Vectors, *, limit: int, creators: Sequence[str] | None = None) -> list[Hit]:
        """The ``limit`` nearest chunks of each creator, best first, ties by chunk id."""
        hits: list[Hit] = []
        versions: list[str] = []
        for collection in self._chunk_collections(creators):
            found = collection.query(
                query_embeddings=vector[np.newaxis, :],
                n_results=limit,
                include=["metadatas", "documents", "distances"],
            )
            for row, text, distance in zip(
                (found["metadatas"] or [[]])[0],
                (found["documents"] or [[]])[0],
                (found["distances"] or [[]])[0],
                strict=True,
            ):
                hits.append(Hit(chunk=_chunk(row, text), score=1.0 - float(distance)))
                versions.append(str(row["content_hash"]))
        current = self._current_versions({hit.chunk.video for hit in hits})
        return ranked(
            [
                hit
                for hit, version in zip(hits, versions, strict=True)
                if current.get(hit.chunk.video) == version
            ]
        )

    def _chunk_collections(self, creators: Sequence[str] | None) -> list[Collection]:
        if creators is None:
            return [c for c in self._client.list_collections() if c.name.startswith(_CHUNKS)]
        found: list[Collection] = []
        for creator in creators:
            try:
                found.append(self._client.get_collection(_CHUNKS + _digest(creator), embedding_function=None))
            except NotFoundError:
                continue
        return found

    def _current_versions(self, videos: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
        if not videos:
            return {}
        found = self._videos.get(ids=sorted(_key(*video) for video in videos), include=["metadatas"])
        return {(row["creator"], row["video_id"]): row["content_hash"] for row in _rows(found)}


def _connect(location: Path | str) -> ClientAPI:
    settings = Settings(anonymized_telemetry=False)  # one a client: Chroma writes the location into it
    if isinstance(location, Path):
        try:
            return chromadb.PersistentClient(path=str(location), settings=settings)
        except (OSError, ValueError, ChromaError) as error:
            raise HooklineError(
                f"the store {location} cannot be opened ({error}): try another --store"
            ) from error
    url = urlsplit(location)
    try:
        return chromadb.HttpClient(
            host=url.hostname or "",
            port=url.port or (443 if url.scheme == "https" else 8000),
            ssl=url.scheme == "https",
            settings=settings,
        )
    except (ValueError, ChromaError) as error:
        raise BadInput(f"no Chroma server answers at {location}: start one with 'chroma run'") from error


def _digest(text: str) -> str:
    """A collection's name may hold few characters; a creator's name may hold any."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _key(creator: str, video_id: str) -> str:
    return json.dumps([creator, video_id], ensure_ascii=False)


def _rows(found: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in found["metadatas"] or []]


def _chunk_row(chunk: Chunk, content_hash: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": chunk.id,
        "creator": chunk.creator,
        "video_id": chunk.video_id,
        "title": chunk.title,
        "start_char": chunk.start_char,
        "end_char": chunk.end_char,
        "sentence_ends": list(chunk.sentence_ends),
        "position": chunk.position,
        "content_hash": content_hash,
    }
    if chunk.start_seconds is not None:
        row["start_seconds"] = chunk.start_seconds
    if chunk.end_seconds is not None:
        row["end_seconds"] = chunk.end_seconds
    return row


def _chunk(row: Any, text: str) -> Chunk:
    return Chunk(
        id=row["id"],
        creator=row["creator"],
        video_id=row["video_id"],
        title=row["title"],
        text=text,
        start_char=row["start_char"],
        end_char=row["end_char"],
        sentence_ends=tuple(row["sentence_ends"]),
        position=row["position"],
        start_seconds=row.get("start_seconds"),
        end_seconds=row.get("end_seconds"),
    )
