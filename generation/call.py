"""The loop: fit, call, keep every row that is whole, and go on with what is missing."""

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
from generation.journal import RowJournal
from generation.model import ChatModel, ChatRequest, Finished, prompt_tokens
from generation.patterns import MeasuredPattern
from generation.planning import Brief
from generation.prompts import messages, sections
from generation.rows import CalendarRow, check, reply_schema
from generation.units import JsonMembers
from rag.errors import DoesNotFit, ModelFailure
from rag.packing import Packed, Passage, pack
from rag.tokens import TokenCounter

ROW_TOKENS = 330  # what a row costs until rows of this run were measured
ROUNDS_WITHOUT_A_ROW = 2
_PASSAGE_TOKENS = 160  # a window and its header, to guess how many slots share a budget
_HEADROOM = 1.3  # a reply is given this much more than its rows cost on average
_BEFORE_THE_FIRST_REPLY = {"unreachable", "refused_key", "unknown_model"}
_CANNOT_HEAL = {"quota", "rejected", "refused_key", "unknown_model"}

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


@dataclass(slots=True, kw_only=True)
class RowWriter:
    """Writes the rows of a month with a model; ``rows`` are by slot, and may hold some from the beginning."""

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
        """Ask for rows until there is one for each of ``briefs``, or asking again brings no more.

        What goes wrong before the first reply is raised; after it, it is a warning, and what was kept stays.
        """
        fruitless = 0
        at_once = max(1, self.budget_tokens // _PASSAGE_TOKENS)
        while (left := [b for b in briefs if b.slot not in self.rows]) and fruitless <= ROUNDS_WITHOUT_A_ROW:
            at_once = min(at_once, max(1, content_cap(len(left)) // self._cost_of_a_row()))
            before, asked = len(self.rows), 0
            try:
                batch, packed = self._batch(left[:at_once])
                asked = len(batch)
                reason = await self._call(batch, packed)
            except ModelFailure as failure:
                if not self._answered and failure.kind in _BEFORE_THE_FIRST_REPLY:
                    raise
                self.warnings.append(str(failure))
                if failure.kind in _CANNOT_HEAL:
                    return
                reason = failure.kind
            except DoesNotFit as error:
                if asked > 1:
                    at_once = asked // 2
                    continue
                if not self._answered:
                    raise
                self.warnings.append(str(error))
                return
            kept = len(self.rows) - before
            fruitless = 0 if kept else fruitless + 1
            if reason == "length" and kept < asked:
                at_once = max(1, kept)  # what one reply was seen to hold

    def _cost_of_a_row(self) -> int:
        return sum(self._row_tokens) // len(self._row_tokens) if self._row_tokens else ROW_TOKENS

    def _content_tokens(self, rows: int) -> int:
        """What ``rows`` rows need: by what they cost so far, under the cap as long as nothing was measured."""
        needed = int(rows * self._cost_of_a_row() * _HEADROOM) + 100
        return needed if self._row_tokens else min(content_cap(rows), needed)

    def _batch(self, briefs: Sequence[Brief]) -> tuple[list[Brief], Packed]:
        """As many of ``briefs`` as the budget gives evidence, and that evidence.

        Every slot's leading passage comes before any slot's second.
        """
        batch = list(briefs)
        while True:
            in_turn = [h for hits in zip_longest(*(b.hits for b in batch)) for h in hits if h is not None]
            packed = pack(in_turn, self.budget_tokens, self.counter)
            if len(batch) == 1 or all(_passages_of(brief, packed) for brief in batch):
                return batch, packed
            batch.pop()

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
            content_tokens=self._content_tokens(len(batch)),
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
            if self._answered:  # what fails before the first reply is raised, and said there
                self.on_call(call)
        return finished.reason

    def keep(self, brief: Brief, row: CalendarRow, tokens: int) -> None:
        """Keep a row that is whole, on disk first; ``tokens`` is what it cost to write."""
        if self.journal is not None:
            self.journal.append(brief, row)
        self.rows[brief.slot] = row
        self._row_tokens.append(tokens)
        self.on_row(row)


class _Reply:
    """One reply as it arrives: units out of text, rows out of units."""

    def __init__(
        self, writer: RowWriter, briefs: Mapping[int, Brief], given: Mapping[int, Mapping[int, Passage]]
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
