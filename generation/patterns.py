"""How videos open, measured from their first words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rag.documents import Video

_NUMBER = (
    r"(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|"
    r"a hundred|hundreds|a thousand)(?:-\w+)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A way to open. ``advice`` is what to do, for a person or a model; ``fits`` judges a first sentence."""

    name: str
    advice: str
    fits: Callable[[str], bool]


def _starts(expression: str) -> Callable[[str], bool]:
    compiled = re.compile(expression, re.IGNORECASE)
    return lambda sentence: compiled.search(sentence) is not None


# the first that fits names the opening
PATTERNS = (
    Pattern(
        name="question",
        advice="open with the question that the viewer already has",
        fits=lambda sentence: sentence.endswith("?"),
    ),
    Pattern(
        name="contrarian",
        advice="open by telling the viewer to stop doing what everybody does",
        fits=_starts(
            r"^(?:stop|don't|do not|never|forget|quit|throw away|nobody|you don't need|your \w+ "
            r"(?:don't|doesn't|isn't|aren't))\b"
        ),
    ),
    Pattern(
        name="direct address",
        advice="open by naming who this is for",
        fits=_starts(r"^(?:if|you|when you|your|anyone who|everyone who|this is for)\b"),
    ),
    Pattern(
        name="how-to",
        advice="open with what the viewer can do at the end, and how fast",
        fits=_starts(
            r"^(?:here's how|here is how|how to|this is how|let me show|i'll show|i'm going to show|"
            r"watch me|today (?:i|we))\b"
        ),
    ),
    Pattern(
        name="confession",
        advice="open with a mistake of your own, told straight",
        fits=_starts(
            r"\b(?:i|we) (?:\w+ )?(?:ruined|killed|lost|hurt|broke|wasted|failed|burned|burnt|"
            r"chewed|messed|forgot|undercharged|overpaid|drowned|got \w+(?: \w+){0,3} wrong|was wrong|"
            r"threw|charged|lied)\b|\bmistake"
        ),
    ),
    Pattern(
        name="story",
        advice="open in the middle of a small story: who, where, when",
        fits=_starts(
            r"^(?:last|one (?:day|morning|evening|night)|yesterday|this morning|on (?:the \d+\w*|\w+day)|an? (?:\w+ ){1,2}"
            r"(?:once|walked|came|asked|called|brought)|when i|in \d{4})\b|"
            r"\b(?:walked in|came in|told me|asked me)\b"
        ),
    ),
    Pattern(
        name="number",
        advice="open with an exact number",
        fits=_starts(rf"^\W*(?:\w+\W+){{0,5}}{_NUMBER}\b"),
    ),
    Pattern(
        name="promise",
        advice="open with a plain claim that the rest of the video makes good",
        fits=lambda _: True,
    ),
)
_BY_NAME = {pattern.name: pattern for pattern in PATTERNS}
_FILLER = re.compile(
    r"^(?:(?:okay|ok|so|right|hi|hello|hey|well|yes|good (?:morning|evening))\b[^\w']*)+", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPattern:
    """How often the creators open this way, and how they do: up to three openings, as they were said."""

    pattern: Pattern
    videos: int
    examples: tuple[str, ...]


def opening_pattern(opening: str) -> Pattern:
    """The pattern of a video's opening, judged by its first sentence."""
    first = re.split(r"(?<=[.?!])\s", _FILLER.sub("", opening.strip()), maxsplit=1)[0].strip()
    return next(pattern for pattern in PATTERNS if pattern.fits(first))


def pattern_named(name: str) -> Pattern:
    """The pattern called ``name``."""
    return _BY_NAME[name]


def measure(videos: Iterable[Video]) -> list[MeasuredPattern]:
    """What the openings of ``videos`` are, most frequent first."""
    openings: dict[str, list[str]] = {}
    for video in videos:
        if video.opening:
            openings.setdefault(opening_pattern(video.opening).name, []).append(video.opening)
    return [
        MeasuredPattern(pattern=_BY_NAME[name], videos=len(said), examples=tuple(sorted(said, key=len)[:3]))
        for name, said in sorted(openings.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
