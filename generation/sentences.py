"""Which sentences of a transcript can stand alone in a post."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPONSOR = re.compile(
    r"\b(sponsor\w*|supported by|brought to you|this bit's paid|paid for by|promo|affiliate|"
    r"(?:use|the|my) code\b|percent off|discount code|link(?:'s| is| in)? (?:below|the description)|"
    r"free trial|first \w+ (?:\w+ )?(?:are|is) free)",
    re.IGNORECASE,
)
_SPONSOR_TAIL = 2
_LEANS_BACK = re.compile(
    r"^(?:and|but|so|or|because|then|which|that|that's|this|these|those|it|it's|its|they|they're|he|he's|she|"
    r"she's|there|there's|still|also|instead|otherwise|both|neither|same|such|right|okay|ok|yes|no|well|"
    r"nothing|everything|afterwards|next|now|again|either|him|her|them|my answer|the other|the rest|"
    r"the same|the first|the second|the third|another|in that|with that|after that|before that|"
    r"for that|at that|on that|by then|oh|ah|please|listen|look|hello|hi|thanks|thank you|go on|good|exactly)\b",
    re.IGNORECASE,
)
_MIN_WORDS = 5
_MAX_WORDS = 34


def without_sponsors(sentences: Sequence[str]) -> list[str]:
    """Leave out sentences that advertise, and the two after each, which go on advertising."""
    kept: list[str] = []
    tail = 0
    for sentence in sentences:
        if _SPONSOR.search(sentence):
            tail = _SPONSOR_TAIL
        elif tail:
            tail -= 1
        else:
            kept.append(sentence)
    return kept


def advertises(text: str) -> bool:
    """Whether any part of ``text`` reads like an advertisement."""
    return _SPONSOR.search(text) is not None


def stands_alone(sentence: str) -> bool:
    """Whether a sentence says something without the one before it."""
    words = len(sentence.split())
    return (
        _MIN_WORDS <= words <= _MAX_WORDS
        and sentence[:1].isupper()
        and sentence.rstrip("\"'”’)")[-1:] in {".", "?", "!"}
        and _LEANS_BACK.match(sentence) is None
    )
