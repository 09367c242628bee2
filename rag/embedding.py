"""Text to vectors: the port, and a deterministic embedder without a model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowedText:
    """A text, and the windows of it that want a vector each.

    ``sentences`` are spans of characters, in order and apart; ``windows`` are ranges of sentences. All are
    half open.
    """

    text: str
    sentences: Sequence[tuple[int, int]]
    windows: Sequence[tuple[int, int]]

    def window_texts(self) -> list[str]:
        """Each window's text."""
        return [
            self.text[self.sentences[first][0] : self.sentences[end - 1][1]] for first, end in self.windows
        ]


class Embedder(Protocol):
    """Turns texts into unit vectors whose dot product is their cosine similarity.

    ``name`` is what the store remembers; vectors of two names are never compared.
    """

    name: str

    @property
    def max_pieces(self) -> int:
        """How many pieces of a text are read; what comes after would be ignored without a word."""
        ...

    def pieces(self, texts: Sequence[str]) -> list[int]:
        """How many of the model's own pieces each text is, without those that mark its ends."""
        ...

    def embed_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Unit vectors of passages, shape ``(len(texts), dimensions)``.

        ``progress`` is called with the share of the work done since its last call; they add up to 1.
        """
        ...

    def embed_windows(
        self, texts: Sequence[WindowedText], *, progress: Progress | None = None
    ) -> list[Vectors]:
        """Unit vectors of each text's windows, shape ``(windows, dimensions)`` a text.

        As here, each window by itself; a model that can do so reads overlapping windows once.
        """
        windows = [text.window_texts() for text in texts]
        vectors = self.embed_documents([window for some in windows for window in some], progress=progress)
        ends = np.cumsum([len(some) for some in windows])
        return np.split(vectors, ends[:-1])

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, shape ``(dimensions,)``."""
        vector: Vectors = self.embed_documents([text])[0]
        return vector


class HashingEmbedder(Embedder):
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

    def embed_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
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
            progress(1.0)
        return vectors
