"""Embedding models behind an OpenAI-compatible ``/embeddings``: OpenAI's own, vLLM's, llama.cpp's, Ollama's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import openai

from rag.blocking import run_blocking
from rag.embedding import Embedder, Progress, Vectors
from rag.errors import ServiceFailure
from rag.retry import RetryPolicy, circuit_for, retried, retry_after_seconds
from rag.tokens import TokenCounter, counter_for, well_formed

_TEXTS_AT_ONCE, _PIECES_AT_ONCE = 256, 100_000  # OpenAI takes 2,048 texts and 300,000 tokens a request
_DEADLINE_SECONDS = 600.0


class OpenAIEmbedder(Embedder):
    """A model behind ``base_url``. Its pieces are counted in cl100k_base, of which it is given at most 8,000 a text.

    A failure that can heal is tried again. What remains is raised as ``ServiceFailure``: batches that were
    written stay, and the next run goes on from there.
    """

    max_pieces = 8000

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None,
        timeout_seconds: float,
        policy: RetryPolicy | None = None,
    ) -> None:
        self.name = model
        self._base_url = base_url.rstrip("/")
        self._key = api_key or "none"
        self._timeout_seconds = timeout_seconds
        self._policy = policy or RetryPolicy()

    def pieces(self, texts: Sequence[str]) -> list[int]:
        """How many cl100k_base tokens each text is."""
        return [self._counter.count(text) for text in texts]

    def embed_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Unit vectors, shape ``(len(texts), dimensions)``, a request a few hundred texts."""
        rows: list[list[float]] = []
        for batch in self._batches(texts):
            rows += run_blocking(self._asked(batch))
            if progress is not None:
                progress(len(batch) / len(texts))
        vectors = np.asarray(rows, dtype=np.float32).reshape(len(rows), -1)
        unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit

    @cached_property
    def _counter(self) -> TokenCounter:
        return counter_for("cl100k_base")

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        filled = 0
        for text, size in zip(texts, self.pieces(texts), strict=True):
            if batch and (len(batch) == _TEXTS_AT_ONCE or filled + size > _PIECES_AT_ONCE):
                yield batch
                batch, filled = [], 0
            batch.append(well_formed(text) or " ")  # an empty text is refused
            filled += size
        if batch:
            yield batch

    async def _asked(self, batch: list[str]) -> list[list[float]]:
        """The vectors of one request, tried again while that can help."""
        key = hashlib.sha256(self._key.encode()).digest()
        async with openai.AsyncOpenAI(
            api_key=self._key, base_url=self._base_url, max_retries=0, timeout=self._timeout_seconds
        ) as client:
            return await retried(
                lambda: self._once(client, batch),
                circuit=circuit_for(("embeddings", self._base_url, self.name, key)),
                policy=self._policy,
                deadline_seconds=_DEADLINE_SECONDS,
            )

    async def _once(self, client: openai.AsyncOpenAI, batch: list[str]) -> list[list[float]]:
        where = f"{self._base_url}/embeddings"
        try:
            reply = await client.embeddings.create(model=self.name, input=batch, encoding_format="float")
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise ServiceFailure(
                f"{where} refused the key: set HOOKLINE_EMBEDDING_API_KEY to one that may use {self.name}",
                concerns_key=True,
            ) from error
        except openai.APIStatusError as error:
            heals = error.status_code in {408, 409, 429} or error.status_code >= 500  # noqa: PLR2004
            raise ServiceFailure(
                f"{where} answers {error.status_code} for {self.name}: {' '.join(error.message.split())[:300]}",
                heals=heals,
                retry_after_seconds=retry_after_seconds(error.response.headers),
            ) from error
        except openai.APIConnectionError as error:
            raise ServiceFailure(
                f"{where} cannot be reached: check embedding_base_url and the network", heals=True
            ) from error
        found = sorted(reply.data, key=lambda one: one.index)
        if [one.index for one in found] != list(range(len(batch))):
            raise ServiceFailure(f"{where} sent {len(found)} vectors for {len(batch)} texts", heals=True)
        return [one.embedding for one in found]
