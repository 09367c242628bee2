"""Ingests of forty files that are killed, at an instant or at a system call, and what the store holds after a rerun."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
CHANGES = "write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate"
_LINE = re.compile(
    r"(?P<thread>[0-9]+) +(?P<call>[a-z0-9_]+)\((?:[0-9]+<(?P<fd>[^>]*)>|[^\"]*\"(?P<path>[^\"]*)\")?"
)
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["chromadb", "ingest.job", "ingest.files", "rag.chroma", "rag.minilm"])

Contents = dict[str, tuple[str, np.ndarray]]


class Point(NamedTuple):
    """The ``when``-th ``call`` of a thread, which changes ``what``."""

    call: str
    when: int
    what: str


def write_transcripts(folder: Path, *, changed: bool = False) -> None:
    """Forty files of four creators and several formats; ``changed``: a third of them say something else."""
    for number in range(40):
        creator = folder / f"creator-{number % 4}"
        creator.mkdir(parents=True, exist_ok=True)
        word = f"loaf number {number}" if not changed or number % 3 else f"lamp number {number}"
        lines = [
            f"This is the {word}, and we will do step {step} of it slowly today."
            for step in range(3 + number % 9)
        ]
        if number % 2:
            cues = [f"00:00:{at:02}.000 --> 00:00:{at + 1:02}.000\n{line}\n" for at, line in enumerate(lines)]
            (creator / f"talk {number}.vtt").write_text("WEBVTT\n\n" + "\n".join(cues))
        else:
            (creator / f"talk {number}.txt").write_text("\n\n".join(lines))


def ingest_into(store: Path, folder: Path, *, real: bool) -> None:
    """One run, as the command does it; ``real`` embeds with the default model, else words are hashed."""
    from ingest import job
    from ingest.files import find_files
    from rag.chroma import ChromaStore
    from rag.embedding import HashingEmbedder
    from rag.minilm import MiniLMEmbedder
    from rag.tokens import counter_for

    job.WINDOWS_AT_ONCE = 16  # several batches
    embedder = MiniLMEmbedder() if real else HashingEmbedder()
    opened = ChromaStore(store, embedding_model=embedder.name)
    job.ingest(
        find_files([folder]),
        store=opened,
        embedder=embedder,
        counters=[counter_for("cl100k_base")],
        prune=[folder],
    )


def started(store: Path, folder: Path, *, real: bool) -> multiprocessing.process.BaseProcess:
    """A process that runs one ingest; importing is done before it begins."""
    process = _FORKS.Process(target=ingest_into, args=(store, folder), kwargs={"real": real})
    process.start()
    return process


def run_to_its_end(store: Path, folder: Path, *, real: bool) -> float:
    """An undisturbed run; its seconds."""
    begun = time.monotonic()
    process = started(store, folder, real=real)
    process.join(120)
    assert process.exitcode == 0
    return time.monotonic() - begun


def killed_after(seconds: float, store: Path, folder: Path, *, real: bool) -> bool:
    """Kill a run after some seconds; whether it was still running."""
    process = started(store, folder, real=real)
    process.join(seconds)
    running = process.is_alive()
    if running and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    return running


def contents(store: Path, *, real: bool) -> Contents:
    """Every chunk of every collection by its id in Chroma, with text and vector: what a stranger would find."""
    with _FORKS.Pool(1) as pool:
        return pool.apply(_contents, (store, real))


def _contents(store: Path, real: bool) -> Contents:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(store), settings=Settings(anonymized_telemetry=False))
    found: Contents = {}
    for collection in client.list_collections():
        said = collection.get(include=["documents", "embeddings", "metadatas"])
        assert collection.name != "hookline-unfinished" or not said["ids"]
        vectors = np.asarray(said["embeddings"])
        for id_, text, vector in zip(said["ids"], said["documents"] or [], vectors, strict=True):
            assert id_ not in found
            found[id_] = (text, vector)
    return found


def differences(found: Contents, expected: Contents) -> list[str]:
    """What is missing, too much or other; vectors may differ by what a cosine of 0.9999 allows."""
    wrong = [f"missing: {id_}" for id_ in expected.keys() - found.keys()]
    wrong += [f"too much: {id_}" for id_ in found.keys() - expected.keys()]
    for id_ in found.keys() & expected.keys():
        (text, vector), (other, reference) = found[id_], expected[id_]
        if text != other:
            wrong.append(f"other text: {id_}")
        cosine = float(vector @ reference) / float(np.linalg.norm(vector) * np.linalg.norm(reference))
        if cosine < 0.9999:
            wrong.append(f"cosine {cosine}: {id_}")
    return wrong


def points(store: Path, folder: Path, trace: Path, *, real: bool) -> Iterator[Point]:
    """Each distinct kind of change of a store's file, where a thread does it first, half way and late in a run."""
    subprocess.run(
        ["strace", "-f", "-y", "-qq", "-o", trace, "-e", f"trace={CHANGES}", *_command(store, folder, real)],
        check=True,
        cwd=ROOT,
    )
    seen: Counter[tuple[str, str]] = Counter()
    kinds: dict[tuple[str, str], list[int]] = {}
    for line in trace.read_text(errors="replace").splitlines():
        call = _LINE.match(line)
        where = call and (call["fd"] or call["path"])
        if call is None or not where:
            continue
        seen[call["thread"], call["call"]] += 1
        if str(store) in where:
            what = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", where.removeprefix(str(store)))
            kinds.setdefault((call["call"], what), []).append(seen[call["thread"], call["call"]])
    for (name, what), times in sorted(kinds.items()):
        for when in sorted({times[0], times[len(times) // 2], times[len(times) * 9 // 10]}):
            yield Point(name, when, what)


def killed_at(point: Point, store: Path, folder: Path, *, real: bool) -> bool:
    """Kill a run at a system call, before the call is done; whether it came to that."""
    inject = f"inject={point.call}:signal=KILL:when={point.when}"
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={point.call}", "-e", inject),
            *_command(store, folder, real),
        ],
        check=False,
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    return done.returncode != 0


def _command(store: Path, folder: Path, real: bool) -> list[str]:
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[4:]; from killed_ingests import ingest_into; "
        "ingest_into(Path(sys.argv[1]), Path(sys.argv[2]), real=sys.argv[3] == 'True')"
    )
    return [
        sys.executable,
        "-c",
        code,
        str(store),
        str(folder),
        str(real),
        str(ROOT),
        str(Path(__file__).parent),
    ]
