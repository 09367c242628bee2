"""Which files a run reads, and what their state hashes to."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.readers import read_transcripts
from rag.errors import BadInput
from rag.store import EMBEDDED_FILE

_SHOWN_CHARACTERS = 200


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Every file that was named, and every one below the folders that were, each once.

    Raises ``BadInput`` for a path that does not exist, folders without a file, and a named file that is no
    readable transcript (inside a folder it is only reported). A folder that cannot be listed is in the
    result itself, so that it is reported too.
    """
    named: list[Path] = []
    found: list[Path] = []
    for path in paths:
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise BadInput(f"{path} does not exist: check the path") from None
        except OSError as error:
            shown = str(path)[:_SHOWN_CHARACTERS]
            raise BadInput(f"{shown} cannot be read ({error.strerror}): check the path") from error
        if stat.S_ISDIR(mode):
            found += _inside(path)
        elif stat.S_ISREG(mode):
            read_transcripts(path)
            named.append(path)
        else:
            raise BadInput(f"{path} is neither a file nor a folder: name a transcript or a folder of them")
    if not named and not found:
        raise BadInput(f"no files in {', '.join(map(str, paths))}: name a folder that holds transcripts")
    return list({path.resolve(): path for path in reversed([*named, *found])}.values())[::-1]


def _inside(folder: Path) -> Iterator[Path]:
    """Every file below a folder that may be a transcript: none that is hidden, a link, a device or a store's."""
    unlisted: list[Path] = []
    for where, folders, files in os.walk(folder, onerror=lambda error: unlisted.append(Path(error.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if EMBEDDED_FILE in files:
            folders.clear()
            continue
        for name in sorted(files):
            path = Path(where) / name
            if not name.startswith(".") and not path.is_symlink() and path.is_file():
                yield path
    yield from unlisted


def is_gone(path: str) -> bool:
    """Whether nothing is at ``path``; what cannot be looked at is not gone."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def size_of(path: Path) -> int:
    """A file's size in bytes, 0 where it cannot be told."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


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
