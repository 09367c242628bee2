"""The user's repository: which of its files may be read, and how changes get into it, all of them or none."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generation.git import git
from generation.patching import Patch, PatchedFile, Unreadable, unsafe_path
from rag.errors import BadInput
from rag.files import write_all

MAX_FILE_BYTES = 1_000_000
OURS = ".hookline"  # journals and stores, where that is the working folder
_LINK_MODE = "160000"  # of another repository's place in git's index
_REMEDIES = {
    "dubious ownership": "'git config --global --add safe.directory DIR' says that you trust it",
    "work tree": "give the folder of a work tree, not git's own",
    "": "'git init' makes a repository of a folder",
}


@dataclass(slots=True)
class Repository:
    """A git repository's work tree as it is now: what git tracks, and what is new and not ignored.

    Binary, huge and ignored files are never read, nor what a link leads to, nor another repository's files
    inside of it.
    """

    root: Path
    _files: tuple[str, ...] | None = None
    _tracked: set[str] = field(default_factory=set)
    _inner: set[str] = field(default_factory=set)  # other repositories, by the index

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise BadInput(f"--repo {self.root} is no folder: give the folder of a git repository")
        found = git(self.root, "rev-parse", "--show-toplevel")
        if found.returncode:
            why = found.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ").split("\n")[0]
            remedy = next(remedy for words, remedy in _REMEDIES.items() if words in why)
            raise BadInput(f"--repo {self.root} cannot be used ({why}): {remedy}")
        top = Path(os.fsdecode(found.stdout.rstrip(b"\n")))
        if top.resolve() != self.root.resolve():
            raise BadInput(f"--repo {self.root} is a folder inside of the repository {top}: give that one")

    @property
    def files(self) -> tuple[str, ...]:
        """The paths that may be read, tracked or new, in order; links and what is ignored are not among them."""
        if self._files is None:
            index = self._listed("--stage")
            entries = [entry.partition("\t") for entry in index]
            self._tracked = {path for _, _, path in entries}
            self._inner = {path for mode, _, path in entries if mode.startswith(_LINK_MODE)}
            paths = {*self._tracked, *self._listed("--others", "--exclude-standard")}
            self._files = tuple(path for path in sorted(paths) if self._is_plain(path))
        return self._files

    def _listed(self, *options: str) -> list[str]:
        listed = git(self.root, "ls-files", "-z", *options).stdout.decode("utf-8", "surrogateescape")
        return [path for path in listed.split("\0") if path]

    def _is_plain(self, path: str) -> bool:
        try:
            mode = (self.root / path).lstat().st_mode
            return stat.S_ISREG(mode) and self._why_not_below(path) is None
        except OSError:
            return False

    def _why_not_below(self, path: str) -> str | None:
        """Why nothing is touched in the folder of ``path``: a link, a file, another repository, our own."""
        parts = path.split("/")
        if parts[0] == OURS:
            return f"{path} is Hookline's own"
        for number in range(1, len(parts) + 1):
            inner = "/".join(parts[:number])
            folder = self.root / inner
            if folder.is_symlink():
                return f"{path}: {inner} is a link, which is never followed"
            if number < len(parts) and (inner in self._inner or (folder / ".git").exists()):
                return f"{path} belongs to another repository, {inner}"
            if number < len(parts) and folder.exists() and not folder.is_dir():
                return f"{path}: {inner} is a file, no folder"
        return None

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none. Raises ``Unreadable`` where it is not to be touched."""
        if problem := unsafe_path(path):
            raise Unreadable(problem)
        known = self.files
        try:
            if problem := self._why_not_below(path):
                raise Unreadable(problem)
            status = (self.root / path).lstat()
            if problem := self._why_not(path, status, known):
                raise Unreadable(problem)
            content = (self.root / path).read_bytes()
        except FileNotFoundError:
            if path in self._tracked:
                raise Unreadable(
                    f"{path} is in git's index and not in the work tree: check it out first"
                ) from None
            if git(self.root, "check-ignore", "-q", "--", path).returncode == 0:
                raise Unreadable(f"{path} is ignored by git: it is never written") from None
            return None
        except OSError as error:
            raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
        if b"\0" in content:
            raise Unreadable(f"{path} is a binary file: only text is read")
        return content

    def _why_not(self, path: str, status: os.stat_result, known: Sequence[str]) -> str | None:
        """Why something that is there is not read."""
        if stat.S_ISDIR(status.st_mode):
            return f"{path} is a folder"
        if not stat.S_ISREG(status.st_mode) or path not in known:
            return f"{path} is ignored by git, or no plain file of this repository: it is never read"
        if status.st_size > MAX_FILE_BYTES:
            return (
                f"{path} has {status.st_size:,} bytes: a file of more than {MAX_FILE_BYTES:,} is never read"
            )
        return None

    def apply(self, patch: Patch) -> list[str]:
        """Write what ``patch`` makes of the files, all of it or nothing; the paths that were written.

        Raises ``BadInput``, and has written nothing, where that would overwrite something: a file that changed
        after the patch was made, one that stands where a new one should be, lines that are in no commit.
        """
        before, after = patch.before(), patch.after()
        there = {path: self.read(path) for path in {*before, *after}}
        modes = {path: int(file.mode[-3:], 8) for path, file in patch.files.items() if file.mode}
        for path, file in patch.files.items():
            if file.move and file.source and path not in modes and there[file.source] is not None:
                modes[path] = self._mode(file.source)
        todo = {
            path: content
            for path, content in after.items()
            if there[path] != content
            or (content is not None and self._mode(path) != modes.get(path, self._mode(path)))
        }
        for path, content in there.items():
            # a run that was killed between two files has left the first of them done
            if content not in (before.get(path), after.get(path, before.get(path))):
                raise BadInput(
                    f"{path} has changed since the diff was made: nothing was written; run it again"
                )
        for file in patch.files.values():
            if file.path in todo and there[file.source or file.path] == file.before:
                self._refuse_loss(file)
        try:
            write_all(
                {self.root / path: content for path, content in todo.items()},
                {self.root / path: mode for path, mode in modes.items()},
            )
        except OSError as error:
            raise BadInput(
                f"{error.filename} cannot be written ({error.strerror}): nothing was changed"
            ) from error
        for path, content in todo.items():
            if content is None:
                self._remove_empty_folders(path)
        self._files = None
        return sorted(todo)

    def _mode(self, path: str) -> int:
        place = self.root / path
        return stat.S_IMODE(place.stat().st_mode) & 0o755 if place.exists() else 0

    def _remove_empty_folders(self, path: str) -> None:
        """Of a file that is gone, as git does."""
        folder = (self.root / path).parent
        while folder != self.root and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent

    def _refuse_loss(self, file: PatchedFile) -> None:
        """Raise where the change would take lines that are in no commit: nobody could bring them back."""
        path = file.source or file.path
        if file.before is None or file.move == "copy":
            return
        uncommitted = self._uncommitted_lines(path, file.text.base or [])
        gone = range(len(file.text.base or [])) if file.is_deleted else None
        for start, end, _ in file.text.changes():
            lost = uncommitted.intersection(gone if gone is not None else range(start, end))
            if lost:
                raise BadInput(
                    f"{path} has changes that are in no commit, and the diff would overwrite them (line "
                    f"{min(lost) + 1}): nothing was written; commit or stash them first"
                )

    def _uncommitted_lines(self, path: str, lines: Sequence[str]) -> set[int]:
        """The lines of the work tree's file that the last commit does not have, counted from 0.

        Git's own diff is not asked: attributes and flags of the index can make it see no change, and the
        repository's filters would be run.
        """
        committed = git(self.root, "cat-file", "blob", f"HEAD:{path}")
        if committed.returncode:
            return set(range(len(lines)))
        old = [line.rstrip("\r") for line in committed.stdout.decode("utf-8", "surrogateescape").split("\n")]
        new = [line.rstrip("\r\n") for line in lines]
        found = set(range(len(new)))
        for _, start, length in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
            found.difference_update(range(start, start + length))
        return found
