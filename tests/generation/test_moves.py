"""The strategies in their order: first, escalate, focus; continue where something is complete."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from generation.budget import escalated
from generation.limits import limits_of
from generation.moves import Ended, Move, next_move

LIMITS = limits_of("gpt-4o-mini")
REASONING = replace(LIMITS, reasons=True)
CUT = Ended(
    reason="length", asked=6, kept=0, cap_tokens=4096, room_tokens=100_000, tokens=4096, cut_unit='"1": {'
)


def after(move: Move, ended: Ended, limits: object = LIMITS) -> Move:
    return next_move(move, ended, limits, most_at_once=6)  # type: ignore[arg-type]


def test_the_seeds_order() -> None:
    """4096, then 8192 with the partial text, then a smaller task without optional context."""
    second = after(Move(at_once=6), CUT)
    assert second == Move(strategy="escalate", at_once=6, cap_tokens=8192, cut_unit='"1": {')
    third = after(second, replace(CUT, cap_tokens=8192, tokens=8192))
    assert (third.strategy, third.at_once, third.essentials_only) == ("focus", 3, True)


def test_a_cap_at_the_models_limit_is_not_raised() -> None:
    """Never the same cap twice: a model that writes 4096 tokens at most is asked for less instead."""
    limits = replace(LIMITS, max_output=4096)
    assert after(Move(at_once=6), CUT, limits).strategy == "focus"


def test_a_cap_that_the_window_would_cut_is_not_raised() -> None:
    """A larger cap that does not fit beside the partial text would be the same cap again."""
    assert after(Move(at_once=6), replace(CUT, room_tokens=5000)).strategy == "focus"


def test_a_reply_cut_below_its_cap_is_not_escalated() -> None:
    """What cuts at 300 tokens of 4096 is not our cap."""
    assert after(Move(at_once=6), replace(CUT, tokens=300)).strategy == "focus"


def test_what_is_complete_is_continued_from() -> None:
    """Fewer units after a cut; as many as before after a lost connection; more when all came."""
    assert after(Move(at_once=6), replace(CUT, kept=2)) == Move(
        strategy="continue", at_once=2, cut_unit='"1": {'
    )
    assert after(Move(at_once=6), replace(CUT, kept=2, reason="interrupted")).at_once == 6
    assert after(Move(at_once=2), replace(CUT, kept=2, asked=2, reason="stop")).at_once == 4


def test_a_lost_connection_takes_the_same_path() -> None:
    """Nothing complete: the same again, with what was cut; then a smaller task. The cap was not the cause."""
    lost = replace(CUT, reason="interrupted", tokens=12)
    second = after(Move(at_once=6), lost)
    assert second == Move(strategy="continue", at_once=6, cut_unit='"1": {', is_again=True)
    assert after(second, lost).strategy == "focus"
    assert after(second, CUT).strategy == "escalate"


def test_reasoning_that_ate_everything() -> None:
    """Less is thought and fewer units are asked for: not only a bigger cap."""
    move = after(Move(at_once=6), replace(CUT, starved=True, cut_unit=""), REASONING)
    assert (move.strategy, move.at_once, move.effort, move.cap_tokens) == ("focus", 3, "low", None)
    assert after(move, replace(CUT, kept=3, reason="stop"), REASONING).effort == "low"
    again = after(move, replace(CUT, starved=True, cut_unit=""), REASONING)
    assert (again.strategy, again.cap_tokens) == ("focus", 8192)


@given(st.integers(1, 200_000), st.integers(1, 200_000))
def test_an_escalation_is_an_escalation(cap: int, most: int) -> None:
    """A larger cap, within the model's, by way of 8192; or none."""
    limits = replace(LIMITS, max_output=most)
    larger = escalated(cap, limits)
    if larger is None:
        assert cap >= most
    else:
        assert cap < larger <= most
        assert larger in {8192, most}


ENDS = st.builds(
    Ended,
    reason=st.sampled_from(["stop", "length", "interrupted", "deadline"]),
    asked=st.integers(1, 40),
    kept=st.integers(0, 40),
    cap_tokens=st.integers(1, 20_000),
    room_tokens=st.integers(1, 200_000),
    tokens=st.integers(0, 20_000),
    starved=st.booleans(),
    cut_unit=st.just(""),
)


@given(st.lists(ENDS, max_size=12), st.booleans())
def test_every_move_is_smaller_or_larger_in_the_right_way(ends: list[Ended], reasons: bool) -> None:
    """Whatever happens: at least one unit, at most those allowed, a cap within the model's."""
    move = Move(at_once=6)
    limits = replace(LIMITS, reasons=reasons)
    for ended in ends:
        move = next_move(move, ended, limits, most_at_once=6)
        assert 1 <= move.at_once <= max(40, 6)
        assert move.cap_tokens is None or move.cap_tokens <= limits.max_output
        assert (move.strategy == "continue") == (bool(ended.kept) or move.is_again)
