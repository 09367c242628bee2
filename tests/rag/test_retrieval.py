"""Retrieval: limits a creator, no repeats, one budget, and every hit decided once (law 3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import WordCounter, chunk_of

from rag.documents import Video
from rag.embedding import HashingEmbedder
from rag.errors import BadInput
from rag.retrieval import CHUNKS_PER_CREATOR, VIDEOS_PER_CREATOR, Retriever
from rag.store import MemoryStore

WORDS = st.sampled_from(["rye", "bread", "lamp", "oven", "slow", "fix"])
SAID = st.lists(st.lists(WORDS, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=4)
VIDEOS = st.dictionaries(
    st.tuples(st.sampled_from(["mara", "oskar"]), st.sampled_from([f"v{n}" for n in range(8)])),
    SAID,
    max_size=10,
)


def retriever_of(videos: dict[tuple[str, str], list[str]]) -> Retriever:
    """A retriever over one-sentence chunks."""
    store, embedder = MemoryStore(), HashingEmbedder()
    for (creator, video_id), texts in videos.items():
        chunks = [
            chunk_of([f"{text}."], creator=creator, video_id=video_id, start_char=100 * n, position=n)
            for n, text in enumerate(texts)
        ]
        video = Video(
            creator=creator,
            video_id=video_id,
            title="T",
            path="",
            content_hash="x",
            chunks=len(chunks),
            tokens={},
            opening=texts[0],
        )
        store.replace_videos([(video, chunks, embedder.embed_documents([c.text for c in chunks]))])
    return Retriever(store=store, embedder=embedder, counter=WordCounter())


@given(VIDEOS, st.lists(WORDS, min_size=1, max_size=3), st.integers(20, 90))
def test_every_hit_of_a_search_is_decided_once(
    videos: dict[tuple[str, str], list[str]], queries: list[str], budget: int
) -> None:
    """Law 3: whatever the store found is kept or dropped, once, with a reason; law 2: under the budget."""
    packed = retriever_of(videos).retrieve(queries, budget_tokens=budget)
    decided = [k.hit.chunk.id for k in packed.kept] + [d.hit.chunk.id for d in packed.dropped]
    every = {f"{c}-{v}-{100 * n}" for (c, v), texts in videos.items() for n in range(len(texts))}
    assert sorted(decided) == sorted(every)  # fewer chunks a creator than a search returns
    assert all(dropped.reason for dropped in packed.dropped)
    assert packed.tokens <= budget


def test_a_creator_gives_at_most_five_videos() -> None:
    """The nearest five are candidates; the others are dropped with that reason."""
    videos = {("mara", f"v{n}"): [f"rye bread number {n} {'slow ' * n}"] for n in range(7)}
    packed = retriever_of(videos).retrieve("rye bread", budget_tokens=500)
    assert len({kept.hit.chunk.video_id for kept in packed.kept}) == VIDEOS_PER_CREATOR
    assert [d.reason for d in packed.dropped] == ["not in the 5 nearest videos of its creator"] * 2
    assert max(len(texts) for texts in videos.values()) <= CHUNKS_PER_CREATOR


def test_a_budget_that_holds_no_sentence_says_what_would_do() -> None:
    """The error names the least budget, and that budget works."""
    retriever = retriever_of({("mara", "v1"): ["rye bread is slow"]})
    with pytest.raises(BadInput, match=r"raise --budget to 12 or more"):
        retriever.retrieve("rye", budget_tokens=3)
    assert retriever.retrieve("rye", budget_tokens=12).kept
