"""What to do next after a reply: the strategies, in their order, as one pure function.

first       the planned cap
escalate    cut off at the cap with nothing complete: a larger cap, and the partial text is sent along
focus       still nothing complete: optional context goes, fewer units are asked for, less is thought
continue    something is complete, or it was the connection: only what is missing is asked for
salvage     (the caller's) no move is left: what is whole is returned, and what is missing is said
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from generation.budget import escalated
from generation.learned import is_cut_below
from generation.limits import ModelLimits

Strategy = Literal["first", "escalate", "focus", "continue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """How the next request is made. ``cap_tokens`` None is the planned cap of what is asked for.

    ``is_again``: the last one lost its connection before anything was complete.
    """

    at_once: int
    strategy: Strategy = "first"
    cap_tokens: int | None = None
    effort: Literal["low"] | None = None
    cut_unit: str = ""
    is_again: bool = False

    @property
    def essentials_only(self) -> bool:
        """Whether optional context goes."""
        return self.strategy == "focus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a round ended: why, units asked for and kept, its cap and its tokens.

    ``room_tokens`` is what the window left for a reply. ``starved``: all of the cap went into reasoning.
    ``cut_unit`` is the text of a unit that was cut.
    """

    reason: str
    asked: int
    kept: int
    cap_tokens: int
    room_tokens: int
    tokens: int
    starved: bool = False
    cut_unit: str = ""

    @property
    def cut(self) -> bool:
        """Whether the reply did not end by itself."""
        return self.reason != "stop"


def next_move(move: Move, ended: Ended, limits: ModelLimits, *, most_at_once: int) -> Move:
    """The move after ``ended``, which was the end of ``move``.

    A cap that a reply ran into is never asked for again without something complete in between, and never
    raised where the reply was cut below it: a server that cuts at 300 tokens cuts there at any cap.
    """
    fewer = max(1, ended.asked // 2)
    if ended.kept:
        at_once = move.at_once
        if ended.reason == "length":
            at_once = ended.kept  # what one reply was seen to hold
        elif ended.kept == ended.asked:
            at_once = min(most_at_once, 2 * move.at_once)
        return Move(strategy="continue", at_once=at_once, effort=move.effort, cut_unit=ended.cut_unit)
    larger = escalated(ended.cap_tokens, limits)
    if ended.starved:  # thinking less helps where a larger cap alone would only be thought away
        cap = larger if move.effort else None
        return Move(strategy="focus", at_once=fewer, cap_tokens=cap, effort="low")
    is_early = move.strategy in {"first", "continue"}
    if ended.cut and ended.reason != "length" and is_early and not move.is_again:
        return replace(move, strategy="continue", cut_unit=ended.cut_unit, is_again=True)
    if ended.reason == "length" and is_early and larger and _may_help(ended):
        return Move(
            strategy="escalate",
            at_once=move.at_once,
            cap_tokens=larger,
            effort=move.effort,
            cut_unit=ended.cut_unit,
        )
    return Move(
        strategy="focus",
        at_once=fewer,
        cap_tokens=move.cap_tokens,
        effort="low" if limits.reasons else None,
        cut_unit=ended.cut_unit,
    )


def _may_help(ended: Ended) -> bool:
    """Whether a larger cap can: the window has room beside the partial text, and the cap is what cut."""
    room = ended.room_tokens - ended.tokens > ended.cap_tokens
    return room and not is_cut_below(ended.cap_tokens, ended.tokens)
