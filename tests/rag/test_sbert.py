"""The way to other models: sentence-transformers, with the packaged weights as the example."""

from __future__ import annotations

import numpy as np
import pytest

from rag.errors import BadInput
from rag.minilm import weights_folder
from rag.sbert import SbertEmbedder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def embedder() -> SbertEmbedder:
    return SbertEmbedder(weights_folder(), name="packaged")


def test_vectors_are_of_unit_length_in_the_order_of_the_texts(embedder: SbertEmbedder) -> None:
    """Batches are sorted by length inside; what comes out is in the order that went in."""
    texts = [f"bread {'and butter ' * n}" for n in (0, 30, 3, 12)] * 10
    done: list[float] = []
    vectors = embedder.embed_documents(texts, progress=done.append)
    assert vectors.shape == (40, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert sum(done) == pytest.approx(1.0)
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
    assert embedder.max_pieces == 254
    assert embedder.pieces(["", "bread", "unbelievably"]) == [0, 1, 5]
    assert embedder.pieces([]) == []
    long = "bread " * 400
    assert embedder.pieces([long]) == [400]
    assert np.allclose(embedder.embed_query(long), embedder.embed_query("bread " * 254), atol=1e-5)


def test_a_model_that_is_nowhere_is_one_clear_line(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A folder without a model is bad input, with the remedy."""
    with pytest.raises(
        BadInput, match=r"embedding model .* cannot be loaded .*: name a sentence-transformers"
    ):
        SbertEmbedder(tmp_path).pieces(["bread"])
