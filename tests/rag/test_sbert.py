"""The real embedding model: official weights, unit vectors, and nothing that it silently ignores."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from rag.sbert import SbertEmbedder, _weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def embedder() -> SbertEmbedder:
    return SbertEmbedder()


def test_the_weights_are_the_official_ones() -> None:
    """The carried safetensors hash to the published all-MiniLM-L6-v2."""
    digest = hashlib.sha256((_weights() / "model.safetensors").read_bytes()).hexdigest()
    assert digest == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def test_vectors_are_of_unit_length_in_the_order_of_the_texts(embedder: SbertEmbedder) -> None:
    """Batches are sorted by length inside; what comes out is in the order that went in."""
    texts = [f"bread {'and butter ' * n}" for n in (0, 30, 3, 12)] * 10
    done: list[int] = []
    vectors = embedder.embed_documents(texts, progress=done.append)
    assert vectors.shape == (40, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert sum(done) == 40
    assert np.allclose(vectors[1], embedder.embed_query(texts[1]), atol=1e-5)


def test_meaning_is_near(embedder: SbertEmbedder) -> None:
    """A question is nearer to its answer than to something else that shares its words."""
    query = embedder.embed_query("How do I keep my bread from going flat?")
    answer, other = embedder.embed_documents(
        ["A loaf collapses when the dough is under-proofed.", "The flat has a bread shop next door."]
    )
    assert query @ answer > query @ other


def test_pieces_are_counted_as_the_model_reads_them(embedder: SbertEmbedder) -> None:
    """A text past the limit is counted whole, and cutting it at the limit changes nothing for the model."""
    assert embedder.pieces(["", "bread", "unbelievably"]) == [0, 1, 5]
    assert embedder.pieces([]) == []
    long = "bread " * 400
    assert embedder.pieces([long]) == [400]
    assert np.allclose(embedder.embed_query(long), embedder.embed_query("bread " * 254), atol=1e-5)
