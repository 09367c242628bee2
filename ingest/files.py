"""Which files a run reads, and what their state hashes to."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.readers import read_transcripts
from rag.errors import BadInput


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Every file that was named, and every one below the folders that were, each once.

    Raises ``BadInput`` for a path that does not exist, folders without a file, and a named file that is no
    readable transcript (inside a folder it is only reported).
    """
    named: dict[Path, None] = {}
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(_inside(path)))
        elif path.is_file():
            read_transcripts(path)
            named[path] = None
        elif path.exists():
            raise BadInput(f"{path} is neither a file nor a folder: name a transcript or a folder of them")
        else:
            raise BadInput(f"{path} does not exist: check the path")
    if not named and not found:
        raise BadInput(f"no files in {', '.join(map(str, paths))}: name a folder that holds transcripts")
    return list(named | found)


def _inside(folder: Path) -> Iterator[Path]:
    """Every file below a folder that may be a transcript; hidden ones, devices, and links that lead out are not."""
    root = folder.resolve()
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where) / name
            if name.startswith("."):
                continue
            if path.is_file() and path.resolve().is_relative_to(root):
                yield path


def hash_of(path: Path, *also: str) -> str:
    """What a file's bytes, and ``also``, hash to."""
    digest = hashlib.sha256("\0".join((*also, "")).encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def stem_of(path: Path) -> str:
    """A file's name without its kind and language: ``v1.2 My loaf.en.vtt`` is ``v1.2 My loaf``.

    >>> stem_of(Path("v1.2 My loaf.en.vtt")), stem_of(Path("Mr. Bo.txt"))
    ('v1.2 My loaf', 'Mr. Bo')
    """
    stem, suffix = path.stem, path.suffix
    return re.sub(r"\.[a-z]{2,3}(?:-[A-Za-z]+)*$", "", stem) or stem if suffix else path.name


def printable(path: Path) -> str:
    """A path as text that every terminal and file takes."""
    return os.fsencode(path).decode("utf-8", "replace")
