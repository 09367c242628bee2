"""The fitting arithmetic: no request can exceed a limit (law 1)."""

from __future__ import annotations

from dataclasses import dataclass

from generation.limits import ModelLimits
from rag.errors import DoesNotFit

MARGIN_TOKENS = 2000
SUPPLEMENT_MARGIN_TOKENS = 1000
REASONING_TOKENS = 4000


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
            f"shorten it by {prompt_tokens - limits.max_input}"
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
        raise DoesNotFit(f"{limits.name} leaves no room for a reply of {needed} tokens: {result}")
    return result


def content_cap(days: int) -> int:
    """Tokens that a call for ``days`` days may write at most, as long as nothing was measured."""
    if days > 25:  # noqa: PLR2004  # the seeds' own steps
        return 4000
    return 3500 if days > 20 else 3000  # noqa: PLR2004
