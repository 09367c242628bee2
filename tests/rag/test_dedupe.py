"""Repeats: the best-ranked copy stays, and says for whom it stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from samples import chunk_of, hits_of

from rag.dedupe import without_repeats

SENTENCES = st.lists(
    st.sampled_from(["Rye is slow.", "Fold it.", "Wait.", "Bake hot.", "Eat."]), min_size=1, max_size=4
)


@given(st.lists(SENTENCES, max_size=8))
def test_every_sentence_stays_and_nothing_is_lost(said: list[list[str]]) -> None:
    """Each hit either stays or is a repeat; whatever was said is still said by hits that stay."""
    hits = hits_of([chunk_of(s, video_id=f"v{i}") for i, s in enumerate(said)])
    stays, repeats = without_repeats(hits)
    assert sorted([*stays, *(r.hit for r in repeats)], key=hits.index) == hits
    assert {s for h in stays for s in h.chunk.sentences} == {s for h in hits for s in h.chunk.sentences}
    ranks = {hit.chunk.id: rank for rank, hit in enumerate(hits)}
    assert all(ranks[repeat.of] < ranks[repeat.hit.chunk.id] for repeat in repeats)


def test_a_reupload_is_left_out_whatever_its_marks() -> None:
    """The same words in another video, with other capitals and marks, are a repeat of the better copy."""
    hits = hits_of([chunk_of(["Rye is slow.", "Wait!"]), chunk_of(["rye is slow", "wait"], video_id="again")])
    stays, repeats = without_repeats(hits)
    assert [hit.chunk.video_id for hit in stays] == ["v1"]
    assert repeats[0].of == stays[0].chunk.id


def test_a_window_with_one_new_sentence_stays() -> None:
    """Only a hit that says nothing new is left out."""
    hits = hits_of([chunk_of(["Rye is slow."]), chunk_of(["Rye is slow.", "Bake hot."], video_id="v2")])
    assert len(without_repeats(hits)[0]) == 2
