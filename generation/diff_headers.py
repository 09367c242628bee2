"""The headers above hunks: which file, and what happens to it beside its lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from generation.diffs import DEV_NULL, Header
from rag.tokens import well_formed

_LONGEST_NAME = 1000
_EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # what git calls an empty file
_TIMESTAMP = re.compile(r"(\t.*|\s{2,}.*|\s+\d{4}-\d\d-\d\d.*)$")
_QUOTES = str.maketrans("“”„‟″«»", '"' * 7)
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_EXTENDED = re.compile(
    r"index \w+\.\.(?P<blob>\w+)|index |(?:dis)?similarity index |(?P<binary>Binary files |GIT binary patch)"
    r"|(?P<mode>old|new) mode (?P<bits>\d+)|(?P<made>new|deleted) file mode (?P<made_bits>\d+)"
    r"|(?P<moved>rename|copy) (?P<end>from|to) (?P<name>.+)"
)


@dataclass(slots=True, kw_only=True)
class OpenHeader:
    """A file's header that has begun: its ``diff --git`` line, or its names, and what follows."""

    git_line: str = ""
    old: str | None = None  # as written, prefix included
    new: str | None = None
    made: Literal["new", "deleted"] | None = None
    move: Literal["rename", "copy"] | None = None
    moved_from: str = ""
    moved_to: str = ""
    mode: str | None = None
    is_binary: bool = False
    has_content: bool = False  # the index line names a file that is not empty
    raw: list[str] = field(default_factory=list)

    def reads(self, line: str) -> bool:
        """Whether ``line`` is one more line of the header; it is then taken in."""
        text = line.rstrip("\r\n")
        if text.startswith(("--- ", "+++ ")) and not self._names(text[4:], is_old=text[0] == "-"):
            return False
        if text.startswith("--- ") and self.new is None:
            self.old = name_in(text[4:])
        elif text.startswith("+++ "):
            self.new = name_in(text[4:])
        elif found := _EXTENDED.match(text):
            self._extended(found)
        else:
            return False
        self.raw.append(line)
        return True

    def _names(self, text: str, *, is_old: bool) -> bool:
        """Whether a name is the one that the lines above say; another begins another file."""
        name = name_in(text)
        if self.move:
            wanted = self.moved_from if is_old else self.moved_to
            return name.removeprefix("a/" if is_old else "b/") == wanted or name == wanted
        return name == DEV_NULL or not self.git_line or name in self.git_line or text.strip() in self.git_line

    def _extended(self, found: re.Match[str]) -> None:
        if found["binary"]:
            self.is_binary = True
        elif found["blob"]:
            self.has_content = not _EMPTY_BLOB.startswith(found["blob"])
        elif found["mode"] == "new":
            self.mode = found["bits"]
        elif found["made"]:
            self.made = "new" if found["made"] == "new" else "deleted"
            self.mode = found["made_bits"] if self.made == "new" else None
        elif found["moved"]:
            self.move = "rename" if found["moved"] == "rename" else "copy"
            if found["end"] == "from":
                self.moved_from = name_in(found["name"])
            else:
                self.moved_to = name_in(found["name"])

    def closed(self) -> Header | None:
        """What it says; None if it names no file."""
        old, new = _without_prefixes(self.old, self.new)
        if self.move and self.moved_from and self.moved_to:
            old, new = self.moved_from, self.moved_to
        elif {self.old, self.new} <= {None, DEV_NULL} and (name := _git_name(self.git_line)):
            old = DEV_NULL if self.old == DEV_NULL else name
            new = DEV_NULL if self.new == DEV_NULL else name
        old = None if old == DEV_NULL or self.made == "new" else old
        new = None if new == DEV_NULL or self.made == "deleted" else new
        if old is None and new is None:
            return None
        return Header(old=old, new=new, move=self.move, mode=self.mode, is_binary=self.is_binary)

    @property
    def is_shown_by_lines(self) -> bool:
        """Whether the file is made or deleted, so that its lines say it."""
        return self.made is not None or DEV_NULL in {self.old, self.new}

    @property
    def is_named(self) -> bool:
        """Whether its ``---`` and ``+++`` lines are there."""
        return self.old is not None and self.new is not None

    @property
    def says_more(self) -> bool:
        """Whether it changes something without a hunk: a move, a mode, an empty file, one that is gone."""
        named = self.old is not None or self.new is not None
        is_empty = self.made == "new" and not named and not self.has_content
        mode_alone = self.mode is not None and self.made is None
        is_gone = self.made == "deleted" or (self.new == DEV_NULL and self.old is not None)
        return bool(self.move or mode_alone or is_empty or is_gone or self.is_binary)


def name_in(text: str) -> str:
    r"""A path as a header writes it: without timestamp, quotes undone.

    >>> name_in('“a/caf\\303\\251.py”\t2026-11-24')
    'a/café.py'
    """
    text = text.translate(_QUOTES).strip()
    if text.startswith('"') and (end := text.rfind('"')) > 0:
        raw = well_formed(text[1:end]).encode()
        return _ESCAPED.sub(_unescaped, raw).decode("utf-8", "surrogateescape")
    return _TIMESTAMP.sub("", text).strip("`* ")


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    return bytes([int(escape, 8) & 0xFF]) if len(escape) == 3 else _ESCAPES.get(escape, escape)  # noqa: PLR2004  # octal


def listed_name(text: str) -> str:
    """A path of the manifest, without what is said about it.

    >>> listed_name("`./src/oven.py` (new)"), listed_name(".github/ci.yml")
    ('src/oven.py', '.github/ci.yml')
    """
    return (
        name_in(re.sub(r"\s+[(\[—–:-].*$", "", text[:_LONGEST_NAME]))
        .strip("`*, ")
        .removeprefix("./")
        .rstrip(".")
    )


def _without_prefixes(old: str | None, new: str | None) -> tuple[str | None, str | None]:
    """Both paths without ``a/`` and ``b/``, where both have theirs."""
    if old is None or new is None:
        old, new = old or new, new or old
    if old is None or new is None:
        return None, None
    has_old = old.startswith("a/") or old == DEV_NULL
    has_new = new.startswith(("b/", "a/")) or new == DEV_NULL
    if has_old and has_new:
        old, new = (name if name == DEV_NULL else name[2:] for name in (old, new))
    return old, new


def _git_name(text: str) -> str | None:
    """The path in ``a/x b/x``, the rest of a ``diff --git`` line where both are the same.

    >>> _git_name("a/my oven.py b/my oven.py")
    'my oven.py'
    """
    text = text.translate(_QUOTES).strip()
    if text.startswith('"'):
        name = name_in(text[: text.find('"', 1) + 1])
        return name.removeprefix("a/")
    half = len(text) // 2
    old, new = text[:half], text[half + 1 :]
    if text[half : half + 1] == " " and old[:2] == "a/" and new[:2] == "b/" and old[2:] == new[2:]:
        return old[2:]
    words = text.split()
    return words[-1].removeprefix("b/") if len(words) == 2 else None  # noqa: PLR2004  # two names
