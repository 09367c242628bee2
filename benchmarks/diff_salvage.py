"""A reply that is a diff was cut off: how much of what was paid for is recovered, and is half a hunk ever passed off as whole?

    python benchmarks/diff_salvage.py [--cache DIR] [--peers PYTHON] [--diffs 300] [--cuts 20] [--jobs 2]
                                      [--json FILE] [--plot FILE.png] [--show-failures N]

Diffs: between consecutive releases of small packages (``--packages``; wheels are kept in ``--cache`` and fetched
by pip if they are not there), and this repository's own commits; in groups of files with 2 to 60 hunks and
1,500 to 60,000 bytes. Without a cache only the own history is used. A third each is as git writes it, without
``index`` lines, and with ``---`` and ``+++`` lines alone.
Cuts: each diff is cut at ``--cuts`` places, in bytes, most of them spiteful: at hunk ends and one byte before and
after, at line ends, in ``@@`` lines, in characters, before ``\\ No newline``, in file headers; what is cut is decoded with
surrogateescape.
Overlays: clean; counts of 30 % of the hunks wrong by 1 to 3; prose and fences, one or one a file; CRLF.

discard            nothing is kept of a reply that was cut
git apply          the reply as it is
git apply --recount
unidiff            parsed, and what it prints applied by git
whatthepatch       parsed and applied by itself, file by file; one that it refuses stays as it was. It knows no
                   modes and no missing newlines at the end of a file: it is given the right ones
drop last          everything from the last hunk's header on is dropped, the rest applied by git
hookline           generation.patching.salvaged, applied by git

A hunk, or a header that says something by itself (a rename, a mode), has arrived if its every byte has. It can
be known to be whole if moreover its counts are right, or the next header is there; if no ``\\ No newline`` could
still follow, as it could a + or - line; and if what comes next is not the beginning of a ``---`` line that could
be a deleted one. The truth is git's own: the tree of the parent and the first k true hunks, for every k. Results
are judged by the index that ``git apply --cached`` leaves.

applied    cases in which anything changed
accepted   diffs that git took, of those that were not empty
/provable  hunks recovered, of those that can be known to be whole
/arrived   the same, of those that arrived
partial    cases in which the tree is that of no number of whole hunks, and differs in the file of the hunk that was cut
wrong      cases in which it is that of no number of whole hunks, and differs elsewhere, or a hunk in between is missing
lucky      cases in which the hunk that was cut was taken, and what was missing made no difference
as due     the tree is that of as many hunks as can be known, at least, and as arrived, at most
s/MB       of the reply, for a diff (hookline, unidiff, drop last) or for the tree (the others)
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT), str(ROOT / "tests" / "support")]

from diff_cases import (  # noqa: E402
    RANGES,
    STYLES,
    FilePart,
    Place,
    Places,
    Reply,
    styled,
    taken_apart,
    with_crlf,
    with_wrong_counts,
    written,
)

PACKAGES = (  # permissively licensed, small, with many releases
    "boltons", "cachetools", "click", "docopt", "h11", "humanize", "idna", "iniconfig", "itsdangerous", "more-itertools",
    "packaging", "parso", "pluggy", "python-dotenv", "sniffio", "sortedcontainers", "tabulate", "tomli", "toolz", "wcwidth", "wsproto", "zipp",
)  # fmt: skip
RELEASES = 12
SIZES = range(1_500, 60_001)
HUNKS = range(2, 61)
OVERLAYS = ("clean", "wrong counts", "fenced", "crlf")
METHODS = ("discard", "git apply", "git apply --recount", "unidiff", "whatthepatch", "drop last", "hookline")
BY_PEERS = ("unidiff", "whatthepatch")
FEATURES = ("rename", "new file", "deleted file", "no newline at the end", "non-ASCII")
EXTENDED = (b"diff --git ", b"index ", b"new ", b"old ", b"deleted ", b"similarity ", b"rename ", b"copy ")
INSTALL = "python3 -m venv peers && peers/bin/pip install unidiff whatthepatch"

State = frozenset[tuple[str, str, str]]  # path, mode, blob
Read = Callable[[str], bytes | None]


def git(
    *arguments: str,
    repository: Path,
    stdin: bytes = b"",
    index: Path | None = None,
    work_tree: Path | None = None,
) -> bytes | None:
    """What git printed; None if it refused."""
    given = {"GIT_DIR": repository, "GIT_INDEX_FILE": index, "GIT_WORK_TREE": work_tree}
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    variables |= {name: str(value) for name, value in given.items() if value}
    done = subprocess.run(
        ["git", "-c", "core.autocrlf=false", "-c", "apply.whitespace=nowarn", *arguments],
        cwd=repository,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**variables, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        check=False,
    )
    return None if done.returncode else done.stdout


def known(printed: bytes | None) -> bytes:
    """``printed``, where git cannot refuse."""
    if printed is None:
        raise RuntimeError("git failed")
    return printed


# ---- the diffs


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Some files of a real difference. ``before`` and ``after``: path -> mode and blob, of the files it touches."""

    name: str
    objects: Path
    parts: tuple[FilePart, ...]
    before: Mapping[str, tuple[str, str]]
    after: Mapping[str, tuple[str, str]]
    paths: Sequence[tuple[str, ...]]  # of each part; the one it is counted under first

    @property
    def features(self) -> set[str]:
        """What is rare in it."""
        lines = [line for part in self.parts for line in part.lines]
        marks = {b"rename from ": "rename", b"new file ": "new file", b"deleted file ": "deleted file"}
        marks[b"\\"] = "no newline at the end"
        found = {name for mark, name in marks.items() if any(line.startswith(mark) for line in lines)}
        return found | {"non-ASCII" for line in lines if not line.isascii()}


def difference(repository: Path, old: str, new: str, name: str, rng: random.Random) -> Iterator[Diff]:
    """The difference of two trees, in groups of files of about the sizes that replies have."""
    options = ("diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", old, new)
    fields = (
        known(git(*options, "--raw", "-z", repository=repository))
        .decode("utf-8", "surrogateescape")
        .split("\0")
    )
    entries: list[tuple[list[str], list[str]]] = []  # modes, blobs and status; paths
    at = 0
    while at + 1 < len(fields):
        about = fields[at].lstrip(":").split(" ")
        paths = fields[at + 1 : at + (3 if about[4][0] in "RC" else 2)]
        entries.append((about, paths))
        at += 1 + len(paths)
    parts = taken_apart(
        known(git(*options, "--src-prefix=a/", "--dst-prefix=b/", "-p", repository=repository))
    )
    if len(parts) != len(entries):  # a change of type is printed as two
        return
    usable = [
        number
        for number, part in enumerate(parts)
        if not any(line.startswith((b"Binary files", b"GIT binary")) for line in part.header)
        and {"000000", "100644", "100755"} >= {*entries[number][0][:2]}
    ]
    for count, group in enumerate(in_groups(usable, parts, rng), start=1):
        before: dict[str, tuple[str, str]] = {}
        after: dict[str, tuple[str, str]] = {}
        for number in group:
            (old_mode, new_mode, old_blob, new_blob, status), paths = entries[number]
            if status[0] != "A":
                before[paths[0]] = (old_mode, old_blob)
            if status[0] != "D":
                after[paths[-1]] = (new_mode, new_blob)
        yield Diff(
            name=f"{name}, part {count}",
            objects=repository / "objects",
            parts=tuple(parts[number] for number in group),
            before=before,
            after=after,
            paths=[tuple(reversed(entries[number][1])) for number in group],
        )


def in_groups(numbers: Sequence[int], parts: Sequence[FilePart], rng: random.Random) -> Iterator[list[int]]:
    """The ``numbers`` of parts, those together that make up a reply's size; what makes up none is left out."""
    group: list[int] = []
    size = hunks = most = 0
    for number in [*numbers, None]:
        length = sum(map(len, parts[number].lines)) if number is not None else 0
        if (
            number is None
            or size + length > most
            or hunks + len(parts[number].hunks) not in range(HUNKS.stop)
        ):
            if size in SIZES and hunks in HUNKS:
                yield group
            group, size, hunks, most = [], 0, 0, int(2_000 * 20 ** rng.random())
        if number is not None:
            group.append(number)
            size += length
            hunks += len(parts[number].hunks)


def own_history(rng: random.Random) -> list[Diff]:
    """This repository's commits."""
    where = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--path-format=absolute", "--git-common-dir"],
        capture_output=True,
        text=True,
        check=False,
    )
    if where.returncode:
        print("This is no git repository: its own history is left out", file=sys.stderr)
        return []
    repository = Path(where.stdout.strip())
    log = known(git("log", "--no-merges", "--min-parents=1", "--format=%H %P", repository=repository))
    return [
        diff
        for commit, parent in (line.split() for line in log.decode().splitlines())
        for diff in difference(repository, parent, commit, f"own {commit[:7]}", rng)
    ]


def pip(*arguments: str) -> str | None:
    """What pip printed; None if it could not."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode else done.stdout


def release(package: str, version: str, folder: Path) -> Path | None:
    """The wheel of a release, fetched if it is not there; None if there is none for every platform."""
    held = folder / f"{package}-{version}"
    if not held.exists():
        held.mkdir(parents=True)
        pip("download", "-q", "--no-deps", "--only-binary=:all:", "--ignore-requires-python", "-d", str(held), f"{package}=={version}")  # fmt: skip
    return next(held.glob("*-none-any.whl"), None)


def tree_of(wheel: Path, repository: Path) -> str:
    """The id of a wheel's files as a git tree, less what pip alone reads."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                inner = Path(re.sub(r"^[^/]+\.dist-info/", "dist-info/", info.filename))
                if info.is_dir() or inner.name in {"RECORD", "WHEEL", "top_level.txt"}:
                    continue
                place = Path(folder) / "tree" / inner
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(info))
        asked = partial(
            git, repository=repository, index=Path(folder) / "index", work_tree=Path(folder) / "tree"
        )
        known(asked("add", "--all", "--force", f"{folder}/tree"))
        return known(asked("write-tree")).decode().strip()


def published(cache_folder: Path, packages: Sequence[str], releases: int, rng: random.Random) -> list[Diff]:
    """The differences of consecutive releases."""
    repository, noted = cache_folder / "packages.git", cache_folder / "versions.json"
    if not repository.exists():
        cache_folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "init", "-q", "--bare", repository], check=True)
    versions: dict[str, list[str]] = json.loads(noted.read_text()) if noted.exists() else {}
    for package in packages:
        if package not in versions:
            found = re.search(
                r"^Available versions: (.+)$", pip("index", "versions", package) or "", re.MULTILINE
            )
            if not found:
                print(
                    f"{package} is not in the cache, and no package index tells its releases: left out",
                    file=sys.stderr,
                )
                continue
            versions[package] = found[1].split(", ")
            noted.write_text(json.dumps(versions, indent=1))
    wanted = [
        (package, version) for package in packages for version in versions.get(package, [])[: releases + 1]
    ]
    with ThreadPoolExecutor(2) as pool:
        wheels = list(pool.map(lambda one: release(one[0], one[1], cache_folder / "wheels"), wanted))
    diffs: list[Diff] = []
    for package, members in itertools.groupby(zip(wanted, wheels, strict=True), key=lambda one: one[0][0]):
        trees = [(version, tree_of(wheel, repository)) for (_, version), wheel in members if wheel]
        for (new, new_tree), (old, old_tree) in itertools.pairwise(trees):
            diffs += difference(repository, old_tree, new_tree, f"{package} {old} to {new}", rng)
    return diffs


def corpus(arguments: argparse.Namespace) -> list[Diff]:
    """The diffs of the run: the own ones, those with something rare, then any."""
    own = own_history(random.Random(arguments.seed))
    others: list[Diff] = []
    if arguments.cache:
        others = published(
            arguments.cache, arguments.packages, arguments.releases, random.Random(arguments.seed)
        )
    else:
        print("No --cache for packages: this repository's own history alone", file=sys.stderr)
    rng = random.Random(arguments.seed)
    rng.shuffle(others)
    rng.shuffle(own)
    chosen: dict[int, Diff] = {}
    pool = own[: arguments.diffs // 2 if others else None] + others
    for feature in FEATURES:
        having = [diff for diff in pool if feature in diff.features]
        chosen.update((id(diff), diff) for diff in having[: max(2, arguments.diffs // 8)])
    for diff in pool:
        chosen.setdefault(id(diff), diff)
    return list(chosen.values())[: arguments.diffs]


# ---- the truth, and its judge


class Judge:
    """A diff's files in a repository of their own, and the states of its true hunks."""

    def __init__(self, diff: Diff, repository: Path) -> None:
        self.diff = diff
        self._repository = repository
        (repository / "objects" / "info" / "alternates").write_text(f"{diff.objects}\n")
        self._blobs: dict[str, bytes] = {}
        self._base, self._index = repository / "base", repository / "work"
        known(self._git("read-tree", "--empty", index=self._base))
        self._git(
            "update-index",
            "--index-info",
            index=self._base,
            stdin="".join(f"{mode} {blob}\t{path}\n" for path, (mode, blob) in diff.before.items()).encode(
                "utf-8", "surrogateescape"
            ),
        )
        self.files = {path: self._blob(blob) for path, (_, blob) in diff.before.items()}
        self._answers: dict[tuple[bytes, tuple[str, ...]], tuple[State | None, float]] = {}
        self.states = self._true_states()
        if self.states[-1] != frozenset((path, *about) for path, about in diff.after.items()):
            raise ValueError("git itself does not get from one tree to the other by these hunks")
        self._numbers: dict[State, list[int]] = {}
        for number, state in enumerate(self.states):
            self._numbers.setdefault(state, []).append(number)

    def _git(self, *arguments: str, index: Path, stdin: bytes = b"") -> bytes | None:
        return git(*arguments, repository=self._repository, stdin=stdin, index=index)

    def _blob(self, blob: str) -> bytes:
        if blob not in self._blobs:
            self._blobs[blob] = known(git("cat-file", "blob", blob, repository=self._repository))
        return self._blobs[blob]

    def _state(self, index: Path) -> State:
        listed = known(self._git("ls-files", "--stage", "-z", index=index)).decode("utf-8", "surrogateescape")
        entries = (entry.split("\t", 1) for entry in listed.split("\0") if entry)
        return frozenset((path, about[:6], about.split(" ")[1]) for about, path in entries)

    def _true_states(self) -> list[State]:
        shutil.copyfile(self._base, self._index)
        states = [self._state(self._index)]
        for part in self.diff.parts:
            name = part.header[-1].removeprefix(b"+++ ")
            plain = [b"--- ", name.replace(b"b/", b"a/", 1), b"+++ ", name]
            patches = (
                [b"".join(part.header[:-2] if part.hunks else part.header)] if part.says_something else []
            )
            for number, hunk in enumerate(part.hunks):
                if number:  # those before it are in: it stands where it will stand
                    ranges = RANGES.match(hunk[0])
                    assert ranges
                    old = b",".join(filter(None, [ranges[3], ranges[2]]))
                    first = b"@@ -" + old + hunk[0][hunk[0].index(b" +") :]
                    patches.append(b"".join([*plain, first, *hunk[1:]]))
                else:
                    patches.append(b"".join([*(plain if patches else part.header), *hunk]))
            for patch in patches:
                known(self._git("apply", "--cached", "-", index=self._index, stdin=patch))
                states.append(self._state(self._index))
        return states

    def applied(self, patch: bytes, *options: str) -> tuple[State | None, float]:
        """The files after git applied ``patch``, None if it refuses; and the seconds that it took."""
        if (patch, options) not in self._answers:
            shutil.copyfile(self._base, self._index)
            begun = time.perf_counter()
            done = self._git("apply", "--cached", *options, "-", index=self._index, stdin=patch)
            taken = time.perf_counter() - begun
            state = None if done is None else self._state(self._index)
            self._answers[patch, options] = state, taken
        return self._answers[patch, options]

    def mode(self, path: str) -> str:
        """The mode that it has in the end, or had."""
        return (self.diff.after.get(path) or self.diff.before.get(path) or ("100644", ""))[0]

    def lacks_newline(self, path: str, ends: Mapping[str, tuple[str, str]]) -> bool:
        """Whether the file does not end in a newline in ``ends``."""
        return path in ends and not self._blob(ends[path][1]).endswith(b"\n")

    def number(self, state: State, arrived: int) -> int | None:
        """How many true hunks make ``state``; None if no number does."""
        numbers = self._numbers.get(state)
        if numbers is None:
            return None
        return max((number for number in numbers if number <= arrived), default=numbers[0])

    def by_file(self, state: State) -> tuple[int, set[int]]:
        """How many true hunks are in ``state``, file by file, and the files that are at no number of them."""
        at: dict[str, tuple[str, str]] = {path: (mode, blob) for path, mode, blob in state}
        found, odd, done = 0, set[int](), 0
        for file, (part, paths) in enumerate(zip(self.diff.parts, self.diff.paths, strict=True)):
            here = [at.get(path) for path in paths]
            for count in range(part.units, -1, -1):
                there = {path: (mode, blob) for path, mode, blob in self.states[done + count]}
                if here == [there.get(path) for path in paths]:
                    found += count
                    break
            else:
                odd.add(file)
            done += part.units
        return found, odd


# ---- the methods


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A reply that was cut, with what is known of it."""

    overlay: str
    place: Place
    reply: Reply
    cut: int

    @property
    def data(self) -> bytes:
        """What came."""
        return self.reply.data[: self.cut]

    @property
    def text(self) -> str:
        """The same as a text."""
        return self.data.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Result:
    """What a method made of a case: the files, or None where git refused; the diff if there is one, and the seconds."""

    state: State | None
    seconds: float
    patch: bytes | None = None
    error: str = ""


def discard(_: Case, judge: Judge) -> Result:
    """Nothing is kept."""
    return Result(judge.states[0], 0.0, b"")


def as_it_is(case: Case, judge: Judge, *options: str) -> Result:
    """The reply to git."""
    return Result(*judge.applied(case.data, *options), case.data)


def drop_last(case: Case, judge: Judge) -> Result:
    """The reply up to its last hunk, or to its file's header if that hunk is the file's first."""
    begun = time.perf_counter()
    lines = case.data.splitlines(keepends=True)
    last = len(lines)
    for line, following in zip(reversed(lines), [b"+++ ", *reversed(lines)], strict=False):
        last -= 1
        named = line.startswith(b"--- ") and following.startswith(b"+++ ")
        if named or line.startswith((b"@@ ", b"diff --git ")):
            break
    if last > 1 and lines[last - 1].startswith(b"+++ ") and lines[last - 2].startswith(b"--- "):
        last -= 2
    while last and lines[last - 1].startswith(EXTENDED):
        last -= 1
    patch = b"".join(lines[:last])
    taken = time.perf_counter() - begun
    if not any(RANGES.match(line) for line in lines[:last]):
        return Result(judge.states[0], taken, b"")
    return Result(judge.applied(patch)[0], taken, patch)


def hookline(case: Case, judge: Judge) -> Result:
    """Ours."""
    salvaged = ours()
    assert salvaged
    text = case.text
    begun = time.perf_counter()
    try:
        patch = salvaged(text, judge.files.get, cut=True).diff()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a failure
        return Result(None, time.perf_counter() - begun, None, f"{type(error).__name__}: {error}")
    taken = time.perf_counter() - begun
    data = patch.encode("utf-8", "surrogateescape")
    return Result(judge.applied(data)[0] if data else judge.states[0], taken, data)


@cache
def ours() -> Callable[..., Any] | None:
    """``salvaged``, if it is there."""
    try:
        salvaged: Callable[..., Any] = importlib.import_module("generation.patching").salvaged
    except (ImportError, AttributeError):
        return None
    return salvaged


ALONE: Mapping[str, Callable[[Case, Judge], Result]] = {
    "discard": discard,
    "git apply": as_it_is,
    "git apply --recount": lambda case, judge: as_it_is(case, judge, "--recount"),
    "drop last": drop_last,
    "hookline": hookline,
}


def by_peers(python: str, cases: Sequence[Case], judge: Judge) -> dict[str, list[Result]]:
    """What unidiff and whatthepatch make of the cases, in a Python of their own."""
    files = {path: data.decode("utf-8", "surrogateescape") for path, data in judge.files.items()}
    done = subprocess.run(
        [python, "-I", __file__, "--answer"],
        input=json.dumps({"texts": [case.text for case in cases], "files": files}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    found: dict[str, list[Result]] = {peer: [] for peer in BY_PEERS}
    for answer in answers["unidiff"]:
        if answer["diff"] is None:
            found["unidiff"].append(Result(None, answer["seconds"], None, answer["error"]))
            continue
        patch = answer["diff"].encode("utf-8", "surrogateescape")
        state = judge.applied(patch)[0] if patch else judge.states[0]
        found["unidiff"].append(Result(state, answer["seconds"], patch))
    for case, answer in zip(cases, answers["whatthepatch"], strict=True):
        if answer["files"] is None:
            found["whatthepatch"].append(Result(None, answer["seconds"], None, answer["error"]))
            continue
        arrived = case.reply.arrived(case.cut)
        states = [state_of(answer["files"], judge, ends) for ends in (judge.diff.after, judge.diff.before)]
        state = next((one for one in states if judge.number(one, arrived) is not None), states[0])
        found["whatthepatch"].append(Result(state, answer["seconds"]))
    return found


def state_of(
    files: Mapping[str, list[str] | None], judge: Judge, ends: Mapping[str, tuple[str, str]]
) -> State:
    """The state with the lines of ``files``; a missing last newline and modes as in ``ends``, the true ones."""
    state = {path: about for path, about in judge.diff.before.items() if files.get(path, "") is not None}
    for path, lines in files.items():
        if lines is not None:
            mode = judge.mode(path)
            newline = "\n" if lines and not judge.lacks_newline(path, ends) else ""
            data = ("\n".join(lines) + newline).encode("utf-8", "surrogateescape")
            blob = hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()
            state[path] = (mode, blob)
    return frozenset((path, *about) for path, about in state.items())


def answers_of_peers(asked: dict[str, Any]) -> dict[str, Any]:
    """In the peers' Python: what both make of each text."""
    unidiff = importlib.import_module("unidiff")
    whatthepatch = importlib.import_module("whatthepatch")
    files: dict[str, list[str]] = {
        path: text.removesuffix("\n").split("\n") if text else [] for path, text in asked["files"].items()
    }

    def timed(key: str, work: Callable[[], Any]) -> dict[str, Any]:
        begun = time.perf_counter()
        error = ""
        try:
            value = work()
        except Exception as raised:  # noqa: BLE001  # whatever it is, it is the answer
            value, error = None, f"{type(raised).__name__}: {raised}"
        return {key: value, "seconds": time.perf_counter() - begun, "error": error}

    def bare(path: str | None) -> str | None:
        return None if path in {None, "/dev/null"} else re.sub(r"^[ab]/", "", str(path))

    def printed(text: str) -> str:
        return str(unidiff.PatchSet(text))

    def patched(text: str) -> dict[str, list[str] | None]:
        changed: dict[str, list[str] | None] = {}
        for diff in whatthepatch.parse_patch(text):
            old, new = bare(diff.header and diff.header.old_path), bare(diff.header and diff.header.new_path)
            before = files.get(old or "", [])
            try:
                after = whatthepatch.apply_diff(diff, before) if diff.changes else before
            except Exception:  # noqa: BLE001  # the files that it can do are counted
                continue
            if old and old != new:
                changed[old] = None
            if new and (diff.changes or old != new):
                changed[new] = after
        return changed

    return {
        "unidiff": [timed("diff", partial(printed, text)) for text in asked["texts"]],
        "whatthepatch": [timed("files", partial(patched, text)) for text in asked["texts"]],
    }


# ---- the figures


@dataclass(kw_only=True)
class Tally:
    """What a method did under an overlay."""

    cases: int = 0
    applied: int = 0
    offered: int = 0
    accepted: int = 0
    of_provable: int = 0
    provable: int = 0
    of_arrived: int = 0
    arrived: int = 0
    partial: int = 0
    wrong: int = 0
    lucky: int = 0
    as_due: int = 0
    deceived: int = 0
    seconds: float = 0.0
    bytes: int = 0

    def add(self, other: Tally) -> None:
        """Count another's in."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def figures(self) -> dict[str, Any]:
        """As they are printed."""
        return {
            "cases": self.cases,
            "applied": self.applied,
            "accepted": ratio(self.accepted, self.offered),
            "/provable": ratio(self.of_provable, self.provable),
            "/arrived": ratio(self.of_arrived, self.arrived),
            "partial": self.partial,
            "wrong": self.wrong,
            "lucky": self.lucky,
            "as due": ratio(self.as_due, self.cases),
            "s/MB": round(self.seconds / (self.bytes / 1e6), 2),
        }


def ratio(part: int, whole: int) -> float | None:
    """A share; None of nothing."""
    return round(part / whole, 4) if whole else None


def judged(case: Case, result: Result, judge: Judge) -> tuple[Tally, str]:
    """The figures of one case, and what came of it in words; "" if it is as due."""
    arrived, provable = case.reply.arrived(case.cut), case.reply.provable(case.cut)
    told = case.reply.told(case.cut)
    offered = result.state is None or bool(result.patch)
    tally = Tally(
        cases=1,
        provable=provable,
        arrived=arrived,
        seconds=result.seconds,
        bytes=len(case.data),
        offered=offered,
        accepted=offered and result.state is not None,
    )
    state = judge.states[0] if result.state is None else result.state
    number = judge.number(state, told)
    tally.applied = state != judge.states[0]
    if number is not None:
        found, words = number, f"{number} hunks"
        tally.lucky = number > told
        tally.as_due = provable <= number <= told
    else:
        found, odd = judge.by_file(state)
        cut = next((unit.file for unit in case.reply.units if unit.end > case.cut), None)
        due = {entry for entry in judge.states[arrived] if odd and entry[0] not in judge.diff.paths[cut or 0]}
        if (
            cut is not None
            and odd <= {cut}
            and due == {entry for entry in state if entry[0] not in judge.diff.paths[cut]}
        ):
            tally.partial = 1
            found, words = arrived, f"part of a hunk of {judge.diff.paths[cut][0]}"
        else:
            tally.wrong = 1
            words = (
                f"{found} hunks, but not the first ones; wrong: {[judge.diff.paths[file][0] for file in odd]}"
            )
    if tally.partial or tally.lucky:
        tally.deceived = case.reply.deceives(case.cut)
    if result.state is None:
        words = f"refused by git: {result.error}"
    tally.of_provable, tally.of_arrived = min(found, provable), min(found, arrived)
    if tally.deceived:
        words += " (the wrong counts say that it is whole)"
    return tally, "" if tally.as_due else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a worker is told."""

    methods: Sequence[str]
    cuts: int
    seed: int
    peers: str | None
    show: int


def replies(parts: Sequence[FilePart], number: int, rng: random.Random) -> dict[str, Reply]:
    """A diff in each of its overlays."""
    crlf = with_crlf(parts)
    found = {
        "clean": written(parts),
        "wrong counts": written(with_wrong_counts(parts, rng)),
        "fenced": written(parts, fences="each" if number % 2 else "one"),
    }
    return found | ({"crlf": written(crlf)} if crlf else {})


def judged_diff(
    numbered: tuple[int, Diff], options: Options
) -> tuple[dict[tuple[str, str], Tally], list[str]]:
    """The figures of a diff by overlay and method, and where ours fails."""
    number, diff = numbered
    tallies: dict[tuple[str, str], Tally] = {}
    failures: list[str] = []
    rng = random.Random(f"{options.seed} {diff.name}")
    parts = styled(diff.parts, STYLES[number % len(STYLES)])
    places = Places(parts, rng).taken(options.cuts)
    cases = [
        Case(overlay=overlay, place=place, reply=reply, cut=place.within(reply))
        for overlay, reply in replies(parts, number, rng).items()
        for place in places
    ]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
        try:
            judge = Judge(diff, Path(folder))
        except (RuntimeError, ValueError) as error:
            print(f"{diff.name} is left out: {error}", file=sys.stderr)
            return {}, []
        results = by_peers(options.peers, cases, judge) if options.peers else {}
        results |= {
            method: [ALONE[method](case, judge) for case in cases]
            for method in options.methods
            if method not in results
        }
        for method, made in results.items():
            for case, result in zip(cases, made, strict=True):
                tally, words = judged(case, result, judge)
                tallies.setdefault((case.overlay, method), Tally()).add(tally)
                if words and method == "hookline" and len(failures) < options.show:
                    failures.append(told(diff, case, result, words))
    return tallies, failures


def told(diff: Diff, case: Case, result: Result, words: str) -> str:
    """A failure of ours, with the end of the reply and of what ours made of it."""
    due = (
        f"{case.reply.provable(case.cut)} to {case.reply.told(case.cut)} of {len(case.reply.units)} hunks due"
    )
    ends = ((case.data, "reply"), (result.patch or b"", "diff"))
    return "\n".join(
        [
            f"{diff.name}; {case.overlay}; cut at {case.cut} ({case.place.kind}); {due}; got {words}",
            *(
                f"    {name} | {line!r}"
                for data, name in ends
                for line in data.splitlines(keepends=True)[-12:]
            ),
        ]
    )


def table(tallies: Mapping[tuple[str, str], Tally], methods: Sequence[str]) -> str:
    """All figures, a line each."""
    lines: list[str] = []
    for overlay in (*OVERLAYS, "all"):
        lines.append("")
        for method in methods:
            figures = tallies[overlay, method].figures()
            if method == methods[0]:
                lines.append(f"{overlay:<21}" + "".join(f"{name:>10}" for name in figures))
            lines.append(
                f"{method:<21}" + "".join(f"{shown(name, value):>10}" for name, value in figures.items())
            )
    return "\n".join(lines)


def shown(name: str, value: float | None) -> str:
    """A figure in the table."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}" if name == "s/MB" else f"{value:.2%}"


def plot(tallies: Mapping[tuple[str, str], Tally], methods: Sequence[str], file: Path) -> None:
    """The share recovered, and the partial hunks passed off as whole, by method and overlay."""
    try:
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        print("No plot: pip install matplotlib", file=sys.stderr)
        return
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4.5), sharey=True, layout="constrained")
    shares: tuple[tuple[str, Callable[[Tally], float]], ...] = (
        (
            "hunks recovered, of those that can be known to be whole, %",
            lambda one: 100 * one.of_provable / (one.provable or 1),
        ),
        (
            "cut replies of which part of a hunk is passed off as whole, %",
            lambda one: 100 * one.partial / one.cases,
        ),
    )
    for axis, (title, value) in zip(axes, shares, strict=True):
        for row, overlay in enumerate(OVERLAYS):
            heights = [len(methods) - 1 - at + 0.3 - row * 0.2 for at in range(len(methods))]
            axis.barh(
                heights, [value(tallies[overlay, method]) for method in methods], height=0.18, label=overlay
            )
        axis.set_title(title, fontsize=10)
        axis.set_yticks(range(len(methods) - 1, -1, -1), methods)
        axis.set_xlim(left=0)
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].legend(loc="lower right", frameon=False)
    figure.savefig(file, dpi=150)
    print(f"{file} is drawn")


def has_peers(python: str) -> bool:
    """Whether that Python has both."""
    done = subprocess.run(
        [python, "-I", "-c", "import unidiff, whatthepatch"], capture_output=True, check=False
    )
    return not done.returncode


def said(diffs: Sequence[Diff]) -> str:
    """What the diffs are."""
    hunks = sum(len(part.hunks) for diff in diffs for part in diff.parts)
    size = sum(len(line) for diff in diffs for part in diff.parts for line in part.lines)
    features = Counter(feature for diff in diffs for feature in diff.features)
    own = sum(diff.name.startswith("own ") for diff in diffs)
    return (
        f"{len(diffs)} diffs ({own} of this repository), {hunks:,} hunks, {size / 1e6:.2f} MB; with: "
        + ", ".join(f"{name} {features[name]}" for name in FEATURES)
    )


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--cache", type=Path, help="where packages are kept; without it: this repository's own history alone"
    )
    parser.add_argument("--packages", nargs="+", default=PACKAGES)
    parser.add_argument(
        "--releases", type=int, default=RELEASES, help="differences for each package, the newest"
    )
    parser.add_argument("--peers", help="a Python that has unidiff and whatthepatch")
    parser.add_argument("--diffs", type=int, default=300)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--plot", type=Path, help="a file for the bar chart")
    parser.add_argument(
        "--show-failures",
        type=int,
        default=0,
        metavar="N",
        help="tell of the first N cases that ours has not as due",
    )
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Judge every method on every case; or, inside the peers' Python, answer for them."""
    arguments = parsed_arguments()
    if arguments.answer:
        json.dump(answers_of_peers(json.load(sys.stdin)), sys.stdout)
        return
    peers = arguments.peers or sys.executable
    left_out: set[str] = set()
    if not has_peers(peers):
        left_out |= {*BY_PEERS}
        print(f"unidiff, whatthepatch: left out. {INSTALL}; then --peers peers/bin/python", file=sys.stderr)
    if not ours():
        left_out.add("hookline")
        print("hookline: left out, generation.patching has no salvaged", file=sys.stderr)
    methods = [method for method in METHODS if method not in left_out]
    begun = time.perf_counter()
    diffs = corpus(arguments)
    print(f"{said(diffs)}; {time.perf_counter() - begun:.0f} s", flush=True)
    options = Options(
        methods=methods,
        cuts=arguments.cuts,
        seed=arguments.seed,
        peers=None if set(BY_PEERS) & left_out else peers,
        show=arguments.show_failures,
    )
    tallies = {(overlay, method): Tally() for overlay in (*OVERLAYS, "all") for method in methods}
    failures: list[str] = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for found, failed in pool.map(partial(judged_diff, options=options), enumerate(diffs)):
            for (overlay, method), tally in found.items():
                tallies[overlay, method].add(tally)
                tallies["all", method].add(tally)
            failures += failed
    print(table(tallies, methods))
    deceived = {method: tallies["all", method].deceived for method in methods}
    print(
        "\nDeceived by counts that say a cut hunk is whole:",
        ", ".join(f"{m} {n}" for m, n in deceived.items() if n) or "none",
    )
    print(f"{time.perf_counter() - begun:.0f} s in all")
    for failure in failures[: arguments.show_failures]:
        print(f"\n{failure}")
    if arguments.json:
        figures = {
            f"{overlay}: {method}": {**tally.figures(), "tally": vars(tally)}
            for (overlay, method), tally in tallies.items()
        }
        arguments.json.write_text(
            json.dumps(
                {"diffs": said(diffs), "cuts": arguments.cuts, "seed": arguments.seed, "figures": figures},
                indent=1,
            )
        )
    if arguments.plot:
        plot(tallies, methods, arguments.plot)


if __name__ == "__main__":
    main()
