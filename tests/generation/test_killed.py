"""Kill -9 at any instant: a resumed run gives what an undisturbed one gives, and pays for nothing twice (law 4)."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from samples import ROOT
from strict_openai import StrictServer

pytestmark = pytest.mark.slow


class Runs:
    """Runs that may be killed, against one server."""

    def __init__(self, folder: Path, days: int) -> None:
        self.folder = folder
        self.server = StrictServer()
        self.days = days
        self.made = 0

    def __enter__(self) -> Self:
        self.server.__enter__()
        script = ROOT / "tests" / "support" / "killed_runs.py"
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(script),
                str(self.folder),
                self.server.base_url,
                self.server.key,
                str(self.days),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}", "PATH": "/usr/bin:/bin"},
        )
        assert self._answer() == {"briefs": self.days}
        return self

    def __exit__(self, *exception: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.server.__exit__(*exception)

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def run(self, folder: Path, **how: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"folder": str(folder), **how}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def new_folder(self) -> Path:
        self.made += 1
        folder = self.folder / f"run {self.made}"
        folder.mkdir()
        return folder

    def killed_and_resumed(self, undisturbed: list[Any], **how: Any) -> bool:
        """Kill a run as ``how`` says and resume it; whether the kill came in time."""
        folder = self.new_folder()
        killed = bool(self.run(folder, **how)["killed"])
        on_disk = whole_days(folder / "rows.jsonl")
        before = len(self.server.requests)
        assert self.run(folder)["code"] == 0
        asked = {
            int(key) for request in self.server.requests[before:] for key in keys_of(request.response_format)
        }
        assert not asked & on_disk
        assert json.loads((folder / "rows.json").read_text()) == undisturbed
        return killed


def whole_days(journal: Path) -> set[int]:
    """The days whose row stands whole in a journal, read without the code under test."""
    days = set()
    for line in journal.read_text().split("\n") if journal.exists() else ():
        try:
            days.add(int(json.loads(line)["row"]["date"][-2:]))
        except ValueError:
            continue
    return days


def keys_of(response_format: Any) -> list[str]:
    return list(response_format["json_schema"]["schema"]["properties"])


@pytest.fixture
def runs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Runs]:
    with Runs(tmp_path, request.param) as runs:
        yield runs


def undisturbed(runs: Runs) -> tuple[list[Any], dict[str, Any]]:
    folder = runs.new_folder()
    how = runs.run(folder)
    rows = json.loads((folder / "rows.json").read_text())
    assert {row["status"] for row in rows} == {"generated"}
    return rows, how


@pytest.mark.parametrize("runs", [6], indirect=True)
def test_killed_at_each_step_of_writing(runs: Runs) -> None:
    """At half of each write, at each write, flush, fsync and rename."""
    rows, how = undisturbed(runs)
    assert how["steps"] > 4 * 6
    for step in range(1, how["steps"] + 1):
        assert runs.killed_and_resumed(rows, step=step), step


@pytest.mark.parametrize("runs", [8], indirect=True)
def test_killed_at_random_instants(runs: Runs) -> None:
    """At fifty instants of a run."""
    rows, how = undisturbed(runs)
    instants = random.Random(20261124)
    killed = sum(
        runs.killed_and_resumed(rows, seconds=instants.uniform(0, how["seconds"])) for _ in range(50)
    )
    assert killed > 25  # an instant may lie behind the end of a run that is quicker
