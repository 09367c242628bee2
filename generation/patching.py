"""Whole hunks onto the files they are for, and out again as a diff that git applies.

Nothing is written here: a ``Patch`` reads files and holds what they become. A new or a deleted file is whole or
absent; an unsafe path is refused before anything is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import chain
from typing import Literal

from generation.diff_reading import DiffUnits
from generation.diffs import CutHunk, Header, Hunk, header_of, header_text
from generation.placing import FileText, Placed, render, split_lines
from rag.errors import BadInput

Read = Callable[[str], bytes | None]
_MODES = {"100644", "100755"}
_COMPARED_PATHS = 2000
_SUGGESTIONS = 5  # of a known path for an unknown one: finding it takes its time
_LONGEST_NAME, _LONGEST_PATH, _SHOWN_NAME = 255, 1000, 80
_KEPT = Placed(outcome="kept")


class Unreadable(BadInput):
    """A file that is not to be read or changed; the message says why."""


@dataclass(slots=True, kw_only=True)
class PatchedFile:
    """A file of a patch: its bytes before (None: there is none), and its text as it becomes.

    ``source`` is the path that it was moved or copied from.
    """

    path: str
    before: bytes | None
    text: FileText
    source: str | None = None
    move: Literal["rename", "copy"] | None = None
    mode: str | None = None
    is_deleted: bool = False
    kept: list[Hunk | Header] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        """Whether the patch creates it."""
        return self.before is None and self.move is None

    @property
    def after(self) -> bytes | None:
        """Its bytes after the patch; None where it is deleted."""
        return None if self.is_deleted else "".join(self.text.lines).encode("utf-8", "surrogateescape")

    def __str__(self) -> str:
        """Its part of the diff, as git writes it."""
        old = None if self.is_new else self.source or self.path
        header = Header(old=old, new=None if self.is_deleted else self.path, move=self.move, mode=self.mode)
        hunks = render(self.text)
        if not (hunks or self.move or self.mode or self.is_new or self.is_deleted):
            return ""
        return header_text(header, names=bool(hunks)) + hunks


@dataclass(slots=True)
class Patch:
    """What whole hunks make of the files that ``read`` knows.

    ``read`` gives a file's bytes, None where there is no such file, and raises ``Unreadable`` for one that is
    not to be touched. ``known`` are the paths there are, for a better word about one that is not. ``refused`` is
    what is not in it, and why.
    """

    read: Read
    known: Sequence[str] = ()
    refused: list[tuple[Hunk | Header | CutHunk, str]] = field(default_factory=list)
    files: dict[str, PatchedFile] = field(default_factory=dict)
    _moved: dict[str, str] = field(default_factory=dict)
    _suggested: int = 0

    def add(self, value: Hunk | Header, *, may_be_there: bool = False) -> Placed:
        """Take in a hunk, or a header that changes something by itself; or say why not.

        ``may_be_there``: somebody may have applied it meanwhile; it is then a repeat.
        """
        placed = self._added(value, may_be_there=may_be_there)
        if placed.outcome in {"refused", "unproven"}:
            self.refused.append((value, placed.reason or "it was cut off"))
        return placed

    def _added(self, value: Hunk | Header, *, may_be_there: bool) -> Placed:
        header = header_of(value)
        if problem := _problem(header):
            return _refused(problem)
        try:
            if may_be_there and self._is_there(value):
                return Placed(outcome="repeat", note="is in the file already")
            placed = self._hunk(value) if isinstance(value, Hunk) else self._alone(value)
        except Unreadable as error:
            return _refused(str(error))
        if placed.outcome == "kept":
            self.files[self._path(header)].kept.append(value)
        return placed

    def diff(self) -> str:
        """The whole as a unified diff."""
        return "".join(map(str, self.files.values()))

    def without(self, paths: Sequence[str]) -> Patch:
        """The same without what it makes of ``paths``."""
        files = {path: file for path, file in self.files.items() if path not in paths}
        return Patch(self.read, self.known, self.refused, files)

    def before(self) -> dict[str, bytes | None]:
        """The bytes, before it, of each file that it reads or writes."""
        files = {file.path: None if file.move else file.before for file in self.files.values()}
        return files | {file.source: file.before for file in self.files.values() if file.move and file.source}

    def after(self) -> dict[str, bytes | None]:
        """The bytes, after it, of each file that it changes; None for one that is gone."""
        files: dict[str, bytes | None] = {}
        for file in self.files.values():
            if not str(file):
                continue
            files[file.path] = file.after
            if file.move == "rename" and file.source:
                files.setdefault(file.source, None)
        return files

    def _hunk(self, hunk: Hunk) -> Placed:
        header = hunk.header
        path = self._path(header)
        file = self._file(path, header, creates=not hunk.old_lines)
        if file.is_deleted:
            return Placed(outcome="repeat") if header.new is None else _refused("the file is deleted")
        if not _is_text(hunk.new_lines):
            return _refused("it is not text")
        if header.new is None:
            placed = self._deletion(file, hunk)
        elif header.old is None or (file.before is None and not file.text.lines):
            placed = self._creation(file, hunk)
        else:
            placed = file.text.place(hunk)
        if placed.outcome == "kept":
            self.files[path] = file
            if header.mode and not file.is_new:
                file.mode = header.mode
            if path == header.old and header.new not in {None, path}:
                note = f"there is no {header.new}, it changes {path}"
                placed = replace(placed, note=", ".join(filter(None, [placed.note, note])))
        return placed

    def _file(self, path: str, header: Header, *, creates: bool) -> PatchedFile:
        """The file of a hunk as it is becoming; ``creates``: the hunk could be all of a new one."""
        file = self.files.get(path)
        if header.move and (file is None or (file.move, file.source) != (header.move, header.old)):
            raise Unreadable(f"{header.old} does not become {path}, so there is nothing to change in it")
        if file is not None:
            return file
        before = None if path in self._moved else self.read(path)
        if before is None and not creates:
            raise Unreadable(self._unknown(path))
        return PatchedFile(path=path, before=before, text=FileText(_lines(before)))

    def _is_there(self, value: Hunk | Header) -> bool:
        """Whether the files are as it makes them."""
        header = header_of(value)
        path = self._path(header)
        if path in self.files or (header.old or "") in self._moved:
            return False
        if header.new is None:
            return self.read(path) is None
        if isinstance(value, Header):
            return (
                header.move == "rename"
                and self.read(header.old or "") is None
                and self.read(path) is not None
            )
        new, lines = value.new_lines, _lines(self.read(path)) or []
        return bool(new) and any(lines[at : at + len(new)] == new for at in range(len(lines) - len(new) + 1))

    def _path(self, header: Header) -> str:
        """The file that a header is about: of two names without a move, models write one that is not there."""
        if header.old is None:
            return header.path
        path = self._moved.get(header.path, header.path)
        if (
            header.old
            and header.new
            and header.old != header.new
            and not header.move
            and path not in self.files
        ):
            return header.old if self.read(path) is None else path
        return path

    def _creation(self, file: PatchedFile, hunk: Hunk) -> Placed:
        lines, made = hunk.new_lines, file.text.lines
        if file.before is not None and not file.kept:
            return _refused("it is to be created, and exists already")
        if file.before is not None or (made and made[: len(lines)] == lines):
            return Placed(outcome="repeat")
        if made and lines[: len(made)] != made:  # not begun anew: a part that follows
            return file.text.place(hunk)
        if hunk.old_lines or (hunk.new_start or 1) > 1:
            return _refused("it is to be created, and the hunk does not begin with its first line")
        if hunk.file_may_end_here:
            return Placed(outcome="unproven")
        file.text.create(lines)
        file.mode = hunk.header.mode
        return _KEPT

    def _deletion(self, file: PatchedFile, hunk: Hunk) -> Placed:
        there = [line.rstrip() for line in file.text.base or []]
        if file.kept or any(line.op != "-" for line in hunk.lines):
            return _refused("a file is deleted as a whole, or not at all")
        if [line.rstrip() for line in hunk.old_lines] != there:
            return _refused(
                f"the file has {len(there)} lines, and not these {len(hunk.old_lines)}: it is deleted as a whole"
            )
        file.is_deleted = True
        file.text.create([])
        return _KEPT

    def _alone(self, header: Header) -> Placed:
        """A header that changes something without a hunk."""
        if header.move:
            return self._move(header)
        file = self.files.get(header.path)
        is_gone = header.new is None and header.old in self._moved
        if is_gone or (file and (file.is_deleted, file.mode) == (header.new is None, header.mode)):
            return Placed(outcome="repeat")
        file = file or self._file(header.path, header, creates=header.old is None)
        if header.old is None and (file.before is not None or file.kept):
            return _refused("it is to be created, and exists already")
        if header.new is None and file.kept:
            return _refused("a file is deleted as a whole, or not at all")
        if header.new is None:
            file.is_deleted = True
            file.text.create([])
        file.mode = header.mode
        self.files[header.path] = file
        return _KEPT

    def _move(self, header: Header) -> Placed:
        old, new = header.old or "", header.new or ""
        if new in self.files:
            same = (self.files[new].source, self.files[new].move) == (old, header.move)
            return Placed(outcome="repeat") if same else _refused(f"{new} is changed already")
        before = self.read(old)
        if before is None:
            return _refused(self._unknown(old))
        if self.read(new) is not None:
            return _refused(f"{old} would become {new}, which exists already")
        if old in self.files:
            return _refused(f"{old} is changed already, and is to become {new}")
        self.files[new] = PatchedFile(
            path=new,
            before=before,
            text=FileText(_lines(before)),
            source=old,
            move=header.move,
            mode=header.mode,
        )
        if header.move == "rename":
            self._moved[old] = new
        return _KEPT

    def _unknown(self, path: str) -> str:
        self._suggested += 1
        if self._suggested > _SUGGESTIONS:
            return f"there is no {path}"
        name = path.rsplit("/", 1)[-1]
        alike = [one for one in self.known if one.rsplit("/", 1)[-1] == name] or self.known[:_COMPARED_PATHS]
        near = get_close_matches(path, alike, n=1, cutoff=0.4)
        return f"there is no {path}" + (f"; did you mean {near[0]}" if near else "")


def salvaged(reply: str, read: Read, *, cut: bool) -> Patch:
    """A patch of all that is whole in ``reply`` and fits the files; ``cut``: the reply was broken off.

    Its ``refused`` has the rest: what does not fit, and the hunk that is not whole.
    """
    patch = Patch(read)
    units = DiffUnits()
    for unit in [*units.feed(reply), *units.finish(cut=cut)]:
        if isinstance(unit.value, Hunk | Header):
            patch.add(unit.value)
        elif isinstance(unit.value, CutHunk):
            patch.refused.append((unit.value, "lines of it have no mark"))
    if unfinished := units.cut_hunk:
        patch.refused.append((unfinished, "nothing shows that it is whole"))
    paths = {path_of(value) for value, _ in patch.refused}
    new = [path for path in paths if path in patch.files and patch.files[path].is_new]
    patch.refused += [
        (value, "its new file is not whole") for path in new for value in patch.files[path].kept
    ]
    return patch.without(new)


def path_of(value: Hunk | Header | CutHunk) -> str:
    """The file that it is about; an empty string where that is not known."""
    header = value if isinstance(value, Header) else value.header
    return header.path if header else ""


def _problem(header: Header) -> str | None:
    """Why nothing under ``header`` can be taken in, whatever the files are."""
    if not header.path:
        return "it does not say which file it is for"
    if problem := next(filter(None, (unsafe_path(path) for path in (header.old, header.new) if path)), None):
        return problem
    if header.is_binary:
        return "it is a binary file: only text is changed"
    if header.mode and header.mode not in _MODES:
        return f"mode {header.mode}: only plain files are written, no links"
    return None


def unsafe_path(path: str) -> str | None:
    """Why ``path`` may not be touched, whatever there is: it leaves the repository, or is git's own (law 7).

    >>> unsafe_path("src/../../etc/passwd")
    'src/../../etc/passwd leaves the repository: paths are relative to it, without ..'
    """
    parts = path.split("/")
    if path.startswith(("/", "~")) or ".." in parts or re.match(r"[A-Za-z]:", path) or "\\" in path:
        return f"{path} leaves the repository: paths are relative to it, without .."
    if any(part in {"", "."} or len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in parts):
        return f"{path[:_SHOWN_NAME]} is no path of a file"
    if len(path) > _LONGEST_PATH:
        return f"{path[:_SHOWN_NAME]}... is too long a path"
    if any(re.fullmatch(r"\.git|git~\d+", part.rstrip(". ").casefold()) for part in parts):
        return f"{path} is git's own: it is never changed"
    if not _is_text([path]) or any(ord(char) < ord(" ") for char in path):
        return f"{path!r} has characters that no path here may have"
    return None


def _refused(reason: str) -> Placed:
    return Placed(outcome="refused", reason=reason)


def _lines(content: bytes | None) -> list[str] | None:
    """A file's lines, odd bytes and all."""
    if content is None:
        return None
    if b"\0" in content:
        raise Unreadable("it is a binary file: only text is changed")
    text = content.decode("utf-8", "surrogateescape")
    return split_lines(text)


def _is_text(lines: Sequence[str]) -> bool:
    """Whether every line can be written."""
    try:
        "".join(lines).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return "\0" not in chain.from_iterable(lines)
