"""The default embedder: the model that sentence-transformers runs, and overlapping windows read once."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import ROOT

from rag.embedding import WindowedText
from rag.minilm import MiniLMEmbedder, weights_folder
from rag.sbert import SbertEmbedder

pytestmark = pytest.mark.slow

EMBEDDER = MiniLMEmbedder()
SAID = [
    "Rye bread is slow.",
    "It rests for a night, and the crumb stays moist for a week.",
    "Unbelievably simple!",
    "Now, the lamp: first of all pull the plug.",
    "Ça va? 日本語も話します。",
    "",
]


def windowed(sentences: list[str], windows: list[tuple[int, int]]) -> WindowedText:
    """Sentences joined by spaces, and windows of them."""
    starts = np.cumsum([0, *(len(sentence) + 1 for sentence in sentences)])
    spans = [(int(start), int(start) + len(said)) for start, said in zip(starts, sentences, strict=False)]
    return WindowedText(text=" ".join(sentences), sentences=spans, windows=windows)


def test_the_weights_are_the_official_ones() -> None:
    """The carried safetensors hash to the published all-MiniLM-L6-v2."""
    digest = hashlib.sha256((weights_folder() / "model.safetensors").read_bytes()).hexdigest()
    assert digest == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def test_vectors_are_those_of_sentence_transformers() -> None:
    """The graph is the model: cosine 0.9999 or more to the reference, for texts of every length, in any order."""
    texts = [*SAID, "bread " * 254, "bread " * 400, *(f"bread {'and butter ' * n}" for n in (30, 3, 12))]
    sentence_transformers = SbertEmbedder(weights_folder())
    ours, reference = EMBEDDER.embed_documents(texts), sentence_transformers.embed_documents(texts)
    assert ours.shape == (len(texts), 384)
    assert np.allclose(np.linalg.norm(ours, axis=1), 1.0, atol=1e-5)
    assert (ours * reference).sum(axis=1).min() > 0.9999
    assert EMBEDDER.pieces(texts) == sentence_transformers.pieces(texts)


def test_the_shares_of_progress_add_up() -> None:
    """Whatever the batches, progress comes to one."""
    done: list[float] = []
    EMBEDDER.embed_documents(["rye bread " * n for n in range(1, 60)], progress=done.append)
    assert len(done) > 1
    assert sum(done) == pytest.approx(1.0)


def test_a_window_that_is_read_is_a_text_by_itself() -> None:
    """Windows side by side have the vectors that their texts have alone."""
    text = windowed(SAID[:4], [(0, 2), (2, 4)])
    assert np.allclose(
        EMBEDDER.embed_windows([text])[0], EMBEDDER.embed_documents(text.window_texts()), atol=2e-3
    )


def test_a_window_over_a_border_is_pooled_from_both_sides() -> None:
    """It is nearer to what the model makes of it alone than either side is."""
    text = windowed(SAID[:4], [(0, 2), (1, 3), (2, 4)])
    pooled = EMBEDDER.embed_windows([text])[0]
    alone = EMBEDDER.embed_documents(text.window_texts())[1]
    assert pooled[1] @ alone > max(pooled[0] @ alone, pooled[2] @ alone)


@st.composite
def windowed_texts(draw: st.DrawFn) -> WindowedText:
    """A few sentences and some windows of them, in the order they begin."""
    said = draw(st.lists(st.sampled_from([*SAID, "\x7f"]), min_size=1, max_size=6))
    window = st.tuples(st.integers(0, len(said) - 1), st.integers(1, len(said))).filter(
        lambda ends: ends[0] < ends[1]
    )
    return windowed(said, sorted(draw(st.lists(window, min_size=1, max_size=6))))


@settings(max_examples=25, deadline=None)
@given(st.lists(windowed_texts(), min_size=1, max_size=3))
def test_any_windows_have_unit_vectors_that_do_not_depend_on_their_company(texts: list[WindowedText]) -> None:
    """One array a text, a row a window; alone or among others, a text's vectors are the same."""
    for text, vectors in zip(texts, EMBEDDER.embed_windows(texts), strict=True):
        assert vectors.shape == (len(text.windows), 384)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
        alone = EMBEDDER.embed_windows([text])[0]
        assert (alone * vectors).sum(axis=1).min() > 0.9999


def test_nothing_to_embed_is_nothing() -> None:
    """No texts give no vectors, and the model is not asked."""
    assert EMBEDDER.embed_documents([]).shape == (0, 384)
    assert EMBEDDER.embed_windows([]) == []


def test_openvino_reports_nothing_to_anybody() -> None:
    """Law 8: in a process of its own, the package that phones home is never imported."""
    code = (
        "import sys; from rag.minilm import MiniLMEmbedder; MiniLMEmbedder().embed_query('rye'); "
        "print(sorted(name for name in sys.modules if 'openvino_telemetry' in name))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
