"""The user's repository: which of its files may be read, and how changes get into it, all of them or none."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from generation.diff_reading import read_diff
from generation.diffs import Hunk
from generation.git import git
from generation.patching import Patch, PatchedFile, Unreadable, unsafe_path
from rag.errors import BadInput
from rag.files import write_all

MAX_FILE_BYTES = 1_000_000


@dataclass(slots=True)
class Repository:
    """A git repository's work tree as it is now: what git tracks, and what is new and not ignored.

    Binary, huge and ignored files are never read, nor what a link leads to, nor another repository's files
    inside of it.
    """

    root: Path
    _files: tuple[str, ...] | None = field(default=None)

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise BadInput(f"--repo {self.root} is no folder: give the folder of a git repository")
        found = git(self.root, "rev-parse", "--show-toplevel")
        if found.returncode:
            why = found.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ").split("\n")[0]
            raise BadInput(
                f"--repo {self.root} cannot be used ({why}): 'git init' makes a repository of a folder"
            )
        top = Path(os.fsdecode(found.stdout.rstrip(b"\n")))
        if top.resolve() != self.root.resolve():
            raise BadInput(f"--repo {self.root} is a folder inside of the repository {top}: give that one")

    @property
    def files(self) -> tuple[str, ...]:
        """The paths that may be read, tracked or new, in order; links and what is ignored are not among them."""
        if self._files is None:
            listed = git(
                self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"
            ).stdout.split(b"\0")
            paths = sorted({path.decode("utf-8", "surrogateescape") for path in listed if path})
            self._files = tuple(path for path in paths if self._is_plain(path))
        return self._files

    def _is_plain(self, path: str) -> bool:
        try:
            mode = (self.root / path).lstat().st_mode
        except OSError:
            return False
        return stat.S_ISREG(mode) and self._link_above(path) is None

    def _link_above(self, path: str) -> str | None:
        """The first part of ``path`` that is a link."""
        at = self.root
        for part in path.split("/"):
            at /= part
            if at.is_symlink():
                return str(at.relative_to(self.root))
        return None

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none. Raises ``Unreadable`` where it is not to be touched."""
        if problem := unsafe_path(path):
            raise Unreadable(problem)
        if link := self._link_above(path):
            raise Unreadable(f"{path}: {link} is a link, which is never followed")
        try:
            status = (self.root / path).lstat()
            if problem := self._why_not(path, status):
                raise Unreadable(problem)
            content = (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if git(self.root, "check-ignore", "-q", "--", path).returncode == 0:
                raise Unreadable(f"{path} is ignored by git: it is never written") from None
            return None
        except OSError as error:
            raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
        if b"\0" in content:
            raise Unreadable(f"{path} is a binary file: only text is read")
        return content

    def _why_not(self, path: str, status: os.stat_result) -> str | None:
        """Why something that is there is not read."""
        if stat.S_ISDIR(status.st_mode):
            return f"{path} is a folder"
        if not stat.S_ISREG(status.st_mode) or path not in self.files:
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

    def _uncommitted_lines(self, path: str, lines: list[str]) -> set[int]:
        """The lines of the work tree's file that the last commit does not have, counted from 0."""
        tracked = git(self.root, "cat-file", "-e", f"HEAD:{path}").returncode == 0
        if not tracked:
            return set(range(len(lines)))
        diff = git(
            self.root, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "-U0", "HEAD", "--", path
        )
        found: set[int] = set()
        for unit in read_diff(diff.stdout.decode("utf-8", "surrogateescape")):
            if isinstance(unit.value, Hunk) and unit.value.new_start is not None:
                first = unit.value.new_start - 1
                found.update(range(first, first + len(unit.value.new_lines)))
        return found
