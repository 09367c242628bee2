"""What comes out of every format, and of given folders: files, segments, words, and what was flagged.

    python benchmarks/reader_formats.py [FOLDER ...] [--each]

The samples are the tests' own, a short file of each format. Each file is read and cleaned, as an ingest does.

read      files of which at least one transcript was read
failed    files of a known format of which nothing can be read, and records of files of many
skipped   files of another kind
segments  of what was read, before cleaning
words     of what was read, after cleaning
MB/s      of the files that were read, reading alone

What was flagged is below the table: each note with how many files have it, with numbers left out, then each
file that failed or was skipped and why. --each prints a line for every file instead.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT), str(ROOT / "tests" / "support")]

from reader_samples import SAMPLES  # noqa: E402

from ingest.cleaning import clean  # noqa: E402
from ingest.readers import NotATranscript, read_transcripts  # noqa: E402
from rag.errors import BadInput  # noqa: E402


@dataclass
class Tally:
    """Counts over the files of one format or kind."""

    files: int = 0
    read: int = 0
    failed: int = 0
    skipped: int = 0
    transcripts: int = 0
    segments: int = 0
    words: int = 0
    size: int = 0
    seconds: float = 0.0
    notes: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)

    def take(self, path: Path, folder: Path) -> str:
        """Read a file; return its line."""
        self.files += 1
        began = time.perf_counter()
        try:
            reading = read_transcripts(path)
        except BadInput as error:
            self.failed += not isinstance(error, NotATranscript)
            self.skipped += isinstance(error, NotATranscript)
            reason = str(error).removeprefix(" ".join(str(path).split())).strip()
            line = f"{path.relative_to(folder)}: {reason}"
            self.refusals.append(line)
            return line
        self.seconds += time.perf_counter() - began
        self.size += path.stat().st_size
        self.read += 1
        self.failed += len(reading.failures)
        self.transcripts += len(reading.transcripts)
        self.refusals += [f"{path.relative_to(folder)}: {failure}" for failure in reading.failures]
        segments = words = 0
        notes: list[str] = []
        for transcript in reading.transcripts:
            segments += len(transcript.segments)
            cleaned = clean(transcript)
            words += sum(len(segment.text.split()) for segment in cleaned.segments)
            notes += cleaned.notes
        self.segments += segments
        self.words += words
        self.notes.update({re.sub(r"\d+", "N", note) for note in notes})
        flagged = f": {'; '.join(notes)}" if notes else ""
        return f"{path.relative_to(folder)}: {segments} segments, {words} words{flagged}"

    def row(self, name: str) -> str:
        """The line of the table."""
        speed = f"{self.size / 1e6 / self.seconds:8.1f}" if self.seconds else " " * 8
        return (
            f"{name[:36]:<36}{self.files:>6}{self.read:>6}{self.failed:>7}{self.skipped:>8}"
            f"{self.transcripts:>12}{self.segments:>9}{self.words:>9}{speed}"
        )


def print_table(tallies: dict[str, Tally]) -> None:
    """Print the table, and below it what was flagged."""
    print(
        f"{'':<36}{'files':>6}{'read':>6}{'failed':>7}{'skipped':>8}{'transcripts':>12}"
        f"{'segments':>9}{'words':>9}{'MB/s':>8}"
    )
    for name, tally in tallies.items():
        print(tally.row(name))
    for name, tally in tallies.items():
        for note, files in tally.notes.most_common():
            print(f"  {name}: {files} x {note}")
    for tally in tallies.values():
        for refusal in tally.refusals:
            print(f"  {refusal}")


def of_samples(*, each: bool) -> dict[str, Tally]:
    """Read a sample of each format."""
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (file_name, content) in SAMPLES.items():
            path = Path(folder) / file_name
            path.write_text(content, "utf-8")
            line = tallies.setdefault(name, Tally()).take(path, Path(folder))
            if each:
                print(f"{name}: {line}")
    return tallies


def of_folders(folders: Iterable[Path], *, each: bool) -> dict[str, Tally]:
    """Read every file in the folders, told apart by folder and extension."""
    tallies: dict[str, Tally] = {}
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            kind = f"{folder.name} {path.suffix or path.name}"
            line = tallies.setdefault(kind, Tally()).take(path, folder)
            if each:
                print(line)
    return tallies


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--each", action="store_true")
    options = parser.parse_args()
    print_table(of_samples(each=options.each))
    if options.folders:
        print()
        print_table(of_folders(options.folders, each=options.each))
    return 0


if __name__ == "__main__":
    sys.exit(main())
