"""Rolling captions that somebody made into plain text, each line two or three times in a row: told, never mended.

"so today we so today we are so today we are going to": without times nothing says what was said twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORTEST_REPEAT: Final = 3  # words
_LONGEST_REPEAT: Final = 24
_FEWEST_REPEATS: Final = 5
_DISTINCT_REPEATS: Final = 0.4  # a line comes two or three times, a refrain again and again
_FLATTENED_SHARE: Final = 0.4  # a song of verses whose first line comes twice has a third
_MOSTLY_DISTINCT: Final = 0.85
_PLACES: Final = 12
_LOOKED_AT: Final = 240  # words at each place
_LONG_WORD: Final = 12  # letters a word on average: a script without spaces


def flattened_notes(text: str) -> tuple[str, ...]:
    """Say that a transcript's text is flattened captions, with the share of repeats and the remedy; else nothing."""
    share = repeated_share(text)
    if share < _FLATTENED_SHARE:
        return ()
    note = (
        f"{share:.0%} of the words repeat those right before them, as in rolling captions made into text; "
        "export the captions as VTT or json3 again"
    )
    return (note,)


def repeated_share(text: str) -> float:
    """The share of words that are said again right away, in repeats of 3 to 24 words; 0 where they are a refrain.

    A script without spaces is counted by letters. Ordinary speech stays below 0.01; rolling captions whose
    lines were strung together come to 0.5 or more. Repeats that are mostly one and the same are a refrain.

    >>> repeated_share("so today we so today we bake some bread bake some bread and eat it all and eat it all"
    ...                " with butter on it with butter on it or without it or without it")
    0.5
    """
    words = text.casefold().split()
    if len(text) > _LONG_WORD * len(words):
        words = list("".join(words))
    if _is_varied(words):
        return 0.0
    trigrams = _trigrams(words)
    last: dict[tuple[str, str, str], int] = {}
    repeats: list[tuple[str, ...]] = []
    said_again_until = 0
    for place, trigram in enumerate(trigrams):
        size = place - last.get(trigram, place)
        last[trigram] = place
        if place < said_again_until or not _SHORTEST_REPEAT <= size <= _LONGEST_REPEAT:
            continue
        repeat = words[place : place + size]
        if repeat == words[place - size : place] and len(set(repeat)) >= _SHORTEST_REPEAT:
            repeats.append(tuple(repeat))
            said_again_until = place + size
    if len(repeats) < _FEWEST_REPEATS or len(set(repeats)) < _DISTINCT_REPEATS * len(repeats):
        return 0.0
    return sum(map(len, repeats)) / len(words)


def _is_varied(words: Sequence[str]) -> bool:
    """Tell whether words hardly repeat each other: a quick look at some places, which settles nearly every text."""
    step = max(_LOOKED_AT, len(words) // _PLACES)
    looks = [_trigrams(words[place : place + _LOOKED_AT]) for place in range(0, len(words), step)]
    return sum(len(set(look)) for look in looks) >= _MOSTLY_DISTINCT * sum(map(len, looks))


def _trigrams(words: Sequence[str]) -> list[tuple[str, str, str]]:
    return list(zip(words, words[1:], words[2:], strict=False))
