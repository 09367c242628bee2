"""What each model allows, what it costs, and whose word on it counts.

What the user declares wins, then the values of the documents this project grew from, then the catalogue
(``generation/catalogue.py``), then what the server itself says (``generation/server_limits.py``).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from rag.errors import BadInput

OutputParameter = Literal["max_tokens", "max_completion_tokens", "max_output_tokens"]
UNCOUNTED = ""  # the encoding of a model whose server names its window but counts no tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class LongPrompt:
    """The prices of a whole call whose prompt has more than ``over_tokens`` tokens, in US dollars a million."""

    over_tokens: int
    usd_per_million_input: float
    usd_per_million_output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """One model's limits in tokens and prices in US dollars a million tokens.

    ``context_window`` holds prompt and reply together; ``max_input`` is a separate cap on the prompt where
    the model has one. ``encoding`` names how its tokens are counted, as ``rag.tokens.counter_for`` reads it.
    ``output_parameter`` is the request field that caps the reply (``max_output_tokens``: a model of the
    Responses API only). ``reasons`` is whether it spends output tokens before the first visible one,
    and ``takes_low_effort`` whether it can be told to spend fewer.
    ``long_prompt`` holds the prices of long prompts where they differ. ``source`` says where the values were
    read, with what was read there in brackets, and ``checked_on`` when (ISO date; empty for what the user
    declared).
    """

    name: str
    context_window: int
    max_output: int
    encoding: str
    usd_per_million_input: float
    usd_per_million_output: float
    max_input: int | None = None
    long_prompt: LongPrompt | None = None
    output_parameter: OutputParameter = "max_tokens"
    reasons: bool = False
    takes_schema: bool = True
    takes_json_mode: bool = True
    takes_temperature: bool = True
    takes_low_effort: bool = True
    source: str = ""
    checked_on: str = ""

    def usd_per_million(self, *, input_tokens: int) -> tuple[float, float]:
        """What a million tokens in and a million out cost in a call whose prompt has ``input_tokens``."""
        price = self.long_prompt if self.long_prompt and input_tokens > self.long_prompt.over_tokens else self
        return price.usd_per_million_input, price.usd_per_million_output

    def cost_usd(self, *, input_tokens: int, output_tokens: int) -> float:
        """What a call costs at most: without discounts for cached input or for batches."""
        price_in, price_out = self.usd_per_million(input_tokens=input_tokens)
        return (input_tokens * price_in + output_tokens * price_out) / 1_000_000


def _seed(name: str, window: int, price_in: float, price_out: float) -> ModelLimits:
    return ModelLimits(
        name=name,
        context_window=window,
        max_output=4096,
        encoding="cl100k_base",
        usd_per_million_input=price_in,
        usd_per_million_output=price_out,
        takes_schema=False,
        source="the project's first documents (limits), genai-prices 0.2.3 (prices)",
        checked_on="2026-11-24",
    )


SEEDS: Mapping[str, ModelLimits] = MappingProxyType(
    {
        seed.name: seed
        for seed in (
            _seed("gpt-3.5-turbo", 16_385, 0.5, 1.5),
            _seed("gpt-4-turbo-preview", 128_000, 10.0, 30.0),
        )
    }
)
NONE_DECLARED: Mapping[str, ModelLimits] = MappingProxyType({})


def known_models(declared: Mapping[str, ModelLimits] = NONE_DECLARED) -> dict[str, ModelLimits]:
    """Every model that can be named without asking a server: what was declared first, then by name."""
    from generation.catalogue import catalogue  # noqa: PLC0415  # start-up

    others = {**catalogue(), **SEEDS}
    return {**declared, **{name: others[name] for name in sorted(others) if name not in declared}}


def limits_of(
    name: str,
    *,
    declared: Mapping[str, ModelLimits] = NONE_DECLARED,
    base_url: str | None = None,
    api_key: str | None = None,
    to_count: bool = True,
) -> ModelLimits:
    """The limits of model ``name``; a dated snapshot that nobody lists has those of its model.

    Only a model that is neither declared nor known is asked for at the server of ``base_url``. Raises
    ``BadInput`` with the remedy for a model that stays unknown and, with ``to_count``, for one whose tokens
    nobody can count.
    """
    if name in declared:
        return declared[name]
    if name in SEEDS:
        return SEEDS[name]
    from generation.catalogue import find  # noqa: PLC0415  # start-up

    if found := find(name):
        return found
    if base_url is None:
        raise BadInput(
            f"unknown model {name!r}: {_nearest(name, declared)}declare it in hookline.toml under "
            f"{_table(name)}, or give the --base-url of a server that says what it allows "
            f"('hookline models' lists what is known)"
        )
    from generation.server_limits import Unsaid, ask_server  # noqa: PLC0415  # start-up

    said = ask_server(base_url, name, api_key)
    if isinstance(said, Unsaid):
        raise BadInput(
            f"unknown model {name!r}: {said.reason}; {_nearest(name, declared)}declare it in hookline.toml "
            f"under {_table(name)}"
        )
    if to_count and said.encoding == UNCOUNTED:
        raise BadInput(f"model {name!r}: {counting_remedy(said)}")
    return said


def counting_remedy(limits: ModelLimits) -> str:
    """What to do about a model whose server counts no tokens."""
    return (
        f"its server counts no tokens: declare in hookline.toml, under {_table(limits.name)}, context_window = "
        f"{limits.context_window}, max_output, and tokenizer (the path of its tokenizer.json) or "
        f"characters_per_token"
    )


def _table(name: str) -> str:
    return f"[models.{json.dumps(name, ensure_ascii=False)}]"  # quoted: a name may have dots and slashes


def _nearest(name: str, declared: Mapping[str, ModelLimits]) -> str:
    near = difflib.get_close_matches(name, known_models(declared), n=3)
    return f"did you mean {' or '.join(near)}? Else " if near else ""
