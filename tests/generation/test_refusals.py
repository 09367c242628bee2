"""A 400 that names a limit teaches the next request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.limits import limits_of
from generation.refusals import Lesson, lesson_of

GPT = limits_of("gpt-3.5-turbo")


@pytest.mark.parametrize(
    ("message", "body", "lesson"),
    [
        (
            (
                "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (5000 in "
                "the messages, 4000 in the completion). Please reduce the length of the messages or completion."
            ),
            {"code": "context_length_exceeded", "param": "messages"},
            Lesson(context_window=8192, prompt_tokens=5000),
        ),
        (
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130011 tokens.",
            {"code": "context_length_exceeded"},
            Lesson(context_window=128000, prompt_tokens=130011),
        ),
        (
            "max_tokens is too large: 6000. This model supports at most 4096 completion tokens, whereas you provided 6000.",
            {"param": "max_tokens"},
            Lesson(max_output=4096),
        ),
        (
            "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
            {"code": "context_length_exceeded"},
            Lesson(max_input=272000, prompt_tokens=300000),
        ),
        (
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is "
                "2048 tokens and your request has 100 input tokens (5000 > 2048 - 100)."
            ),
            {"code": 400},
            Lesson(context_window=2048, prompt_tokens=100),
        ),
        (
            "request (6031 tokens) exceeds the available context size (2048 tokens), try increasing it",
            {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 6031, "n_ctx": 2048},
            Lesson(context_window=2048, prompt_tokens=6031),
        ),
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            {"code": "unsupported_parameter", "param": "max_tokens"},
            Lesson(takes_max_tokens=False),
        ),
        (
            "Unsupported value: 'temperature' does not support 0.2 with this model.",
            {"code": "unsupported_value", "param": "temperature"},
            Lesson(takes_temperature=False),
        ),
        (
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            {"code": None, "param": None},
            Lesson(takes_schema=False),
        ),
        (
            "Invalid parameter: 'response_format' of type 'json_object' is not supported with this model.",
            {},
            Lesson(takes_schema=False, takes_json_mode=False),
        ),
        (
            "max_output_tokens is too large: 9. This model supports at most 8 output tokens.",
            {"param": "max_output_tokens"},
            Lesson(max_output=8),
        ),
        (
            "Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 4096, but got 6000 instead.",
            {"param": "max_output_tokens", "code": "integer_above_max_value"},
            Lesson(max_output=4096),
        ),
        (
            "Invalid parameter: 'text.format' of type 'json_schema' is not supported with model version `gpt-4`.",
            {"param": "text.format"},
            Lesson(takes_schema=False),
        ),
        (
            "Unsupported parameter: 'temperature' is not supported with this model.",
            {"param": "temperature", "code": None},
            Lesson(takes_temperature=False),
        ),
        (
            "Unsupported value: 'low' is not supported with this model. Supported values are: 'high'.",
            {"param": "reasoning.effort", "code": "unsupported_value"},
            Lesson(takes_low_effort=False),
        ),
        ("Invalid type for 'messages'.", {"code": "invalid_type"}, None),
        ("", {"type": "exceed_context_size_error", "n_ctx": "none", "n_prompt_tokens": -1}, None),
    ],
)
def test_what_servers_say(message: str, body: dict[str, Any], lesson: Lesson | None) -> None:
    """OpenAI's words, vLLM's and llama.cpp's; what names no limit teaches nothing."""
    assert lesson_of(message, body) == lesson


@given(
    st.text(max_size=200), st.dictionaries(st.sampled_from(["code", "type", "n_ctx"]), st.text() | st.none())
)
def test_no_message_breaks_it(message: str, body: dict[str, Any]) -> None:
    """A refusal is untrusted text."""
    lesson_of(message, body)


def test_of_two_limits_the_smaller_holds() -> None:
    """A lesson never widens what was known."""
    learned = Lesson(context_window=8192, max_output=100_000, max_input=500).applied_to(GPT)
    assert (learned.context_window, learned.max_output, learned.max_input) == (8192, 4096, 500)
    assert Lesson(takes_max_tokens=False).applied_to(GPT).output_parameter == "max_completion_tokens"
