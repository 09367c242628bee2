"""Files into a store: incremental, one bad file never stops the rest, killed at any instant and run again.

What a file's bytes hash to decides whether anything is done with it, so a file that is in the store already is
neither parsed nor embedded, and without news the embedding model is not even loaded. A video is written whole before the next
one (``rag.store.Store.replace_video``), so a run that is cut short goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ingest.chunking import WINDOW_PIECES, chunks_of, script_of
from ingest.cleaning import clean
from ingest.readers import NotATranscript, identity_from_name, read_transcript
from ingest.transcripts import Transcript
from rag.documents import Chunk, Video, tidy_name
from rag.embedding import Embedder
from rag.errors import BadInput
from rag.store import Store
from rag.tokens import TokenCounter

# part of every content hash: raise it when reading, cleaning or chunking changes what a file becomes
PIPELINE_VERSION = f"2:{WINDOW_PIECES}"
EMBED_AT_ONCE = 256
NOT_SPEECH = {"readme", "license", "licence", "copying", "notice", "changelog", "contributing", "authors"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A file that did not become a video, and why."""

    path: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What a run did. ``tokens`` maps an encoding to the cleaned text's count, windows not counted twice.

    ``transcripts`` is the number of videos that the files given now have in the store: added, updated and
    unchanged. ``removed`` counts videos that a changed file no longer is, or no longer says anything in.
    """

    transcripts: int = 0
    chunks: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[Unread] = field(default_factory=list)
    skipped: list[Unread] = field(default_factory=list)
    notes: list[Unread] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: bytes of transcript done, of all, and the file it is at."""

    done_bytes: int
    total_bytes: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A parsed video that waits for its vectors."""

    video: Video
    chunks: list[Chunk]
    size: int


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Every file that was named, and every one below the folders that were, each once.

    Raises ``BadInput`` for a path that does not exist, folders without a file, and a named file that is no
    readable transcript (inside a folder it is only reported).
    """
    named: dict[Path, None] = {}
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(_inside(path)))
        elif path.is_file():
            read_transcript(path)
            named[path] = None
        elif path.exists():
            raise BadInput(f"{path} is neither a file nor a folder: name a transcript or a folder of them")
        else:
            raise BadInput(f"{path} does not exist: check the path")
    if not named and not found:
        raise BadInput(f"no files in {', '.join(map(str, paths))}: name a folder that holds transcripts")
    return list(named | found)


def ingest(
    files: Sequence[Path],
    *,
    store: Store,
    embedder: Embedder,
    counters: Sequence[TokenCounter],
    creator: str | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Bring ``store`` up to date with ``files``, as ``find_files`` gives them.

    ``creator`` names the creator of them all; otherwise it is the file's own metadata, else the name of its
    folder. ``counters`` are the encodings whose counts are stored. A file that cannot be read is reported.
    """
    begun = time.monotonic()
    report = Report(tokens={counter.encoding: 0 for counter in counters})
    run = _Run(
        store=store,
        embedder=embedder,
        counters=counters,
        creator=creator,
        report=report,
        on_progress=on_progress,
        total_bytes=sum(path.stat().st_size for path in files if path.exists()),
    )
    with store.writing():
        run.over(files)
    report.seconds = time.monotonic() - begun
    return report


class _Run:
    def __init__(
        self,
        *,
        store: Store,
        embedder: Embedder,
        counters: Sequence[TokenCounter],
        creator: str | None,
        report: Report,
        on_progress: Callable[[Progress], None],
        total_bytes: int,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._counters = counters
        self._creator = creator
        self._report = report
        self._on_progress = on_progress
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._claimed: dict[tuple[str, str], str] = {}
        self._waiting: list[_Ready] = []
        self._superseded: list[tuple[str, str]] = []

    def over(self, files: Sequence[Path]) -> None:
        known = self._store.videos()
        by_path = {video.path: video for video in known}
        by_key = {video.key: video for video in known}
        for path in files:
            size = 0
            try:
                size = path.stat().st_size
                ready = self._prepare(path, size, by_path, by_key)
            except NotATranscript as error:
                self._report.skipped.append(Unread(path=_printable(path), reason=str(error)))
                ready = None
            except (BadInput, OSError) as error:
                self._report.failed.append(Unread(path=_printable(path), reason=str(error)))
                ready = None
            if ready is None:
                self._advance(size, path)
                continue
            self._waiting.append(ready)
            if sum(len(waiting.chunks) for waiting in self._waiting) >= EMBED_AT_ONCE:
                self._write_waiting()
        self._write_waiting()
        for key in self._superseded:  # only now is it known that no other file is that video
            if key not in self._claimed:
                self._store.remove_video(*key)
                self._report.removed += 1

    def _prepare(
        self,
        path: Path,
        size: int,
        by_path: Mapping[str, Video],
        by_key: Mapping[tuple[str, str], Video],
    ) -> _Ready | None:
        """Parse a file whose video must be written; None where there is nothing to write."""
        where = str(path.resolve())
        if _printable(path) != str(path):
            raise BadInput(f"{_printable(path)} has a name that is not UTF-8: rename it")
        before = by_path.get(where)
        content_hash = _content_hash(path, self._creator)
        if before is not None and before.content_hash == content_hash:
            if self._claim(before.key, path):
                self._unchanged(before)
            return None
        if path.stem.lower() in NOT_SPEECH:
            raise NotATranscript(f"{path} is no transcript, by its name")
        transcript = clean(read_transcript(path))
        if transcript.notes:
            self._report.notes.append(Unread(path=_printable(path), reason="; ".join(transcript.notes)))
        if not transcript.segments:
            if before is not None:
                self._superseded.append(before.key)
            self._report.skipped.append(Unread(path=_printable(path), reason="no speech in it"))
            return None
        return self._new_version(path, size, transcript, content_hash, before, by_key)

    def _new_version(  # noqa: PLR0917  # one step of _prepare
        self,
        path: Path,
        size: int,
        transcript: Transcript,
        content_hash: str,
        before: Video | None,
        by_key: Mapping[tuple[str, str], Video],
    ) -> _Ready | None:
        """What a cleaned transcript becomes; None where it is in the store already."""
        named = identity_from_name(path)
        creator = tidy_name(self._creator or transcript.creator or path.resolve().parent.name) or "unnamed"
        video_id = tidy_name(transcript.video_id or named.video_id or stem_of(path)).replace("@", " ")
        key = (creator, video_id)
        if not self._claim(key, path):
            return None
        title = tidy_name(transcript.title or named.title or re.sub(r"[-_]", " ", stem_of(path)))
        same = by_key.get(key)
        if same is not None and (same.content_hash, same.title) == (content_hash, title):
            self._unchanged(same)  # the same bytes at another path
            return None
        window = min(WINDOW_PIECES, self._embedder.max_pieces)
        script = script_of(transcript, self._embedder.pieces, window_pieces=window)
        chunks = chunks_of(script, creator=creator, video_id=video_id, title=title, window_pieces=window)
        video = Video(
            creator=creator,
            video_id=video_id,
            title=title,
            path=str(path.resolve()),
            content_hash=content_hash,
            chunks=len(chunks),
            tokens={counter.encoding: counter.count(script.text) for counter in self._counters},
            opening=script.opening(),
            published=transcript.published or named.published,
        )
        if before is not None and before.key != key:
            self._superseded.append(before.key)
        if same is None:
            self._report.added += 1
        else:
            self._report.updated += 1
        self._total(video)
        return _Ready(video=video, chunks=chunks, size=size)

    def _claim(self, key: tuple[str, str], path: Path) -> bool:
        """Take a video for this file; two files of one video in a run are one video."""
        if key in self._claimed:
            reason = f"the same video ({'/'.join(key)}) as {self._claimed[key]}"
            self._report.skipped.append(Unread(path=_printable(path), reason=reason))
            return False
        self._claimed[key] = str(path)
        return True

    def _unchanged(self, video: Video) -> None:
        self._report.unchanged += 1
        self._total(video)

    def _total(self, video: Video) -> None:
        self._report.transcripts += 1
        self._report.chunks += video.chunks
        for encoding in self._report.tokens:
            self._report.tokens[encoding] += video.tokens.get(encoding, 0)

    def _write_waiting(self) -> None:
        """Embed what waits in one go, then write it video by video."""
        texts = [chunk.text for ready in self._waiting for chunk in ready.chunks]
        if not texts:
            return
        bytes_a_text = sum(ready.size for ready in self._waiting) / len(texts)
        base, embedded = self._done_bytes, 0
        path = Path(self._waiting[-1].video.path)

        def embedding(count: int) -> None:
            nonlocal embedded
            embedded += count
            self._advance(int(base + embedded * bytes_a_text) - self._done_bytes, path)

        vectors = self._embedder.embed_documents(texts, progress=embedding)
        at = 0
        for ready in self._waiting:
            part = np.asarray(vectors[at : at + len(ready.chunks)])
            at += len(ready.chunks)
            self._store.replace_video(ready.video, ready.chunks, part)
        self._waiting.clear()

    def _advance(self, size: int, path: Path) -> None:
        self._done_bytes += size
        self._on_progress(
            Progress(done_bytes=self._done_bytes, total_bytes=self._total_bytes, path=str(path))
        )


def _inside(folder: Path) -> Iterator[Path]:
    """Every file below a folder that may be a transcript; hidden ones and links that lead out are not."""
    root = folder.resolve()
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where) / name
            if name.startswith("."):
                continue
            if path.is_file() and path.resolve().is_relative_to(root):
                yield path


def _content_hash(path: Path, creator: str | None) -> str:
    digest = hashlib.sha256(f"{PIPELINE_VERSION}\0{creator or ''}\0".encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def stem_of(path: Path) -> str:
    """A file's name without its kind and language: ``v1.2 My loaf.en.vtt`` is ``v1.2 My loaf``.

    >>> stem_of(Path("v1.2 My loaf.en.vtt")), stem_of(Path("Mr. Bo.txt"))
    ('v1.2 My loaf', 'Mr. Bo')
    """
    stem, suffix = path.stem, path.suffix
    return re.sub(r"\.[a-z]{2,3}(?:-[A-Za-z]+)*$", "", stem) or stem if suffix else path.name


def _printable(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
