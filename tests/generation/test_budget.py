"""The fit: no request can exceed a limit (law 1), and none asks for less than it could use."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from generation.budget import content_cap, fit
from generation.limits import ModelLimits, known_models, limits_of
from rag.errors import DoesNotFit

LIMITS = st.builds(
    ModelLimits,
    name=st.just("any"),
    context_window=st.integers(1, 300_000),
    max_output=st.integers(1, 130_000),
    max_input=st.none() | st.integers(1, 300_000),
    encoding=st.just("cl100k_base"),
    usd_per_million_input=st.just(1.0),
    usd_per_million_output=st.just(1.0),
)
TOKENS = st.integers(0, 300_000)
SMALL = st.integers(0, 6_000)


@given(LIMITS | st.sampled_from(list(known_models().values())), TOKENS, SMALL, TOKENS, SMALL, SMALL)
def test_no_request_can_exceed_a_limit(
    limits: ModelLimits, prompt: int, margin: int, content: int, reasoning: int, least: int
) -> None:
    """Law 1: whatever the numbers, either every limit holds or there is no request."""
    try:
        fitted = fit(
            prompt_tokens=prompt,
            limits=limits,
            margin_tokens=margin,
            content_tokens=content,
            reasoning_tokens=reasoning,
            minimum_tokens=least,
        )
    except DoesNotFit as error:
        assert str(prompt) in str(error)  # the sum is shown
        room = min(limits.context_window - prompt - margin, limits.max_output, content + reasoning)
        over = limits.max_input is not None and prompt > limits.max_input
        assert over or room < max(1, least + reasoning)  # and it is true
        return
    assert prompt + fitted.max_tokens + margin <= limits.context_window
    assert fitted.max_tokens <= limits.max_output
    assert limits.max_input is None or prompt <= limits.max_input
    assert fitted.max_tokens >= max(1, least + reasoning)


@given(LIMITS, SMALL, SMALL, TOKENS)
def test_nothing_is_left_unused_that_the_content_needs(
    limits: ModelLimits, prompt: int, margin: int, content: int
) -> None:
    """The reply is capped by the window, the output cap or the content, and by nothing else."""
    assume(limits.max_input is None or prompt <= limits.max_input)
    assume(limits.context_window - prompt - margin > 0)
    assume(content > 0)
    fitted = fit(prompt_tokens=prompt, limits=limits, margin_tokens=margin, content_tokens=content)
    assert fitted.max_tokens in {limits.context_window - prompt - margin, limits.max_output, content}


def test_the_documents_own_example() -> None:
    """3,010 tokens of prompt for a long month on gpt-4-turbo-preview leave 4,000 for the reply."""
    fitted = fit(
        prompt_tokens=3010,
        limits=limits_of("gpt-4-turbo-preview"),
        margin_tokens=2000,
        content_tokens=content_cap(31),
    )
    assert fitted.max_tokens == 4000
    assert str(fitted) == (
        "max_tokens 4000 = min(window 128000 - prompt 3010 - margin 2000 = 122990, output cap 4096, content 4000)"
    )


@pytest.mark.parametrize(
    ("days", "tokens"), [(31, 4000), (26, 4000), (25, 3500), (21, 3500), (20, 3000), (1, 3000)]
)
def test_the_content_cap_has_the_documents_steps(days: int, tokens: int) -> None:
    """More than 25 days 4000, more than 20 days 3500, else 3000."""
    assert content_cap(days) == tokens
