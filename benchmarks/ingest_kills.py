"""Does an ingest that is killed at any instant, and run again, reach the store of an undisturbed one?

    python benchmarks/ingest_kills.py [--instants 50] [--seed 20261124]

Forty files, the real model, a real Chroma store in a folder. A run is killed with SIGKILL at random instants,
and (where strace is installed) before each distinct kind of write, sync, truncation, rename and removal of
the store's files: first, half way, and late. Each is followed by one rerun, and the ids, texts and vectors of
every collection are compared with those of an undisturbed run (vectors to a cosine of 0.9999). Then two
processes ingest the same files at once, and two ingest two halves. Exits 1 if anything differs.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from killed_ingests import (  # noqa: E402
    contents,
    differences,
    killed_after,
    killed_at,
    points,
    run_to_its_end,
    started,
    write_transcripts,
)


def main() -> int:
    """Kill, rerun, compare, and print what was seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--instants", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20261124)
    given = parser.parse_args()
    chosen = random.Random(given.seed)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folder = work / "in"
        write_transcripts(folder)
        seconds = run_to_its_end(work / "undisturbed", folder, real=True)
        expected = contents(work / "undisturbed", real=True)
        print(f"undisturbed: {len(expected)} records, {seconds:.1f} s", flush=True)

        def check(store: Path, what: str) -> None:
            nonlocal wrong
            run_to_its_end(store, folder, real=True)
            for difference in differences(contents(store, real=True), expected):
                wrong += 1
                print(f"{what}: {difference}")
            shutil.rmtree(store)

        running = 0
        for number in range(given.instants):
            after = seconds * chosen.uniform(0.0, 1.0)
            running += killed_after(after, work / f"i{number}", folder, real=True)
            check(work / f"i{number}", f"killed after {after:.2f} s")
        print(f"{given.instants} instants, {running} while it ran: {wrong} differences", flush=True)

        if shutil.which("strace"):
            tried: Counter[str] = Counter()
            killed = 0
            for point in points(work / "traced", folder, work / "trace", real=True):
                store = work / f"{point.call}-{point.when}"
                tried[f"{point.call} {point.what}"] += 1
                killed += killed_at(point, store, folder, real=True)
                check(store, str(point))
            for kind, times in sorted(tried.items()):
                print(f"  {times} x {kind}")
            print(f"{tried.total()} system calls, {killed} reached: {wrong} differences", flush=True)
        else:
            print("system calls: strace is not installed")

        both = [started(work / "two", folder, real=True) for _ in range(2)]
        halves = [sorted(folder.iterdir())[0::2], sorted(folder.iterdir())[1::2]]
        for process in both:
            process.join(120)
        check(work / "two", "two writers of the same files")
        apart = [started(work / "apart", half, real=True) for pair in halves for half in pair]
        for process in apart:
            process.join(120)
        check(work / "apart", "four writers of four creators")
        print(f"writers at once: exit codes {[p.exitcode for p in (*both, *apart)]}: {wrong} differences")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
