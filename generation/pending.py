"""Hunks that are not there: cut off or refused, to be asked for again until they are answered."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from generation.diffs import Header, Hunk, header_of

_WORD = re.compile(r"\w{3,}")
_ALIKE = 0.6  # of the lines that are known of a hunk, in one that answers it
_NEAR_LINES = 10
_LEAST_LINES = 3  # with words in them, where the numbers say that it is another place


@dataclass(slots=True, kw_only=True)
class Pending:
    """A hunk, or a file's header, that is not there: ``cut`` off, or ``refused``, and why.

    ``text`` is what there was of it, in the reply number ``reply``. ``header`` is None where not even its file is
    known. ``hunk`` is set where all of it may be there: the reply was cut right behind its last line.
    """

    kind: Literal["cut", "refused"]
    header: Header | None
    old_start: int | None
    text: str
    reason: str
    reply: int
    hunk: Hunk | None = None
    first_line: str = ""  # the line with its numbers; an empty string for a header
    body: tuple[str, ...] = ()  # its lines, as far as they are whole, with their marks
    _telling: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        _, at, lines = f"\n{self.text}".rpartition("\n@@")
        if at:
            first, *rest = lines.split("\n")
            self.first_line = f"@@{first}"
            self.body = tuple(line for line in rest[:-1] if line.strip())
        changed = [line[1:].strip() for line in self.body if line[0] in "+-" and _WORD.search(line)]
        known = [line[1:].strip() for line in self.body if _WORD.search(line)]
        self._telling = tuple(changed if changed and self.kind == "refused" else known)

    @property
    def path(self) -> str:
        """The file that it is for; an empty string where that is not known."""
        return self.header.path if self.header else ""

    def replaces(self, other: Pending) -> bool:
        """Whether ``other`` is the same, as an earlier reply had it: no more than the beginning of this one."""
        if (self.path, self.old_start) != (other.path, other.old_start):
            return False
        both = min(len(self.body), len(other.body))
        is_begun = self.old_start is not None and self.kind == other.kind == "cut"
        return self.body == other.body or (is_begun and self.body[:both] == other.body[:both])

    def is_answered_by(self, value: Hunk | Header, reply: int) -> bool:
        """Whether ``value`` of a later ``reply`` is what was asked for again.

        A hunk is that begins at the same line, or has most of the lines that are known.
        """
        header = header_of(value)
        if reply <= self.reply or (self.path and self.path != header.path):
            return False
        if not self.first_line:  # it was a header, or the beginning of one
            return self.kind == "cut" or (isinstance(value, Header) and value == self.header)
        return isinstance(value, Hunk) and self._is_hunk(value)

    def _is_hunk(self, hunk: Hunk) -> bool:
        start = hunk.old_start
        if self.old_start is not None and self.old_start == start:
            return True
        if not self._telling:
            return self.old_start is None and not self.body and self._may_begin_at(start)
        is_far = (
            self.old_start is not None
            and start is not None
            and not start - _NEAR_LINES <= self.old_start <= start + len(hunk.old_lines) + _NEAR_LINES
        )
        new = {line.text.strip() for line in hunk.lines}
        enough = _LEAST_LINES if is_far else 1
        share = sum(line in new for line in self._telling) / len(self._telling)
        return len(self._telling) >= enough and share >= _ALIKE

    def _may_begin_at(self, start: int | None) -> bool:
        """Whether a line that was cut in its numbers may have been that of a hunk at ``start``."""
        begun = re.fullmatch(r"@@ -(\d+)(,.*)?", self.first_line.strip())
        if begun is None or start is None:
            return True
        return str(start) == begun[1] if begun[2] else str(start).startswith(begun[1])
