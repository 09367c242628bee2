"""Diffs taken apart, spoiled and cut, and what a cut leaves whole. In bytes, and by git's own format alone.

A diff is a list of ``FilePart``; ``written`` makes a ``Reply`` of it, which knows where each of its units ends
and from which byte on a reader can know that it ended. A unit is a hunk, the file's first one with its header;
a header that says something by itself, a rename or a mode or an empty file, is one too.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Style = Literal["git", "no index", "plain"]
RANGES = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
STYLES: Sequence[Style] = ("git", "no index", "plain")
# kinds of places in their order of preference, as often as they are taken in a round
ROUND = (
    *("hunk end",) * 3,
    "hunk header",
    "line end",
    "character",
    "no newline",
    *("hunk end",) * 3,
    "file header",
    "line end",
    "anywhere",
    *("hunk end",) * 3,
    "anywhere",
)


@dataclass(frozen=True, slots=True)
class FilePart:
    """The lines about one file, with their ends. ``spoiled``: the hunks whose counts are wrong."""

    header: tuple[bytes, ...]
    hunks: tuple[tuple[bytes, ...], ...]
    spoiled: frozenset[int] = frozenset()

    @property
    def says_something(self) -> bool:
        """Whether its header is a unit of its own."""
        return not self.hunks or any(
            line.startswith((b"old mode", b"rename", b"copy")) for line in self.header
        )

    @property
    def units(self) -> int:
        """How many there are."""
        return self.says_something + len(self.hunks)

    @property
    def lines(self) -> Iterator[bytes]:
        """All of them."""
        return itertools.chain(self.header, *self.hunks)


def taken_apart(diff: bytes) -> list[FilePart]:
    """The files of a diff that git wrote; ``ValueError`` if it is not what git writes."""
    lines = re.findall(rb"[^\n]*\n|[^\n]+$", diff)
    starts = [number for number, line in enumerate(lines) if line.startswith(b"diff --git ")]
    return [_part(lines[start:end]) for start, end in itertools.pairwise([*starts, len(lines)])]


def _part(lines: Sequence[bytes]) -> FilePart:
    first = next((number for number, line in enumerate(lines) if RANGES.match(line)), len(lines))
    hunks: list[tuple[bytes, ...]] = []
    at = first
    while at < len(lines):
        counts = counts_of(lines[at])
        end = at + 1
        while end < len(lines) and (counts != [0, 0] or lines[end].startswith(b"\\")):
            counts[0] -= lines[end][:1] in (b" ", b"-")
            counts[1] -= lines[end][:1] in (b" ", b"+")
            end += 1
        if counts != [0, 0] or (end < len(lines) and not RANGES.match(lines[end])):
            raise ValueError("counts and lines differ")
        hunks.append(tuple(lines[at:end]))
        at = end
    return FilePart(tuple(lines[:first]), tuple(hunks))


def counts_of(line: bytes) -> list[int]:
    """The old and the new count of a hunk's first line."""
    ranges = RANGES.match(line)
    if ranges is None:
        raise ValueError(f"no hunk begins with {line!r}")
    return [int(ranges[group]) if ranges[group] else 1 for group in (2, 4)]


def styled(parts: Sequence[FilePart], style: Style) -> list[FilePart]:
    """As git writes them, without ``index`` lines, or with nothing but the ``---`` and ``+++`` lines where that says it all."""
    if style == "plain" and any(
        not part.hunks
        or any(
            line.startswith((b"old mode", b"rename", b"copy", b"new file mode 100755"))
            for line in part.header
        )
        for part in parts
    ):
        style = "no index"
    if style == "git":
        return list(parts)
    if style == "plain":
        return [replace(part, header=part.header[-2:]) for part in parts]
    return [
        replace(part, header=tuple(line for line in part.header if not line.startswith(b"index ")))
        for part in parts
    ]


def with_wrong_counts(parts: Sequence[FilePart], rng: random.Random, share: float = 0.3) -> list[FilePart]:
    """A share of the hunk headers, and one at least, is off by one to three lines, on one side or both."""
    all_hunks = [(file, hunk) for file, part in enumerate(parts) for hunk in range(len(part.hunks))]
    chosen = {place for place in all_hunks if rng.random() < share} or {rng.choice(all_hunks)}
    return [
        FilePart(
            part.header,
            tuple(
                (_miscounted(hunk[0], rng), *hunk[1:]) if (file, number) in chosen else hunk
                for number, hunk in enumerate(part.hunks)
            ),
            frozenset(number for number in range(len(part.hunks)) if (file, number) in chosen),
        )
        for file, part in enumerate(parts)
    ]


def _miscounted(line: bytes, rng: random.Random) -> bytes:
    ranges = RANGES.match(line)
    assert ranges
    counts = counts_of(line)
    sides = [side for side in (0, 1) if counts[side]]  # nobody counts lines in a file that is not there
    for side in rng.sample(sides, rng.randint(1, len(sides))):
        counts[side] += rng.choice([off for off in (-3, -2, -1, 1, 2, 3) if counts[side] + off > 0])
    old, new = counts
    return b"@@ -%b,%d +%b,%d @@%b" % (ranges[1], old, ranges[3], new, line[ranges.end() :])


def with_crlf(parts: Sequence[FilePart]) -> list[FilePart] | None:
    """Every line end a CRLF; None for a diff that has carriage returns of its own: nobody could tell them apart."""
    if any(b"\r" in line for part in parts for line in part.lines):
        return None

    def ended(lines: Sequence[bytes]) -> tuple[bytes, ...]:
        return tuple(line.replace(b"\n", b"\r\n") for line in lines)

    return [replace(part, header=ended(part.header), hunks=tuple(map(ended, part.hunks))) for part in parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A hunk or a header that has none; places are bytes of the reply.

    ``proven``: so many tell that it is whole; None: no number does. ``doubted``: so many are more and do not: a
    ``---`` line that is not yet known from a deleted one makes the counts before it look wrong. ``told``: where
    it ends for who knows the file: a missing newline at the end of what is there already is no news.
    """

    file: int
    hunk: int | None
    end: int
    proven: int | None
    doubted: range
    told: int


@dataclass(frozen=True)
class Reply:
    """A diff as a model writes it; ``lines`` are the spans of the diff's own lines in it."""

    data: bytes
    lines: Sequence[tuple[int, int]]
    units: Sequence[Unit]
    parts: Sequence[FilePart]

    def arrived(self, cut: int) -> int:
        """How many units have every byte before ``cut``."""
        return sum(unit.end <= cut for unit in self.units)

    def provable(self, cut: int) -> int:
        """How many of them a reader can know to be whole."""
        whole = (
            unit.proven is not None and unit.proven <= cut and cut not in unit.doubted for unit in self.units
        )
        return sum(1 for _ in itertools.takewhile(bool, whole))

    def told(self, cut: int) -> int:
        """How many are whole for who knows the files: those that arrived, and at most one more."""
        return sum(unit.told <= cut for unit in self.units)

    def deceives(self, cut: int) -> bool:
        """Whether wrong counts say, just here, that the hunk which is cut is whole: nobody could know better."""
        unit = next((unit for unit in self.units if unit.end > cut), None)
        if unit is None or unit.hunk is None or unit.hunk not in self.parts[unit.file].spoiled:
            return False
        hunk = self.parts[unit.file].hunks[unit.hunk]
        start = unit.end - sum(map(len, hunk))
        old, new = counts_of(hunk[0])
        ends = start + len(hunk[0])
        for line in hunk[1:]:
            ends += len(line)
            old -= line[:1] in (b" ", b"-")
            new -= line[:1] in (b" ", b"+")
            if not old and not new and ends == cut:
                return True
        return False


def written(parts: Sequence[FilePart], fences: Literal["one", "each"] | None = None) -> Reply:
    """``parts`` in a reply: bare, in one fence, or in one for each file, with prose around."""
    out: list[bytes] = []
    own: list[int] = []
    ends: list[tuple[int, int | None, int]] = []  # file, hunk, and the number of the line after it
    for file, part in enumerate(parts):
        if fences and (not file or fences == "each"):
            opening = b"Now the next file:\n" if file else b"Here is the change that you asked for.\n"
            out += [opening, b"\n", b"```diff\n"]
        for number, lines in enumerate((part.header, *part.hunks), start=-1):
            own += range(len(out), len(out) + len(lines))
            out += lines
            if number >= 0 or part.says_something:
                ends.append((file, None if number < 0 else number, len(out)))
        if fences and (file == len(parts) - 1 or fences == "each"):
            out += [b"```\n", b"\n"]
    if fences:
        out.append(b"Tell me if you want the tests as well.\n")
    offsets = list(itertools.accumulate(map(len, out), initial=0))
    units = [_unit(parts[file], file, hunk, line, out, offsets) for file, hunk, line in ends]
    return Reply(b"".join(out), [(offsets[at], offsets[at + 1]) for at in own], units, parts)


def _unit(
    part: FilePart, file: int, hunk: int | None, line: int, out: Sequence[bytes], offsets: Sequence[int]
) -> Unit:
    end = told = offsets[line]
    proven: int | None = end
    names = line < len(out) and out[line].startswith(b"--- ")  # a header that could be a deleted line
    following = offsets[line + 1 : line + 4]
    shown = following[-1 if names else 0] if following else None
    if hunk is None or hunk in part.spoiled:
        proven = shown
    elif part.hunks[hunk][-1].startswith((b"+", b"-")):  # "\ No newline at end of file" may follow
        proven = end + 1 if following else None
    elif part.hunks[hunk][-1].startswith(b"\\") and not part.hunks[hunk][-2].startswith(b"+"):
        told -= len(part.hunks[hunk][-1])
    doubted = range(end + 1, shown) if names and shown else range(0)
    return Unit(file=file, hunk=hunk, end=end, proven=proven, doubted=doubted, told=told)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to cut: ``offset`` bytes from the start or the end of a line, the same in every overlay of a diff."""

    kind: str
    line: int
    offset: int
    from_end: bool = False

    def within(self, reply: Reply) -> int:
        """The number of bytes that it leaves of ``reply``."""
        start, end = reply.lines[self.line]
        at = end + self.offset if self.from_end else min(start + self.offset, end)
        return max(1, min(at, len(reply.data)))


class Places:
    """The places at which a diff can be cut, by kind."""

    def __init__(self, parts: Sequence[FilePart], rng: random.Random) -> None:
        self._rng = rng
        self._lines = [line for part in parts for line in part.lines]
        self._kinds: dict[str, list[Place]] = {kind: [] for kind in ROUND}
        number = 0
        ends: list[int] = []
        for part in parts:
            for line in part.header:
                self._kinds["file header"].append(Place("file header", number, rng.randrange(1, len(line))))
                number += 1
            for hunk in part.hunks:
                self._kinds["hunk header"].append(
                    Place("hunk header", number, rng.randrange(1, len(hunk[0])))
                )
                number += len(hunk)
                ends.append(number - 1)
        for number, line in enumerate(self._lines):
            self._kinds["line end"].append(Place("line end", number, 0, from_end=True))
            if line.startswith(b"\\"):
                self._kinds["no newline"].append(Place("no newline", number - 1, 0, from_end=True))
            inside = [at for at, byte in enumerate(line) if 0x80 <= byte < 0xC0]
            if inside:
                self._kinds["character"].append(Place("character", number, rng.choice(inside)))
        for kind in self._kinds.values():
            rng.shuffle(kind)
        rng.shuffle(ends)
        self._kinds["hunk end"] = [
            Place("hunk end", end, off, from_end=True) for end in ends for off in (-1, 0, 1)
        ]

    def taken(self, count: int) -> list[Place]:
        """``count`` of them, by turns of ``ROUND``; a kind that has none left gives its turn to any place."""
        chosen: dict[Place, None] = {}
        offsets = list(itertools.accumulate(map(len, self._lines), initial=0))
        for kind in itertools.islice(itertools.cycle(ROUND), 10 * count):
            if len(chosen) == count:
                break
            left = self._kinds[kind]
            if left:
                chosen[left.pop(0)] = None
            else:
                at = self._rng.randrange(1, offsets[-1])
                line = next(number for number, end in enumerate(offsets[1:]) if at < end)
                chosen[Place("anywhere", line, at - offsets[line])] = None
        return list(chosen)
