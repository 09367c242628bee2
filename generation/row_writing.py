"""Calendar rows as a task: which days are missing, how to ask for some of them, what becomes of a reply's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from generation.budget import content_cap
from generation.journal import RowJournal
from generation.learned import Costs
from generation.limits import ModelLimits
from generation.moves import Move
from generation.patterns import MeasuredPattern
from generation.planning import Brief
from generation.prompts import leave_out, sections
from generation.rows import CalendarRow, check, reply_schema
from generation.task import Ask
from generation.units import JsonMembers, Unit
from rag.documents import Hit
from rag.packing import Packed, Passage, in_turn, pack
from rag.tokens import TokenCounter

ROW_TOKENS = 330  # what a row costs until rows of this model were measured
_PASSAGE_TOKENS = 160  # a window and its header, to guess how many slots share a budget
_HEADROOM = 1.3  # a reply is given this much more than its rows cost on average
_CUT_TOKENS = 600  # a cut row longer than this is not shown again


@dataclass(slots=True, kw_only=True)
class RowTask:
    """The rows of ``briefs``; ``rows`` are by slot, and may hold some from the beginning.

    Each row goes into ``journal`` before anything else happens to it.
    """

    briefs: Sequence[Brief]
    patterns: Sequence[MeasuredPattern]
    counter: TokenCounter
    budget_tokens: int
    limits: Callable[[], ModelLimits]
    journal: RowJournal | None
    on_row: Callable[[CalendarRow], None]
    rows: dict[int, CalendarRow]
    name: str = "rows"
    _asked: dict[str, Brief] = field(default_factory=dict)
    _given: dict[int, dict[int, Passage]] = field(default_factory=dict)

    @property
    def most_at_once(self) -> int:
        """About as many as the budget has passages for."""
        return max(1, self.budget_tokens // _PASSAGE_TOKENS)

    def missing(self) -> list[str]:
        """The slots without a row."""
        return [str(brief.slot) for brief in self.briefs if brief.slot not in self.rows]

    def ask(self, keys: Sequence[str], move: Move, *, save_tokens: int) -> Ask:
        """A request for as many of ``keys`` as the budget gives evidence.

        What gives way: the cut row, then what other days hold, then evidence, down to each slot's leading
        passage.
        """
        wanted = [brief for brief in self.briefs if str(brief.slot) in keys]
        batch, packed = self._packed(wanted, self.budget_tokens, lead_only=move.essentials_only)
        ask, still = self._composed(batch, packed, move, save_tokens)
        if still > 0:
            less, smaller = self._packed(batch, max(1, packed.tokens - still), lead_only=False)
            if len(less) < len(batch):
                less, smaller = self._packed(batch, self.budget_tokens, lead_only=True)
            if len(less) == len(batch) and smaller.tokens < packed.tokens:
                trace = (f"evidence: {packed.tokens - smaller.tokens} of {packed.tokens} tokens left out",)
                ask, _ = self._composed(batch, smaller, move, save_tokens, trace)
        return ask

    def content_tokens(self, units: int, costs: Costs) -> int:
        """By what rows cost so far; under the seeds' cap as long as none was measured."""
        needed = int(units * self._cost(costs) * _HEADROOM) + 100
        return needed if costs.units else min(content_cap(units), needed)

    def least_tokens(self, costs: Costs) -> int:
        """One row."""
        return self._cost(costs)

    def keep(self, unit: Unit) -> str | None:
        """Keep a row that is whole and true to its evidence, on disk first."""
        brief = self._asked.get(unit.key)
        if brief is None or brief.slot in self.rows:
            return f"slot {unit.key!r}: not asked for, or written twice: left out"
        row = unit.problem or check(unit.value, brief, self._given[brief.slot])
        if isinstance(row, str):
            return f"{brief.day}: a row was refused: {row}"
        if self.journal is not None:
            self.journal.keep(brief, row)
        self.rows[brief.slot] = row
        self.on_row(row)
        return None

    def ended(self, reason: str) -> None:
        """Nothing follows from how a reply ended: a row is missing or it is not."""

    def _cost(self, costs: Costs) -> int:
        return max(1, round(costs.unit_tokens)) if costs.units else ROW_TOKENS

    def _packed(
        self, briefs: Sequence[Brief], budget_tokens: int, *, lead_only: bool
    ) -> tuple[list[Brief], Packed]:
        """As many of ``briefs`` as the budget gives evidence, and that evidence.

        Every slot's leading passage comes before any slot's second.
        """
        batch = list(briefs)
        while True:
            hits: list[Sequence[Hit]] = [brief.hits[:1] if lead_only else brief.hits for brief in batch]
            packed = pack(in_turn(hits), budget_tokens, self.counter)
            if len(batch) == 1 or all(passages_of(brief, packed) for brief in batch):
                return batch, packed
            batch.pop()

    def _composed(
        self,
        batch: Sequence[Brief],
        packed: Packed,
        move: Move,
        save_tokens: int,
        trace: tuple[str, ...] = (),
    ) -> tuple[Ask, int]:
        """The request for ``batch``, and the tokens that optional sections could not save."""
        self._given = {brief.slot: passages_of(brief, packed) for brief in batch}
        self._asked = {str(brief.slot): brief for brief in batch}
        allowed = {slot: list(passages) for slot, passages in self._given.items()}
        takes_schema = self.limits().takes_schema
        parts = sections(
            briefs=batch,
            allowed=allowed,
            evidence=packed.text,
            patterns=self.patterns,
            done=[] if move.essentials_only else [self.rows[slot] for slot in sorted(self.rows)],
            cut=self._shown(move.cut_unit),
            name_keys=not takes_schema,
        )
        staying, left, still = leave_out(parts, save_tokens, self.counter)
        ask = Ask(
            keys=tuple(self._asked),
            purpose=f"rows {', '.join(self._asked)}",
            sections=tuple(staying),
            parser=JsonMembers(),
            schema=reply_schema(allowed) if takes_schema else None,
            json_mode=True,
            left_out=(*left, *trace),
        )
        return ask, still

    def _shown(self, cut: str) -> str:
        """A cut row that is asked for again, unless it is so long that it is something else than a row."""
        asked = any(cut.startswith(f'"{key}"') for key in self._asked)
        return cut if asked and self.counter.count(cut) <= _CUT_TOKENS else ""


def passages_of(brief: Brief, packed: Packed) -> dict[int, Passage]:
    """The passages, by number, that hold something of what ``brief`` may draw on."""
    return {
        passage.number: passage
        for passage in packed.passages
        if any(passage.holds(hit.chunk) for hit in brief.hits)
    }
