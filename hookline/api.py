"""The main job as functions: what the command line does, from Python."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.calendars import Calendar, draft_calendar, write_calendar
from generation.call import Call, Outcome, complete
from generation.codegen import Codegen, CodegenJournal, new_token, write_diff
from generation.diff_reading import is_diff_salvageable
from generation.diffs import Header, Hunk
from generation.focusing import create_focused_prompt
from generation.model import Message
from generation.patterns import measure
from generation.planning import days_of, parse_month, plan
from generation.repository import Repository
from generation.rows import CalendarRow
from generation.texts import TextTask
from generation.trends import Trend, read_trends, trends_from
from hookline import wiring
from hookline.settings import Settings, load_settings
from rag.blocking import run_blocking
from rag.errors import BadInput, ModelFailure
from rag.packing import Packed

__all__ = [
    "call_model",
    "codegen",
    "content_for_trends",
    "create_focused_prompt",
    "generate_calendar",
    "is_diff_salvageable",
    "write_text",
]
Trends = Path | str | Iterable[str | Mapping[str, Any] | Trend]
_log = logging.getLogger("hookline")
_NO_MODEL = "no model to call: set OPENAI_API_KEY, or --base-url and --model of a server"


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
    embedder = wiring.embedder(settings)
    filled = wiring.filled_store(settings, embedder, creators)
    retriever = wiring.retriever(settings, filled.store, embedder)
    briefs = plan(
        first,
        wanted,
        filled.videos,
        search=lambda query: retriever.candidates(query, creators=filled.creators).hits,
        read=filled.store.chunks,
    )
    counter = wiring.counter(settings)
    journal = wiring.journal(settings, month)
    wiring.log_calls(settings)
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
    calendar = run_blocking(
        write_calendar(
            month,
            briefs,
            model=model,
            trends=wanted,
            patterns=measure(filled.videos),
            counter=counter,
            budget_tokens=settings.budget_tokens,
            kept=kept,
            journal=journal,
            memory=wiring.memory(settings),
            bounds=wiring.bounds(settings),
            retry=wiring.retry(settings),
            max_retries=settings.max_retries,
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
    embedder = wiring.embedder(settings)
    filled = wiring.filled_store(settings, embedder, creators)
    return wiring.retriever(settings, filled.store, embedder).retrieve(
        [trend.query for trend in wanted],
        budget_tokens=settings.budget_tokens if budget_tokens is None else budget_tokens,
        creators=filled.creators,
    )


async def call_model(prompt: str, max_retries: int = 2) -> str:
    """A model's reply to ``prompt``, however often it was cut on the way: settings are those around it.

    The first cap is ``CODEGEN_MAX_TOKENS`` (4096), the temperature 0.2. A reply that is cut is escalated,
    focused or continued after its last whole line; after ``max_retries`` rounds in a row that brought
    nothing new, or at a bound, what is whole is returned, and a warning of the logger ``hookline`` says what is
    missing and why. Raises ``BadInput`` without a model, and ``ModelFailure`` where there is no line at all.
    """
    text, outcome = await write_text(prompt, max_retries=max_retries)
    if outcome.why is not None:
        if not text:
            raise ModelFailure(f"the model wrote nothing: {outcome.why}", kind="interrupted")
        _log.warning("the reply ends after line %d: %s", len(outcome.units), outcome.why)
    return text


async def write_text(
    prompt: str | Sequence[Message],
    *,
    settings: Settings | None = None,
    max_retries: int | None = None,
    on_call: Callable[[Call], None] = lambda _: None,
) -> tuple[str, Outcome]:
    """The reply to a prompt or a chat, as far as it came, and how it came: status, ledger, what is missing."""
    settings = settings or load_settings()
    model = wiring.chat_model(settings)
    if model is None:
        raise BadInput(_NO_MODEL)
    wiring.log_calls(settings)
    messages = [Message(role="user", content=prompt)] if isinstance(prompt, str) else list(prompt)
    if not any(message.content.strip() for message in messages):
        raise BadInput("the prompt is empty: say what to write")
    task = TextTask(
        messages=messages,
        counter=wiring.counter(settings),
        cap_tokens=settings.codegen_max_tokens,
    )
    outcome = await complete(
        task,
        model,
        counter=task.counter,
        memory=wiring.memory(settings),
        bounds=wiring.bounds(settings),
        retry=wiring.retry(settings),
        max_retries=settings.max_retries if max_retries is None else max_retries,
        on_call=on_call,
    )
    return task.text, outcome


async def codegen(
    request: str | None,
    repo: Path | str,
    *,
    files: Sequence[str] = (),
    resume: str | None = None,
    token: str | None = None,
    settings: Settings | None = None,
    max_retries: int | None = None,
    on_call: Callable[[Call], None] = lambda _: None,
    on_hunk: Callable[[Hunk | Header], None] = lambda _: None,
) -> Codegen:
    """A diff that does what ``request`` asks for in the git repository ``repo``, and that git applies.

    ``files`` are the paths that it is about, relative to ``repo``; without any they are searched for.
    ``resume`` is the ``resume_token`` of an earlier result, which is gone on with; ``request`` may then be
    None. ``token`` is the name of a new run, where the caller has one. Whatever happens to the replies, whole hunks are kept, and the result says what is missing. Nothing
    in ``repo`` is changed. Raises ``BadInput`` for what cannot be used, and ``ModelFailure`` if the server
    could not be reached at all.
    """
    settings = settings or load_settings()
    repository = Repository(Path(repo))
    token = resume or token or new_token()
    journal = wiring.codegen_journal(settings, token)
    asked = _resumed(journal, token, request, repository, files) if resume is not None else None
    if asked is None and not (request or "").strip():
        raise BadInput("the request is empty: say what to change")
    model = wiring.chat_model(settings)
    if model is None:
        raise BadInput(_NO_MODEL)
    wiring.log_calls(settings)
    return await write_diff(
        asked["request"] if asked else request or "",
        repository,
        files=asked["files"] if asked else files,
        model=model,
        counter=wiring.counter(settings),
        journal=journal,
        token=token,
        context_tokens=settings.codegen_context_tokens,
        cap_tokens=settings.codegen_max_tokens,
        memory=wiring.memory(settings),
        bounds=wiring.bounds(settings),
        retry=wiring.retry(settings),
        max_retries=settings.max_retries if max_retries is None else max_retries,
        on_call=on_call,
        on_hunk=on_hunk,
    )


def _resumed(
    journal: CodegenJournal, token: str, request: str | None, repository: Repository, files: Sequence[str]
) -> dict[str, Any]:
    """What the run ``token`` was asked; ``BadInput`` if there is none, or it was another question."""
    asked = journal.asked()
    if asked is None:
        raise BadInput(f"--resume {token}: there is no such run in {journal.path.parent}")
    if journal.is_applied:
        raise BadInput(f"--resume {token}: its diff was applied, and nothing is left of it to do")
    if request is not None and request != asked["request"]:
        raise BadInput(
            f"--resume {token} goes on with another request ({asked['request']!r}): leave REQUEST out"
        )
    if str(repository.root.resolve()) != asked["repo"]:
        raise BadInput(f"--resume {token} goes on in {asked['repo']}: give it as --repo")
    if files and list(files) != asked["files"]:
        raise BadInput(f"--resume {token} goes on with the files of its first run: leave --file out")
    return asked


def days_in(month: str) -> int:
    """How many days ``month`` (``YYYY-MM``) has; ``BadInput`` if it is no month."""
    return len(days_of(parse_month(month)))


def _trends(trends: Trends) -> list[Trend]:
    if isinstance(trends, str | Path):
        return read_trends(Path(trends))
    return trends_from(trends)
