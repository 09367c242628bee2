"""What people see: progress on stderr, tables on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from rag.documents import clock, source_of

if TYPE_CHECKING:
    from generation.calendars import Calendar
    from generation.call import Call
    from generation.codegen import Codegen
    from generation.diffs import Header, Hunk
    from generation.rows import CalendarRow
    from ingest.report import Progress as IngestProgress
    from ingest.report import Report
    from rag.packing import Packed

_errors = Console(stderr=True)
_SECONDS_BETWEEN_LINES = 10.0
_LINES_A_KIND = 20


def say(line: str) -> None:
    """One line to stderr, where everything goes that is not data."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def ingest_progress() -> Iterator[Callable[[IngestProgress], None]]:
    """A bar of bytes done, with rate and time left, and the file at hand; a line now and then where it is no terminal."""
    if not _errors.is_terminal:
        yield _lines_of_progress()
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TimeElapsedColumn(),
        console=_errors,
        transient=True,
    ) as bar:
        task = bar.add_task("transcripts", total=None)

        def update(progress: IngestProgress) -> None:
            name = progress.path.rsplit("/", 1)[-1][:32]
            bar.update(
                task,
                total=progress.total_bytes,
                completed=progress.done_bytes,
                description=f"{escape(name):32}",
            )

        yield update


def _lines_of_progress() -> Callable[[IngestProgress], None]:
    """Says how far a run is after every ten seconds: for logs."""
    begun = said = time.monotonic()

    def update(progress: IngestProgress) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < _SECONDS_BETWEEN_LINES or progress.done_bytes == 0:
            return
        said = now
        rate = progress.done_bytes / (now - begun)
        left = (progress.total_bytes - progress.done_bytes) / rate
        say(
            f"{progress.done_bytes / 1e6:.1f} of {progress.total_bytes / 1e6:.1f} MB, {rate / 1e6:.2f} MB/s, "
            f"{clock(left)} left, at {progress.path}"
        )

    return update


@contextmanager
def row_progress(month: str) -> Iterator[Callable[[CalendarRow], None]]:
    """A bar of the month's days that have their row."""
    from hookline.api import days_in  # noqa: PLC0415  # start-up

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TimeElapsedColumn(),
        console=_errors,
        transient=True,
        disable=not _errors.is_terminal,
    ) as bar:
        task = bar.add_task(f"rows for {month}", total=days_in(month))
        yield lambda _: bar.advance(task)


@contextmanager
def hunk_progress() -> Iterator[Callable[[Hunk | Header], None]]:
    """How many hunks are whole by now, and the last one."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.completed} hunks"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=_errors,
        transient=True,
        disable=not _errors.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda hunk: bar.update(task, advance=1, description=escape(str(hunk)[:60]))


def ledger() -> Callable[[Call], None]:
    """The ledger as a table on stderr, a line for each attempt as it ends; what gave way stands below it."""
    told = 0

    def on_call(call: Call) -> None:
        nonlocal told
        line = "{:>3} {:9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>5} {:>7} {:>9}  {:13} {}"
        if not told:
            _line(line.format(*_LEDGER))
        told += 1
        numbers = (call.prompt_tokens, call.prompt_counted, call.max_tokens, call.completion_tokens)
        _line(
            line.format(
                told,
                call.strategy,
                *(f"{number:,}" for number in (*numbers, call.reasoning_tokens)),
                call.units_kept,
                f"{call.seconds:.1f}",
                f"{call.cost_usd:.4f}",
                call.finish_reason,
                call.purpose,
            )
        )
        for left in call.left_out:
            _line(f"    {left}")

    return on_call


_LEDGER = (
    "#",
    "strategy",
    "billed",
    "counted",
    "cap",
    "out",
    "thought",
    "kept",
    "seconds",
    "US$",
    "end",
    "for",
)


def _line(text: str) -> None:
    _errors.print(text.rstrip(), highlight=False, markup=False, soft_wrap=True)


def ingest_report(report: Report, tokens: int, store: str) -> None:
    """What an ingest did, and what it could not do and why."""
    for kind, files in (("failed", report.failed), ("skipped", report.skipped), ("note", report.notes)):
        for file in files[:_LINES_A_KIND]:
            say(
                f"{kind}: {file.reason if file.reason.startswith(file.path) else f'{file.path}: {file.reason}'}"
            )
        if len(files) > _LINES_A_KIND:
            say(f"{kind}: and {len(files) - _LINES_A_KIND} more, which --json lists")
    print(
        f"{report.transcripts} transcripts, {report.chunks} chunks, {tokens} tokens in {store}: {report.added} "
        f"added, {report.updated} updated, {report.unchanged} unchanged, {report.removed} removed, "
        f"{len(report.failed)} failed, {len(report.skipped)} skipped, {report.seconds:.1f} s"
    )


def calendar_report(calendar: Calendar) -> None:
    """How a calendar came about."""
    for warning in calendar.warnings:
        say(f"warning: {warning}")
    if calendar.calls:
        say(
            f"{len(calendar.calls)} calls, {calendar.input_tokens} tokens in, {calendar.output_tokens} out, "
            f"${calendar.cost_usd:.4f}"
        )
    drafted = f", {len(calendar.missing)} drafted because the model failed" if calendar.missing else ""
    say(f"{len(calendar.rows)} rows for {calendar.month}: {calendar.status}{drafted}")
    if calendar.missing:
        say("--resume asks for the missing days alone")


def codegen_report(result: Codegen, *, applied: Sequence[str], wanted: bool) -> None:
    """How a diff came about, and what is missing of it."""
    for warning in result.warnings:
        say(f"warning: {warning}".replace("\n", "\n    "))
    for one in result.missing:
        say(f"missing: {one.path or 'the rest'}: {one.reason}".replace("\n", "\n    "))
    tokens = result.tokens
    say(
        f"{len(result.calls)} calls, {tokens['input']} tokens in, {tokens['output']} out, ${result.cost_usd:.4f}"
    )
    kept = sum(file.hunks_kept for file in result.files)
    judged = ", git applies them" if result.verified else ""
    say(f"{kept} hunks in {sum(file.hunks_kept > 0 for file in result.files)} files: {result.status}{judged}")
    if applied:
        say(f"written: {', '.join(applied)}")
    elif wanted and result.missing:
        say("not applied: a part of a diff is not written into the work tree")
    if result.missing:
        say(f"--resume {result.resume_token} goes on from there")


def explain(packed: Packed) -> None:
    """Every hit with its rank by score, what became of it, and why; the kept tokens add up to the whole."""
    decided: list[tuple[float, list[Any]]] = [
        (
            kept.hit.score,
            [
                f"{kept.hit.score:.3f}",
                "kept",
                kept.tokens,
                _where(kept.hit.chunk, kept.start_seconds),
                kept.reason,
            ],
        )
        for kept in packed.kept
    ]
    decided += [
        (
            dropped.hit.score,
            [
                f"{dropped.hit.score:.3f}",
                "dropped",
                f"({dropped.tokens})",
                _where(dropped.hit.chunk, dropped.hit.chunk.start_seconds),
                dropped.reason,
            ],
        )
        for dropped in packed.dropped
    ]
    decided.sort(key=lambda item: -item[0])
    table(
        ["rank", "score", "decision", "tokens", "source", "reason"],
        [[rank, *row] for rank, (_, row) in enumerate(decided, 1)],
    )
    print(f"kept: {' + '.join(str(kept.tokens) for kept in packed.kept)} = {packed.tokens} tokens")


def _where(chunk: Any, start_seconds: float | None) -> str:
    end = clock(chunk.end_seconds)
    return source_of(chunk.creator, chunk.video_id, start_seconds) + (f"-{end}" if end else "")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout; numbers to the right. It is never cut where stdout is not a terminal."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], int | float) for row in rows)
        shown.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(escape(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = 240  # a pipe or a file has no edge to fold at
    console.print(shown)


def fields(names: Sequence[str], values: Sequence[Any]) -> None:
    """One thing's fields, a line each."""
    for name, value in zip(names, values, strict=True):
        print(f"{name:12} {f'{value:,}' if isinstance(value, int) else value}")
