"""A request that fits, and whose reply has the room that its content needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generation.budget import (
    MARGIN_TOKENS,
    REASONING_TOKENS,
    SUPPLEMENT_MARGIN_TOKENS,
    Fit,
    Spent,
    fit,
)
from generation.learned import Costs
from generation.limits import ModelLimits
from generation.model import ChatModel, ChatRequest, PromptTokens
from generation.moves import Move
from generation.task import Ask, Task
from rag.errors import DoesNotFit

_BETWEEN_UNITS = 1.05  # a unit and what stands around it


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is asked for, what the prompt costs, and the room of the reply."""

    ask: Ask
    counted: PromptTokens
    fit: Fit

    def request(self, model: ChatModel, move: Move) -> ChatRequest:
        """The same as it is sent, without what the model does not take."""
        limits = model.limits
        return ChatRequest(
            messages=self.ask.messages,
            max_tokens=self.fit.max_tokens,
            response_schema=self.ask.schema,
            json_mode=self.ask.json_mode and limits.takes_json_mode and self.ask.schema is None,
            temperature=self.ask.temperature,
            effort=move.effort if limits.reasons and limits.takes_low_effort else None,
        )


def planned(
    task: Task,
    model: ChatModel,
    move: Move,
    *,
    missing: Sequence[str],
    costs: Costs,
    spent: Spent,
    is_first: bool,
) -> Planned | None:
    """A request for as many of ``missing`` as ``move`` allows and the model's limits carry.

    Where the window does not give the reply its room, optional sections give way first, then units. A single
    unit is asked for in less room than it needs, down to the least that is worth a call; then ``DoesNotFit``
    is raised. None if nothing is left to pay for a reply.
    """
    limits = model.limits
    reserve = reserve_tokens(costs, limits)
    margin = margin_tokens(costs, limits, is_first=is_first)
    least = task.least_tokens(costs)
    wanted = list(missing[: _at_once(move, costs)])
    save, gone, full = 0, -1, 0
    while True:
        ask = task.ask(wanted, move, save_tokens=save)
        counted = model.prompt_tokens(ask.messages, ask.schema)
        full = full or counted.total
        pays_for = spent.reply_tokens(counted.total)
        if pays_for < least + reserve:
            return None
        content = min(move.cap_tokens or task.content_tokens(len(ask.keys), costs), pays_for - reserve)
        refusal: DoesNotFit | None = None
        try:
            fitted = fit(
                prompt_tokens=counted.total,
                limits=limits,
                margin_tokens=margin,
                content_tokens=content,
                reasoning_tokens=reserve,
                minimum_tokens=min(least, content),
            )
            over = min(fitted.wanted_tokens, limits.max_output) - fitted.max_tokens
            if len(ask.keys) == 1:  # what it rests on is worth as much as the room to write it
                over = min(over, (limits.context_window - margin) // 2 - fitted.max_tokens)
        except DoesNotFit as error:
            refusal, over = error, error.over_tokens
        if over > 0 and save < full:  # once all of the prompt was to be saved, nothing optional is left
            saved = full - counted.total
            save = saved + over if saved > gone else 2 * save
            gone = saved
        elif (over > 0 or refusal) and len(ask.keys) > 1:
            wanted, save, gone, full = wanted[: len(ask.keys) // 2], 0, -1, 0
        elif refusal:
            raise refusal
        else:
            return Planned(ask=ask, counted=counted, fit=fitted)


def reserve_tokens(costs: Costs, limits: ModelLimits) -> int:
    """What is kept free for reasoning: half of the output cap at most, whatever was seen."""
    return min(costs.reserve_tokens(REASONING_TOKENS), limits.max_output // 2) if limits.reasons else 0


def margin_tokens(costs: Costs, limits: ModelLimits, *, is_first: bool) -> int:
    """What is kept free for what was miscounted: a quarter of the window at most, whatever was seen."""
    unmeasured = MARGIN_TOKENS if is_first else SUPPLEMENT_MARGIN_TOKENS
    return min(costs.margin_tokens(unmeasured), limits.context_window // 4)


def _at_once(move: Move, costs: Costs) -> int:
    """How many units to ask for: what the last replies were seen to hold."""
    if not costs.cut_at_tokens or not costs.units:
        return move.at_once
    return max(1, min(move.at_once, int(costs.cut_at_tokens / (max(1, costs.unit_tokens) * _BETWEEN_UNITS))))
