"""Text to vectors: the port, and a deterministic embedder without a model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors whose dot product is their cosine similarity."""

    @property
    def name(self) -> str:
        """What the store remembers; vectors of two names are never compared."""
        ...

    @property
    def max_pieces(self) -> int:
        """How many pieces of a text are read; what comes after would be ignored without a word."""
        ...

    def pieces(self, texts: Sequence[str]) -> list[int]:
        """How many of the model's own pieces each text is, without those that mark its ends."""
        ...

    def embed_documents(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Vectors:
        """Unit vectors of passages, shape ``(len(texts), dimensions)``.

        ``progress`` is called with the number of texts done since its last call.
        """
        ...

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, shape ``(dimensions,)``."""
        ...


class HashingEmbedder:
    """Signed feature hashing of words, after Weinberger et al. 2009 (arXiv:0902.2206).

    Texts that share words are near each other; it knows no synonyms. It needs no model and always gives
    the same vectors, which is what tests and quick tries want.

    >>> HashingEmbedder().embed_documents(["rye bread", "rye loaf"]).shape
    (2, 256)
    """

    name = "hashing-256"
    max_pieces = 256

    def pieces(self, texts: Sequence[str]) -> list[int]:
        """Words and marks, counted."""
        return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]

    def embed_documents(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Vectors:
        """Unit vectors, shape ``(len(texts), 256)``; a text without words gets the first axis."""
        vectors = np.zeros((len(texts), 256), dtype=np.float32)
        for index, text in enumerate(texts):
            row = vectors[index]
            for word in re.findall(r"\w+", text.lower()):
                digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
                row[digest[0]] += 1.0 if digest[1] & 1 else -1.0
            length = float(np.linalg.norm(row))
            if length:
                row /= length
            else:
                row[0] = 1.0
        if progress is not None:
            progress(len(texts))
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of ``text``, shape ``(256,)``."""
        vector: Vectors = self.embed_documents([text])[0]
        return vector
