"""A month of rows: written by a model and drafted where it fails, or drafted from the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from generation.budget import Bounds
from generation.call import MAX_RETRIES, Call, complete
from generation.drafting import Drafter
from generation.journal import RowJournal
from generation.learned import Memory
from generation.model import ChatModel
from generation.patterns import MeasuredPattern
from generation.planning import Brief
from generation.row_writing import RowTask
from generation.rows import CalendarRow
from generation.trends import Trend
from rag.errors import BadInput
from rag.packing import pack
from rag.retry import RetryPolicy
from rag.tokens import TokenCounter


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A month's rows, by date, and how they came about.

    ``missing`` are the dates of rows that had to be drafted because the model failed.
    """

    month: str
    rows: tuple[CalendarRow, ...]
    missing: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def status(self) -> Literal["complete", "partial"]:
        """``partial`` where rows are missing their model."""
        return "partial" if self.missing else "complete"

    @property
    def input_tokens(self) -> int:
        """Prompt tokens over all calls."""
        return sum(call.prompt_tokens for call in self.calls)

    @property
    def output_tokens(self) -> int:
        """Reply tokens over all calls."""
        return sum(call.completion_tokens for call in self.calls)

    @property
    def cost_usd(self) -> float:
        """What all calls cost, in US dollars."""
        return sum(call.cost_usd for call in self.calls)


def draft_calendar(
    month: str,
    briefs: Sequence[Brief],
    *,
    trends: Sequence[Trend],
    counter: TokenCounter,
    budget_tokens: int,
    kept: Mapping[int, CalendarRow] | None = None,
    on_row: Callable[[CalendarRow], None] = lambda _: None,
) -> Calendar:
    """A calendar without a model: every row composed from its evidence, which is the plan here.

    ``kept`` are rows of an earlier run, by slot, that stay as they are.
    """
    _check_budget(briefs, counter, budget_tokens)
    drafter = Drafter(trends)
    rows: list[CalendarRow] = []
    for brief in briefs:
        row = (kept or {}).get(brief.slot)
        rows.append(row or _drafted(drafter, brief, counter, budget_tokens))
        on_row(rows[-1])
    drafts = sum(row.status == "drafted" for row in rows)
    return Calendar(
        month=month,
        rows=tuple(rows),
        warnings=(
            f"no model was asked: {drafts} of {len(rows)} rows are the creators' own sentences, composed",
            *_warnings(rows),
        ),
    )


async def write_calendar(
    month: str,
    briefs: Sequence[Brief],
    *,
    model: ChatModel,
    trends: Sequence[Trend],
    patterns: Sequence[MeasuredPattern],
    counter: TokenCounter,
    budget_tokens: int,
    kept: Mapping[int, CalendarRow] | None = None,
    journal: RowJournal | None = None,
    memory: Memory | None = None,
    bounds: Bounds | None = None,
    max_retries: int = MAX_RETRIES,
    retry: RetryPolicy | None = None,
    on_row: Callable[[CalendarRow], None] = lambda _: None,
    on_call: Callable[[Call], None] = lambda _: None,
) -> Calendar:
    """Every row of ``briefs``, written by ``model``; drafted where it fails, and then listed as missing.

    ``kept`` are rows of an earlier run, by slot, that are not asked for again. Each new row goes into
    ``journal`` the moment it is whole. ``memory``, ``bounds``, ``max_retries`` and ``retry`` are those of
    ``complete``. ``on_row`` is called with each row, ``on_call`` with each line of the ledger.
    Raises ``ModelFailure`` if the server cannot be reached, refuses the key or does not know the model
    before its first reply, and ``DoesNotFit`` if not even one slot can be asked for.
    """
    _check_budget(briefs, counter, budget_tokens)
    task = RowTask(
        briefs=briefs,
        patterns=patterns,
        counter=counter,
        budget_tokens=budget_tokens,
        limits=lambda: model.limits,
        journal=journal,
        on_row=on_row,
        rows=dict(kept or {}),
    )
    for row in task.rows.values():
        on_row(row)
    outcome = await complete(
        task,
        model,
        counter=counter,
        memory=memory,
        bounds=bounds,
        max_retries=max_retries,
        retry=retry,
        on_call=on_call,
    )
    left = [brief for brief in briefs if brief.slot not in task.rows]
    drafter = Drafter(trends)
    for brief in left:
        task.rows[brief.slot] = _drafted(drafter, brief, counter, budget_tokens)
        on_row(task.rows[brief.slot])
    rows = tuple(task.rows[brief.slot] for brief in briefs)
    salvaged = [] if outcome.why is None else [f"{len(left)} rows are missing: {outcome.why}"]
    return Calendar(
        month=month,
        rows=rows,
        missing=tuple(brief.day.isoformat() for brief in left),
        calls=outcome.calls,
        warnings=(*outcome.warnings, *salvaged, *_warnings(rows)),
    )


def _drafted(drafter: Drafter, brief: Brief, counter: TokenCounter, budget_tokens: int) -> CalendarRow:
    packed = pack(brief.hits, budget_tokens, counter)
    lead = [p for p in packed.passages if p.holds(brief.hits[0].chunk)]
    return drafter.draft(brief, [*lead, *(p for p in packed.passages if p not in lead)])


def _check_budget(briefs: Sequence[Brief], counter: TokenCounter, budget_tokens: int) -> None:
    """Raise ``BadInput`` where the budget holds no sentence of some day's evidence; with what would do."""
    least = [pack(brief.hits, budget_tokens, counter).smallest_tokens for brief in briefs]
    needed = max((tokens for tokens in least if tokens is not None), default=None)
    if needed is not None:
        raise BadInput(
            f"a budget of {budget_tokens} tokens holds no sentence of some day's evidence: raise --budget to "
            f"{needed} or more"
        )


def _warnings(rows: Sequence[CalendarRow]) -> list[str]:
    return [f"{row.date}: {warning}" for row in rows for warning in row.warnings]
