"""The main job as functions: what the command line does, from Python."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from generation.calendars import Calendar, draft_calendar, write_calendar
from generation.call import Call
from generation.patterns import measure
from generation.planning import days_of, parse_month, plan
from generation.rows import CalendarRow
from generation.trends import Trend, read_trends, trends_from
from hookline import wiring
from hookline.settings import Settings, load_settings
from rag.packing import Packed

Trends = Path | str | Iterable[str | Mapping[str, Any] | Trend]
_Result = TypeVar("_Result")


def generate_calendar(
    trends: Trends,
    month: str,
    *,
    creators: Sequence[str] | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    on_row: Callable[[CalendarRow], None] = lambda _: None,
    on_call: Callable[[Call], None] = lambda _: None,
) -> Calendar:
    """One row for every day of ``month`` (``YYYY-MM``), each with its sources.

    ``trends`` is the path of a trends file, or names, mappings or ``Trend`` values. ``creators`` restricts
    whose videos are used. Without a key and a base URL the rows are composed from the creators' own
    sentences. ``resume`` keeps the rows that an earlier run got from a model for the same plan. Raises
    ``BadInput`` for what cannot be used, and ``ModelFailure`` if the model's server could not be reached at
    all. Works in a notebook, too, where an event loop already runs.
    """
    settings = settings or load_settings()
    first = parse_month(month)
    wanted = _trends(trends)
    model = wiring.chat_model(settings)
    embedder = wiring.embedder()
    store, videos = wiring.filled_store(settings, embedder, creators)
    retriever = wiring.retriever(settings, store, embedder)
    briefs = plan(
        first,
        wanted,
        videos,
        search=lambda query: retriever.candidates(query, creators=creators).hits,
        read=store.chunks,
    )
    counter = wiring.counter(settings)
    journal = wiring.journal(settings, month)
    kept = journal.rows(briefs) if resume else {}
    if model is None:
        calendar = draft_calendar(
            month,
            briefs,
            trends=wanted,
            counter=counter,
            budget_tokens=settings.budget_tokens,
            kept=kept,
            on_row=on_row,
        )
        return _with_unused(calendar, wanted)
    calendar = _run(
        write_calendar(
            month,
            briefs,
            model=model,
            trends=wanted,
            patterns=measure(videos),
            counter=counter,
            budget_tokens=settings.budget_tokens,
            kept=kept,
            journal=journal,
            on_row=on_row,
            on_call=on_call,
        )
    )
    return _with_unused(calendar, wanted)


def _with_unused(calendar: Calendar, trends: Sequence[Trend]) -> Calendar:
    """Say which trends have no row (law 3)."""
    used = {row.trend for row in calendar.rows}
    unused = tuple(
        f"trend {trend.name!r} has no row: nothing near it was said, or its days were taken"
        for trend in trends
        if trend.name not in used
    )
    return replace(calendar, warnings=calendar.warnings + unused)


def content_for_trends(
    trends: Trends,
    *,
    budget_tokens: int | None = None,
    creators: Sequence[str] | None = None,
    settings: Settings | None = None,
) -> Packed:
    """What the creators said about ``trends``, in one string under the budget, 1000 tokens by default.

    The trends take turns, each one's best passage first. The result says what was kept and dropped, and why.
    """
    settings = settings or load_settings()
    wanted = _trends(trends)
    embedder = wiring.embedder()
    store, _ = wiring.filled_store(settings, embedder, creators)
    return wiring.retriever(settings, store, embedder).retrieve(
        [trend.query for trend in wanted],
        budget_tokens=settings.budget_tokens if budget_tokens is None else budget_tokens,
        creators=creators,
    )


def days_in(month: str) -> int:
    """How many days ``month`` (``YYYY-MM``) has; ``BadInput`` if it is no month."""
    return len(days_of(parse_month(month)))


def _trends(trends: Trends) -> list[Trend]:
    if isinstance(trends, str | Path):
        return read_trends(Path(trends))
    return trends_from(trends)


def _run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run ``work`` to its end; in a thread of its own where this one has a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    results: list[_Result] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001  # handed on to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
