"""A model that knows a diff and writes it in one of the four ways that models have when they are cut off."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from served_models import ChatRequest, load_encoding, text_of

Habit = Literal["asked", "restarts", "middle", "everything"]
END = "# END-OF-DIFF\n"
_DONE = re.compile(r"^- (?P<path>.+): @@ -(?P<start>\d+),(?P<count>\d+) @@", re.MULTILINE)


def git(repo: Path, *arguments: str, stdin: str | None = None) -> str:
    """Real git, with a name to commit under."""
    options = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "core.autocrlf=false"]
    done = subprocess.run(
        ["git", *options, *arguments], cwd=repo, input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def repository(folder: Path, files: Mapping[str, str]) -> Path:
    """A git repository with one commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", newline="")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "before")
    return folder


def diff_between(folder: Path, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Git's own diff from one state of files to the other."""
    repo = repository(folder, before)
    for path in before:
        (repo / path).unlink()
    for path, text in after.items():
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_text(text, encoding="utf-8", newline="")
    git(repo, "add", "-A")
    return git(repo, "diff", "--cached", "-M", "HEAD")


def edited(text: str, seed: int, *, every: int = 30) -> str:
    """``text`` with a small change about every so many lines: some replaced, some new, some gone."""
    rng = random.Random(seed)
    lines = text.splitlines(keepends=True)
    made: list[str] = []
    following = rng.randrange(3, every)
    for number, line in enumerate(lines):
        if number == following:
            following += rng.randrange(every // 2 + 8, 2 * every)
            change = rng.choice(["replace", "insert", "delete"])
            indent = line[: len(line) - len(line.lstrip())]
            if change != "delete":
                made.append(f"{indent}# changed {seed}.{number}\n")
            if change == "insert":
                made.append(line)
        else:
            made.append(line)
    return "".join(made)


@dataclass(frozen=True)
class Part:
    """One hunk, or a header that stands alone, with what has to stand above it."""

    path: str
    header: str
    text: str
    start: int


def parts_of(diff: str) -> list[Part]:
    """The hunks of a diff as git writes it."""
    parts: list[Part] = []
    for block in re.split(r"(?m)^(?=diff --git )", diff):
        if not block:
            continue
        header, *hunks = re.split(r"(?m)^(?=@@ )", block)
        named = re.search(r"^\+\+\+ b/(.+)$", header, re.MULTILINE) or re.search(
            r"^--- a/(.+)$", header, re.MULTILINE
        )
        path = named[1].rstrip("\t") if named else header.split(" b/")[-1].split("\n")[0]
        for hunk in hunks or [""]:
            start = re.match(r"@@ -(\d+)", hunk)
            parts.append(Part(path, header, hunk, int(start[1]) if start else 0))
    return parts


@dataclass
class DiffWriter:
    """Writes ``diff`` in its habit; it knows that a reply is cut after ``cap`` tokens."""

    diff: str
    habit: Habit
    cap: int
    encoding: Literal["cl100k_base", "o200k_base"] = "o200k_base"
    at: int = 0
    seen: list[str] = field(default_factory=list)

    @property
    def whole(self) -> str:
        """The reply to the first request, if nothing cut it."""
        paths = dict.fromkeys(part.path for part in parts_of(self.diff))
        return "FILES:\n" + "".join(f"- {path}\n" for path in paths) + self.diff + END

    def __call__(self, request: ChatRequest) -> str:
        prompt = "\n".join(text_of(message["content"]) for message in request.messages)
        self.seen.append(prompt)
        if self.habit == "asked":
            return self._what_is_not_done(prompt)
        if self.habit == "everything":
            return self.whole
        above, begun = ("", self.at)
        if self.habit == "restarts" and 0 < self.at < len(self.whole):
            above, begun = self._cut_hunk()
        text = above + self.whole[begun:] or END
        cap = min(self.cap, request.max_tokens or self.cap)
        tokens = load_encoding(self.encoding).encode_ordinary(text)
        sent = load_encoding(self.encoding).decode(tokens[:cap])
        self.at = min(len(self.whole), begun + max(0, len(sent) - len(above)))
        return text

    def _cut_hunk(self) -> tuple[str, int]:
        """Where the hunk begins that the last reply was cut in, and its file's header."""
        begun = 0
        header = ""
        for found in re.finditer(r"(?m)^(@@ |diff --git )", self.whole):
            if found.start() > self.at:
                break
            begun = found.start()
            if found[1] != "@@ ":
                end = self.whole.find("\n@@ ", begun)
                header = self.whole[begun : end + 1] if end >= 0 else ""
        return (header if self.whole.startswith("@@ ", begun) else ""), begun

    def _what_is_not_done(self, prompt: str) -> str:
        if len(self.seen) == 1:
            return self.whole
        prompt = prompt.rpartition("hunks are kept. Never write them again:")[
            2
        ]  # behind the files that are shown
        done = {(found["path"], int(found["start"])) for found in _DONE.finditer(prompt)}
        alone = set(re.findall(r"^- (.+): its header", prompt, re.MULTILINE))
        written: list[str] = []
        last = ""
        for part in parts_of(self.diff):
            if (part.path, part.start) in done or (not part.text and part.path in alone):
                continue
            written.append((part.header if part.path != last else "") + part.text)
            last = part.path
        return "".join(written) + END
