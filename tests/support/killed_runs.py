"""A process that forks one calendar run after another, each of which may be killed where it is told.

    python killed_runs.py VIDEOS BASE_URL KEY DAYS

It prepares everything once, then reads a JSON object a line: ``folder`` (journal, learned costs and result),
``step`` (kill -9 at that step of writing, counted from 1) and ``seconds`` (kill -9 after so long). It answers
with ``{"killed": bool, "steps": n}``. Steps are: half of a write, the write, its flush, the fsync, a rename.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Self

from calendars import COUNTER, TRENDS, briefs_of, store_of

from generation.calendars import write_calendar
from generation.journal import RowJournal
from generation.learned import Memory
from generation.limits import limits_of
from generation.model import count_prompt
from generation.openai_model import OpenAIModel
from generation.patterns import measure


class Steps:
    """Counts what reaches the disk, and dies at one of them."""

    def __init__(self, last: int | None) -> None:
        self.last = last
        self.taken = 0

    def step(self) -> None:
        self.taken += 1
        if self.taken == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        fsync, replace, opened = os.fsync, os.replace, Path.open

        def counted_fsync(fd: int) -> None:
            fsync(fd)
            self.step()

        def counted_replace(*paths: Any) -> None:
            replace(*paths)
            self.step()

        def counted_open(path: Path, *args: Any, **kwargs: Any) -> Any:
            file: Any = opened(path, *args, **kwargs)
            return _Counted(file, self) if path.suffix == ".jsonl" and "a" in args else file

        os.fsync, os.replace, Path.open = counted_fsync, counted_replace, counted_open  # type: ignore[assignment, method-assign]


class _Counted:
    def __init__(self, file: Any, steps: Steps) -> None:
        self._file = file
        self._steps = steps

    def write(self, text: str) -> None:
        self._file.write(text[: len(text) // 2])
        self._file.flush()
        self._steps.step()
        self._file.write(text[len(text) // 2 :])
        self._steps.step()

    def flush(self) -> None:
        self._file.flush()
        self._steps.step()

    def fileno(self) -> int:
        return int(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def main() -> None:
    videos, base_url, key, days = sys.argv[1:]
    store = store_of(Path(videos))
    briefs = briefs_of(store, date(2027, 2, 1))[: int(days)]
    patterns = measure(store.videos())
    limits = limits_of("gpt-4o-mini")

    def run(folder: Path) -> None:
        journal = RowJournal(folder / "rows.jsonl")
        calendar = asyncio.run(
            write_calendar(
                "2027-02",
                briefs,
                model=OpenAIModel(
                    limits,
                    api_key=key,
                    base_url=base_url,
                    count_prompt=partial(count_prompt, counter=COUNTER),
                ),
                trends=TRENDS,
                patterns=patterns,
                counter=COUNTER,
                budget_tokens=1000,
                kept=journal.rows(briefs),
                journal=journal,
                memory=Memory(folder / "learned.json"),
            )
        )
        rows = [row.cells() | {"status": row.status} for row in calendar.rows]
        (folder / "rows.json").write_text(json.dumps(rows))

    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))  # what is imported and compiled on first use is there before the forks
    print(json.dumps({"briefs": len(briefs)}), flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        begun = time.monotonic()
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            steps = Steps(told.get("step"))
            steps.install()
            run(Path(told["folder"]))
            os.write(writer, str(steps.taken).encode())
            os._exit(0)
        os.close(writer)
        if "seconds" in told:
            time.sleep(told["seconds"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        with os.fdopen(reader) as pipe:
            taken = pipe.read()
        answer = {
            "killed": os.WIFSIGNALED(status),
            "code": status,
            "steps": int(taken or 0),
            "seconds": time.monotonic() - begun,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
