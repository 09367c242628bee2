"""What each command does: settings in, exit code out; data to stdout, everything else to stderr."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hookline import views, wiring
from hookline.exits import DONE, PARTIAL
from hookline.settings import Settings
from rag.documents import Video
from rag.errors import BadInput
from rag.files import write_all

if TYPE_CHECKING:
    from generation.calendars import Calendar
    from ingest.report import Report

SAMPLE_DATA = Path(__file__).parent / "data"  # in a wheel
CHECKOUT_DATA = Path(__file__).parent.parent / "data"


def demo(settings: Settings, out: Path) -> int:
    """Ingest the sample data, plan next month, and write the calendar as CSV, HTML and JSON in ``out``."""
    from hookline.api import generate_calendar  # noqa: PLC0415  # start-up

    data = SAMPLE_DATA if SAMPLE_DATA.is_dir() else CHECKOUT_DATA
    month = next_month(date.today())  # noqa: DTZ011  # the month of whoever sits here
    views.say(f"1/2 reading the sample transcripts into {settings.store}")
    report = _ingest(settings, [data / "creators"])
    views.say(f"2/2 planning {month} with the sample trends and --model {settings.model_name}")
    with views.row_progress(month) as on_row:
        calendar = generate_calendar(data / "trends.csv", month, settings=settings, on_row=on_row)
    paths = [out / f"calendar-{month}{suffix}" for suffix in (".csv", ".html", ".json")]
    _write(calendar, paths)
    videos = f"{report.transcripts} videos ({len(report.skipped)} skipped), {report.chunks} chunks"
    views.say(f"\n{videos}, {len(calendar.rows)} rows for {month}, every one with its sources:")
    for path in paths:
        print(path)
    views.say(f"open {paths[1]} in a browser, or {paths[0]} in a spreadsheet")
    return PARTIAL if calendar.missing or report.failed else DONE


def next_month(today: date) -> str:
    """The month after ``today``'s, as ``YYYY-MM``.

    >>> next_month(date(2026, 12, 3))
    '2027-01'
    """
    return f"{today.year + today.month // 12}-{today.month % 12 + 1:02}"


def ingest(
    settings: Settings, paths: Sequence[Path], *, creator: str | None, prune: bool, as_json: bool
) -> int:
    """Bring the store up to date with ``paths`` and report."""
    encoding = wiring.stored_encoding(
        settings, views.say
    )  # an unknown model is found before anything is written
    report = _ingest(settings, paths, creator=creator, prune=prune)
    tokens = report.tokens[encoding]
    if as_json:
        _print_json({**asdict(report), "tokens": tokens, "seconds": round(report.seconds, 3)})
    else:
        views.ingest_report(report, tokens, settings.store)
    return PARTIAL if report.failed else DONE


def _ingest(
    settings: Settings, paths: Sequence[Path], *, creator: str | None = None, prune: bool = False
) -> Report:
    from ingest.files import find_files  # noqa: PLC0415  # start-up
    from ingest.job import ingest as run  # noqa: PLC0415
    from rag.tokens import ENCODINGS, counter_for  # noqa: PLC0415

    if creator is not None and not creator.strip():
        raise BadInput("--creator is empty: name whose videos these are, or leave it out")
    files = find_files(paths)
    embedder = wiring.embedder(settings)
    store = wiring.open_store(settings, embedder, to_write=True, on_wait=views.say)
    with views.ingest_progress() as on_progress:
        return run(
            files,
            store=store,
            embedder=embedder,
            counters=[counter_for(encoding) for encoding in ENCODINGS],
            creator=creator,
            prune=paths if prune else (),
            on_progress=on_progress,
        )


def creators(settings: Settings, *, as_json: bool) -> int:
    """Who is in the store."""
    encoding = wiring.stored_encoding(settings, views.say)
    videos = wiring.filled_store(settings, wiring.embedder(settings), None).videos
    by_creator: dict[str, list[Video]] = {}
    for video in videos:
        by_creator.setdefault(video.creator, []).append(video)
    rows = [
        {
            "creator": creator,
            "videos": len(theirs),
            "chunks": sum(video.chunks for video in theirs),
            "tokens": sum(video.tokens[encoding] for video in theirs),
            "newest": max((video.published or "" for video in theirs), default="") or None,
        }
        for creator, theirs in by_creator.items()
    ]
    if as_json:
        _print_json({"creators": rows})
    else:
        views.table(["creator", "videos", "chunks", "tokens", "newest"], [list(row.values()) for row in rows])
    return DONE


def search(
    settings: Settings, query: str, *, creators: Sequence[str] | None, explain: bool, as_json: bool
) -> int:
    """The best passages for ``query`` that fit the budget."""
    if not query.strip():
        raise BadInput("the query is empty: say what to look for")
    embedder = wiring.embedder(settings)
    filled = wiring.filled_store(settings, embedder, creators)
    packed = wiring.retriever(settings, filled.store, embedder).retrieve(
        query, budget_tokens=settings.budget_tokens, creators=filled.creators
    )
    if as_json:
        kept = [
            {
                "id": kept.hit.chunk.id,
                "creator": kept.hit.chunk.creator,
                "video_id": kept.hit.chunk.video_id,
                "title": kept.hit.chunk.title,
                "start_seconds": kept.start_seconds,
                "end_seconds": kept.end_seconds,
                "tokens": kept.tokens,
                "score": round(kept.hit.score, 6),
                "text": kept.text,
                "reason": kept.reason,
            }
            for kept in packed.kept
        ]
        dropped = [
            {"id": d.hit.chunk.id, "reason": d.reason, "tokens": d.tokens, "score": round(d.hit.score, 6)}
            for d in packed.dropped
        ]
        _print_json(
            {
                "query": query,
                "budget_tokens": packed.budget_tokens,
                "tokens": packed.tokens,
                "context": packed.text,
                "kept": kept,
                "dropped": dropped,
            }
        )
    else:
        print(packed.text)
        if explain:
            views.explain(packed)
        views.say(
            f"{packed.tokens} of {packed.budget_tokens} tokens: {len(packed.kept)} windows in "
            f"{len(packed.passages)} passages kept, {len(packed.dropped)} dropped"
        )
    return DONE


def calendar(
    settings: Settings,
    month: str,
    trends: Path,
    *,
    creators: Sequence[str] | None,
    out: Sequence[Path] | None,
    overwrite: bool,
    resume: bool,
    as_json: bool,
) -> int:
    """A row for every day of ``month``, written to ``out``."""
    from generation.exports import exporter_for, report  # noqa: PLC0415  # start-up
    from generation.planning import parse_month  # noqa: PLC0415
    from hookline.api import generate_calendar  # noqa: PLC0415

    parse_month(month)
    if overwrite and resume:
        raise BadInput("--overwrite begins anew and --resume goes on: choose one")
    paths = list(dict.fromkeys(out or (Path(f"calendar-{month}.csv"), Path(f"calendar-{month}.html"))))
    for path in paths:
        exporter_for(path)
        wiring.check_writable(path)
        if path.exists() and not (overwrite or (resume and _is_a_calendar(path))):
            raise BadInput(f"{path} exists: use --overwrite to replace it, or another --out")
    with views.row_progress(month) as on_row:
        written = generate_calendar(
            trends,
            month,
            creators=creators,
            settings=settings,
            resume=resume,
            on_row=on_row,
            on_call=views.ledger(),
        )
    _write(written, paths)
    if resume:
        generated = sum(row.status == "generated" for row in written.rows)
        views.say(
            f"{generated - sum(call.units_kept for call in written.calls)} rows of an earlier run were kept"
        )
    if as_json:
        _print_json(report(written, out=[str(path) for path in paths]))
    else:
        for path in paths:
            print(path)
    views.calendar_report(written)
    return PARTIAL if written.missing else DONE


def _is_a_calendar(path: Path) -> bool:
    """Whether a file that exists was written here: ``--resume`` replaces nothing else."""
    marks = {".csv": "date,format,trend,pattern", ".json": '"month"', ".html": "<title>Content calendar"}
    with path.open(encoding="utf-8", errors="replace") as file:
        return marks[path.suffix.lower()] in file.read(400)


def _write(calendar: Calendar, paths: Sequence[Path]) -> None:
    """Write every output, or none."""
    from generation.exports import exporter_for  # noqa: PLC0415  # start-up

    try:
        write_all({path: exporter_for(path)(calendar).encode() for path in paths})
    except OSError as error:
        raise BadInput(
            f"{error.filename or paths[0]} cannot be written ({error.strerror}): choose another --out"
        ) from error


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False))
