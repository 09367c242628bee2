"""Does an ingest keep its pace and its memory as the store grows? Everything but the model is measured.

    python benchmarks/ingest_scaling.py [--chunks 100000] [--short-videos 5000]

The embedder's vectors are random; pieces are counted, and texts taken apart into them, as by the real one. The
transcripts are generated: captions of words that are one piece each, no two alike. Of the long videos each is 99
chunks, by eight creators in turn; of the short ones each is three, by as many creators. Both are read into a new store,
and then again, unchanged; each run in a process of its own.

chunks     in the store by then
seconds    since the first file was read
chunks/s   in all, and since the line before
RSS        memory in use, MB; of an unchanged run its peak
store      MB on disk
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

from ingest.files import find_files  # noqa: E402
from ingest.job import ingest  # noqa: E402
from rag.chroma import ChromaStore  # noqa: E402
from rag.embedding import Embedder, Progress, Vectors, WindowedText  # noqa: E402
from rag.minilm import MiniLMEmbedder, weights_folder  # noqa: E402
from rag.store import Written  # noqa: E402
from rag.tokens import ENCODINGS, counter_for  # noqa: E402

DIMENSIONS = 384
CREATORS = 8
LONG, SHORT = 99, 3  # chunks a video
WORDS = 11  # of a sentence, its mark makes it twelve pieces
SENTENCES = 10  # of a window of 128 pieces
SECONDS_A_SENTENCE = 4.0
MARKS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


class RandomEmbedder(Embedder):
    """Counts pieces as the default embedder does, and invents the vectors."""

    name = "random"
    max_pieces = MiniLMEmbedder.max_pieces

    def __init__(self) -> None:
        self._counting = MiniLMEmbedder()
        self._random = np.random.default_rng(7)

    def pieces(self, texts: Sequence[str]) -> list[int]:
        """The real model's pieces."""
        return self._counting.pieces(texts)

    def embed_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Random unit vectors."""
        self.pieces(texts)
        return self._vectors(len(texts), progress)

    def embed_windows(
        self, texts: Sequence[WindowedText], *, progress: Progress | None = None
    ) -> list[Vectors]:
        """Random unit vectors; each sentence is taken apart once, as the default embedder does."""
        self.pieces([text.text[start:end] for text in texts for start, end in text.sentences])
        vectors = self._vectors(sum(len(text.windows) for text in texts), progress)
        ends = np.cumsum([len(text.windows) for text in texts])
        return np.split(vectors, ends[:-1])

    def _vectors(self, number: int, progress: Progress | None) -> Vectors:
        vectors = self._random.normal(size=(number, DIMENSIONS)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if progress is not None:
            progress(1.0)
        return vectors


class WatchedStore(ChromaStore):
    """Prints a line whenever it has grown to the next mark."""

    written = 0
    _begun = _before = 0.0
    _written_before = 0

    def begin(self) -> None:
        """Begin to measure."""
        self._begun = self._before = time.perf_counter()
        self._marks = [mark for mark in MARKS if mark > self.written]

    def replace_videos(self, batch: Sequence[Written]) -> None:
        """Write, and count."""
        super().replace_videos(batch)
        self.written += sum(len(chunks) for _, chunks, _ in batch)
        if self._marks and self.written >= self._marks[0]:
            self._marks = [mark for mark in self._marks if mark > self.written]
            self.say()

    def say(self) -> None:
        """Print how far it is."""
        now = time.perf_counter()
        grown = self.written - self._written_before
        if not grown:
            return
        print(
            f"{self.written:>10,}{now - self._begun:>10.1f}{self.written / (now - self._begun):>10,.0f}"
            f"{grown / (now - self._before):>10,.0f}{memory_mb():>8,.0f}{size_mb(Path(str(self.location))):>8,.0f}",
            flush=True,
        )
        self._before, self._written_before = time.perf_counter(), self.written


def memory_mb() -> float:
    """Memory in use; its peak where the system does not tell."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
    return peak_mb()


def peak_mb() -> float:
    """The most memory that was in use."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def size_mb(folder: Path) -> float:
    """What a folder's files hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def vocabulary() -> list[str]:
    """Words that are one piece each."""
    pieces = json.loads((weights_folder() / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return [
        piece
        for piece in pieces
        if piece.isascii() and piece.isalpha() and 3 <= len(piece) <= 9  # noqa: PLR2004
    ]


def captions(chunks: int, words: Sequence[str], chance: random.Random) -> Iterator[str]:
    """WebVTT of a video of so many chunks: every other one lies over a border between two that are full."""
    yield "WEBVTT\n"
    full = (chunks + 1) // 2
    for number in range(full * SENTENCES):
        start = number * SECONDS_A_SENTENCE
        sentence = " ".join(chance.choices(words, k=WORDS)).capitalize()
        yield f"\n{stamp(start)} --> {stamp(start + SECONDS_A_SENTENCE)}\n{sentence}.\n"


def stamp(seconds: float) -> str:
    """A time as WebVTT has it."""
    minutes, second = divmod(seconds, 60)
    return f"{int(minutes) // 60:02}:{int(minutes) % 60:02}:{second:06.3f}"


def generate(folder: Path, videos: int, chunks: int) -> None:
    """Write the videos."""
    words = vocabulary()
    chance = random.Random(7)
    for creator in range(CREATORS):
        (folder / f"creator {creator}").mkdir(parents=True)
    for number in range(videos):
        path = folder / f"creator {number % CREATORS}" / f"video {number:06}.vtt"
        path.write_text("".join(captions(chunks, words, chance)), encoding="utf-8")


def run(folder: Path, place: Path) -> dict[str, Any]:
    """An ingest in this process."""
    embedder = RandomEmbedder()
    embedder.pieces(["loaded"])
    counters = [counter_for(encoding) for encoding in ENCODINGS]
    for counter in counters:
        counter.count("loaded")
    store = WatchedStore(place, embedding_model=embedder.name)
    begun = time.perf_counter()
    store.begin()
    report = ingest(find_files([folder]), store=store, embedder=embedder, counters=counters)
    seconds = time.perf_counter() - begun
    store.say()
    if report.failed or report.skipped:
        print(f"left out: {(report.failed + report.skipped)[:3]}", file=sys.stderr)
    return {
        "seconds": seconds,
        "chunks": report.chunks,
        "unchanged": report.unchanged,
        "peak": peak_mb(),
        "store": size_mb(place),
    }


def in_child(folder: Path, place: Path) -> dict[str, Any]:
    """The same in a process of its own, whose lines are passed on."""
    with subprocess.Popen(
        [sys.executable, "-I", __file__, "--child", str(folder), str(place)],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        last = ""
        for last in child.stdout:  # the last is the answer
            if not last.startswith("{"):
                print(last, end="", flush=True)
    if child.returncode:
        raise SystemExit(f"the child ended with {child.returncode}")
    answer: dict[str, Any] = json.loads(last)
    return answer


def measure(name: str, videos: int, chunks: int) -> None:
    """Read generated videos into a new store, twice."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, place = Path(scratch) / "videos", Path(scratch) / "store"
        generate(folder, videos, chunks)
        print(f"\n{name}: {videos:,} videos of {chunks} chunks, {size_mb(folder):,.0f} MB of captions")
        print(
            f"{'chunks':>10}{'seconds':>10}{'chunks/s':>10}{'lately':>10}{'RSS':>8}{'store':>8}", flush=True
        )
        first, second = in_child(folder, place), in_child(folder, place)
    assert second["unchanged"] == videos, second
    print(
        f"peak {first['peak']:,.0f} MB; unchanged: {second['seconds']:.2f} s, "
        f"{first['seconds'] / second['seconds']:.0f} times as fast, "
        f"{videos / second['seconds']:,.0f} videos/s, peak {second['peak']:,.0f} MB",
        flush=True,
    )


def main() -> None:
    """Measure long videos, then short ones; or, in a child, one run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--short-videos", type=int, default=5_000)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(run(*arguments.child)))
        return
    if arguments.chunks:
        measure("Long videos", -(-arguments.chunks // LONG), LONG)
    if arguments.short_videos:
        measure("Short videos", arguments.short_videos, SHORT)


if __name__ == "__main__":
    main()
