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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import chromadb
import numpy as np
from chromadb.config import Settings
from chromadb.errors import ChromaError, NotFoundError
from filelock import FileLock, Timeout

from rag.documents import Chunk, Hit, Video
from rag.errors import BadInput, HooklineError, StoreBusy
from rag.store import EMBEDDED_FILE, Written, by_position, ranked

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

    from rag.embedding import Vectors

Row = TypeVar("Row")

LOCK_WAIT_SECONDS = 10.0
_ABANDONED_SECONDS = 3600.0
_ASKED_AT_ONCE = 200  # videos in one condition
_VIDEOS = "hookline-videos"
_UNFINISHED = "hookline-unfinished"
_CHUNKS = "hookline-chunks-"
_ASKED_BY = ("creator", "video_id", "title", "start_seconds", "end_seconds", "is_opening")
_NO_VECTOR = np.ones(
    (1, 1), dtype=np.float32
)  # Chroma wants a vector for every record; these are only ever fetched by id


def embedded_exists(path: Path) -> bool:
    """Whether ``path`` holds an embedded Chroma store."""
    return (path / EMBEDDED_FILE).is_file()


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
            try:
                location.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadInput(
                    f"the store {location} cannot be made ({error.strerror}): choose another --store"
                ) from error
            with self._locked(location):  # two processes that make one store at once break it
                _connect(location).heartbeat()
        self._client = _connect(location)
        self._opened: dict[str, Collection] = {}
        self._videos = self._collection(_VIDEOS, {"embedding_model": embedding_model})
        written_by = (self._videos.metadata or {}).get("embedding_model")
        if written_by != embedding_model and self._videos.count() == 0:
            self._videos.modify(metadata={"embedding_model": embedding_model})
        elif written_by != embedding_model:
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
        marks = _rows(self._unfinished.get(include=["metadatas"]))
        keys = [(mark["creator"], mark["video_id"]) for mark in marks if mark["begun"] < begun_before]
        versions = self._versions(keys)
        self._drop_other_versions({key: versions.get(key) for key in keys})
        self._end(keys)

    def _versions(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The version that counts, the content hash, of each video that is there."""
        versions: dict[tuple[str, str], str] = {}
        for part in self._in_batches(keys):
            found = self._videos.get(ids=[_key(key) for key in part], include=["metadatas"])
            versions |= {(row["creator"], row["video_id"]): row["content_hash"] for row in _rows(found)}
        return versions

    def _drop_other_versions(self, keep: Mapping[tuple[str, str], str | None]) -> None:
        """Remove the chunks of these videos that are of another version than the one to keep; None keeps none."""
        by_creator: dict[str, list[str]] = {}
        for creator, video_id in keep:
            by_creator.setdefault(creator, []).append(video_id)
        for creator, ids in by_creator.items():
            chunks = self._chunks_of(creator)
            for start in range(0, len(ids), _ASKED_AT_ONCE):
                some = ids[start : start + _ASKED_AT_ONCE]
                theirs: Any = {"video_id": {"$in": some}}
                found = chunks.get(where=theirs, include=["metadatas"])
                stale = [
                    id_
                    for id_, row in zip(found["ids"], _rows(found), strict=True)
                    if row["content_hash"] != keep[creator, row["video_id"]]
                ]
                for part in self._in_batches(stale):
                    chunks.delete(ids=list(part))
            if chunks.count() == 0:
                self._client.delete_collection(chunks.name)
                del self._opened[chunks.name]

    def videos(self) -> list[Video]:
        """Every complete video, by creator and id."""
        found = self._videos.get(include=["metadatas", "documents"])
        videos = [
            _video(row, opening) for row, opening in zip(_rows(found), found["documents"] or [], strict=True)
        ]
        return sorted(videos, key=lambda video: video.key)

    def replace_videos(self, batch: Sequence[Written]) -> None:
        """Make each video's chunks those given; see the module's docstring for what a crash leaves."""
        keys = [video.key for video, _, _ in batch]
        before = self._versions(keys)
        self._begin(keys)
        by_creator: dict[str, list[tuple[Chunk, str, Vectors]]] = {}
        for video, chunks, vectors in batch:
            rows = by_creator.setdefault(video.creator, [])
            rows += [(chunk, video.content_hash, row) for chunk, row in zip(chunks, vectors, strict=True)]
        for creator, rows in by_creator.items():
            collection = self._chunks_of(creator)
            for part in self._in_batches(rows):
                collection.upsert(
                    ids=[f"{chunk.id}-{version[:16]}" for chunk, version, _ in part],
                    embeddings=np.asarray([row for _, _, row in part], dtype=np.float32),
                    documents=[chunk.text for chunk, _, _ in part],
                    metadatas=[_chunk_row(chunk, version) for chunk, version, _ in part],
                )
        self.update_videos([video for video, _, _ in batch])
        now = {video.key: video.content_hash for video, _, _ in batch}
        self._drop_other_versions({key: now[key] for key, was in before.items() if was != now[key]})
        self._end(keys)

    def update_videos(self, videos: Sequence[Video]) -> None:
        """Replace what is known of videos; for those of a new version, this is the commit."""
        for part in self._in_batches(videos):
            self._videos.upsert(
                ids=[_key(video.key) for video in part],
                embeddings=np.repeat(_NO_VECTOR, len(part), axis=0),
                documents=[video.opening for video in part],
                metadatas=[_video_row(video) for video in part],
            )

    def remove_videos(self, keys: Sequence[tuple[str, str]]) -> None:
        """Forget videos and their chunks."""
        there = list(self._versions(keys))
        if not there:
            return
        self._begin(there)
        for part in self._in_batches(there):
            self._videos.delete(ids=[_key(key) for key in part])
        self._drop_other_versions(dict.fromkeys(there))
        self._end(there)

    def _begin(self, keys: Sequence[tuple[str, str]]) -> None:
        """Mark videos as being written."""
        for part in self._in_batches(keys):
            self._unfinished.upsert(
                ids=[_key(key) for key in part],
                embeddings=np.repeat(_NO_VECTOR, len(part), axis=0),
                metadatas=[{"creator": key[0], "video_id": key[1], "begun": time.time()} for key in part],
            )

    def _end(self, keys: Sequence[tuple[str, str]]) -> None:
        for part in self._in_batches(keys):
            self._unfinished.delete(ids=[_key(key) for key in part])

    def _in_batches(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """``rows`` in parts that Chroma takes in one call."""
        step = self._client.get_max_batch_size()
        for start in range(0, len(rows), step):
            yield rows[start : start + step]

    def chunks(self, creator: str, video_id: str) -> list[Chunk]:
        """A complete video's chunks by position; none if it is not there."""
        version = self._versions([(creator, video_id)]).get((creator, video_id))
        if version is None:
            return []
        found = self._chunks_of(creator).get(
            where=_of_version(video_id, version), include=["metadatas", "documents"]
        )
        return by_position(
            _chunk(row, text) for row, text in zip(_rows(found), found["documents"] or [], strict=True)
        )

    def vectors(self, creator: str, video_id: str) -> Vectors:
        """The vectors of a complete video's chunks, in their order."""
        version = self._versions([(creator, video_id)])[creator, video_id]
        found = self._chunks_of(creator).get(
            where=_of_version(video_id, version), include=["metadatas", "embeddings"]
        )
        vectors = np.asarray(found["embeddings"], dtype=np.float32)
        return vectors[np.argsort([json.loads(row["rest"])["position"] for row in _rows(found)])]

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
        current = self._versions(sorted({hit.chunk.video for hit in hits}))
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


def _key(video: tuple[str, str]) -> str:
    return json.dumps(video, ensure_ascii=False)


def _rows(found: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in found["metadatas"] or []]


def _of_version(video_id: str, version: str) -> Any:
    return {"$and": [{"video_id": video_id}, {"content_hash": version}]}


def _video_row(video: Video) -> dict[str, Any]:
    said = {field.name: getattr(video, field.name) for field in fields(video)}
    row = {name: value for name, value in said.items() if value is not None}
    del row["opening"]  # it is the document
    return row | {"tokens": json.dumps(video.tokens)}


def _video(row: dict[str, Any], opening: str) -> Video:
    return Video(**row | {"tokens": json.loads(row["tokens"]), "opening": opening})


def _chunk_row(chunk: Chunk, content_hash: str) -> dict[str, Any]:
    """What one may ask Chroma by in fields of their own, the rest as one JSON text: each field costs time."""
    row = {name: value for name in _ASKED_BY if (value := getattr(chunk, name)) is not None}
    rest = {
        field.name: getattr(chunk, field.name)
        for field in fields(chunk)
        if field.name not in {*_ASKED_BY, "text"}  # the text is the document
    }
    return row | {"content_hash": content_hash, "rest": json.dumps(rest)}


def _chunk(row: Any, text: str) -> Chunk:
    rest = json.loads(row["rest"])
    said = {name: row[name] for name in _ASKED_BY if name in row and name != "is_opening"}
    ends, speakers = tuple(rest.pop("sentence_ends")), tuple(rest.pop("speakers"))
    return Chunk(text=text, sentence_ends=ends, speakers=speakers, **said, **rest)
