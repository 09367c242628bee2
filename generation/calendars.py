"""A month of rows: plan the calls, keep every row that is whole, ask again for what is missing, draft the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Literal

from generation.budget import (
    MARGIN_TOKENS,
    REASONING_TOKENS,
    SUPPLEMENT_MARGIN_TOKENS,
    content_cap,
    fit,
)
from generation.drafting import Drafter
from generation.journal import RowJournal
from generation.model import ChatModel, ChatRequest, Finished, prompt_tokens
from generation.patterns import MeasuredPattern
from generation.planning import Brief
from generation.prompts import messages, sections
from generation.rows import CalendarRow, check, reply_schema
from generation.trends import Trend
from generation.units import JsonMembers
from rag.errors import BadInput, ModelFailure
from rag.packing import Packed, Passage, pack
from rag.tokens import TokenCounter

ROW_TOKENS = 330  # what a row costs until rows of this run were measured
ROUNDS_WITHOUT_A_ROW = 2
_PASSAGE_TOKENS = 160  # a window and its header, to guess how many slots share a budget
_HEADROOM = 1.3  # a reply is given this much more than its rows cost on average

CallStrategy = Literal["first", "continue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One line of the ledger: what a call was for, what it cost and what it brought."""

    purpose: str
    strategy: CallStrategy
    model: str
    prompt_tokens: int
    max_tokens: int
    completion_tokens: int
    finish_reason: str
    units_kept: int
    seconds: float
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A month's rows, by date, and how they came about.

    ``missing`` are the dates of rows that had to be drafted because the model failed. ``encoding`` is that
    of the token counts.
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
    drafter = Drafter(trends)
    rows: list[CalendarRow] = []
    for brief in briefs:
        row = (kept or {}).get(brief.slot)
        rows.append(row or _drafted(drafter, brief, counter, budget_tokens))
        on_row(rows[-1])
    return Calendar(
        month=month,
        rows=tuple(rows),
        warnings=(
            "every row was composed from the creators' own sentences: no model was asked",
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
    on_row: Callable[[CalendarRow], None] = lambda _: None,
    on_call: Callable[[Call], None] = lambda _: None,
) -> Calendar:
    """Every row of ``briefs``, written by ``model``; drafted where it fails, and then listed as missing.

    ``kept`` are rows of an earlier run, by slot, that are not asked for again. Each new row goes into
    ``journal`` the moment it is whole. ``on_row`` is called with each row, ``on_call`` with each line of
    the ledger.
    Raises ``ModelFailure`` if the server cannot be reached, refuses the key or does not know the model
    before its first reply, and ``DoesNotFit`` if not even one slot can be asked for.
    """
    writer = _Writer(
        model=model,
        patterns=patterns,
        counter=counter,
        budget_tokens=budget_tokens,
        journal=journal,
        on_row=on_row,
        on_call=on_call,
        rows=dict(kept or {}),
    )
    for row in writer.rows.values():
        on_row(row)
    await writer.run(briefs)
    left = [brief for brief in briefs if brief.slot not in writer.rows]
    drafter = Drafter(trends)
    for brief in left:
        writer.rows[brief.slot] = _drafted(drafter, brief, counter, budget_tokens)
        on_row(writer.rows[brief.slot])
    rows = tuple(writer.rows[brief.slot] for brief in briefs)
    return Calendar(
        month=month,
        rows=rows,
        missing=tuple(brief.day.isoformat() for brief in left),
        calls=tuple(writer.calls),
        warnings=(*writer.warnings, *_warnings(rows)),
    )


def _drafted(drafter: Drafter, brief: Brief, counter: TokenCounter, budget_tokens: int) -> CalendarRow:
    packed = pack(brief.hits, budget_tokens, counter)
    if not packed.passages:
        raise _budget_too_small(packed)
    lead = [p for p in packed.passages if p.holds(brief.hits[0].chunk)]
    return drafter.draft(brief, [*lead, *(p for p in packed.passages if p not in lead)])


def _budget_too_small(packed: Packed) -> BadInput:
    return BadInput(
        f"a budget of {packed.budget_tokens} tokens holds no sentence of the evidence: raise --budget to "
        f"{packed.smallest_tokens} or more"
    )


def _warnings(rows: Sequence[CalendarRow]) -> list[str]:
    return [f"{row.date}: {warning}" for row in rows for warning in row.warnings]


@dataclass(slots=True, kw_only=True)
class _Writer:
    """The loop: plan, fit, call, keep, and go on with what is missing."""

    model: ChatModel
    patterns: Sequence[MeasuredPattern]
    counter: TokenCounter
    budget_tokens: int
    journal: RowJournal | None
    on_row: Callable[[CalendarRow], None]
    on_call: Callable[[Call], None]
    rows: dict[int, CalendarRow]
    calls: list[Call] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _row_tokens: list[int] = field(default_factory=list)
    _answered: bool = False

    async def run(self, briefs: Sequence[Brief]) -> None:
        fruitless = 0
        at_once = max(1, self.budget_tokens // _PASSAGE_TOKENS)
        while (left := [b for b in briefs if b.slot not in self.rows]) and fruitless <= ROUNDS_WITHOUT_A_ROW:
            at_once = min(at_once, max(1, content_cap(len(left)) // self._cost_of_a_row()))
            batch, packed = self._batch(left[:at_once])
            before = len(self.rows)
            try:
                reason = await self._call(batch, packed)
            except ModelFailure as failure:
                if not self._answered and failure.kind in {"unreachable", "refused_key", "unknown_model"}:
                    raise
                self.warnings.append(str(failure))
                if failure.kind in {"quota", "rejected", "refused_key", "unknown_model"}:
                    return  # asking again cannot heal it
                reason = failure.kind
            kept = len(self.rows) - before
            fruitless = 0 if kept else fruitless + 1
            if reason == "length" and kept < len(batch):
                at_once = max(1, kept)  # what one reply was seen to hold

    def _cost_of_a_row(self) -> int:
        return sum(self._row_tokens) // len(self._row_tokens) if self._row_tokens else ROW_TOKENS

    def _batch(self, briefs: Sequence[Brief]) -> tuple[list[Brief], Packed]:
        """As many of ``briefs`` as the budget gives evidence, and that evidence.

        Every slot's leading passage comes before any slot's second.
        """
        for count in range(len(briefs), 0, -1):
            batch = list(briefs[:count])
            in_turn = [
                hit for hits in zip_longest(*(b.hits for b in batch)) for hit in hits if hit is not None
            ]
            packed = pack(in_turn, self.budget_tokens, self.counter)
            if all(_passages_of(brief, packed) for brief in batch):
                return batch, packed
        raise _budget_too_small(packed)

    async def _call(self, batch: Sequence[Brief], packed: Packed) -> str:
        """One request; its rows are kept as they arrive. Returns the finish reason."""
        limits = self.model.limits
        given = {brief.slot: _passages_of(brief, packed) for brief in batch}
        schema = reply_schema({slot: list(passages) for slot, passages in given.items()})
        parts = sections(
            briefs=batch,
            allowed={slot: list(passages) for slot, passages in given.items()},
            evidence=packed.text,
            patterns=self.patterns,
            done=[self.rows[slot] for slot in sorted(self.rows)],
            name_keys=not limits.takes_schema,
        )
        prompt = messages(parts)
        response_schema = schema if limits.takes_schema else None
        fitted = fit(
            prompt_tokens=prompt_tokens(prompt, response_schema, self.counter),
            limits=limits,
            margin_tokens=SUPPLEMENT_MARGIN_TOKENS if self.calls else MARGIN_TOKENS,
            content_tokens=min(
                content_cap(len(batch)),
                int(len(batch) * self._cost_of_a_row() * _HEADROOM) + 100,
            ),
            reasoning_tokens=REASONING_TOKENS if limits.reasons else 0,
            minimum_tokens=self._cost_of_a_row(),
        )
        request = ChatRequest(messages=prompt, max_tokens=fitted.max_tokens, response_schema=response_schema)
        reply = _Reply(self, {brief.slot: brief for brief in batch}, given)
        begun, answered = time.monotonic(), False
        finished = Finished(reason="interrupted")
        try:
            async for event in self.model.stream(request):
                self._answered = answered = True
                if isinstance(event, Finished):
                    finished = event
                else:
                    reply.read(event)
        finally:
            # nobody bills a request that was never answered
            paid_in = finished.prompt_tokens or (fitted.prompt_tokens if answered else 0)
            paid_out = finished.completion_tokens or self.counter.count(reply.text)
            call = Call(
                purpose=f"rows {', '.join(str(brief.slot) for brief in batch)}",
                strategy="continue" if self.calls else "first",
                model=limits.name,
                prompt_tokens=paid_in,
                max_tokens=fitted.max_tokens,
                completion_tokens=paid_out,
                finish_reason=finished.reason,
                units_kept=reply.kept,
                seconds=round(time.monotonic() - begun, 3),
                cost_usd=limits.cost_usd(input_tokens=paid_in, output_tokens=paid_out),
            )
            self.calls.append(call)
            self.on_call(call)
        return finished.reason

    def keep(self, brief: Brief, row: CalendarRow, tokens: int) -> None:
        if self.journal is not None:
            self.journal.append(brief, row)
        self.rows[brief.slot] = row
        self._row_tokens.append(tokens)
        self.on_row(row)


class _Reply:
    """One reply as it arrives: units out of text, rows out of units."""

    def __init__(
        self, writer: _Writer, briefs: Mapping[int, Brief], given: Mapping[int, Mapping[int, Passage]]
    ) -> None:
        self._writer = writer
        self._briefs = {str(slot): brief for slot, brief in briefs.items()}
        self._given = given
        self._members = JsonMembers()
        self._pieces: list[str] = []
        self.kept = 0

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def read(self, piece: str) -> None:
        self._pieces.append(piece)
        for unit in self._members.feed(piece):
            brief = self._briefs.get(unit.key)
            if brief is None or brief.slot in self._writer.rows:
                self._writer.warnings.append(f"slot {unit.key!r}: not asked for, or written twice: left out")
                continue
            row = unit.problem or check(unit.value, brief, self._given[brief.slot])
            if isinstance(row, str):
                self._writer.warnings.append(f"{brief.day}: a row was refused: {row}")
                continue
            self.kept += 1
            self._writer.keep(brief, row, self._writer.counter.count(unit.text))


def _passages_of(brief: Brief, packed: Packed) -> dict[int, Passage]:
    """The passages, by number, that hold something of what ``brief`` may draw on."""
    return {
        passage.number: passage
        for passage in packed.passages
        if any(passage.holds(hit.chunk) for hit in brief.hits)
    }
