"""Who speaks, in written text: the lines that open a turn.

``**Name:**`` always does, ``Name:`` where the file has several such turns.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ingest.formats.markup import without_long_spaces, without_marks
from ingest.formats.stamps import LEADING_TIME, ONLY_TIME, STAMP, TIME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_BOLD_TURN: Final = re.compile(
    rf"\s*(?P<before>{STAMP})?\s*(?P<mark>\*\*|__)(?P<name>[^*\n:]{{1,60}}?)\s*(?P<inside>{STAMP})?"
    rf"(?:\s*:\s*(?P=mark)|(?P=mark)\s*(?P<after>{STAMP})?\s*:)(?P<rest>.*)"
)
_PLAIN_TURN: Final = re.compile(
    rf"\s*(?P<before>{STAMP}\s+)?(?P<name>[^\W\d_](?:[\w .'\u2019&/-]|\([\w .'\u2019-]{{1,20}}\)){{0,48}}?)"
    rf"\s*(?P<inside>{STAMP})?\s*:(?P<rest>\s.*|)"
)
_TIMED_NAME: Final = re.compile(
    rf"\s*(?P<name>[^\W\d_][\w .'\u2019-]{{0,48}}?)\s+(?P<time>{STAMP}|{TIME})\s*"
)
_TIMED_NAME_CHARS: Final = 250
_ALIAS: Final = re.compile(r"(.+?)\s*\(([^()]{1,20})\)")
_PARTICLES: Final = frozenset(
    {"van", "von", "der", "den", "de", "da", "di", "del", "la", "le", "bin", "al", "and", "&"}
)
_NAME_WORDS: Final = 5
_SEVERAL: Final = 3
_NEARLY_EVERY: Final = 0.8
_NOBODY: Final = frozenset({"break", "jingle"})  # thechangelog's marks for what is not speech


class Turn(NamedTuple):
    """The line that opens a turn: who, and what is left of the line, its stamp in front."""

    speaker: str | None
    rest: str


class _Candidate(NamedTuple):
    """A line that may open a turn. ``strong``: it has a time and a colon. ``opens``: no text runs on into it."""

    name: str
    rest: str
    strong: bool
    opens: bool


def has_bold_turn(lines: Iterable[str]) -> bool:
    """Tell whether any line begins with ``**Name:**``."""
    return any(_bold_turn(line) for line in lines)


def _bold_turn(line: str) -> re.Match[str] | None:
    if ":" not in line or ("**" not in line and "__" not in line):
        return None
    found = _BOLD_TURN.fullmatch(without_long_spaces(line))
    return found if found and any(map(str.isalpha, found["name"])) else None


def bold_turns(lines: Sequence[str]) -> dict[int, Turn]:
    """Find the lines that begin with ``**Name:**``."""
    turns: dict[int, Turn] = {}
    for index, line in enumerate(lines):
        found = _bold_turn(line)
        if found:
            name = without_marks(found["name"]).strip()
            stamp = found["before"] or found["inside"] or found["after"] or ""
            turns[index] = Turn(None if name.lower() in _NOBODY else name, f"{stamp} {found['rest']}")
    return turns


def plain_turns(lines: Sequence[str], named: Collection[Any]) -> dict[int, Turn]:
    """Find the lines that begin with ``Name:``, if the file has several turns.

    A name counts if it comes with a time, recurs, or is in ``named``. Where that makes a file of turns, so
    does one that comes once, if it is of several capitalised words or nearly every paragraph opens a turn.
    ``Anna Blum (AB):`` makes every ``AB`` Anna Blum.
    """
    candidates = _candidates(lines)
    often = Counter(candidate.name for candidate in candidates.values() if candidate.opens)
    listed = {name.casefold() for name in named if isinstance(name, str)}
    sure = {name for name, count in often.items() if count > 1 or name.casefold() in listed}
    openings = sum(
        bool(line.strip()) and _opens(lines, index, candidates) for index, line in enumerate(lines)
    )
    dense = often.total() >= _NEARLY_EVERY * openings
    taken = {
        index: candidate
        for index, candidate in candidates.items()
        if candidate.strong
        or (
            candidate.opens
            and (candidate.name in sure or " " in candidate.name or (dense and candidate.name[0].isupper()))
        )
    }
    certain = [name.casefold() in listed or strong for name, _, strong, _ in taken.values()]
    if not (sure or any(certain)) or len(certain) + sum(certain) < _SEVERAL:
        return {}
    whole = {alias[2]: alias[1] for name in often if (alias := _ALIAS.fullmatch(name)) and alias[2] in sure}
    turns: dict[int, Turn] = {}
    for index, candidate in taken.items():
        alias = _ALIAS.fullmatch(candidate.name)
        speaker = alias[1] if alias and alias[2] in whole else whole.get(candidate.name, candidate.name)
        turns[index] = Turn(speaker, candidate.rest)
    return turns


def _opens(lines: Sequence[str], index: int, candidates: Collection[int]) -> bool:
    """Tell whether a paragraph or, right after a possible turn, another turn may begin at a line."""
    return index == 0 or not lines[index - 1].strip() or index - 1 in candidates


def _candidates(lines: Sequence[str]) -> dict[int, _Candidate]:
    """Find the lines that look like the opening of a turn."""
    candidates: dict[int, _Candidate] = {}
    for index, line in enumerate(lines):
        if ":" not in line:
            continue
        timed = _TIMED_NAME.fullmatch(line) if len(line) <= _TIMED_NAME_CHARS else None
        found = timed or _PLAIN_TURN.fullmatch(line)
        if found is None or not is_name(found["name"]):
            continue
        if timed:
            stamp, rest = timed["time"], ""
        else:
            stamp, rest = found["before"] or found["inside"] or "", found["rest"]
        if re.match(r"\s*<?https?://", rest):
            continue
        candidates[index] = _Candidate(
            name=" ".join(found["name"].split()),
            rest=f"{stamp} {rest}",
            strong=not timed and bool(stamp or ONLY_TIME.fullmatch(rest) or LEADING_TIME.match(rest)),
            opens=_opens(lines, index, candidates),
        )
    return candidates


def is_name(name: str) -> bool:
    """Tell whether ``name`` is one word, or a few that are capitalised, numbers or particles."""
    words = re.sub(r"\([^()]*\)", "", name).split()
    return len(words) == 1 or (
        1 < len(words) <= _NAME_WORDS
        and all(word[0].isupper() or word[0].isdigit() or word in _PARTICLES for word in words)
    )
