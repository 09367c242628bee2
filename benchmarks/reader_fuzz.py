"""Do damaged files ever break the readers? Seeded damage to a file of every format, read and cleaned.

    python benchmarks/reader_fuzz.py [--files 10000] [--seed 0]

Each file is a short sample of its format, made by the tests' support, after one to three kinds of damage: cut
off, bytes flipped, NULs, controls, lone surrogates and marks inserted, lines doubled, left out or shuffled,
numbers made huge or no numbers, another encoding, a piece repeated.

read     at least one transcript came out, and was cleaned
refused  one line of why, as for any file that cannot be read
worst    seconds that the slowest file took, read and cleaned
peak     MiB of Python's own memory that one file took at most, of a tenth of the files

Exits with 1 if anything else was raised, or a file took more than a second.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
import tracemalloc
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT), str(ROOT / "tests" / "support")]

from reader_samples import SAMPLES, damaged  # noqa: E402

from ingest.cleaning import clean  # noqa: E402
from ingest.readers import read_transcripts  # noqa: E402
from rag.errors import BadInput  # noqa: E402

SLOW_SECONDS = 1.0
MEASURED = 10  # memory is measured of one file in so many, as it makes all slower


def is_read(path: Path) -> bool:
    """Read and clean a file; whether it was not refused."""
    try:
        reading = read_transcripts(path)
    except BadInput:
        return False
    for transcript in reading.transcripts:
        clean(transcript)
    return True


def main() -> int:
    """Print a line for each format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    each = -(-options.files // len(SAMPLES))
    failed = False
    print(f"{'format':<34}{'files':>6}{'read':>6}{'refused':>8}{'worst s':>9}{'peak MiB':>10}")
    all_read = 0
    worst_of_all = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, (file_name, _) in SAMPLES.items():
            path = Path(folder) / file_name
            read = 0
            worst = peak = 0.0
            for seed in range(options.seed, options.seed + each):
                path.write_bytes(damaged(name, seed))
                measures = seed % MEASURED == 0
                if measures:
                    tracemalloc.start()
                began = time.perf_counter()
                try:
                    read += is_read(path)
                except Exception:  # noqa: BLE001  # that is what is looked for
                    failed = True
                    print(f"{name}, seed {seed}:", file=sys.stderr)
                    traceback.print_exc()
                took = time.perf_counter() - began
                if measures:
                    peak = max(peak, tracemalloc.get_traced_memory()[1] / (1 << 20))
                    tracemalloc.stop()
                else:
                    worst = max(worst, took)
                if not measures and took > SLOW_SECONDS:
                    failed = True
                    print(f"{name}, seed {seed}: {took:.2f} s", file=sys.stderr)
            print(f"{name:<34}{each:>6}{read:>6}{each - read:>8}{worst:>9.3f}{peak:>10.1f}", flush=True)
            all_read += read
            worst_of_all = max(worst_of_all, worst)
    files = each * len(SAMPLES)
    print(f"{'all':<34}{files:>6}{all_read:>6}{files - all_read:>8}{worst_of_all:>9.3f}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
