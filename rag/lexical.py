"""The lexical side of search: BM25 over words, and over the parts of names in code."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[^\W_]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\dA-Za-z_]+")


def words(text: str) -> list[str]:
    """The words of ``text``, lower case; a name counts as a whole and by its parts.

    >>> words("parseHTTPReply(raw_text)")
    ['parsehttpreply', 'parse', 'http', 'reply', 'raw_text', 'raw', 'text']
    """
    found: list[str] = []
    for word in _WORD.findall(text):
        parts = _PART.findall(word)
        found.append(word.lower())
        if len(parts) > 1:
            found += [part.lower() for part in parts]
    return found


def bm25_scores(query: str, texts: Sequence[str]) -> list[float]:
    """How well each of ``texts`` answers ``query``: 0 where they share no word, no upper limit.

    Lucene's variant of BM25 (k1 = 1.5, b = 0.75), as bm25s has it: Lù 2024, arXiv 2407.03618.
    """
    wanted = list(dict.fromkeys(words(query)))
    tokens = [words(text) for text in texts]
    known = {word for some in tokens for word in some}
    if not any(word in known for word in wanted):
        return [0.0] * len(texts)
    import bm25s  # noqa: PLC0415  # start-up

    index = bm25s.BM25()
    index.index([some or [""] for some in tokens], show_progress=False)
    return [float(score) for score in index.get_scores(wanted)]
