"""The sentence-transformers adapter: any of its models, by name or folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.embedding import Embedder, Progress, Vectors
from rag.errors import BadInput

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_BATCH = 32


class SbertEmbedder(Embedder):
    """A sentence-transformers model, loaded on first use (some seconds), so that an unchanged ingest never loads it.

    ``model`` is a folder, or a name on the hub: then it may be fetched, if it is not in the cache. A model
    that names prompts for questions and for passages is given them. ``name`` is what a store remembers, by
    default the same as ``model``.
    """

    def __init__(self, model: str | Path, *, name: str | None = None) -> None:
        self.name = name or str(model)
        self._where = model

    @cached_property
    def _model(self) -> SentenceTransformer:
        is_folder = Path(self._where).is_dir()
        if is_folder:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # law 8; the weights are on disk
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # torch is slow to import
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

        disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            return SentenceTransformer(str(self._where), local_files_only=is_folder)
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise BadInput(
                f"the embedding model {self._where} cannot be loaded ({reason}): name a sentence-transformers "
                "model that is in a folder, in the cache or on the hub"
            ) from error

    @cached_property
    def max_pieces(self) -> int:
        """How many pieces the model reads, less those that it puts around a text; 512 where it has no limit."""
        return (self._model.max_seq_length or 512) - len(self._model.tokenizer("")["input_ids"])

    @cached_property
    def _counting(self) -> Tokenizer:
        """A tokenizer of its own: the model's changes its settings while it encodes, perhaps in another thread."""
        from tokenizers import Tokenizer  # noqa: PLC0415  # start-up

        tokenizer: Tokenizer = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def pieces(self, texts: Sequence[str]) -> list[int]:
        """How many of the model's pieces each text is."""
        encoded = self._counting.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(one.ids) for one in encoded]

    def embed_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Unit vectors, shape ``(len(texts), dimensions)``, in batches of similar length."""
        dimensions = self._model.get_embedding_dimension() or 0
        vectors = np.empty((len(texts), dimensions), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            vectors[batch] = self._model.encode_document(
                [texts[index] for index in batch],
                batch_size=_BATCH,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            if progress is not None:
                progress(len(batch) / len(texts))
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, shape ``(dimensions,)``."""
        vector: Vectors = self._model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
        return vector
