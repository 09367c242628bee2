"""The fitting arithmetic: no request can exceed a limit (law 1)."""

from __future__ import annotations

from dataclasses import dataclass

from generation.limits import ModelLimits
from rag.errors import DoesNotFit

MARGIN_TOKENS = 2000
SUPPLEMENT_MARGIN_TOKENS = 1000
REASONING_TOKENS = 4000
ESCALATED_TOKENS = 8192
CODE_CONTEXT_TOKENS = 8000  # of files that were found for a request


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How many tokens a reply may have, and the sum that it follows from."""

    max_tokens: int
    prompt_tokens: int
    margin_tokens: int
    wanted_tokens: int
    room_tokens: int
    limits: ModelLimits

    def __str__(self) -> str:
        """The sum in one line."""
        return (
            f"max_tokens {self.max_tokens} = min(window {self.limits.context_window} - prompt "
            f"{self.prompt_tokens} - margin {self.margin_tokens} = {self.room_tokens}, output cap "
            f"{self.limits.max_output}, content {self.wanted_tokens})"
        )


def fit(
    *,
    prompt_tokens: int,
    limits: ModelLimits,
    margin_tokens: int,
    content_tokens: int,
    reasoning_tokens: int = 0,
    minimum_tokens: int = 1,
) -> Fit:
    """The largest reply that is allowed and useful, all in tokens.

    ``content_tokens`` is what the content needs, ``reasoning_tokens`` what a reasoning model spends before
    it, ``minimum_tokens`` the least content that is worth a call (what it reasons comes on top). Whatever
    the numbers, a returned ``Fit`` keeps ``prompt + max_tokens + margin <= window``,
    ``max_tokens <= output cap`` and ``prompt <= input cap``; otherwise ``DoesNotFit`` is raised, with the
    sum.
    """
    if limits.max_input is not None and prompt_tokens > limits.max_input:
        raise DoesNotFit(
            f"the prompt has {prompt_tokens} tokens and {limits.name} reads at most {limits.max_input}: "
            f"shorten it by {prompt_tokens - limits.max_input}",
            over_tokens=prompt_tokens - limits.max_input,
        )
    room = limits.context_window - prompt_tokens - margin_tokens
    result = Fit(
        max_tokens=min(room, limits.max_output, content_tokens + reasoning_tokens),
        prompt_tokens=prompt_tokens,
        margin_tokens=margin_tokens,
        wanted_tokens=content_tokens + reasoning_tokens,
        room_tokens=room,
        limits=limits,
    )
    needed = max(1, minimum_tokens + reasoning_tokens)
    if result.max_tokens < needed:
        raise DoesNotFit(
            f"{limits.name} leaves no room for a reply of {needed} tokens: {result}",
            over_tokens=needed - room if needed > room else 0,
        )
    return result


def content_cap(days: int) -> int:
    """Tokens that a call for ``days`` days may write at most, as long as nothing was measured."""
    if days > 25:  # noqa: PLR2004  # the seeds' own steps
        return 4000
    return 3500 if days > 20 else 3000  # noqa: PLR2004


def escalated(cap_tokens: int, limits: ModelLimits) -> int | None:
    """The next larger cap after a reply that ``cap_tokens`` cut: 8192, then the model's; None: there is none."""
    for larger in (min(ESCALATED_TOKENS, limits.max_output), limits.max_output):
        if larger > cap_tokens:
            return larger
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one run may spend: calls that reached the model, tokens in and out, US dollars, seconds.

    The defaults let a month finish although every reply is cut at 300 tokens.
    """

    calls: int = 120
    tokens: int = 1_000_000
    usd: float = 5.0
    seconds: float = 3600.0


@dataclass(slots=True, kw_only=True)
class Spent:
    """What a run has spent so far, and what its bounds leave."""

    bounds: Bounds
    limits: ModelLimits
    begun_seconds: float
    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def add(self, *, input_tokens: int, output_tokens: int, usd: float) -> None:
        """Count one call."""
        self.calls += 1
        self.tokens += input_tokens + output_tokens
        self.usd += usd

    def seconds_left(self, now: float) -> float:
        """Seconds until the deadline."""
        return self.begun_seconds + self.bounds.seconds - now

    def reply_tokens(self, prompt_tokens: int) -> int:
        """The longest reply to a prompt of ``prompt_tokens`` that tokens and money still pay for; 0: none."""
        left = self.bounds.tokens - self.tokens - prompt_tokens
        _, price = self.limits.usd_per_million(input_tokens=prompt_tokens)
        money = self.bounds.usd - self.usd - self.limits.cost_usd(input_tokens=prompt_tokens, output_tokens=0)
        if price > 0:
            left = min(left, int(money * 1_000_000 / price))
        elif money < 0:
            left = 0
        return max(0, left)

    def reached(self, now: float) -> str | None:
        """Which of calls and seconds is used up, in words."""
        if self.calls >= self.bounds.calls:
            return f"the bound of {self.bounds.calls} calls (max_calls) is reached"
        if self.seconds_left(now) <= 0:
            return f"the bound of {self.bounds.seconds:g} seconds (max_seconds) is reached"
        return None
