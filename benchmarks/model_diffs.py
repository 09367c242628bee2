r"""Replies as models really write them: how often does a tool make of the file what the reply means, and how often
does it make something else without a word?

    python benchmarks/model_diffs.py [--peers PYTHON] [--replies DIR] [--json FILE]

Cases: ``tests/golden/written`` has one change of one file in every way in which models write diffs that git refuses
or takes for less; of those that are cut, the two whole hunks are meant. Of the one that is cut behind its last line,
the whole is right too: it is all there, and only nothing shows it. ``tests/golden/replies`` has real replies that
make a new file. ``--replies`` adds any folder of NAME.md or NAME.diff with the files that the reply is for in
NAME.files/, or without them where the reply creates one; nobody knows what these are to become.

git apply            the reply's diff, as below
git apply --recount
patch                GNU patch, -p1 --batch, with its own fuzz
unidiff              parsed, and what it prints applied by git
whatthepatch         parsed and applied by itself, file by file; one that it refuses stays as it was. Where only the
                     old name is there, that file is meant, and its last line keeps its line break
aider                its UnifiedDiffCoder's get_edits and apply_edits; the rest of aider is not loaded
aider, old names     the same, told the old name where a reply has another for the result: it believes the new one
hookline             what generation.patching.salvaged does, with what it refuses listened to, and git as the judge

The first five are given the diff alone: what stands in the fences that have one, or all from the first header on,
without this project's own marks; and -p0 where no name begins with a/ or b/. aider is given the reply, with a fence
where it has none. hookline is given the reply, and whether it was cut. A path is the reply's own affair.

right    the files are what the reply means
part     some of it, nothing else, and what is missing was reported
refused  nothing was changed, and the tool said so: an error, an exit code, a hunk refused
nothing  nothing was changed, and nothing said, as when no diff was found
wrong    something else, beside failures that were reported
silent   something else, or a part of it, without a word
crashed  an exception that is no answer: neither a parser's nor an applier's

Where nobody knows what is meant, lines are counted by their text, without the space around and wherever they stand:
those that a reply both adds and deletes, and blank ones, are left out, and hunks that repeat another count once. So a
line in the wrong place counts as arrived, and a line break added to a file's end is not seen.

hunks    lines that begin with @@
applied  replies of which anything was changed
lines    that the replies add or delete
arrived  those of them that the files have gained or lost
strange  lines that the files have gained or lost, and no reply speaks of
refused, nothing, crashed   as above
silent   replies of which something was changed, not all of it, without a word
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

# The project's modules are imported where they are used: the peers' Python runs this file too, and has none.
ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
sys.path.append(str(ROOT))

OUTCOMES = ("right", "part", "refused", "nothing", "wrong", "silent", "crashed")
REAL_COLUMNS = ("replies", "hunks", "applied", "lines", "arrived", "strange", *OUTCOMES[2:4], *OUTCOMES[5:])
BY_PEERS = ("unidiff", "whatthepatch", "aider", "aider, old names")
INSTALL = (
    "python3 -m venv peers && peers/bin/pip install unidiff whatthepatch diff-match-patch tqdm"
    " && peers/bin/pip install --no-deps aider-chat==0.86.2"
)
FENCED = re.compile(r"^```[^\n]*\n(.*?)(?:^```[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
FIRST_HEADER = re.compile(r"^(?:diff --git |--- )", re.MULTILINE)
HEADER = re.compile(r"^--- (.+)\n\+\+\+ .+$", re.MULTILINE)
OWN_MARK = re.compile(r"^# END-OF-DIFF\n?", re.MULTILINE)
PREFIXED = re.compile(r"^(?:---|\+\+\+) \W?[ab]/", re.MULTILINE)
PATIENCE_SECONDS = 300

Files = Mapping[str, str]  # path -> text, odd bytes as surrogates


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A reply and the files it is for. ``meant``: what they are to become, in each way that is right; or unknown."""

    name: str
    reply: str
    before: Files
    meant: Sequence[Files] = ()
    cut: bool = False

    @property
    def diff(self) -> str:
        """The reply without the words around its diff, as somebody would take it out who has git alone."""
        reply = OWN_MARK.sub("", self.reply)
        fenced = [text for text in FENCED.findall(reply) if FIRST_HEADER.search(text)]
        if fenced:
            return "".join(fenced)
        first = FIRST_HEADER.search(reply)
        return reply[first.start() if first else 0 :]

    @property
    def for_aider(self) -> str:
        """The reply in the one fence that aider looks for."""
        return self.reply if "```diff" in self.reply else f"```diff\n{self.diff.rstrip()}\n```\n"

    @property
    def with_old_names(self) -> str:
        """The same; with the name of the file that is there, where a header has one and calls the result otherwise."""

        def mended(header: re.Match[str]) -> str:
            old = re.sub(r"^[ab]/|(?:\t|\s+\d{4}-).*", "", header[1])
            return f"--- {old}\n+++ {old}" if old in self.before else header[0]

        return HEADER.sub(mended, self.for_aider)

    @property
    def strip(self) -> str:
        """The option for its names: with ``a/`` and ``b/``, or without."""
        return "-p1" if PREFIXED.search(self.reply) else "-p0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a tool made of the files, and what it ``said`` about what it did not do."""

    after: Files
    said: str = ""
    crashed: bool = False


# ---- the cases


def read(path: Path) -> str:
    """A file's text, odd bytes and line ends and all."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def tree(folder: Path) -> dict[str, str]:
    """All the files in a folder."""
    return {str(path.relative_to(folder)): read(path) for path in folder.rglob("*") if path.is_file()}


def golden() -> Iterator[Case]:
    """The cases of which is known what they mean."""
    before, whole = read(GOLDEN / "written" / "before.txt"), read(GOLDEN / "written" / "after.txt")
    two_hunks = whole.replace("< 19", "< 18").replace("Good evening", "Good night")
    for path in sorted((GOLDEN / "written").glob("[a-z]*.md")):
        cut = path.name.startswith("cut")
        meant = [two_hunks if cut else whole]
        if path.stem == "cut-behind-its-last-line":
            meant.append(whole)
        yield Case(
            name=path.stem,
            reply=read(path),
            before={"bakery.py": before},
            meant=[{"bakery.py": text} for text in meant],
            cut=cut,
        )
    for path in sorted((GOLDEN / "replies").glob("[a-z]*.md")):
        reply = read(path)
        added = [line[1:] for line in reply.splitlines() if line[:1] == "+" and not line.startswith("+++")]
        new = "".join(f"{line}\n" for line in added)
        yield Case(name=path.stem, reply=reply, before={}, meant=[{"useragent.py": new}])


def real(folder: Path, known: Sequence[str]) -> Iterator[Case]:
    """The replies of a folder, but for those ``known`` already, and those whose files are not there."""
    for path in sorted(folder.iterdir()):
        files = path.with_suffix(".files")
        if path.suffix not in {".md", ".diff"} or path.stem in known:
            continue
        reply = read(path)
        if files.is_dir() or "--- /dev/null" in reply:
            yield Case(name=path.stem, reply=reply, before=tree(files))


# ---- the tools


def in_folder(case: Case, diff: str, *command: str) -> Answer:
    """What a command makes of the files in a folder of their own, with ``diff`` as its input."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "files"
        written_to(folder, case.before)
        done = subprocess.run(
            command,
            cwd=folder,
            input=diff.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CEILING_DIRECTORIES": str(folder.parent),
                "LC_ALL": "C",
            },
            check=False,
        )
        said = (done.stdout + done.stderr).decode(errors="replace").strip() or f"exit code {done.returncode}"
        return Answer(after=tree(folder), said=said if done.returncode else "", crashed=done.returncode < 0)


def written_to(folder: Path, files: Files) -> None:
    """Write ``files`` there."""
    folder.mkdir()
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode("utf-8", "surrogateescape"))


def by_git(case: Case, diff: str | None = None, *options: str) -> Answer:
    """``git apply`` with ``options``."""
    strip = case.strip if diff is None else "-p1"
    return in_folder(case, case.diff if diff is None else diff, "git", "apply", strip, *options, "-")


def by_patch(case: Case) -> Answer:
    """GNU patch."""
    options = ("--batch", "--no-backup-if-mismatch", "--reject-file=-")
    return in_folder(case, case.diff, "patch", case.strip, *options)


def by_hookline(case: Case) -> Answer:
    """Ours: the steps of ``salvaged``, and what they say."""
    from generation.diff_reading import DiffUnits
    from generation.diffs import Header, Hunk, Tail
    from generation.judging import judged
    from generation.patching import Patch

    there = {path: text.encode("utf-8", "surrogateescape") for path, text in case.before.items()}
    patch = Patch(there.get)
    said: list[str] = []
    reading = DiffUnits()
    for unit in [*reading.feed(case.reply), *reading.finish(cut=case.cut)]:
        if isinstance(unit.value, Hunk | Header):
            placed = patch.add(unit.value)
            if placed.outcome not in {"kept", "repeat"}:
                said.append(f"{unit.value}: {placed.outcome}: {placed.reason}")
        elif isinstance(unit.value, Tail):
            said.append(f"without its beginning: {unit.value.text}")
    if reading.cut_hunk:
        said.append(f"not whole: {reading.cut_hunk}")
    if not (judgement := judged(patch)).accepted:
        return Answer(after=case.before, said=str(judgement.refused))
    after = dict(case.before)
    for path, content in patch.after().items():
        after.pop(path, None)
        if content is not None:
            after[path] = content.decode("utf-8", "surrogateescape")
    return Answer(after=after, said="\n".join(said))


def peers_answers(python: str, cases: Sequence[Case]) -> dict[str, list[Answer]]:
    """What the peers make of the cases, in a Python of their own; of those that it has."""
    asked = [
        {
            "before": case.before,
            "diff": case.diff,
            "for_aider": case.for_aider,
            "with_old_names": case.with_old_names,
        }
        for case in cases
    ]
    done = subprocess.run(
        [python, "-I", __file__, "--answer"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode:
        print(f"The peers' Python failed: {done.stderr[-500:]}", file=sys.stderr)
        return {}
    found = {
        name: [Answer(**answer) for answer in answers]
        for name, answers in json.loads(done.stdout).items()
        if answers is not None
    }
    for number, answer in enumerate(found.get("unidiff", ())):
        if printed := answer.after.get("printed"):
            found["unidiff"][number] = by_git(cases[number], printed, cases[number].strip)
        else:
            found["unidiff"][number] = Answer(
                after=cases[number].before, said=answer.said, crashed=answer.crashed
            )
    return found


# ---- inside the peers' Python


def answers_of_peers(asked: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]] | None]:
    """What each peer makes of each case; None for one that is not installed."""
    makers: tuple[Callable[[], Callable[[Mapping[str, Any]], Answer]], ...] = (
        unidiff_maker,
        whatthepatch_maker,
        partial(aider_maker, "for_aider"),
        partial(aider_maker, "with_old_names"),
    )
    answers: dict[str, list[dict[str, Any]] | None] = {}
    for name, maker in zip(BY_PEERS, makers, strict=True):
        try:
            answer = maker()
        except ImportError as error:
            print(f"{name}: {error}", file=sys.stderr)
            answers[name] = None
            continue
        answers[name] = [asdict(guarded(answer, case)) for case in asked]
    return answers


def guarded(answer: Callable[[Mapping[str, Any]], Answer], case: Mapping[str, Any]) -> Answer:
    """The answer; or that there is none."""
    try:
        return answer(case)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what the tool does
        return Answer(after=case["before"], said=f"{type(error).__name__}: {error}", crashed=True)


def unidiff_maker() -> Callable[[Mapping[str, Any]], Answer]:
    """Unidiff: what it prints."""
    unidiff = importlib.import_module("unidiff")

    def answer(case: Mapping[str, Any]) -> Answer:
        try:
            return Answer(after={"printed": str(unidiff.PatchSet(case["diff"]))})
        except unidiff.UnidiffParseError as error:
            return Answer(after={}, said=f"{type(error).__name__}: {error}")

    return answer


def whatthepatch_maker() -> Callable[[Mapping[str, Any]], Answer]:
    """Whatthepatch: what it makes of the files."""
    whatthepatch = importlib.import_module("whatthepatch")
    refusals = importlib.import_module("whatthepatch.exceptions").WhatThePatchException

    def bare(path: str | None) -> str:
        return "" if path in {None, "/dev/null"} else re.sub(r"^[ab]/", "", str(path))

    def answer(case: Mapping[str, Any]) -> Answer:
        after = dict(case["before"])
        said: list[str] = []
        for diff in whatthepatch.parse_patch(case["diff"]):
            old, new = bare(diff.header and diff.header.old_path), bare(diff.header and diff.header.new_path)
            path = new if new in after or old not in after else old
            if not path or not diff.changes:
                continue
            text = after.get(path, "")
            try:
                lines = whatthepatch.apply_diff(diff, text.removesuffix("\n").split("\n") if text else [])
            except refusals as error:
                said.append(f"{type(error).__name__}: {error}")
                continue
            after[path] = "\n".join(lines) + ("\n" if text.endswith("\n") or not text else "")
        return Answer(after=after, said="\n".join(said))

    return answer


@cache
def udiff_coder() -> Any:
    """aider's module for unified diffs, without the rest of aider, which this module does not need."""
    spec = importlib.util.find_spec("aider")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("there is no aider")
    (place,) = spec.submodule_search_locations
    stubs: dict[str, dict[str, object]] = {
        "aider": {"__path__": [place]},
        "aider.coders": {"__path__": [f"{place}/coders"]},
        "aider.coders.base_coder": {"Coder": type("Coder", (), {})},
        "aider.dump": {"dump": lambda *_: None},
        "aider.utils": {"GitTemporaryDirectory": None},
    }
    for name, members in stubs.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(members)
    return importlib.import_module("aider.coders.udiff_coder")


def aider_maker(key: str) -> Callable[[Mapping[str, Any]], Answer]:
    """aider: its coder for unified diffs; ``key`` names what it is given."""
    udiff = udiff_coder()

    class Disk:
        """Files, read and written as aider's own io does it."""

        def read_text(self, path: Path) -> str | None:
            return path.read_text(encoding="utf-8") if path.is_file() else None

        def write_text(self, path: Path, content: str) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def answer(case: Mapping[str, Any]) -> Answer:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "files"
            written_to(folder, case["before"])
            coder = udiff.UnifiedDiffCoder()
            coder.partial_response_content = case[key]
            coder.abs_root_path = lambda path: folder / path
            coder.io = Disk()
            said = ""
            edits = coder.get_edits()
            try:
                coder.apply_edits(edits)
            except ValueError as error:  # as apply_edits reports hunks
                said = str(error)
            return Answer(after=tree(folder), said=said)

    return answer


# ---- the figures


def outcome(case: Case, answer: Answer) -> str:
    """What became of a case of which is known what it means."""
    if answer.crashed:
        return "crashed"
    if answer.after in case.meant:
        return "right"
    if answer.after == case.before:
        return "refused" if answer.said else "nothing"
    if not answer.said:
        return "silent"
    return "part" if any(is_part(case.before, answer.after, meant) for meant in case.meant) else "wrong"


def is_part(before: Files, after: Files, meant: Files) -> bool:
    """Whether all that was changed is meant, in the same places."""
    return after.keys() <= {*before, *meant} and all(
        changes(before.get(path, ""), text) <= changes(before.get(path, ""), meant.get(path, ""))
        for path, text in after.items()
    )


def changes(old: str, new: str) -> set[tuple[int, int, str]]:
    """What differs: lines of the old text, and what stands in their place."""
    olds, news = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return {
        (start, end, "".join(news[new_start:new_end]))
        for kind, start, end, new_start, new_end in difflib.SequenceMatcher(
            None, olds, news, autojunk=False
        ).get_opcodes()
        if kind != "equal"
    }


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines gained and lost, by their text; not those that are both, nor blank ones."""

    gained: Counter[str]
    lost: Counter[str]

    @classmethod
    def between(cls, old: Iterable[str], new: Iterable[str]) -> Lines:
        """What ``new`` has more of than ``old``, and less."""
        olds, news = (Counter(text for line in lines if (text := line.strip())) for lines in (old, new))
        return cls(news - olds, olds - news)

    def __and__(self, other: Lines) -> Lines:
        return Lines(self.gained & other.gained, self.lost & other.lost)

    @property
    def total(self) -> int:
        """How many."""
        return self.gained.total() + self.lost.total()


def spoken_of(diff: str) -> Lines:
    """The lines that a diff changes."""
    bodies = re.split(r"^(?:@@|\+\+\+ |--- ).*\n", diff, flags=re.MULTILINE)
    lines = [line for body in dict.fromkeys(bodies) for line in body.splitlines()]
    old, new = ([line[1:] for line in lines if line[:1] == sign] for sign in "-+")
    return Lines.between(old, new)


def changed(before: Files, after: Files) -> Lines:
    """The lines that files have gained and lost."""
    old, new = ("\n".join(files.values()).splitlines() for files in (before, after))
    return Lines.between(old, new)


def counted(case: Case, answer: Answer) -> dict[str, Any]:
    """The figures of a case of which nobody knows what it means."""
    wanted, found = spoken_of(case.diff), changed(case.before, answer.after)
    arrived = (wanted & found).total
    applied = answer.after != case.before
    return {
        "replies": 1,
        "hunks": sum(line.startswith("@@") for line in case.reply.splitlines()),
        "applied": int(applied),
        "lines": wanted.total,
        "arrived": arrived,
        "strange": found.total - arrived,
        "refused": int(not applied and bool(answer.said) and not answer.crashed),
        "nothing": int(not applied and not answer.said),
        "silent": int(applied and arrived < wanted.total and not answer.said),
        "crashed": int(answer.crashed),
    }


def table(columns: Sequence[str], rows: Mapping[str, Mapping[str, int]]) -> str:
    """A row a method."""
    lines = [f"{'':<20}" + "".join(f"{column:>9}" for column in columns)]
    lines += [
        f"{method:<20}" + "".join(f"{row.get(column, 0):>9}" for column in columns)
        for method, row in rows.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Judge every method on every case; or, inside the peers' Python, answer for them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", help="a Python that has unidiff, whatthepatch, and aider's udiff coder")
    parser.add_argument("--replies", type=Path, help="a folder of real replies with the files they are for")
    parser.add_argument("--json", type=Path, help="a file for the figures of each case")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        json.dump(answers_of_peers(json.load(sys.stdin)), sys.stdout)
        return
    known = list(golden())
    unknown = list(real(arguments.replies, [case.name for case in known])) if arguments.replies else []
    cases = [*known, *unknown]
    tools: dict[str, Callable[[Case], Answer]] = {
        "git apply": by_git,
        "git apply --recount": lambda case: by_git(case, None, "--recount"),
    }
    if shutil.which("patch"):
        tools["patch"] = by_patch
    else:
        print("patch: left out, it is not installed", file=sys.stderr)
    answers = {name: [tool(case) for case in cases] for name, tool in tools.items()}
    answers |= peers_answers(arguments.peers or sys.executable, cases)
    if missing := [name for name in BY_PEERS if name not in answers]:
        print(f"{', '.join(missing)}: left out. {INSTALL}; then --peers peers/bin/python", file=sys.stderr)
    answers["hookline"] = [by_hookline(case) for case in cases]

    figures: dict[str, dict[str, Any]] = {case.name: {} for case in cases}
    rows: dict[str, Counter[str]] = {}
    real_rows: dict[str, Counter[str]] = {}
    for method, given in answers.items():
        rows[method], real_rows[method] = Counter(cases=len(known)), Counter()
        for case, answer in zip(cases, given, strict=True):
            if case.meant:
                what = outcome(case, answer)
                rows[method][what] += 1
                figures[case.name][method] = {"outcome": what, "said": answer.said}
            else:
                counts = counted(case, answer)
                real_rows[method].update(counts)
                figures[case.name][method] = {**counts, "said": answer.said}
    print(table(("cases", *OUTCOMES), rows))
    if unknown:
        print(f"\nReplies of which nobody knows what they mean\n{table(REAL_COLUMNS, real_rows)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
