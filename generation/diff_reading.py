r"""Unified diffs as models write them, read line by line into whole hunks; whatever the text, nothing raises.

Prose and fences around, CRLF, quotes of every kind, wrong counts, wrong or no line numbers, lost spaces: a hunk
is recognised by its structure, and its counts are only one witness among others. Read are::

    FILES:                     the manifest: what the reply is going to change
    - src/oven.py
    diff --git a/src/oven.py b/src/oven.py
    --- a/src/oven.py
    +++ b/src/oven.py
    @@ -10,3 +10,4 @@ def bake(bread):
    ...
    # END-OF-DIFF              without it, nobody knows that the reply was whole

A hunk is whole when something follows it, when the reply ended by itself and the counts fit, or, in a reply
that was cut, by its counts alone (``Hunk.proof``: the weakest, so who places the hunk looks closer). What
comes after the last line break of a reply that was cut is never part of a hunk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from generation.diff_headers import OpenHeader, listed_name, name_in
from generation.diffs import CutHunk, EndOfDiff, Header, Hunk, Line, Manifest, Op, Proof, Tail
from generation.units import Unit

END_MARKER = "# END-OF-DIFF"
FILES_MARKER = "FILES:"
_FENCES = {"```", "~~~"}  # that close a block
_END = re.compile(r"\W*END[-_ ]OF[-_ ]DIFF\W*", re.IGNORECASE)
_FILES = re.compile(r"\W*FILES\W*", re.IGNORECASE)
_FILE_ITEM = re.compile(r"\s*[-*•]\s+(?P<name>\S.*)")
_NO_LINE = re.compile(
    r"--- |[-+] \S| *$"
)  # of a hunk, where it may be something else: a header, a list's item
_RANGE = re.compile(
    r"@@+\s*[-\u2212\u2013](?P<old>\d{1,9})(?:,(?P<olds>\d{1,9}))?\s+\+(?P<new>\d{1,9})(?:,(?P<news>\d{1,9}))?\s*(?:@@)?(?P<heading>.*)"
)
_BARE = re.compile(r"@@(?:[\s.…]*@@)?(?P<heading>.*)")


def read_diff(text: str, *, cut: bool = False) -> list[Unit]:
    r"""The units of ``text``: whole hunks, renames, a manifest, the end's mark. ``cut``: it was broken off.

    >>> [str(unit.value) for unit in read_diff("--- a/x\n+++ b/x\n@@ -4 +4 @@\n-a\n+b\n@@ -9,2 +9,2 @@\n-c\n+", cut=True)]
    ['x @@ -4,1']
    """
    units = DiffUnits()
    return [*units.feed(text), *units.finish(cut=cut)]


def is_diff_salvageable(diff: str) -> bool:
    r"""Whether a diff that was cut off has anything in it that is whole.

    >>> is_diff_salvageable("--- a/x\n+++ b/x\n@@ -4,2 +4,2 @@\n-a\n+b\n c\n@@ -9 +")
    True
    """
    return any(isinstance(unit.value, Hunk | Header) for unit in read_diff(diff, cut=True))


@dataclass(slots=True, kw_only=True)
class _Open:
    """A hunk that has begun. ``old`` and ``new`` are how many lines its counts still promise, None: it has none."""

    header: Header | None
    old_start: int | None = None
    new_start: int | None = None
    heading: str = ""
    old: int | None = None
    new: int | None = None
    crlf: bool = False
    lines: list[Line] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)  # lines without a mark: blank context, or prose already
    raw: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        return self.old == 0 and self.new == 0 and bool(self.lines)

    def is_begun_anew_by(self, other: _Open) -> bool:
        """Whether ``other`` is the same hunk again: this one was broken off, and then written from its start."""
        if (
            self.fits
            or self.old_start is None
            or (self.header and other.header and self.header.path != other.header.path)
        ):
            return False
        both = min(len(self.lines), len(other.lines))
        return self.old_start == other.old_start and self.lines[:both] == other.lines[:both]

    def add(self, op: Op, text: str) -> None:
        self.lines.append(Line(op=op, text=text))
        if self.old is not None and op != "+":
            self.old -= 1
        if self.new is not None and op != "-":
            self.new -= 1

    def take_loose(self, *, all_of_them: bool) -> None:
        """Make context of the loose lines: of all, or of so many blank ones as make the counts fit."""
        count = len(self.loose)
        if not all_of_them:
            blank = list(takewhile(lambda line: not line.strip(), self.loose))
            wanted = self.old if self.old == self.new else None
            count = wanted if wanted is not None and 0 < wanted <= len(blank) else 0
        for line in self.loose[:count]:
            self.add(" ", line)
        self.loose = []

    def without_last_break(self) -> None:
        """The file ends with the last line, without a line break."""
        if self.lines:
            self.lines[-1] = replace(self.lines[-1], text=self.lines[-1].text.rstrip("\r\n"))


class DiffUnits:
    """The parser of one reply. ``header`` is the file that hunks without a header of their own belong to.

    A reply that ``needs_mark`` is read as one that was cut, unless the mark of its end is in it.
    """

    def __init__(self, header: Header | None = None, *, needs_mark: bool = False) -> None:
        self._needs_mark = needs_mark
        self.is_marked = False  # the mark of its end is in it
        self._file = header
        self._pieces: list[str] = []
        self._partial: list[str] = []  # of the line that has not ended
        self._held: list[str] = []  # "--- x", "+++ y": a header, or lines of a hunk that look like one
        self._head: OpenHeader | None = None
        self._hunk: _Open | None = None
        self._doubtful: _Open | None = None  # something follows it, and that may show that it is not whole
        self._may_go_on = False  # the line after it had no mark: one that has would show it was not whole
        self._listed: list[str] | None = None  # the manifest's files while it is read
        self._begun = False
        self._tail: list[str] | None = [] if header else None  # lines before the first header
        self._units: list[Unit] = []

    def feed(self, piece: str) -> list[Unit]:
        """Read ``piece``; return what is whole now, in order."""
        self._pieces.append(piece)
        self._partial.append(piece)
        if "\n" in piece:
            *lines, rest = self._rest.split("\n")
            self._partial = [rest]
            for line in lines:
                self._line(line + "\n")
        return self._taken()

    def finish(self, *, cut: bool) -> list[Unit]:
        """What is whole although nothing follows it: the reply ended by itself, or it was ``cut``."""
        rest = self._rest
        is_fence = not cut and rest.rstrip() in _FENCES
        cut = cut or (self._needs_mark and not self.is_marked and not _END.fullmatch(rest))
        if rest and (not cut or is_fence):
            self._partial = []
            self._line(rest + "\n")
        if not cut:
            self._release()
            self._close("ended")
        elif self._hunk and not self._held and not self._head:
            self._close_cut()
        self._close_tail()
        self._settle(self._hunk)
        return self._taken()

    @property
    def _rest(self) -> str:
        return "".join(self._partial)

    @property
    def text(self) -> str:
        """All that was read."""
        return "".join(self._pieces)

    @property
    def cut(self) -> str:
        """The text of what has begun and is not whole."""
        unfinished = self.cut_hunk
        return unfinished.text if unfinished else ""

    @property
    def cut_hunk(self) -> CutHunk | None:
        """The hunk, or the file's header, that has begun and is not whole."""
        if self._hunk:
            raw = "".join([*self._hunk.raw, *self._held, self._rest])
            return CutHunk(header=self._hunk.header, old_start=self._hunk.old_start, text=raw)
        if self._head or self._held:
            head = self._head or OpenHeader()
            raw = "".join([*head.raw, *self._held, self._rest])
            return CutHunk(header=head.closed(), old_start=None, text=raw)
        if self._begun and self._rest[:1] in {"@", "d", "-"}:
            file = self._file if self._rest[0] == "@" else None
            return CutHunk(header=file, old_start=None, text=self._rest)
        return None

    def _taken(self) -> list[Unit]:
        units, self._units = self._units, []
        return units

    def _line(self, line: str) -> None:
        text = line.rstrip("\r\n")
        may_go_on, self._may_go_on = self._may_go_on, False
        if self._held:
            if self._is_header_so_far(text):
                return
            self._release()
        if may_go_on and self._doubtful and text[:1] in {" ", "+", "-"} and not _NO_LINE.match(text):
            self._break(self._doubtful, line)
            return
        if self._hunk:
            self._hunk_line(line, text)
        elif self._head:
            self._head_line(line, text)
        else:
            self._outer_line(line, text)

    def _is_header_so_far(self, text: str) -> bool:
        """Whether the held lines and ``text`` go on as a header; one that is certain is opened."""
        if len(self._held) == 1:
            if not text.startswith("+++ "):
                return False
            self._held.append(text + "\n")
            if self._hunk is None or self._hunk.fits:
                self._open_held()
            return True
        if text.startswith("@@"):
            self._open_held()
        return False

    def _open_held(self) -> None:
        held, self._held = self._held, []
        self._close("followed")
        self._head = OpenHeader(old=name_in(held[0][4:]), new=name_in(held[1][4:]), raw=held)

    def _release(self) -> None:
        """What was held back was no header."""
        held, self._held = self._held, []
        for line in held:
            if self._hunk:
                self._body(line)

    def _hunk_line(self, line: str, text: str) -> None:
        hunk = self._hunk
        assert hunk is not None
        if text.startswith("--- "):
            self._held = [line]
        elif text == "-- " and hunk.fits:  # the signature of a mailed patch
            self._close("followed")
        elif text[:1] in {" ", "+", "-", "\\"}:
            self._body(line)
        elif text.startswith(("@@", "diff --git ")) or _END.fullmatch(text):
            self._close("followed")
            self._outer_line(line, text)
        elif (hunk.fits and text.strip()) or text.strip() in _FENCES:
            self._close("followed")
            self._may_go_on = True
        else:
            hunk.loose.append(line)
            hunk.raw.append(line)
            if hunk.old is not None and any(map(str.strip, hunk.loose)) and len(hunk.loose) > hunk.old:
                self._close("followed")
                self._may_go_on = True

    def _body(self, line: str) -> None:
        """A line that is marked as part of the hunk."""
        hunk = self._hunk
        assert hunk is not None
        if any(line.strip() for line in hunk.loose) and hunk.old is None:
            self._break(hunk, line)  # without counts, nobody knows what has no mark
            return
        hunk.raw.append(line)
        hunk.take_loose(all_of_them=True)
        if hunk.crlf and line.endswith("\r\n"):
            line = line[:-2] + "\n"
        match line[0]:
            case "\\":
                hunk.without_last_break()
            case " " | "+" | "-" as op:
                hunk.add(op, line[1:])

    def _break(self, hunk: _Open, line: str) -> None:
        """It goes on behind lines that have no mark: what there is of ``hunk`` is not all of it."""
        self._hunk = self._doubtful = None
        text = "".join([*hunk.raw, line])
        value = CutHunk(header=hunk.header, old_start=hunk.old_start, text=text)
        self._units.append(Unit(key=str(value), value=value, text=text))

    def _head_line(self, line: str, text: str) -> None:
        head = self._head
        assert head is not None
        if text.startswith("@@"):
            self._close("followed", hunks_follow=True)
            self._outer_line(line, text)
        elif head.is_named and text[:1] in {" ", "+", "-"} and text[:4] not in {"--- ", "+++ "}:
            self._close("followed", hunks_follow=True)  # a hunk without its @@
            self._hunk = _Open(header=self._file)
            self._body(line)
        elif not (head.reads(line) or (head.is_named and not text)):
            self._close("followed")
            self._outer_line(line, text)

    def _outer_line(self, line: str, text: str) -> None:
        """A line outside of hunks and headers."""
        if self._listed is not None and self._is_listed(text):
            return
        if self._tail is not None:
            self._tail_line(line, text)
        if text.startswith("diff --git "):
            self._begun = True
            self._head = OpenHeader(git_line=text.removeprefix("diff --git "), raw=[line])
        elif text.startswith("--- "):
            self._held = [line]
        elif text.startswith("@@"):
            self._begun = True
            self._hunk = _opened(text, self._file, crlf=line.endswith("\r\n"))
            self._hunk.raw.append(line)
        elif _END.fullmatch(text):
            self._settle(None)
            self._begun, self.is_marked = False, True
            self._units.append(Unit(key=END_MARKER, value=EndOfDiff(), text=line))
        elif not self._begun and _FILES.fullmatch(text):
            self._listed = []

    def _tail_line(self, line: str, text: str) -> None:
        assert self._tail is not None
        if text[:1] in {" ", "+", "-", "\\"} and not text.startswith("--- "):
            self._tail.append(line)
        elif text.startswith(("@@", "diff --git ", "--- ")) or _END.fullmatch(text) or _FILES.fullmatch(text):
            self._close_tail()

    def _is_listed(self, text: str) -> bool:
        """Whether ``text`` is one more line of the manifest; otherwise that is closed."""
        assert self._listed is not None
        if item := _FILE_ITEM.fullmatch(text):
            self._listed.append(listed_name(item["name"]))
        elif text.strip() or self._listed:
            self._close_manifest()
        return item is not None

    def _close_tail(self) -> None:
        if self._tail:
            text = "".join(self._tail)
            self._units.append(Unit(key="tail", value=Tail(text), text=text))
        self._tail = None

    def _close_manifest(self) -> None:
        if self._listed:
            text = "\n".join([FILES_MARKER, *(f"- {path}" for path in self._listed), ""])
            self._units.append(Unit(key=FILES_MARKER, value=Manifest(paths=tuple(self._listed)), text=text))
        self._listed = None

    def _close(self, proof: Proof, *, hunks_follow: bool = False) -> None:
        """Something follows, or the reply ended: what is open is whole, or will never be."""
        if self._listed is not None and proof == "ended":
            self._close_manifest()
        if head := self._head:
            self._head = None
            self._begun = True
            self._file = head.closed()
            alone = head.says_more and not (hunks_follow and head.is_shown_by_lines)
            if self._file and alone:
                self._emit(self._file, str(self._file.path), head.raw)
        if hunk := self._hunk:
            hunk.take_loose(all_of_them=False)
            if hunk.fits or proof == "followed":
                self._hunk = None
                self._settle(hunk)
            if proof == "followed":
                self._doubtful = hunk
            elif hunk.fits:
                self._emit_hunk(hunk, proof)

    def _settle(self, following: _Open | None) -> None:
        """What was in doubt is whole, unless the ``following`` hunk is the same, begun anew."""
        hunk, self._doubtful = self._doubtful, None
        if hunk and not (following and hunk.is_begun_anew_by(following)):
            self._emit_hunk(hunk, "followed")

    def _close_cut(self) -> None:
        """The reply was cut in a hunk, or right after it."""
        hunk = self._hunk
        assert hunk is not None
        is_marked = bool(hunk.lines) and hunk.lines[-1].op != "-" and not hunk.lines[-1].text.endswith("\n")
        is_last = not is_marked and not hunk.loose and (not self._rest or self._rest[0] in "\\\r")
        if not hunk.fits:
            hunk.take_loose(all_of_them=False)
        if not hunk.fits or (self._rest and self._rest[0] in " +-"):
            return  # what comes after the last line break shows that the counts are not true
        is_followed = bool(self._rest) and self._rest[0] not in "\\\r"
        self._hunk = None
        self._settle(hunk)
        self._emit_hunk(hunk, "followed" if is_followed else "counted", file_may_end_here=is_last)

    def _emit_hunk(self, hunk: _Open, proof: Proof, *, file_may_end_here: bool = False) -> None:
        if not hunk.lines or not any(line.op != " " for line in hunk.lines):
            return
        header = hunk.header or Header(old=None, new=None)
        value = Hunk(
            header=header,
            old_start=hunk.old_start,
            new_start=hunk.new_start,
            heading=hunk.heading,
            lines=tuple(hunk.lines),
            proof=proof,
            file_may_end_here=file_may_end_here,
        )
        self._emit(value, str(value), hunk.raw)

    def _emit(self, value: Hunk | Header, key: str, raw: Sequence[str]) -> None:
        self._units.append(Unit(key=key, value=value, text="".join(raw)))


def _opened(text: str, header: Header | None, *, crlf: bool) -> _Open:
    """The hunk that ``text``, a line that begins with ``@@``, opens."""
    if found := _RANGE.fullmatch(text):
        counts = [int(found[name]) if found[name] else 1 for name in ("olds", "news")]
        return _Open(
            header=header,
            old_start=int(found["old"]),
            new_start=int(found["new"]),
            heading=found["heading"].strip(),
            old=counts[0],
            new=counts[1],
            crlf=crlf,
        )
    bare = _BARE.fullmatch(text)
    return _Open(header=header, heading=bare["heading"].strip(" @") if bare else "", crlf=crlf)
