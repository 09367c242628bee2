"""Files that are written all together or not at all, and folders for those of ours."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PLAIN = 0o644


def write_all(contents: Mapping[Path, bytes | None], modes: Mapping[Path, int] | None = None) -> None:
    """Write each path's bytes, or delete it where they are None: everything, or nothing at all.

    Every file is made beside its place and on disk before the first is moved there, so that a place holds
    its old content or its new one at any instant. A file keeps its mode unless ``modes`` has another. An
    ``OSError`` is raised when everything is as it was.
    """
    swap = _Swap()
    try:
        for path, content in contents.items():
            swap.prepare(path, content, (modes or {}).get(path))
        swap.carry_out()
    except BaseException:  # whoever stops it half way
        swap.undo()
        raise
    finally:
        swap.clean()


def make_own_folder(folder: Path) -> None:
    """Make ``folder`` for files of ours, and have git ignore what was made: the user may be in a repository."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if missing:
        (missing[-1] / ".gitignore").write_text("*\n", encoding="utf-8")


@dataclass(slots=True)
class _Swap:
    _new: dict[Path, Path | None] = field(default_factory=dict)
    _old: dict[Path, Path | None] = field(default_factory=dict)
    _folders: list[Path] = field(default_factory=list)

    def prepare(self, path: Path, content: bytes | None, mode: int | None) -> None:
        """Put the new file, and the way back to the old one, beside the place."""
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir()
            self._folders.append(folder)
        is_there = path.exists()
        self._new[path] = None
        if content is not None:
            self._new[path] = made = _beside(path, content)
            made.chmod(
                mode if mode is not None else stat.S_IMODE(path.stat().st_mode) if is_there else _PLAIN
            )
        self._old[path] = None
        if is_there:
            self._old[path] = kept = _beside(path, b"")
            shutil.copy2(path, kept)

    def carry_out(self) -> None:
        """Move every file to its place."""
        for path, made in self._new.items():
            if made is not None:
                made.replace(path)
            else:
                path.unlink(missing_ok=True)
        self._folders = []

    def undo(self) -> None:
        """Everything as it was."""
        for path, old in self._old.items():
            if old is not None:
                old.replace(path)
            elif self._new.get(path) is not None:
                path.unlink(missing_ok=True)

    def clean(self) -> None:
        """Take away what was made on the way."""
        for file in [*self._new.values(), *self._old.values()]:
            if file is not None:
                file.unlink(missing_ok=True)
        for folder in reversed(self._folders):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _beside(path: Path, content: bytes) -> Path:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:40]}.", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(file.name)
