"""Where a hunk belongs in a file, and what it makes of it.

A hunk's own lines say where it belongs; its numbers only choose between places that look alike. Lines are first
compared as they are, then more and more loosely; what stands in the file stays as it stands there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product, takewhile
from typing import Literal

from generation.diffs import Hunk, Line, with_break
from generation.matching import WORD, Found, alike, first_row, less_alike, the_one

CONTEXT_LINES = 3
_SHOWN_LINES = 7
_SHOWN_REFUSALS = 20  # of a file, with the nearest real lines: finding them takes its time
_COMPARED_LINES = 300  # before and behind, for the nearest real lines of a hunk that was refused

Edit = tuple[int, int, tuple[str, ...]]  # rows from, to (exclusive), and what stands there instead


def split_lines(text: str) -> list[str]:
    r"""The lines of ``text``, each with its line break; only ``\n`` ends one.

    >>> split_lines("a\r\nb")
    ['a\r\n', 'b']
    """
    return [line for line in re.split(r"(?<=\n)", text) if line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What became of a hunk.

    It is ``kept``, a ``repeat`` of one that was, ``unproven`` (cut off so closely that it may not be whole), or
    ``refused`` for a ``reason``. ``note`` says what was mended.
    """

    outcome: Literal["kept", "repeat", "unproven", "refused"]
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the file as it is becoming, and its row in the file as it was; None for a new line."""

    origin: int | None
    text: str


@dataclass(slots=True)
class FileText:
    """One file's text while hunks are placed in it, one after the other.

    ``base`` are its lines before; None if it is created.
    """

    base: list[str] | None
    _rows: list[_Row] = field(default_factory=list)
    _edits: set[Edit] = field(default_factory=set)
    _placed: set[tuple[int | None, tuple[Line, ...]]] = field(default_factory=set)
    _drift: int = 0
    _refusals: int = 0

    def __post_init__(self) -> None:
        self._rows = [_Row(origin, text) for origin, text in enumerate(self.base or [])]

    @property
    def lines(self) -> list[str]:
        """Its lines as they are now."""
        return [row.text for row in self._rows]

    def create(self, lines: Sequence[str]) -> None:
        """Begin with ``lines``, all of them new."""
        self._rows = [_Row(None, line) for line in lines]

    def place(self, hunk: Hunk) -> Placed:
        """Put ``hunk`` where it belongs, or say why not; then nothing has changed."""
        key = (hunk.old_start, hunk.lines)
        again = hunk.old_start is None and any(lines == hunk.lines for _, lines in self._placed)
        if key in self._placed or again:
            return Placed(outcome="repeat")
        placed = self._matched(hunk) if hunk.old_lines else self._appended(hunk)
        if placed.outcome in {"kept", "repeat"}:
            self._placed.add(key)
        return placed

    def _appended(self, hunk: Hunk) -> Placed:
        """An insertion without context is taken at the end of the file only."""
        end = len(self._rows)
        new = tuple(hunk.new_lines)
        says_end = end in {hunk.old_start, (hunk.new_start or 0) - 1}
        if not says_end and end and self.lines[-len(new) :] == list(new):
            return Placed(outcome="repeat")
        if not says_end:
            return Placed(
                outcome="refused", reason="nothing in it says where it belongs: give it context lines"
            )
        if hunk.file_may_end_here:
            return Placed(outcome="unproven")
        self._apply_to_rows([(end, end, new)])
        return Placed(outcome="kept")

    def _matched(self, hunk: Hunk) -> Placed:
        views = [(self.base or [], True)]
        if self._rows and (self.base is None or self._edits):
            views.append((self.lines, False))
        places: list[int] = []
        for find, (lines, is_base) in product((alike, less_alike), views):
            drift = self._drift if is_base else 0
            for level, variant, found in find(hunk, lines):
                chosen = the_one(found, None if hunk.old_start is None else hunk.old_start - 1, drift)
                if chosen is None:
                    places = [first_row(one.rows) + 1 for one in found]
                    break
                others = [one for one in found if one is not chosen]
                return self._put(variant, chosen, level, others, is_base=is_base)
            if places:
                break
        if places:
            listed = ", ".join(map(str, places[:5])) + (", ..." if len(places) > 5 else "")  # noqa: PLR2004  # enough
            return Placed(
                outcome="refused", reason=f"it fits at lines {listed}: more context lines would say where"
            )
        return Placed(outcome="refused", reason=f"its lines are not in the file{self._nearest(hunk)}")

    def _put(self, hunk: Hunk, found: Found, level: str, others: Sequence[Found], *, is_base: bool) -> Placed:
        stated = hunk.old_start
        lines = (self.base or []) if is_base else self.lines
        first, end = first_row(found.rows), max(found.rows) + 1
        if not _is_proven(hunk, touches_end=end == len(lines)):
            return Placed(outcome="unproven")
        edits = _edits(hunk, found, lines, is_exact=not level)
        if edits is None:
            return Placed(
                outcome="refused", reason=f"blank lines differ where it deletes{self._nearest(hunk)}"
            )
        new = [edit for edit in edits if edit not in self._edits] if is_base else edits
        if not new:
            elsewhere = [one for one in others if _edits(hunk, one, lines, is_exact=not level)]
            return _repeat(first, elsewhere)
        mapped = self._mapped(new) if is_base else [edit for edit in new if not self._is_there(edit)]
        if not mapped:
            reason = "it changes lines that a kept hunk has changed in another way"
            return Placed(outcome="repeat") if mapped == [] else Placed(outcome="refused", reason=reason)
        if is_base:
            self._edits |= set(new)
            self._drift = first - (stated - 1) if stated is not None else self._drift
        self._apply_to_rows(mapped)
        moved = 0 if stated is None or not is_base else first + 1 - stated
        notes = [f"{level} not as in the file"] if level else []
        notes += [f"is at line {first + 1}, not {stated}"] if moved else []
        return Placed(outcome="kept", note=", ".join(notes))

    def _mapped(self, edits: Sequence[Edit]) -> list[Edit] | None:
        """``edits`` of the base as edits of the rows; None if what they change is no longer as it was."""
        at = {row.origin: index for index, row in enumerate(self._rows) if row.origin is not None}
        base = len(self.base or [])
        mapped: list[Edit] = []
        for start, end, new in edits:
            if start < end:
                inner = [at.get(row, -1) for row in range(start, end)]
                first, last = inner[0], inner[-1] + 1
            else:
                inner = []
                first = at.get(start - 1, -2) + 1 if start else 0
                last = at.get(end, -1) if end < base else len(self._rows)
            if first < 0 or -1 in inner or last - first != end - start:
                return None
            mapped.append((first, last, new))
        return mapped

    def _is_there(self, edit: Edit) -> bool:
        start, end, new = edit
        return start == end and bool(new) and self.lines[start : start + len(new)] == list(new)

    def _apply_to_rows(self, edits: Sequence[Edit]) -> None:
        for start, end, new in sorted(edits, reverse=True):
            self._rows[start:end] = [_Row(None, text) for text in new]
        for index, row in enumerate(self._rows[:-1]):  # only the last line of a file may lack its line break
            if not row.text.endswith("\n"):
                self._rows[index] = _Row(None, row.text + "\n")

    def changes(self) -> list[Edit]:
        """What differs from the base, in order."""
        base = self.base or []
        edits: list[Edit] = []
        at, new = 0, []
        for row in [*self._rows, _Row(len(base), "")]:
            if row.origin is None:
                new.append(row.text)
                continue
            if new or row.origin > at:
                edits.append((at, row.origin, tuple(new)))
            at, new = row.origin + 1, []
        return edits

    def _nearest(self, hunk: Hunk) -> str:
        """The real lines that are most like the hunk's, to show beside it."""
        self._refusals += 1
        if self._refusals > _SHOWN_REFUSALS:
            return ""
        lines = self.lines
        wanted = [line.rstrip() for line in hunk.old_lines if line.strip()]
        at = {line.strip(): row for row, line in reversed(list(enumerate(lines)))}
        known = [at[line.strip()] for line in wanted if line.strip() in at and WORD.search(line)]
        if not known:  # none of its lines is there: something like one, near to where it should be
            middle = max(0, (hunk.old_start or 0) - 1)
            near_by = range(max(0, middle - _COMPARED_LINES), min(len(lines), middle + _COMPARED_LINES))
            at = {lines[row].strip(): row for row in reversed(near_by)}
            for line in sorted(wanted, key=len, reverse=True)[:3]:
                if near := difflib.get_close_matches(line.strip(), at, n=1, cutoff=0.6):
                    known = [at[near[0]]]
                    break
        if not known:
            return ""
        middle = sorted(known)[len(known) // 2]
        first = max(0, middle - _SHOWN_LINES // 2)
        shown = "".join(line.rstrip("\r\n") + "\n" for line in lines[first : first + _SHOWN_LINES])
        return f"; did you mean line {first + 1} on:\n{shown.rstrip()}"


def render(file: FileText) -> str:
    """The hunks of a unified diff from the base to what it has become, three lines of context, as git writes."""
    base = file.base or []
    groups: list[list[Edit]] = []
    for edit in file.changes():
        if groups and edit[0] - groups[-1][-1][1] <= 2 * CONTEXT_LINES:
            groups[-1].append(edit)
        else:
            groups.append([edit])
    drift = 0
    hunks: list[str] = []
    for group in groups:
        start = max(0, group[0][0] - CONTEXT_LINES)
        end = min(len(base), group[-1][1] + CONTEXT_LINES)
        body: list[str] = []
        at = start
        for first, last, new in group:
            body += [" " + line for line in base[at:first]]
            body += ["-" + line for line in base[first:last]]
            body += ["+" + line for line in new]
            at = last
        body += [" " + line for line in base[at:end]]
        olds = end - start
        news = olds + sum(len(new) - (last - first) for first, last, new in group)
        old, new_ = start + (olds > 0), start + drift + (news > 0)
        drift += news - olds
        hunks.append(f"@@ -{_range(old, olds)} +{_range(new_, news)} @@\n" + "".join(map(with_break, body)))
    return "".join(hunks)


def _repeat(first: int, elsewhere: Sequence[Found]) -> Placed:
    """A hunk that changes nothing new: a repeat, unless there is another place that it may have been meant for."""
    if not elsewhere:
        return Placed(outcome="repeat")
    at = ", ".join(str(first_row(one.rows) + 1) for one in elsewhere[:5])
    return Placed(outcome="refused", reason=f"line {first + 1} is changed already; it would also fit at {at}")


def _range(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"


def _is_proven(hunk: Hunk, *, touches_end: bool) -> bool:
    """Whether a hunk is whole for which only its counts speak, once it is known where it is.

    Counts are often wrong, so it must end as hunks do: with as much context as it begins with, or at the file's
    end with a line that was there before.
    """
    if hunk.proof != "counted":
        return True
    trailing = len(list(takewhile(lambda line: line.op == " ", reversed(hunk.lines))))
    leading = len(list(takewhile(lambda line: line.op == " ", hunk.lines)))
    if touches_end:
        return trailing > 0 or not hunk.file_may_end_here
    return trailing >= max(1, min(CONTEXT_LINES, leading))


def _edits(hunk: Hunk, found: Found, lines: Sequence[str], *, is_exact: bool) -> list[Edit] | None:
    """What ``hunk`` changes in ``lines``, in order; None where it deletes across blank lines that it does not know.

    Unless its lines are the file's to the last character (``is_exact``), new ones get the file's line breaks.
    """
    edits: list[Edit] = []
    rows = iter(found.rows)
    at = first_row(found.rows)  # the row after the last one that was passed
    begun: int | None = None
    passed_blank = False  # it deletes blank lines here, if not as many as there are
    new: list[str] = []

    def close() -> None:
        nonlocal begun, new, passed_blank
        if begun is not None:
            adapted = new if is_exact else _adapted(new, lines, is_last=at == len(lines), hunk=hunk)
            edits.append((begun, at, tuple(adapted)))
        begun, new, passed_blank = None, [], False

    for line in hunk.lines:
        if line.op == "+":
            begun = at if begun is None else begun
            new.append(found.indent(line.text))
            continue
        row = next(rows)
        if line.op == " ":
            close()
            at = at if row < 0 else row + 1
        elif row < 0:
            passed_blank = True
        elif begun is not None and row != at and not passed_blank:
            return None
        else:
            begun = row if begun is None else begun
            at, passed_blank = row + 1, False
    close()
    return edits


def _adapted(new: Sequence[str], lines: Sequence[str], *, is_last: bool, hunk: Hunk) -> list[str]:
    """``new`` with the line breaks of the file, where that has but one kind, and its way to end."""
    breaks = {line[len(line.rstrip("\r\n")) :] for line in lines if line.endswith("\n")}
    adapted = list(new)
    if len(breaks) == 1:
        (ends,) = breaks
        adapted = [line.rstrip("\r\n") + ends if line.endswith("\n") else line for line in new]
    if adapted and is_last and lines:
        old, real = hunk.old_lines[-1], lines[-1]
        forgot = old.endswith("\n") != real.endswith("\n") and old.endswith("\n") == adapted[-1].endswith(
            "\n"
        )
        if forgot:
            ends = next(iter(breaks)) if len(breaks) == 1 else "\n"
            adapted[-1] = adapted[-1].rstrip("\r\n") + (ends if real.endswith("\n") else "")
    return adapted
