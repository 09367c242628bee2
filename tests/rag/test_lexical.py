"""BM25 over words and the parts of names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.lexical import bm25_scores, words


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=8))
def test_there_is_a_score_for_every_text(query: str, texts: list[str]) -> None:
    """Whatever the texts; one that shares no word with the query has 0, and none has less."""
    scores = bm25_scores(query, texts)
    assert len(scores) == len(texts)
    for score, text in zip(scores, texts, strict=True):
        assert score >= 0
        if not set(words(query)) & set(words(text)):
            assert score == 0


def test_a_question_in_words_finds_a_name_in_code() -> None:
    """``parse the http reply`` is nearest to ``parseHTTPReply``; rare words count more than common ones."""
    texts = ["def parseHTTPReply(raw): ...", "def parse_csv(raw): ...", "class Reply: ...", "raw = 1"]
    scores = bm25_scores("parse the http reply", texts)
    assert max(scores) == scores[0]
    assert scores[3] == 0
