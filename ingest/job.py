"""Files into a store: incremental, one bad file never stops the rest, killed at any instant and run again.

What a file's bytes hash to decides whether anything is done with it, so a file that is in the store already is
neither parsed nor embedded, and without news the embedding model is not even loaded. Videos are written in batches, each video whole
(``rag.store.Store.replace_videos``), so a run that is cut short goes on where it was.

Three things go on at once: a thread reads ahead, this one decides and embeds, a third writes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from ingest.files import is_gone, printable, size_of
from ingest.parsing import ParsedFile, Parser
from ingest.repeats import Repeats
from ingest.report import Done, Progress, Report, Status, Unread
from rag.documents import Chunk, Video
from rag.embedding import Embedder, WindowedText
from rag.store import Store, Written
from rag.tokens import TokenCounter

WINDOWS_AT_ONCE = 512
FILES_AHEAD = 8
Item = TypeVar("Item")
Result = TypeVar("Result")


def ingest(
    files: Sequence[Path],
    *,
    store: Store,
    embedder: Embedder,
    counters: Sequence[TokenCounter],
    creator: str | None = None,
    prune: Sequence[Path] = (),
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Bring ``store`` up to date with ``files``, as ``ingest.files.find_files`` gives them.

    ``creator`` names the creator of them all; otherwise it is the file's own metadata, what stands beside
    it, or the name of its folder. ``counters`` are the encodings whose counts are stored. Videos whose file
    lay at or below one of the paths in ``prune`` and is gone are removed. A file that cannot be read is reported.
    """
    begun = time.monotonic()
    report = Report(tokens={counter.encoding: 0 for counter in counters})
    with store.writing():
        known = store.videos()
        parser = Parser(known, embedder=embedder, counters=counters, creator=creator)
        run = _Run(
            known, files, store=store, embedder=embedder, report=report, prune=prune, on_progress=on_progress
        )
        with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
            try:
                for parsed in _ahead(parser.parse, files, reader):
                    run.take(parsed, writer)
                run.finish(writer)
            finally:
                reader.shutdown(cancel_futures=True)
    report.seconds = time.monotonic() - begun
    return report


def _ahead(
    function: Callable[[Item], Result], items: Iterable[Item], executor: ThreadPoolExecutor
) -> Iterator[Result]:
    """The results of ``function`` in order, worked out some items ahead of whoever takes them."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(executor.submit(function, item))
        if len(waiting) > FILES_AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class _Waiting(NamedTuple):
    """A video that waits for its vectors; ``size`` is its share of its file, in bytes."""

    video: Video
    chunks: Sequence[Chunk]
    windowed: WindowedText
    size: float


class _Run:
    """What must be decided in the order of the files, and the batch that is on its way into the store."""

    def __init__(
        self,
        known: Sequence[Video],
        files: Sequence[Path],
        *,
        store: Store,
        embedder: Embedder,
        report: Report,
        prune: Sequence[Path],
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._report = report
        self._prune = [path.resolve() for path in prune]
        self._on_progress = on_progress
        self._total_bytes = sum(map(size_of, files))
        self._done_bytes = 0.0
        self._known = {video.key: video for video in known}
        self._by_vectors: dict[str, list[Video]] = {}
        self._claimed: dict[tuple[str, str], Video] = {}
        self._rewritten: set[tuple[str, str]] = set()
        self._superseded: dict[tuple[str, str], Video] = {}
        self._moved: set[tuple[str, str]] = set()
        self._took_over: set[tuple[str, str]] = set()
        self._repeats = Repeats()
        self._read_now = {str(path.resolve()) for path in files}
        for video in known:
            self._by_vectors.setdefault(video.vectors_hash, []).append(video)
            if video.path not in self._read_now:  # those of the files at hand come in their turn
                self._repeats.add(video)
        self._waiting: list[_Waiting] = []
        self._records: list[Video] = []
        self._write: Future[None] | None = None

    def take(self, file: ParsedFile, writer: ThreadPoolExecutor) -> None:
        """Decide what becomes of a file's videos; embed and write once there are enough of them."""
        report, path = self._report, printable(file.path)
        report.skipped += [Unread(path=path, reason=reason) for reason in file.skipped]
        report.failed += [Unread(path=path, reason=reason) for reason in file.failed]
        report.notes += [Unread(path=path, reason=note) for note in file.notes]
        stay = [parsed for parsed in file.videos if self._stays(parsed.video, file.path)]
        kept = {parsed.video.key for parsed in stay}
        for video in file.before:
            if video.key not in kept and not file.failed:
                self._superseded[video.key] = video
            elif video.key not in self._claimed:  # what cannot be read says what it said before
                self._claim(video)
        # a file of which anything was left out is read, and reported, again next time
        whole = not file.failed and not file.skipped and len(stay) == len(file.videos)
        to_embed = sum(parsed.windowed is not None for parsed in stay)
        for parsed in stay:
            video = replace(parsed.video, file_videos=len(stay) if whole else 0)
            self._count(video, is_new=parsed.windowed is not None)
            if parsed.windowed is not None:
                size = file.size / to_embed
                self._waiting.append(_Waiting(video, parsed.chunks, parsed.windowed, size))
            elif video != self._known[video.key]:
                self._records.append(video)
            if sum(len(waiting.chunks) for waiting in self._waiting) >= WINDOWS_AT_ONCE:
                self._flush(writer)
        if not to_embed:
            self._advance(file.size, file.path)

    def finish(self, writer: ThreadPoolExecutor) -> None:
        """Write what is left, and remove what is no more: only now is it known that no other file is that video."""
        self._flush(writer)
        self._wait()
        pruned = {key: video for key, video in self._known.items() if self._is_pruned(video)}
        gone = [v for key, v in (self._superseded | pruned).items() if key not in self._claimed]
        self._store.remove_videos([video.key for video in gone])
        for video in gone:
            if video.key not in self._moved:
                self._report.removed += 1
                self._say(video, "removed")

    def _stays(self, video: Video, path: Path) -> bool:
        """Whether a file's video goes in or is in already; where another file has it, that is reported."""
        name = "/".join(video.key)
        holder = self._claimed.get(video.key) or self._known.get(video.key)
        if holder is not None and (video.key in self._claimed or self._is_elsewhere(holder, video)):
            self._skip(path, f"{name} is the same video as in {holder.path}")
            return False
        twins = [twin for twin in self._repeats.like(video) if self._is_other(twin, video)]
        for twin in twins:
            if twin.key in self._claimed or not is_gone(twin.path):
                self._skip(path, f"{name} says the same words as {'/'.join(twin.key)} in {twin.path}")
                return False
        twins += [
            twin for twin in self._by_vectors.get(video.vectors_hash, ()) if self._is_other(twin, video)
        ]
        for twin in twins:
            if twin.key not in self._claimed and is_gone(twin.path):
                self._superseded[twin.key] = twin
                if video.key not in self._known:
                    self._moved.add(twin.key)
                    self._took_over.add(video.key)
        self._claim(video)
        return True

    def _claim(self, video: Video) -> None:
        self._claimed[video.key] = video
        self._repeats.add(video)

    def _is_elsewhere(self, holder: Video, video: Video) -> bool:
        """Whether a video is of another file, which is there and not among those of this run."""
        return holder.path != video.path and holder.path not in self._read_now and not is_gone(holder.path)

    def _is_other(self, twin: Video, video: Video) -> bool:
        """Whether ``twin`` is another video, and what it says has not been replaced in this run."""
        return twin.key != video.key and self._claimed.get(twin.key, twin) is twin

    def _skip(self, path: Path, reason: str) -> None:
        self._report.skipped.append(Unread(path=printable(path), reason=f"{reason}, which is kept"))

    def _is_pruned(self, video: Video) -> bool:
        path = Path(video.path)
        return any(path.is_relative_to(folder) for folder in self._prune) and is_gone(video.path)

    def _count(self, video: Video, *, is_new: bool) -> None:
        report, before = self._report, self._known.get(video.key)
        status: Status
        if before is not None and not is_new:
            report.unchanged += 1
            status = "unchanged" if before.path == video.path else "moved"
        elif before is not None:
            report.updated += 1
            status = "updated"
        elif video.key in self._took_over:
            report.updated += 1
            status = "moved"
        else:
            report.added += 1
            status = "added"
        report.transcripts += 1
        report.chunks += video.chunks
        for encoding in report.tokens:
            report.tokens[encoding] += video.tokens.get(encoding, 0)
        self._say(video, status)

    def _say(self, video: Video, status: Status) -> None:
        self._report.files.append(
            Done(
                path=video.path,
                creator=video.creator,
                video_id=video.video_id,
                status=status,
                chunks=video.chunks,
            )
        )

    def _flush(self, writer: ThreadPoolExecutor) -> None:
        """Embed what waits in one go while the batch before is written, then have it written."""
        lenders = [self._lender(waiting.video) for waiting in self._waiting]
        own = [waiting for waiting, lender in zip(self._waiting, lenders, strict=True) if lender is None]
        size = sum(waiting.size for waiting in own)
        embedded = iter(
            self._embedder.embed_windows(
                [waiting.windowed for waiting in own],
                progress=lambda share: self._advance(share * size, Path(own[-1].video.path)),
            )
            if own
            else ()
        )
        self._wait()  # what lends vectors is read while nothing is written
        batch: list[Written] = []
        for waiting, lender in zip(self._waiting, lenders, strict=True):
            vectors = next(embedded) if lender is None else self._store.vectors(*lender.key)
            batch.append((waiting.video, waiting.chunks, vectors))
            self._rewritten.add(waiting.video.key)
            if lender is not None:
                self._advance(waiting.size, Path(waiting.video.path))
        records, self._records, self._waiting = self._records, [], []
        if batch or records:
            self._write = writer.submit(self._write_all, batch, records)

    def _write_all(self, batch: Sequence[Written], records: Sequence[Video]) -> None:
        self._store.replace_videos(batch)
        self._store.update_videos(records)

    def _wait(self) -> None:
        if self._write is not None:
            self._write.result()
            self._write = None

    def _lender(self, video: Video) -> Video | None:
        """A video of which the store has just these vectors."""
        lenders = self._by_vectors.get(video.vectors_hash, ())
        return next((lender for lender in lenders if lender.key not in self._rewritten), None)

    def _advance(self, size: float, path: Path) -> None:
        self._done_bytes += size
        self._on_progress(
            Progress(done_bytes=round(self._done_bytes), total_bytes=self._total_bytes, path=str(path))
        )
