"""Where the lines of a hunk stand in a file: as they are, and then more and more loosely."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from generation.diffs import Hunk

_MARKS = str.maketrans(
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2010\u2011\u2012\u2013\u2014\u2212\u00a0",
    "'" * 4 + '"' * 4 + "------ ",
)
_COMMENTS = ("#", "//", "/*", "*", "--", "<!--", ";", "%")
_LEAST_LINES = 2  # with words in them, of a hunk that is placed although it is not quite what stands there
WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A place of a hunk: for each of its old lines the row, -1 for a blank line that is not there."""

    rows: tuple[int, ...]
    indent: Callable[[str], str] = str


_Key = Callable[[str], str]
_LEVELS: tuple[tuple[str, _Key], ...] = (
    ("", str),
    ("line breaks are", lambda line: line.rstrip("\r\n")),
    ("trailing spaces are", lambda line: line.rstrip()),
    ("quotes or dashes are", lambda line: line.rstrip().translate(_MARKS)),
)


def alike(hunk: Hunk, lines: Sequence[str]) -> Iterator[tuple[str, Hunk, list[Found]]]:
    """The places in ``lines`` where those of ``hunk`` stand, but for spaces and marks, the strictest first.

    For each way to compare that finds any: what differs, the hunk as it is compared, and its places.
    """
    variants = [*_variants(hunk), *_ended_alike(hunk, lines)]
    for level, key in _LEVELS:
        keyed = [key(line) for line in lines]
        for variant in variants:
            old = [key(line) for line in variant.old_lines]
            if starts := _starts(old, keyed):
                yield level, variant, [Found(rows=tuple(range(at, at + len(old)))) for at in starts]


def less_alike(hunk: Hunk, lines: Sequence[str]) -> Iterator[tuple[str, Hunk, list[Found]]]:
    """The same where blank lines, indentation or context differ: of at least two lines with words in them."""
    if sum(bool(WORD.search(line)) for line in hunk.old_lines) < _LEAST_LINES:
        return
    variants = _variants(hunk)
    trimmed = variants[-1]
    for variant in _without_invented_context(trimmed, lines):
        if skipping := _skipping_blanks(variant, lines):
            yield "blank lines are" if variant is trimmed else "some context lines are", variant, skipping
    for variant in variants:
        if shifted := _shifted(variant, lines):
            yield "indentation is", variant, shifted


def _variants(hunk: Hunk) -> list[Hunk]:
    """``hunk``, and ``hunk`` without blank context lines at its ends: models add and lose them."""
    trimmed = _without_outer_blanks(hunk)
    return [hunk, trimmed] if trimmed is not hunk and trimmed.old_lines else [hunk]


def _ended_alike(hunk: Hunk, lines: Sequence[str]) -> list[Hunk]:
    """``hunk`` with a last line that ends as the file does, where it does not: models forget the mark, cuts take it."""
    old, new = hunk.old_lines, hunk.new_lines
    real = lines[-1] if lines else ""
    if not old or old[-1] == real or old[-1].rstrip("\n") != real.rstrip("\n"):
        return []
    ends = real[len(real.rstrip("\n")) :]
    last = {max(at for at, line in enumerate(hunk.lines) if line.op != "+")}
    if new and new[-1].endswith("\n") == old[-1].endswith("\n"):
        last.add(max(at for at, line in enumerate(hunk.lines) if line.op != "-"))
    changed = [
        replace(line, text=line.text.rstrip("\n") + ends) if at in last else line
        for at, line in enumerate(hunk.lines)
    ]
    return [replace(hunk, lines=tuple(changed))]


def _starts(old: Sequence[str], lines: Sequence[str]) -> list[int]:
    """Where ``old`` stands in ``lines``."""
    first = old[0]
    count = len(old)
    wanted = list(old)
    return [
        at
        for at, line in enumerate(lines[: len(lines) - count + 1])
        if line == first and lines[at : at + count] == wanted
    ]


def _without_outer_blanks(hunk: Hunk) -> Hunk:
    lines = list(hunk.lines)
    while lines and lines[-1].op == " " and not lines[-1].text.strip():
        lines.pop()
    while lines and lines[0].op == " " and not lines[0].text.strip():
        lines.pop(0)
    return hunk if len(lines) == len(hunk.lines) else replace(hunk, lines=tuple(lines))


def _without_invented_context(hunk: Hunk, lines: Sequence[str]) -> list[Hunk]:
    """``hunk``, and ``hunk`` without the comments in its context that are nowhere in the file.

    Models remember comments that never were there. Two lines with words at least must be real.
    """
    there = {line.strip() for line in lines}
    real = [
        line
        for line in hunk.lines
        if line.op != " " or line.text.strip() in there or not line.text.strip().startswith(_COMMENTS)
    ]
    some = replace(hunk, lines=tuple(real))
    enough = sum(bool(WORD.search(line)) for line in some.old_lines) >= _LEAST_LINES
    return [hunk, some] if len(real) < len(hunk.lines) and enough else [hunk]


def _skipping_blanks(hunk: Hunk, lines: Sequence[str]) -> list[Found]:
    """Places where the same lines stand but for blank ones."""
    there = [(row, line.rstrip()) for row, line in enumerate(lines) if line.strip()]
    old = [line.rstrip() for line in hunk.old_lines]
    starts = _starts([line for line in old if line], [line for _, line in there])
    found: list[Found] = []
    for at in starts:
        real = iter(row for row, _ in there[at:])
        rows: list[int] = []
        following = there[at][0]
        for line in old:
            if line:
                rows.append(next(real))
                following = rows[-1] + 1
            elif following < len(lines) and not lines[following].strip():
                rows.append(following)
                following += 1
            else:
                rows.append(-1)
        found.append(Found(rows=tuple(rows)))
    return found


def _shifted(hunk: Hunk, lines: Sequence[str]) -> list[Found]:
    """Places where the same lines stand, all of them indented more, or all less."""
    old = hunk.old_lines
    found: list[Found] = []
    for at in _starts([line.strip() for line in old], [line.strip() for line in lines]):
        pairs = [(mine, real) for mine, real in zip(old, lines[at:], strict=False) if mine.strip()]
        shifts = {(_indent(mine), _indent(real)) for mine, real in pairs}
        indent = _shift(shifts)
        if indent is not None:
            found.append(Found(rows=tuple(range(at, at + len(old))), indent=indent))
    return found


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _shift(pairs: set[tuple[str, str]]) -> _Key | None:
    """What turns each first indentation into its second, if one rule does: adding a prefix, or taking one off."""
    more = {real.removesuffix(mine) for mine, real in pairs if real.endswith(mine)}
    if len(more) == 1 and all(real.endswith(mine) for mine, real in pairs):
        (prefix,) = more
        return lambda line: prefix + line if line.strip() else line
    less = {mine.removesuffix(real) for mine, real in pairs if mine.endswith(real)}
    if len(less) == 1 and all(mine.endswith(real) for mine, real in pairs):
        (prefix,) = less
        return lambda line: line.removeprefix(prefix)
    return None


def first_row(rows: Sequence[int]) -> int:
    """The row that a place begins with."""
    return min(row for row in rows if row >= 0)


def the_one(found: Sequence[Found], stated: int | None, drift: int) -> Found | None:
    """The only place, the one where the hunk says it is, or the one that is clearly nearest to it.

    ``drift`` is by how much the number of the hunk before was wrong: the next is often wrong by the same.
    """
    if len(found) == 1:
        return found[0]
    if stated is None:
        return None
    for one in found:
        if first_row(one.rows) == stated:
            return one
    by_distance = sorted(
        (abs(first_row(one.rows) - stated - drift), index) for index, one in enumerate(found)
    )
    (nearest, index), (second, _) = by_distance[:2]
    return found[index] if nearest * 2 < second or not nearest else None
