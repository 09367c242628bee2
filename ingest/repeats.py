"""The same video twice: found by a small sample of its words."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from rag.documents import Video

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR_IDENTICAL = 0.9  # a re-upload with another opening stays: hooks live there
_SHINGLE_WORDS = 3
_SAMPLE = 256
_LOOKED_UP = 8
_FEW_WORDS = 50


def sketch_of(text: str) -> str:
    """The 256 smallest hashes of ``text``'s three-word shingles, a bottom-k sketch (Broder 1997), in base64.

    Marks and case do not count. Fewer than 50 words give none: short videos may well say the same. A video
    of up to 256 shingles is its whole sketch, so that nothing is estimated.
    """
    words = re.findall(r"[^\W_]+", text.casefold())
    if len(words) < _FEW_WORDS:
        return ""
    shingles = {
        hashlib.blake2b(" ".join(words[at : at + _SHINGLE_WORDS]).encode(), digest_size=4).digest()
        for at in range(len(words) - _SHINGLE_WORDS + 1)
    }
    return base64.b64encode(b"".join(sorted(shingles)[:_SAMPLE])).decode()


def resemblance(one: str, other: str) -> float:
    """How many of two texts' shingles are in both, as a share of all, estimated from their sketches; 0 to 1."""
    ours, theirs = _hashes(one), _hashes(other)
    both = np.union1d(ours, theirs)[:_SAMPLE]
    return float(np.isin(both, np.intersect1d(ours, theirs)).mean()) if len(both) else 0.0


class Repeats:
    """The videos known so far, to be asked which of them has nearly the words of another."""

    def __init__(self) -> None:
        self._by_hash: dict[int, list[Video]] = {}

    def add(self, video: Video) -> None:
        """Know a video from now on."""
        for value in self._looked_up(video):
            self._by_hash.setdefault(value, []).append(video)

    def like(self, video: Video) -> Iterator[Video]:
        """The known videos that are near-identical to ``video``, each version once."""
        seen: set[int] = set()
        for value in self._looked_up(video):
            for known in self._by_hash.get(value, ()):
                if id(known) not in seen:
                    seen.add(id(known))
                    if resemblance(video.sketch, known.sketch) >= NEAR_IDENTICAL:
                        yield known

    @staticmethod
    def _looked_up(video: Video) -> list[int]:
        # of two sketches that share nine tenths, the smallest eight have one in common but for one pair in many thousands
        return [int(value) for value in _hashes(video.sketch)[:_LOOKED_UP]]


def _hashes(sketch: str) -> NDArray[np.uint32]:
    return np.frombuffer(base64.b64decode(sketch), dtype=">u4")
