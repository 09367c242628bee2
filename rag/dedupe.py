"""What has been said already: windows that overlap, re-uploads, a sponsor read word for word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.documents import Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A hit that says nothing new, and the better-ranked hit that says it."""

    hit: Hit
    of: str


def without_repeats(hits: Sequence[Hit]) -> tuple[list[Hit], list[Repeat]]:
    """Leave out each hit whose every sentence stands in hits that rank better.

    Compared are words, lower case and without marks, so a window that lies inside its neighbours, and a
    copy in another video, are found by the same rule. The best-ranked copy stays. Returns what stays, in
    its order, and what does not.
    """
    said: dict[str, str] = {}
    stays: list[Hit] = []
    repeats: list[Repeat] = []
    for hit in hits:
        words = [_words(sentence) for sentence in hit.chunk.sentences]
        words = [sentence for sentence in words if sentence]
        if words and all(sentence in said for sentence in words):
            repeats.append(Repeat(hit=hit, of=said[max(words, key=len)]))
            continue
        stays.append(hit)
        for sentence in words:
            said.setdefault(sentence, hit.chunk.id)
    return stays, repeats


def _words(sentence: str) -> str:
    return " ".join(re.sub(r"[.,;:!?…\"'“”\u2018’()\[\]-]+", " ", sentence.casefold()).split())
