"""The loop under every model call: fit, call, keep every complete unit, and go on with what is missing.

A reply that was cut, a lost connection, a time limit and a deadline share one path: what is whole is kept,
and the next move asks for the rest.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Literal

from generation.budget import Bounds, Spent
from generation.fitting import Planned, margin_tokens, planned
from generation.learned import Costs, Memory
from generation.model import ChatModel, ChatRequest, Finished
from generation.moves import Ended, Move, Strategy, next_move
from generation.refusals import Refused
from generation.task import Task
from generation.units import Unit, UnitParser
from rag.errors import DoesNotFit, ModelFailure, ServiceFailure
from rag.retry import RetryPolicy, retried
from rag.tokens import TokenCounter

MAX_RETRIES = 2
_BEFORE_THE_FIRST_REPLY = {"unreachable", "timed_out", "refused_key", "unknown_model"}
_CANNOT_HEAL = {"quota", "rejected", "refused_key", "unknown_model"}
_ENDS_THE_RUN = {*_CANNOT_HEAL, "content_filter"}
_CHARACTERS_A_TOKEN = 3  # for the ledger, where a server counted and does so no more
Status = Literal["complete", "continued", "partial", "failed"]
_log = logging.getLogger("hookline.calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One line of the ledger: what an attempt was for, what it cost and what it brought.

    ``prompt_tokens`` are those billed, ``prompt_counted`` our own count. An attempt that was never answered
    costs nothing; ``finish_reason`` then says why it failed.
    """

    purpose: str
    strategy: Strategy
    model: str
    prompt_tokens: int
    prompt_counted: int
    max_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    finish_reason: str
    units_kept: int
    seconds: float
    cost_usd: float
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended, and the ``units`` that it kept.

    ``why`` says why ``missing`` units were not written; None where none is missing.
    ``complete``: nothing is missing; ``continued``: the same, after a recovery; ``partial``; ``failed``:
    no unit at all.
    """

    status: Status
    units: tuple[Unit, ...]
    missing: tuple[str, ...]
    why: str | None
    calls: tuple[Call, ...]
    warnings: tuple[str, ...]


async def complete(
    task: Task,
    model: ChatModel,
    *,
    counter: TokenCounter,
    memory: Memory | None = None,
    bounds: Bounds | None = None,
    max_retries: int = MAX_RETRIES,
    retry: RetryPolicy | None = None,
    on_call: Callable[[Call], None] = lambda _: None,
) -> Outcome:
    """Have ``model`` write the units of ``task`` until none is missing, or asking again brings no more.

    ``max_retries`` is how many rounds in a row may bring nothing new after the first that did; attempts
    that ``retry`` repeats because the server could not answer are not counted. What goes wrong before the
    first reply is raised as ``ModelFailure`` or ``DoesNotFit``; after it, what was kept stays, and the
    outcome says what is missing and why.
    """
    run = _Run(
        task=task,
        model=model,
        counter=counter,
        memory=memory or Memory(),
        retry=retry or RetryPolicy(),
        on_call=on_call,
        spent=Spent(bounds=bounds or Bounds(), limits=model.limits, begun_seconds=time.monotonic()),
    )
    why = await run.to_its_end(max_retries)
    run.tell()
    missing = tuple(task.missing())
    run.remember(whole=not missing)
    status: Status = "partial" if run.units else "failed"
    if not missing:
        status = "continued" if run.recovered else "complete"
    return Outcome(
        status=status,
        units=tuple(run.units),
        missing=missing,
        why=why if missing else None,
        calls=tuple(run.calls),
        warnings=tuple(run.warnings),
    )


@dataclass(slots=True, kw_only=True)
class _Run:
    task: Task
    model: ChatModel
    counter: TokenCounter
    memory: Memory
    retry: RetryPolicy
    spent: Spent
    on_call: Callable[[Call], None]
    calls: list[Call] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    recovered: bool = False
    _vain: Counter[str] = field(default_factory=Counter)
    _answered: bool = False
    _told: int = 0

    @property
    def _costs(self) -> Costs:
        return self.memory.costs(self.model.limits.name, self.task.name)

    async def to_its_end(self, max_retries: int) -> str:
        """Round after round; returns why it ended."""
        move = Move(at_once=self.task.most_at_once)
        fruitless = 0
        while missing := self.task.missing():
            # one that was asked for alone in vain does not stand in the way of the others
            ended = await self._tried(sorted(missing, key=lambda key: self._vain[key]), move)
            if isinstance(ended, str):
                return ended
            if ended is None:
                continue
            if ended.reason in _ENDS_THE_RUN:
                return self.warnings[-1]
            fruitless = 0 if ended.kept else fruitless + 1
            if fruitless > max_retries:
                return f"{fruitless} rounds in a row brought nothing new, the last one: {ended.reason}"
            move = next_move(move, ended, self.model.limits, most_at_once=self.task.most_at_once)
            self.recovered = self.recovered or ended.cut or not ended.kept
        return ""

    def remember(self, *, whole: bool) -> None:
        """Put on disk what was learned of costs."""
        if whole and self.calls:
            self._costs.saw_whole(sum(self._count(unit.text) for unit in self.units))
        self.memory.save()

    async def _tried(self, missing: Sequence[str], move: Move) -> Ended | str | None:
        """How a round ended; or why there can be no other; None: the refusal taught something, try again."""
        if bound := self.spent.reached(time.monotonic()):
            return bound
        try:
            return await self._round(missing, move)
        except Refused as refusal:
            return None if self._learned(refusal) else str(refusal)
        except ServiceFailure as failure:  # the model's, or that of a server that counts
            raised = not isinstance(failure, ModelFailure) or failure.kind in _BEFORE_THE_FIRST_REPLY
            if raised and not self._answered:
                raise
            self.warnings.append(str(failure))
            return str(failure)
        except DoesNotFit as error:
            if not self._answered:
                raise
            return str(error)

    def _learned(self, refusal: Refused) -> bool:
        """Whether ``refusal`` said something that the next request can go by."""
        before, costs = self.model.limits, self._costs
        margin = margin_tokens(costs, before, is_first=not self._answered)
        self.model.learn(refusal.lesson.applied_to(before))
        if refusal.lesson.prompt_tokens and self.calls:
            costs.saw_prompt(counted=self.calls[-1].prompt_counted, billed=refusal.lesson.prompt_tokens)
        wider = margin_tokens(costs, before, is_first=not self._answered) > margin
        new = self.model.limits != before or wider
        self.warnings.append(f"{refusal}{' (learned)' if new else ''}")
        return new

    async def _round(self, missing: Sequence[str], move: Move) -> Ended | str:
        """One request and its reply; or that what is left of tokens or money pays for no useful one."""
        costs = self._costs
        plan = planned(
            self.task,
            self.model,
            move,
            missing=missing,
            costs=costs,
            spent=self.spent,
            is_first=not self._answered,
        )
        if plan is None:
            return "the bound of tokens or money (max_total_tokens, max_usd) is reached"
        reply = _Reply(self.task, plan.ask.parser, self.warnings)
        finished, begun = await self._converse(plan, move, reply)
        reply.finish(cut=finished.reason != "stop")
        if finished.reason == "content_filter":
            self.warnings.append("the server's content filter ended the reply")
        self.task.ended(finished.reason)
        tokens = finished.completion_tokens or self._count(reply.text)
        for unit in reply.kept:
            costs.saw_unit(self._count(unit.text))
        if finished.prompt_tokens is not None:
            costs.saw_prompt(counted=plan.counted.total, billed=finished.prompt_tokens)
        if finished.reason in {"stop", "length"}:
            costs.saw_reply(
                cap=plan.fit.max_tokens,
                tokens=tokens,
                reasoning_tokens=finished.reasoning_tokens,
                cut=finished.reason == "length",
            )
        self.memory.save()  # a run that is killed now has learned this much
        self.units += reply.kept
        if not reply.kept and len(plan.ask.keys) == 1 and finished.reason in {"stop", "length"}:
            self._vain[plan.ask.keys[0]] += 1
        self._record(
            plan,
            move,
            begun=begun,
            reason=finished.reason,
            prompt_tokens=finished.prompt_tokens or (plan.counted.total if reply.begun else 0),
            completion_tokens=tokens,
            reasoning_tokens=finished.reasoning_tokens,
            units_kept=len(reply.kept),
        )
        return Ended(
            reason=finished.reason,
            asked=len(plan.ask.keys),
            kept=len(reply.kept),
            cap_tokens=plan.fit.max_tokens,
            room_tokens=plan.fit.room_tokens,
            tokens=tokens,
            starved=not reply.text.strip()
            and finished.reason == "length"
            and (self.model.limits.reasons or finished.reasoning_tokens > 0),
            cut_unit="" if finished.reason == "stop" else plan.ask.parser.cut,
        )

    async def _converse(self, plan: Planned, move: Move, reply: _Reply) -> tuple[Finished, float]:
        """Send what is planned and read the reply to its end, whatever the end is; and when it was sent.

        Raises what cannot heal, and what no retry could mend before anything came.
        """
        seconds_left = self.spent.seconds_left(time.monotonic())
        begun = time.monotonic()
        request = plan.request(self.model, move)

        def failed(failure: ServiceFailure, wait_seconds: float | None) -> None:
            nonlocal begun
            if isinstance(failure, ModelFailure) and not self._is_told_elsewhere(failure, wait_seconds):
                self._record(plan, move, begun=begun, reason=failure.kind)
            if wait_seconds is not None:
                begun = time.monotonic() + wait_seconds

        finished: Finished | None = None
        try:
            async with asyncio.timeout(seconds_left):
                first, stream = await retried(
                    lambda: _opened(self.model, request),
                    circuit=self.model.circuit,
                    policy=self.retry,
                    deadline_seconds=seconds_left,
                    on_failure=failed,
                )
                self._answered = True
                async with aclosing(stream):
                    finished = reply.read(first)
                    async for event in stream:
                        finished = reply.read(event) or finished
        except TimeoutError:
            finished = Finished(reason="deadline")
        except ModelFailure as failure:
            if not reply.begun and (failure.kind in _CANNOT_HEAL or failure.heals):
                raise
            self.warnings.append(str(failure))
            finished = Finished(reason=failure.kind)
        return finished or Finished(reason="interrupted"), begun

    def _is_told_elsewhere(self, failure: ModelFailure, wait_seconds: float | None) -> bool:
        """Whether ``failure`` will be raised to the caller, or is the end of a round."""
        if failure.kind == "interrupted":
            return True
        raised = not self._answered and failure.kind in _BEFORE_THE_FIRST_REPLY
        return raised and wait_seconds is None

    def _record(
        self,
        plan: Planned,
        move: Move,
        *,
        begun: float,
        reason: str,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        reasoning_tokens: int = 0,
        units_kept: int = 0,
    ) -> None:
        """Put one attempt into the ledger and the log."""
        limits = self.model.limits
        usd = limits.cost_usd(input_tokens=prompt_tokens, output_tokens=completion_tokens)
        call = Call(
            purpose=plan.ask.purpose,
            strategy=move.strategy,
            model=limits.name,
            prompt_tokens=prompt_tokens,
            prompt_counted=plan.counted.total,
            max_tokens=plan.fit.max_tokens,
            completion_tokens=completion_tokens,
            reasoning_tokens=reasoning_tokens,
            finish_reason=reason,
            units_kept=units_kept,
            seconds=round(max(0.0, time.monotonic() - begun), 3),
            cost_usd=usd,
            left_out=plan.ask.left_out,
        )
        self.calls.append(call)
        if prompt_tokens or reason == "timed_out":
            self._spend(plan, reason, prompt_tokens or plan.counted.total, completion_tokens)
        _log.info(json.dumps(asdict(call), ensure_ascii=False))
        if self._answered:
            self.tell()

    def _spend(self, plan: Planned, reason: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Count an attempt against the bounds: with all that it may have cost, where nobody says."""
        limits = self.model.limits
        if limits.reasons and reason not in {"stop", "length", "content_filter"}:
            completion_tokens = max(completion_tokens, plan.fit.max_tokens)  # unseen reasoning is billed
        usd = limits.cost_usd(input_tokens=prompt_tokens, output_tokens=completion_tokens)
        self.spent.add(input_tokens=prompt_tokens, output_tokens=completion_tokens, usd=usd)

    def _count(self, text: str) -> int:
        """The tokens of ``text``; a server that cannot say any more does not cost what was kept."""
        try:
            return self.counter.count(text)
        except ServiceFailure:
            return len(text) // _CHARACTERS_A_TOKEN

    def tell(self) -> None:
        """Hand on the attempts not yet told; what fails before the first reply may be raised instead."""
        while self._told < len(self.calls):
            self._told += 1
            self.on_call(self.calls[self._told - 1])


async def _opened(
    model: ChatModel, request: ChatRequest
) -> tuple[str | Finished, AsyncGenerator[str | Finished, None]]:
    """A reply that has begun: its first event, and the rest."""
    stream = model.stream(request)
    return await anext(stream), stream


class _Reply:
    """One reply as it arrives: text into units, units into the task."""

    def __init__(self, task: Task, parser: UnitParser, warnings: list[str]) -> None:
        self._task = task
        self._parser = parser
        self._warnings = warnings
        self._pieces: list[str] = []
        self.begun = False
        self.kept: list[Unit] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def read(self, event: str | Finished) -> Finished | None:
        """Take in one event; what it says of the end, if it is that."""
        self.begun = True
        if isinstance(event, Finished):
            return event
        self._pieces.append(event)
        self._keep(self._parser.feed(event))
        return None

    def finish(self, *, cut: bool) -> None:
        """The reply ended, by itself or because it was ``cut``."""
        self._keep(self._parser.finish(cut=cut))

    def _keep(self, units: Sequence[Unit]) -> None:
        for unit in units:
            problem = self._task.keep(unit)
            if problem is None:
                self.kept.append(unit)
            elif problem:
                self._warnings.append(problem)
