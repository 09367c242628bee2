"""The values of a unified diff, and how git writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Op = Literal[" ", "-", "+"]
Proof = Literal["followed", "ended", "counted"]
DEV_NULL = "/dev/null"
_ODD = re.compile(r'[\x00-\x1f"\\\x7f-\U0010ffff]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Which file the hunks below it are for: its path before and after, None where there is no such file.

    ``move`` is set for renames and copies, ``mode`` where the diff names a new one. Of a binary file
    (``is_binary``) a diff has no hunks that could be read.
    """

    old: str | None
    new: str | None
    move: Literal["rename", "copy"] | None = None
    mode: str | None = None
    is_binary: bool = False

    @property
    def path(self) -> str:
        """What the file is called after the change, or was before it was deleted."""
        return self.new or self.old or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a hunk. ``text`` has its line break, unless the file ends here without one."""

    op: Op
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """A whole hunk, as it was written.

    ``old_start`` and ``new_start`` are the line numbers it claims, counted from 1; None where it has none.
    ``file_may_end_here``: a cut may have taken the mark
    that its last line has no line break.
    """

    header: Header
    old_start: int | None
    new_start: int | None
    heading: str
    lines: tuple[Line, ...]
    proof: Proof
    file_may_end_here: bool = False

    @property
    def old_lines(self) -> list[str]:
        """What the file has here before the change."""
        return [line.text for line in self.lines if line.op != "+"]

    @property
    def new_lines(self) -> list[str]:
        """What it has after the change."""
        return [line.text for line in self.lines if line.op != "-"]

    def __str__(self) -> str:
        """``src/oven.py @@ -10,3``: the file and the old range."""
        at = "?" if self.old_start is None else self.old_start
        return f"{self.header.path} @@ -{at},{len(self.old_lines)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The files that the reply says it is going to change."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndOfDiff:
    """The reply says that nothing is left to write."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Lines of a hunk whose beginning is not in this reply: a model went on in the middle."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CutHunk:
    """What there was of a hunk when the reply broke off. ``header`` is None where not even its file is known."""

    header: Header | None
    old_start: int | None
    text: str

    def __str__(self) -> str:
        path = self.header.path if self.header else "?"
        return f"{path} @@ -{'?' if self.old_start is None else self.old_start}"


def header_of(value: Hunk | Header) -> Header:
    """The header that says which file it is for: a hunk's, or itself."""
    return value.header if isinstance(value, Hunk) else value


def written(value: Hunk | Header) -> str:
    r"""What ``read_diff`` reads as ``value`` again: its file's header and itself.

    >>> from generation.diff_reading import read_diff
    >>> (unit,) = read_diff("--- a/x\n+++ b/x\n@@ -4 +4 @@ def f():\n-a\n+b\n")
    >>> read_diff(written(unit.value))[0].value == unit.value
    True
    """
    if isinstance(value, Header):
        return header_text(value)
    counts = len(value.old_lines), len(value.new_lines)
    at = "@@"
    if value.old_start is not None and value.new_start is not None:
        at = f"@@ -{value.old_start},{counts[0]} +{value.new_start},{counts[1]} @@"
    text = header_text(value.header, names=True) + f"{at} {value.heading}".rstrip() + "\n"
    return text + "".join(line.op + with_break(line.text) for line in value.lines)


def header_text(header: Header, *, names: bool = False) -> str:
    """The header as git writes it; with the ``names`` that stand before hunks."""
    old, new = header.old or header.path, header.new or header.path
    lines = [f"diff --git {quoted('a/' + old)} {quoted('b/' + new)}"]
    if header.old is None:
        lines.append(f"new file mode {header.mode or '100644'}")
    elif header.new is None:
        lines.append("deleted file mode 100644")
    elif header.mode:
        other = "100644" if header.mode == "100755" else "100755"
        lines += [f"old mode {other}", f"new mode {header.mode}"]
    if header.move:
        lines += [f"{header.move} from {quoted(old)}", f"{header.move} to {quoted(new)}"]
    if names:
        lines.append(f"--- {DEV_NULL if header.old is None else _alone(quoted('a/' + old))}")
        lines.append(f"+++ {DEV_NULL if header.new is None else _alone(quoted('b/' + new))}")
    return "\n".join(lines) + "\n"


def with_break(line: str) -> str:
    """A line of a file as a diff has it: marked where the file ends without a line break."""
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def quoted(name: str) -> str:
    """A path as git writes it: in quotes, with escapes, where it is not plain."""
    if not _ODD.search(name):
        return name
    return '"' + "".join(map(_escaped, name.encode("utf-8", "surrogateescape"))) + '"'


def _escaped(byte: int) -> str:
    char = chr(byte)
    if char in '"\\':
        return "\\" + char
    return char if " " <= char <= "~" else f"\\{byte:03o}"


def _alone(name: str) -> str:
    """A path on a line of its own: one with a space ends in a tab."""
    return f"{name}\t" if " " in name and not name.startswith('"') else name
