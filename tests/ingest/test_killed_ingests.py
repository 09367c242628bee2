"""Killed at any instant and run again, an ingest reaches the store of an undisturbed run (law 6).

``benchmarks/ingest_kills.py`` does the same more often, with the real model.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from killed_ingests import (
    Contents,
    contents,
    differences,
    killed_after,
    killed_at,
    points,
    run_to_its_end,
    started,
    write_transcripts,
)

pytestmark = pytest.mark.slow

INSTANTS = 6
CALLS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("transcripts")
    write_transcripts(path)
    return path


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Contents, float]:
    """What an undisturbed run leaves, and its seconds."""
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    seconds = run_to_its_end(store, folder, real=False)
    return contents(store, real=False), seconds


def test_killed_at_any_instant(folder: Path, undisturbed: tuple[Contents, float], tmp_path: Path) -> None:
    """Killed once or several times in a row, the rerun leaves nothing twice and nothing missing."""
    expected, seconds = undisturbed
    chosen = random.Random(20261124)
    for instant in range(INSTANTS):
        store = tmp_path / str(instant)
        for _ in range(1 + instant % 2):
            killed_after(seconds * chosen.uniform(0.1, 1.0), store, folder, real=False)
        run_to_its_end(store, folder, real=False)
        assert differences(contents(store, real=False), expected) == []


def test_killed_while_files_change(folder: Path, tmp_path: Path) -> None:
    """A run over changed files that is killed: after the rerun the new words are there, and the old ones gone."""
    changed, store = tmp_path / "in", tmp_path / "store"
    shutil.copytree(folder, changed)
    seconds = run_to_its_end(store, changed, real=False)
    write_transcripts(changed, changed=True)
    next(changed.rglob("*.vtt")).unlink()
    killed_after(seconds * 0.6, store, changed, real=False)
    run_to_its_end(store, changed, real=False)
    run_to_its_end(tmp_path / "fresh", changed, real=False)
    found, expected = contents(store, real=False), contents(tmp_path / "fresh", real=False)
    assert differences(found, expected) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_killed_at_a_system_call(folder: Path, undisturbed: tuple[Contents, float], tmp_path: Path) -> None:
    """Killed by the kernel at a write, a sync or a truncation of the store's files."""
    every = list(points(tmp_path / "traced", folder, tmp_path / "trace", real=False))
    assert {"pwrite64"} < {point.call for point in every}
    killed = 0  # how often a file is written varies a little from run to run
    for point in random.Random(20261124).sample(every, CALLS):
        store = tmp_path / f"{point.call}-{point.when}"
        killed += killed_at(point, store, folder, real=False)
        run_to_its_end(store, folder, real=False)
        assert differences(contents(store, real=False), undisturbed[0]) == [], point
    assert killed > CALLS // 2


def test_two_writers_at_once(folder: Path, undisturbed: tuple[Contents, float], tmp_path: Path) -> None:
    """Two processes that ingest the same files at once: one waits for the other, and each chunk is there once."""
    store = tmp_path / "store"
    both = [started(store, folder, real=False) for _ in range(2)]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert differences(contents(store, real=False), undisturbed[0]) == []
