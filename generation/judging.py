"""Git is the judge: whether it applies a patch, and makes of the files what we say it makes of them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from generation.git import git
from generation.patching import Patch
from rag.errors import HooklineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """``accepted``: git applies the whole, all files together. ``refused`` has git's words for each file it refuses."""

    accepted: bool
    refused: dict[str, str] = field(default_factory=dict)


def judged(patch: Patch) -> Judgement:
    """Have git apply ``patch`` to the files as they were: all together, and one by one where that fails.

    The files are put into the index of a repository of their own, made for this and thrown away: neither the
    user's work tree nor their index is read or written. What is refused is to be left out; the rest is then
    accepted.
    """
    before, after = patch.before(), patch.after()
    with tempfile.TemporaryDirectory(prefix="hookline-") as name:
        bench = _Bench(Path(name), before)
        if bench.refusal(patch.diff(), after) is None:
            return Judgement(accepted=True)
        refused: dict[str, str] = {}
        left = Patch(patch.read)
        for path, file in patch.files.items():  # each beside those that were taken before it
            left.files[path] = file
            if (words := bench.refusal(left.diff(), left.after())) is not None:
                refused[path] = words
                del left.files[path]
        return Judgement(accepted=False, refused=refused)


class _Bench:
    """A repository with nothing in it but an index of the files before the patch."""

    def __init__(self, folder: Path, before: Mapping[str, bytes | None]) -> None:
        self._folder = folder
        self._variables = {
            "GIT_DIR": str(folder / "git"),
            "GIT_INDEX_FILE": str(folder / "index"),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        for part in ("objects", "refs"):
            (folder / "git" / part).mkdir(parents=True)
        (folder / "git" / "HEAD").write_text("ref: refs/heads/main\n")
        there = {path: content for path, content in before.items() if content is not None}
        paths: list[str] = []
        for number, content in enumerate(there.values()):
            (folder / f"{number}").write_bytes(content)
            paths.append(f"{folder / str(number)}\n")
        hashes = self._git("hash-object", "-w", "--no-filters", "--stdin-paths", stdin="".join(paths)).split()
        self._entries = b"".join(
            b"100644 %s\t%s\0" % (blob, path.encode("utf-8", "surrogateescape"))
            for blob, path in zip(hashes, there, strict=True)
        )

    def refusal(self, diff: str, after: Mapping[str, bytes | None]) -> str | None:
        """Git's words about why it does not apply ``diff``; None if it does, and the result is ``after``."""
        if not diff:
            return None
        (self._folder / "index").unlink(missing_ok=True)
        self._git("update-index", "-z", "--index-info", stdin=self._entries)
        content = diff.encode("utf-8", "surrogateescape")
        applied = git(self._folder, "apply", "--cached", "-", stdin=content, variables=self._variables)
        if applied.returncode:
            return _words(applied.stderr)
        listed = self._git("ls-files", "-s", "-z").split(b"\0")
        made = {
            path: entry.split()[1] for entry, _, path in (line.partition(b"\t") for line in listed if line)
        }
        for path, expected in after.items():
            blob = made.get(path.encode("utf-8", "surrogateescape"))
            if blob != (None if expected is None else _blob(expected)):
                return f"git makes something else of {path}"
        return None

    def _git(self, *arguments: str, stdin: str | bytes = b"") -> bytes:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        done = git(self._folder, *arguments, stdin=content, variables=self._variables)
        if done.returncode:
            raise HooklineError(f"git {arguments[0]} failed: {_words(done.stderr)}")
        return done.stdout


def _blob(content: bytes) -> bytes:
    """What git calls a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest().encode()  # noqa: S324  # git's own


def _words(stderr: bytes) -> str:
    lines: Iterable[str] = stderr.decode("utf-8", "replace").splitlines()
    said = [line.removeprefix("error: ") for line in lines if line.startswith(("error: ", "fatal: "))]
    return "; ".join(said) or "it did not say why"
