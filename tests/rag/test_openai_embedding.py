"""Embeddings of a server: real HTTP, batches, order, retries, and errors of one line."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from embedding_server import MODEL, EmbeddingServer

from rag.embedding import HashingEmbedder
from rag.errors import ServiceFailure
from rag.openai_embedding import OpenAIEmbedder
from rag.retry import RetryPolicy

QUICK = RetryPolicy(first_window_seconds=0.01, longest_window_seconds=0.02)


def embedder_of(server: EmbeddingServer, *, key: str | None = None, model: str = MODEL) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        model, base_url=server.base_url, api_key=key or server.key, timeout_seconds=10, policy=QUICK
    )


def test_vectors_are_of_unit_length_in_the_order_of_the_texts() -> None:
    """Several requests, answered out of order: one vector a text, in the texts' order."""
    texts = [f"loaf number {number}" for number in range(600)]
    done: list[float] = []
    with EmbeddingServer() as server:
        embedder = embedder_of(server)
        vectors = embedder.embed_documents([*texts, ""], progress=done.append)
        assert np.allclose(embedder.embed_query("loaf number 3"), vectors[3], atol=1e-6)
    assert np.allclose(vectors[:600], HashingEmbedder().embed_documents(texts), atol=1e-6)
    assert [len(batch) for batch in server.requests] == [256, 256, 89, 1]
    assert sum(done) == pytest.approx(1.0)


def test_what_can_heal_is_asked_again() -> None:
    """A busy server is asked again; in a running event loop, as in a notebook, too."""

    async def notebook() -> np.ndarray:
        return embedder.embed_documents(["rye"])

    with EmbeddingServer(failures=(503, 429)) as server:
        embedder = embedder_of(server)
        assert embedder.embed_documents(["rye"]).shape == (1, 256)
        assert asyncio.run(notebook()).shape == (1, 256)


@pytest.mark.parametrize(
    ("key", "model", "message"),
    [
        ("sk-wrong", MODEL, "refused the key: set HOOKLINE_EMBEDDING_API_KEY"),
        (None, "text-embedding-9", "answers 404 for text-embedding-9: .*does not exist"),
    ],
)
def test_what_cannot_heal_is_one_clear_line(key: str | None, model: str, message: str) -> None:
    """A wrong key and an unknown model are said at once, with the remedy."""
    with EmbeddingServer() as server, pytest.raises(ServiceFailure, match=message):
        embedder_of(server, key=key, model=model).embed_documents(["rye"])


def test_a_server_that_is_not_there_is_said() -> None:
    """After a few tries the address is named."""
    embedder = OpenAIEmbedder(
        MODEL, base_url="http://127.0.0.1:9/v1", api_key=None, timeout_seconds=2, policy=QUICK
    )
    with pytest.raises(ServiceFailure, match=r"127\.0\.0\.1:9/v1/embeddings cannot be reached"):
        embedder.embed_documents(["rye"])
