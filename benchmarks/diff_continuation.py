"""A server cuts every reply: does the whole diff come all the same, what is paid for it, and is all that is missing said?

    python benchmarks/diff_continuation.py [--diffs 36] [--cap 512] [--seed 20261124] [--jobs 2] [--json FILE]

Diffs: this repository's own history, each commit against its parent, then, in the seed's order, against what was 2 to
6 commits before; text files without spaces in their names only, 3 to 60 hunks, and a reply (the list of files, the diff, the end's mark) of three
caps at least. A hunk that is larger than a reply can never come whole: a file with a hunk that takes, with the file's
header, more than 82 % of the cap is left out, and the diff made again without it.
Each diff is the one thing that a model knows. It is served over HTTP by a server that cuts every reply at ``--cap``
tokens, and ``hookline.codegen`` is asked for it, in a repository that has the files as they were before and nothing
else, with an empty journal and nothing learned. The model has one of four habits (tests/support/diff_writers.py):

asked        writes only what it is asked for
restarts     begins the hunk anew that was cut, and goes on
middle       goes on in the middle of the line; what was cut is never written again
everything   begins anew every time, so that its diff can never end

Beside it, what several tools do:

escalate     the same first request, with a cap of ``--cap`` tokens; a reply that ends by ``length`` is thrown away and
             asked for again with twice the cap, up to the model's own. The server itself cuts nothing here: with one
             that does, as above, this ends without a diff.

A hunk counts by what is in the tree that ``git apply`` leaves of the result's diff, never by what the result says:
each file must be the one before with some of the true hunks in it, all of their lines or none; a rename, or an empty
file, counts as a hunk of its own, and a new or a deleted file as one.

calls        requests for a diff that were answered, mean
paid, most   output tokens by the server's count / those of the whole reply, in all, and the highest of one diff
input        prompt tokens for a diff, mean
kept         hunks in the trees, of all
trees        diffs whose tree is that of the full diff
half         diffs with a file that is not the one before with whole true hunks
refused      diffs that ``git apply --check`` refuses
lost         hunks that are not there although nothing cut them: any, for asked and restarts; for middle, those that
             no reply ended in (one whose last line is a change may be cut right behind it); for everything, those
             that the first reply has whole
exact        diffs of which all that is missing is reported, and nothing else. For each file, the entries of
             ``missing`` with its path are as many as its hunks that are not in the tree; a file of which nothing
             came may have one entry instead, that it was announced; an entry without a file is one too many. For
             everything, the hunks that were never begun are not known to anybody: there the entry without a file must
             be there, every file of which nothing came must be named, and no file may be named that is whole.
             For all, ``hunks_kept`` must be, by file, what is in the tree, and ``tokens`` what the server counted
statuses     how the runs ended. Everything must end partial (failed, where the first reply has no whole hunk), after
             one round that brought something and ``max_retries`` + 1 that did not

A history that has grown gives other diffs: what is printed names its last commit. The exit code is 1 if a tree of
asked or restarts is not that of the full diff, if any hunk is half, or if git refuses a diff.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import openai

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT), str(ROOT / "tests" / "servers"), str(ROOT / "tests" / "support")]

from diff_writers import END, DiffWriter, Habit, Part, parts_of, repository  # noqa: E402
from served_models import ChatRequest, load_encoding  # noqa: E402
from strict_openai import StrictServer  # noqa: E402

from generation.codegen import Codegen  # noqa: E402
from hookline import codegen  # noqa: E402
from hookline.settings import Settings, load_settings  # noqa: E402

MODEL = "gpt-4o-mini"
HABITS: Sequence[Habit] = get_args(Habit)
MUST_BE_WHOLE = ("asked", "restarts")
ESCALATE = "escalate"
HUNKS = range(3, 61)
SPANS = range(2, 7)
LEAST_CAPS = 3
LARGEST_HUNK = 0.82  # of the cap
LARGEST_FILE = 200_000  # characters: data, not something that a model changes
LONGEST_TOKEN = 40  # characters, as hunks have them
PLAIN_MODES = {"000000", "100644"}
ANNOUNCED = "announced"

Files = Mapping[str, str]
UnitId = tuple[str, int]  # a path, and which of its hunks; 0 is a header that says something by itself


def git(*arguments: str, repo: Path, stdin: str = "") -> str | None:
    """What git printed; None if it refused. The user's configuration plays no part."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    options = ["-c", "core.autocrlf=false", "-c", "core.quotePath=false", "-c", "apply.whitespace=nowarn"]
    done = subprocess.run(
        ["git", *options, *arguments],
        cwd=repo,
        input=stdin.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**variables, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        check=False,
    )
    return None if done.returncode else done.stdout.decode("utf-8", "surrogateescape")


def known(printed: str | None) -> str:
    """``printed``, where git cannot refuse."""
    if printed is None:
        raise RuntimeError("git failed")
    return printed


def count(text: str) -> int:
    """The tokens of ``text`` in the model's encoding."""
    return len(load_encoding("o200k_base").encode_ordinary(text))


# ---- the diffs


@dataclass(frozen=True, slots=True)
class Edit:
    """A true hunk: which lines of the file it replaces, counted from 0, and by what."""

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTruth:
    """What the true diff does with a file: ``source`` and ``target`` are None where it is new or deleted."""

    path: str
    source: str | None
    target: str | None
    is_alone: bool  # its header says something by itself
    edits: tuple[Edit, ...]

    @property
    def units(self) -> set[UnitId]:
        """All of them."""
        return {(self.path, number) for number in range(not self.is_alone, len(self.edits) + 1)}

    def kept_in(self, tree: Files, before: Files) -> set[UnitId] | None:
        """Which of its units are in ``tree``; None where the file is none that whole hunks make."""
        if self.source is None or self.target is None:  # new or deleted: as a whole, or not at all
            now = tree.get(self.path)
            if now == before.get(self.path):
                return set()
            after = "".join(line for edit in self.edits for line in edit.new) if self.target else None
            return self.units if now == after else None
        base, moved = lines_of(before[self.source]), self.source != self.target
        if moved and self.target not in tree:
            return set() if tree.get(self.source) == before[self.source] else None
        if self.target not in tree or (moved and self.source in tree):
            return None
        chosen = chosen_of(self.edits, base, lines_of(tree[self.target]))
        if chosen is None:
            return None
        return {(self.path, number + 1) for number in chosen} | ({(self.path, 0)} if self.is_alone else set())


@dataclass(frozen=True, kw_only=True)
class Change:
    """A real diff, and the files that it is about, before and after it."""

    name: str
    before: Files
    after: Files
    diff: str

    @property
    def reply(self) -> str:
        """All that a model writes that nothing cuts."""
        return DiffWriter(self.diff, "asked", 0).whole

    @cached_property
    def files(self) -> list[FileTruth]:
        """What it does, by file."""
        return [truth_of(list(parts)) for _, parts in itertools.groupby(parts_of(self.diff), _by_header)]

    @cached_property
    def units(self) -> set[UnitId]:
        """All hunks."""
        return set().union(*(file.units for file in self.files))

    def kept_in(self, tree: Files) -> set[UnitId] | None:
        """Which hunks are in ``tree``; None where something else is, or half of one."""
        kept: set[UnitId] = set()
        ours: set[str | None] = set()
        for file in self.files:
            found = file.kept_in(tree, self.before)
            if found is None:
                return None
            kept |= found
            ours |= {file.source, file.target}
        others = ({*tree} | {*self.before}) - ours
        return kept if all(tree.get(path) == self.before.get(path) for path in others) else None

    def places(self) -> dict[UnitId, tuple[int, int, bool]]:
        """Where in the reply each hunk stands, a file's first one with its header; and whether its end is open."""
        places: dict[UnitId, tuple[int, int, bool]] = {}
        at = len(self.reply) - len(self.diff) - len(END)
        for file, (_, parts) in zip(
            self.files, itertools.groupby(parts_of(self.diff), _by_header), strict=True
        ):
            for number, part in enumerate(parts):
                begun = at
                at += len(part.header) if not number else 0
                if file.is_alone and not number:
                    places[file.path, 0] = (begun, at, True)
                at += len(part.text)
                if part.text:
                    *_, last = part.text.rstrip("\n").split("\n")
                    places[file.path, number + 1] = (begun, at, not last.startswith(" "))
        return places


def _by_header(part: Part) -> str:
    return part.header


def lines_of(text: str) -> list[str]:
    """The lines of ``text``, with their ends: only line feeds end them."""
    return re.findall(r"[^\n]*\n|[^\n]+$", text)


def truth_of(parts: Sequence[Part]) -> FileTruth:
    """What git's own diff does with one file."""
    header = parts[0].header
    renamed = re.search(r"^rename from (.+)$", header, re.MULTILINE)
    edits = tuple(edit_of(part.text) for part in parts if part.text)
    path = parts[0].path
    return FileTruth(
        path=path,
        source=None if "\nnew file mode" in header else renamed[1] if renamed else path,
        target=None if "\ndeleted file mode" in header else path,
        is_alone=bool(renamed) or not edits,
        edits=edits,
    )


def edit_of(hunk: str) -> Edit:
    """A hunk as git writes it, as the lines that it replaces."""
    head, *lines = lines_of(hunk)
    begun = re.match(r"@@ -(\d+)(?:,(\d+))? ", head)
    assert begun
    marked: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("\\"):
            marked[-1] = (marked[-1][0], marked[-1][1].removesuffix("\n"))
        else:
            marked.append((line[0], line[1:]))
    return Edit(
        start=int(begun[1]) - (begun[2] != "0"),
        old=tuple(text for mark, text in marked if mark != "+"),
        new=tuple(text for mark, text in marked if mark != "-"),
    )


def chosen_of(edits: Sequence[Edit], base: Sequence[str], made: Sequence[str]) -> tuple[int, ...] | None:
    """Which ``edits`` make ``made`` of ``base``, each as a whole; None if none do."""
    ways: dict[int, tuple[int, ...]] = {0: ()}  # by how far it leads in ``made``
    done = 0
    for number, edit in enumerate(edits):
        between = list(base[done : edit.start])
        further: dict[int, tuple[int, ...]] = {}
        for at, chosen in ways.items():
            for lines, then in ((edit.new, (*chosen, number)), (edit.old, chosen)):
                expected = [*between, *lines]
                if list(made[at : at + len(expected)]) == expected:
                    further.setdefault(at + len(expected), then)
        ways, done = further, edit.start + len(edit.old)
    rest = list(base[done:])
    whole = [chosen for at, chosen in ways.items() if list(made[at:]) == rest and at + len(rest) == len(made)]
    return whole[0] if whole else None


def changes(number: int, cap: int, seed: int) -> list[Change]:
    """So many real diffs: each commit's own, then those of several commits at once."""
    log = known(git("rev-list", "--first-parent", "HEAD", repo=ROOT)).split()
    own = list(itertools.pairwise(log))
    wider = [(log[at], log[at + span]) for span in SPANS for at in range(len(log) - span)]
    random.Random(seed).shuffle(wider)
    found = (change_between(older, newer, cap) for newer, older in (*own, *wider))
    return list(itertools.islice(filter(None, found), number))


def change_between(older: str, newer: str, cap: int) -> Change | None:
    """The diff from one commit to another, without files with too large hunks; None if it is not one for this."""
    before, after = texts_between(older, newer)
    diff = ""
    while before and after:
        options = (
            "-M",
            "-U3",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--src-prefix=a/",
            "--dst-prefix=b/",
        )
        paths = sorted({*before, *after})
        diff = known(git("diff", *options, older, newer, "--", *paths, repo=ROOT))
        enough = LONGEST_TOKEN * cap  # characters that are more tokens than any hunk may take
        large = [
            part for part in parts_of(diff) if count((part.header + part.text)[:enough]) > LARGEST_HUNK * cap
        ]
        if not large:
            break
        for part in large:
            for path in (part.path, truth_of([part]).source or part.path):
                before.pop(path, None)
                after.pop(path, None)
    change = Change(name=f"{older[:7]}..{newer[:7]}", before=before, after=after, diff=diff)
    if not before or not after or len(change.units) not in HUNKS or count(change.reply) < LEAST_CAPS * cap:
        return None
    assert change.kept_in(before) == set()
    assert change.kept_in(after) == change.units
    return change


def texts_between(older: str, newer: str) -> tuple[dict[str, str], dict[str, str]]:
    """The plain text files that differ, before and after."""
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    raw = known(git("diff", "--raw", "--no-renames", "--no-abbrev", "-z", older, newer, repo=ROOT)).split(
        "\0"
    )
    for about, path in zip(raw[::2], raw[1::2], strict=False):
        old_mode, new_mode, old_blob, new_blob, _ = about.removeprefix(":").split(" ")
        states = ((old_mode, old_blob, before), (new_mode, new_blob, after))
        blobs = [(blob, files) for mode, blob, files in states if int(mode, 8)]
        texts = [(known(git("cat-file", "blob", blob, repo=ROOT)), files) for blob, files in blobs]
        is_plain = {old_mode, new_mode} <= PLAIN_MODES and " " not in path  # git marks spaces with a tab
        if is_plain and all(is_text(text) for text, _ in texts):
            for text, files in texts:
                files[path] = text
    return before, after


def is_text(text: str) -> bool:
    """Whether it is UTF-8, and text, and not too much of it."""
    return (
        len(text) <= LARGEST_FILE
        and "\0" not in text
        and not any("\ud800" <= char <= "\udfff" for char in text)
    )


# ---- the runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What came of a change under one habit. ``failures``: what was not as it must be, in a line each."""

    change: str
    habit: str
    status: str
    calls: int
    paid: int
    ideal: int
    input: int
    kept: int
    hunks: int
    is_tree: bool
    is_half: bool
    is_refused: bool
    is_exact: bool
    lost: int
    failures: tuple[str, ...]


@dataclass(slots=True)
class Recorded:
    """A writer, and where in its whole reply each of its replies ended."""

    writer: DiffWriter
    ends: list[int] = field(default_factory=list)

    def __call__(self, request: ChatRequest) -> str:
        """What it writes."""
        text = self.writer(request)
        self.ends.append(self.writer.at)
        return text


def served(change: Change, cap: int) -> list[Served]:
    """One diff, under every habit and by escalation."""
    results: list[Served] = []
    first: ChatRequest | None = None
    for habit in HABITS:
        with tempfile.TemporaryDirectory() as folder, workplace(Path(folder)):
            repo = repository(Path(folder) / "repo", change.before)
            writer = Recorded(DiffWriter(change.diff, habit, cap))
            with StrictServer(writer=writer, reply_cap=cap) as server:
                settings = load_settings(
                    model=MODEL,
                    api_key=server.key,
                    base_url=server.base_url,
                    journal=f"{folder}/journal",
                    learned=f"{folder}/learned.json",
                )
                request = f"Change what is to be changed, {len(change.before)} files and more"
                result = asyncio.run(codegen(request, repo, files=[*change.before], settings=settings))
            first = first or server.requests[0]
            results.append(judged(change, writer, result, server=server, repo=repo, settings=settings))
    assert first
    return [*results, escalated(change, first, cap)]


@contextlib.contextmanager
def workplace(folder: Path) -> Iterator[None]:
    """A working folder, and an environment without any setting of ours."""
    ours = [name for name in os.environ if name.startswith(("HOOKLINE_", "OPENAI_", "CODEGEN_"))]
    kept = {name: os.environ.pop(name) for name in ours}
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        os.environ.update(kept)


def tree_of(repo: Path) -> dict[str, str]:
    """Every file of the work tree."""
    return {
        str(path.relative_to(repo)): path.read_bytes().decode("utf-8", "surrogateescape")
        for path in repo.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(repo).parts
    }


def applied(repo: Path, diff: str) -> dict[str, str] | None:
    """The tree that git makes with ``diff``; None if it refuses."""
    if diff and git("apply", "--check", "-", repo=repo, stdin=diff) is None:
        return None
    if diff:
        known(git("apply", "-", repo=repo, stdin=diff))
    return tree_of(repo)


def judged(
    change: Change, writer: Recorded, result: Codegen, *, server: StrictServer, repo: Path, settings: Settings
) -> Served:
    """Look at the tree that git leaves, and compare what is said with it."""
    habit = writer.writer.habit
    failures: list[str] = []
    if tree_of(repo) != change.before:
        failures.append("the work tree was touched")
    tree = applied(repo, result.diff)
    found = change.kept_in(tree) if tree is not None else set[UnitId]()
    kept = found or set()
    if tree is None:
        failures.append("git refuses the diff")
    if found is None:
        failures.append("a file is not the one before with whole hunks")
    paid = sum(reply.completion_tokens for reply in server.replies)
    asked = sum(request.prompt_tokens for request in server.requests)
    said = unexact(change, habit, kept, result)
    if result.tokens != {"input": asked, "output": paid}:
        said.append(f"tokens: {result.tokens} are reported, {asked} and {paid} were paid for")
    lost = (change.units - kept) - unavoidable(change, writer)
    failures += said
    failures += [f"lost without a cut: {path} hunk {number}" for path, number in sorted(lost)]
    failures += misended(change, habit, result, settings, server.reply_cap or 0)
    is_tree = tree == change.after
    if habit in MUST_BE_WHOLE and not is_tree:
        failures.append(f"the tree differs: {len(change.units) - len(kept)} hunks are not there")
    return Served(
        change=change.name,
        habit=habit,
        status=result.status,
        calls=len(result.calls),
        paid=paid,
        ideal=count(change.reply),
        input=asked,
        kept=len(kept),
        hunks=len(change.units),
        is_tree=is_tree,
        is_half=found is None,
        is_refused=tree is None,
        is_exact=not said,
        lost=len(lost),
        failures=tuple(failures),
    )


def unavoidable(change: Change, writer: Recorded) -> set[UnitId]:
    """The hunks that nobody can have whole of this habit: those a reply ended in, or after the only one."""
    places = change.places()
    habit = writer.writer.habit
    if habit == "middle":
        return {
            unit
            for unit, (begun, end, is_open) in places.items()
            if any(begun < cut < end + is_open for cut in writer.ends)
        }
    if habit == "everything":
        seen = first_cut(change, writer.writer.cap)
        return {unit for unit, (_, end, is_open) in places.items() if end + is_open > seen}
    return set()


def first_cut(change: Change, cap: int) -> int:
    """How much of the reply comes before the first cut."""
    encoding = load_encoding("o200k_base")
    return len(encoding.decode(encoding.encode_ordinary(change.reply)[:cap]))


def unexact(change: Change, habit: Habit, kept: set[UnitId], result: Codegen) -> list[str]:
    """Where what is reported is not what is there, or not there."""
    lacking = Counter(path for path, _ in change.units - kept)
    there = Counter(path for path, _ in kept)
    named = Counter(one.path for one in result.missing if one.path)
    announced = {one.path for one in result.missing if one.reason.startswith(ANNOUNCED)}
    endless = any(not one.path for one in result.missing)
    wrong: list[str] = []
    for path in sorted({*lacking, *named}):
        of_it = f"{path}: {named[path]} reported missing, {lacking[path]} are ({there[path]} are there)"
        if habit == "everything":
            is_right = lacking[path] and (named[path] or there[path])
        else:
            is_right = named[path] == lacking[path] or (path in announced and not there[path])
        if not is_right:
            wrong.append(of_it)
    if endless != (habit == "everything"):
        words = [one.reason for one in result.missing if not one.path]
        wrong.append(f"missing of no file: {words or 'nothing'}")
    reported = {file.path: file.hunks_kept for file in result.files if file.hunks_kept}
    if reported != dict(there):
        differing = sorted(path for path in {*reported, *there} if reported.get(path, 0) != there[path])
        wrong += [
            f"{path}: hunks_kept {reported.get(path, 0)}, in the tree {there[path]}" for path in differing
        ]
    return wrong


def misended(change: Change, habit: Habit, result: Codegen, settings: Settings, cap: int) -> list[str]:
    """Where the run did not end as one of this habit must."""
    if habit == "middle":
        return []
    if habit in MUST_BE_WHOLE:
        return [] if result.status == "continued" else [f"status {result.status}, not continued"]
    cut = first_cut(change, cap)
    brings = any(end + is_open <= cut for _, end, is_open in change.places().values())
    expected = ("partial" if brings else "failed", [brings] + [False] * (settings.max_retries + brings))
    came = (result.status, [call.units_kept > 0 for call in result.calls])
    return [] if came == expected else [f"ended as {came}, not as {expected}"]


def escalated(change: Change, first: ChatRequest, cap: int) -> Served:
    """Ask, and as long as the reply is cut, throw it away and ask with twice the cap."""
    with tempfile.TemporaryDirectory() as folder:
        repo = repository(Path(folder) / "repo", change.before)
        with StrictServer(writer=lambda _: change.reply) as server:
            most = server.models[MODEL].max_output_tokens
            with openai.OpenAI(api_key=server.key, base_url=server.base_url, max_retries=0) as client:
                text, ended = "", "length"
                while ended == "length" and cap <= most:
                    made = client.chat.completions.create(
                        model=MODEL,
                        messages=first.body["messages"],
                        max_tokens=cap,
                    )
                    text, ended = made.choices[0].message.content or "", made.choices[0].finish_reason
                    cap = min(2 * cap, most) if cap < most else most + 1
        tree = applied(repo, text) if ended == "stop" else tree_of(repo)
    found = change.kept_in(tree) if tree is not None else set[UnitId]()
    return Served(
        change=change.name,
        habit=ESCALATE,
        status="complete" if ended == "stop" else "failed",
        calls=len(server.replies),
        paid=sum(reply.completion_tokens for reply in server.replies),
        ideal=count(change.reply),
        input=sum(request.prompt_tokens for request in server.requests),
        kept=len(found or ()),
        hunks=len(change.units),
        is_tree=tree == change.after,
        is_half=found is None,
        is_refused=tree is None,
        is_exact=ended == "stop",
        lost=len(change.units) - len(found or ()),
        failures=(),
    )


# ---- the figures


def figures(runs: Sequence[Served]) -> dict[str, Any]:
    """Those of one habit."""
    return {
        "diffs": len(runs),
        "calls": sum(run.calls for run in runs) / len(runs),
        "paid": sum(run.paid for run in runs) / sum(run.ideal for run in runs),
        "most": max(run.paid / run.ideal for run in runs),
        "input": sum(run.input for run in runs) / len(runs),
        "kept": sum(run.kept for run in runs),
        "hunks": sum(run.hunks for run in runs),
        "trees": sum(run.is_tree for run in runs),
        "half": sum(run.is_half for run in runs),
        "refused": sum(run.is_refused for run in runs),
        "lost": sum(run.lost for run in runs),
        "exact": sum(run.is_exact for run in runs),
        "statuses": dict(Counter(run.status for run in runs)),
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each habit."""
    formats: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
        "diffs": lambda one: str(one["diffs"]),
        "calls": lambda one: f"{one['calls']:.1f}",
        "paid": lambda one: f"{one['paid']:.2f}",
        "most": lambda one: f"{one['most']:.2f}",
        "input": lambda one: f"{one['input']:,.0f}",
        "kept": lambda one: f"{one['kept']}/{one['hunks']}",
        **{name: _plainly(name) for name in ("trees", "half", "refused", "lost", "exact")},
    }
    yield f"{'':12}" + "".join(f"{name:>10}" for name in formats) + "  statuses"
    for habit, one in results.items():
        statuses = ", ".join(f"{status} {number}" for status, number in sorted(one["statuses"].items()))
        yield f"{habit:12}" + "".join(f"{shown(one):>10}" for shown in formats.values()) + f"  {statuses}"


def _plainly(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda one: str(one[name])


def said(diffs: Sequence[Change]) -> str:
    """What the diffs are."""
    sizes = sorted(count(change.reply) for change in diffs)
    files = Counter(
        "new" if file.source is None else "deleted" if file.target is None else "renamed"
        for change in diffs
        for file in change.files
        if file.source != file.target
    )
    return (
        f"{len(diffs)} diffs, {sum(len(change.units) for change in diffs):,} hunks in "
        f"{sum(len(change.files) for change in diffs)} files ({', '.join(f'{n} {name}' for name, n in files.items())}), "
        f"replies of {sizes[0]:,} to {sizes[-1]:,} tokens, {sum(sizes) / len(sizes):,.0f} on average"
    )


def main() -> int:
    """Serve every diff in every habit, and print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--diffs", type=int, default=36)
    parser.add_argument("--cap", type=int, default=512)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    begun = time.perf_counter()
    diffs = changes(options.diffs, options.cap, options.seed)
    head = known(git("rev-parse", "--short", "HEAD", repo=ROOT)).strip()
    about = f"{said(diffs)}; cut every {options.cap} tokens; the history up to {head}"
    print(f"{about}; {time.perf_counter() - begun:.0f} s", flush=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        runs = list(itertools.chain(*pool.map(served, diffs, itertools.repeat(options.cap))))
    by_habit = {name: [run for run in runs if run.habit == name] for name in (*HABITS, ESCALATE)}
    results = {name: figures(of_it) for name, of_it in by_habit.items()}
    print(*table(results), sep="\n")
    print(f"{time.perf_counter() - begun:.0f} s in all")
    print(*failed(runs), sep="\n")
    if options.json:
        found = {"diffs": about, "cap": options.cap, "seed": options.seed, "habits": results}
        found["runs"] = [asdict(run) for run in runs]
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    broken = any(run.is_half or run.is_refused for run in runs)
    return int(broken or any(run.habit in MUST_BE_WHOLE and not run.is_tree for run in runs))


def failed(runs: Iterable[Served]) -> Iterator[str]:
    """What was not as it must be, by diff and habit."""
    for run in runs:
        if run.failures:
            yield f"\n{run.change}, {run.habit}: {run.kept} of {run.hunks} hunks, {run.calls} calls, {run.status}"
            yield from (f"    {failure}" for failure in run.failures)


if __name__ == "__main__":
    sys.exit(main())
