"""Where does the time of an ingest go, and how far is it from the model's own arithmetic on this machine?

    python benchmarks/ingest_profile.py [--corpus FOLDER...] [--limit-files N]

Two ingests into fresh stores: one as it is, and one with random vectors in place of the model, with a clock
around each step of the reading thread. CPU seconds of the model are the difference of the two, and those of
Chroma, which works in threads of its own, what the second one used beside the clocked steps. The arithmetic is the model's floating-point
operations for the pieces that were read (matrix products of six layers, and attention over 128 pieces), at
the rate that this machine reaches in a large float32 product.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from ingest import files, job, parsing  # noqa: E402
from ingest.report import Report  # noqa: E402
from rag.chroma import ChromaStore  # noqa: E402
from rag.embedding import Progress, Vectors, WindowedText  # noqa: E402
from rag.minilm import MiniLMEmbedder  # noqa: E402
from rag.tokens import ENCODINGS, TokenCounter, counter_for  # noqa: E402

_LAYERS, _WIDTH, _INNER, _PIECES = 6, 384, 1536, 128
_FLOP_A_PIECE = _LAYERS * 2 * (4 * _WIDTH**2 + 2 * _WIDTH * _INNER + 2 * _PIECES * _WIDTH)


class Clocks:
    """CPU seconds by step, each without the steps inside of it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: dict[int, list[float]] = defaultdict(list)

    def around(self, owner: Any, name: str, step: str) -> None:
        """Measure every call of ``owner.name`` as ``step``."""
        real: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(real)
        def timed(*args: Any, **kwargs: Any) -> Any:

            stack = self._inside[threading.get_ident()]
            stack.append(0.0)
            begun = time.thread_time()
            try:
                return real(*args, **kwargs)
            finally:
                spent = time.thread_time() - begun
                self.seconds[step] += spent - stack.pop()
                if stack:
                    stack[-1] += spent

        setattr(owner, name, timed)


def gflop_a_second() -> float:
    """The best of some float32 products of the model's own shapes, in 10^9 operations a second, on all cores."""
    import torch

    states, weights = torch.randn(4096, _WIDTH), torch.randn(_INNER, _WIDTH)
    best = 0.0
    for _ in range(40):
        begun = time.perf_counter()
        torch.nn.functional.linear(states, weights)
        best = max(best, 2 * 4096 * _WIDTH * _INNER / (time.perf_counter() - begun) / 1e9)
    return best


class _Unread(MiniLMEmbedder):
    """Random unit vectors; counts the pieces that the model would have read."""

    name = "random"

    def __init__(self) -> None:
        self.read = 0

    def embed_windows(
        self, texts: Sequence[WindowedText], *, progress: Progress | None = None
    ) -> list[Vectors]:
        found: list[Vectors] = []
        for text in texts:
            side_by_side = 0
            end = 0
            for first, after in text.windows:
                if first >= end:
                    side_by_side, end = side_by_side + 1, after
            sizes = MiniLMEmbedder.pieces(self, [text.text[start:stop] for start, stop in text.sentences])
            self.read += sum(sizes) + 2 * side_by_side
            vectors = np.random.default_rng(0).normal(size=(len(text.windows), 384)).astype(np.float32)
            found.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
        if progress is not None:
            progress(1.0)
        return found


def _ingested(
    found: Sequence[Path], embedder: MiniLMEmbedder, counters: Sequence[TokenCounter]
) -> tuple[Report, float, float]:
    """The report of an ingest into a fresh store, its CPU seconds and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        store = ChromaStore(Path(folder) / "store", embedding_model=embedder.name)
        cpu, wall = time.process_time(), time.perf_counter()
        report = job.ingest(found, store=store, embedder=embedder, counters=counters)
        return report, time.process_time() - cpu, time.perf_counter() - wall


def main() -> int:
    """Ingest once and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--corpus", type=Path, nargs="+", default=[ROOT.parent / "shared" / "data" / "transcripts"]
    )
    parser.add_argument("--limit-files", type=int, default=None)
    given = parser.parse_args()
    clocks = Clocks()
    counters = [counter_for(encoding) for encoding in ENCODINGS]
    found = files.find_files(given.corpus)[: given.limit_files]
    real, unread = MiniLMEmbedder(), _Unread()
    for embedder in (real, unread):
        embedder.pieces(["warm"])
    real.embed_query("warm")
    report, cpu, wall = _ingested(found, real, counters)
    for owner, name, step in (
        (parsing, "hash_of", "hash the file"),
        (parsing, "read_transcripts", "read the format"),
        (parsing, "clean", "clean, detect the language"),
        (parsing, "script_of", "find sentences and times"),
        (parsing, "windows_of", "windows and chunks"),
        (parsing, "chunks_of", "windows and chunks"),
        (parsing, "sketch_of", "sketch for repeats"),
        (unread, "pieces", "count word pieces"),
        *((counter, "count", "count tokens") for counter in counters),
    ):
        clocks.around(owner, name, step)
    _, rest, _ = _ingested(found, unread, counters)
    read = unread.read
    steps = dict(clocks.seconds) | {
        "the model": cpu - rest,
        "Chroma, and all else": rest - sum(clocks.seconds.values()),
    }
    print(
        f"{report.transcripts} transcripts, {report.chunks} chunks, {report.tokens['cl100k_base']} tokens, "
        f"{read} pieces read: {wall:.1f} s, {report.tokens['cl100k_base'] / wall:.0f} tokens a second"
    )
    for step, seconds in sorted(steps.items(), key=lambda row: -row[1]):
        print(f"{step:28} {seconds:8.1f} CPU s {100 * seconds / cpu:6.1f} %")
    rate = gflop_a_second()
    bound = read * _FLOP_A_PIECE / rate / 1e9
    print(
        f"arithmetic: {read * _FLOP_A_PIECE / 1e9:.0f} GFLOP at {rate:.0f} GFLOP/s is {bound:.1f} s, "
        f"{100 * bound / wall:.0f} % of the run; at that rate alone {report.tokens['cl100k_base'] / bound:.0f} tokens a second"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
