"""What is served: models with their limits, requests as they came, replies, and what both APIs refuse alike."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import tiktoken
from schema_instances import strict_faults

API = Literal["chat.completions", "responses"]
EncodingName = Literal["cl100k_base", "o200k_base"]
OutputParameter = Literal["max_tokens", "max_completion_tokens", "max_output_tokens"]
FinishReason = Literal["stop", "length"]
ENCODINGS = Path(__file__).parents[2] / "rag" / "encodings"
SHARE_OF_EFFORT = {"none": 0.0, "minimal": 0.25, "low": 0.25}  # of a model's reasoning tokens


@functools.cache
def load_encoding(name: EncodingName) -> tiktoken.Encoding:
    """The encoding from the repository's own file: no network.

    tiktoken gets a copy, because it deletes a file in its cache whose hash is not the expected one.
    """
    url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    with tempfile.TemporaryDirectory() as cache, mock.patch.dict(os.environ, TIKTOKEN_CACHE_DIR=cache):
        shutil.copyfile(ENCODINGS / f"{name}.tiktoken", Path(cache) / hashlib.sha1(url.encode()).hexdigest())
        return tiktoken.get_encoding(name)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What one model allows, in tokens.

    One whose ``output_parameter`` is ``max_tokens`` takes the new name as well, as OpenAI's do; one with
    ``max_completion_tokens`` refuses the old name. One that ``reasons`` takes an effort, one of ``efforts``,
    and spends ``reasoning_tokens`` of its cap before the first visible token: a quarter of them at low or
    minimal effort.
    """

    name: str
    context_window: int
    max_output_tokens: int
    encoding: EncodingName
    _: KW_ONLY
    input_cap: int | None = None
    output_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    takes_schema: bool = True
    takes_json_mode: bool = True
    takes_temperature: bool = True
    takes_prefill: bool = True
    reasons: bool = False
    reasoning_tokens: int = 0
    efforts: Sequence[str] = ("minimal", "low", "medium", "high")
    responses_only: bool = False

    def reasoning_at(self, effort: str | None) -> int:
        share = SHARE_OF_EFFORT.get(effort or "medium", 1.0)
        return int(self.reasoning_tokens * share) if self.reasons else 0


GPT_5_MINI = ServedModel(
    *("gpt-5-mini", 400_000, 128_000, "o200k_base"),
    input_cap=272_000,
    output_parameter="max_completion_tokens",
    takes_temperature=False,
    reasons=True,
    reasoning_tokens=256,
)
GPT_5_PRO = ServedModel(
    *("gpt-5-pro", 400_000, 272_000, "o200k_base"),
    input_cap=272_000,
    takes_temperature=False,
    reasons=True,
    reasoning_tokens=1024,
    efforts=("high",),
    responses_only=True,
)
DEFAULT_MODELS = (
    ServedModel("gpt-4-turbo-preview", 128_000, 4_096, "cl100k_base", takes_schema=False),
    ServedModel("gpt-3.5-turbo", 16_385, 4_096, "cl100k_base", takes_schema=False),
    ServedModel("gpt-4o-mini", 128_000, 16_384, "o200k_base"),
    ServedModel("gpt-4o", 128_000, 16_384, "o200k_base"),
    GPT_5_MINI,
    GPT_5_PRO,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A request of either API as it came, refused ones too, with one vocabulary for both.

    ``messages`` and ``response_format`` have the form of chat completions; ``body`` is what was sent.
    ``prompt_tokens`` is 0 where the model is unknown.
    """

    api: API
    model: str
    messages: tuple[dict[str, Any], ...]
    max_tokens: int | None
    max_tokens_parameter: OutputParameter | None
    stream: bool
    response_format: dict[str, Any] | None
    effort: str | None
    prompt_tokens: int = 0
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def last_text(self) -> str:
        return text_of(self.messages[-1]["content"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What was generated for one request, whether or not the client stayed to read it.

    ``completion_tokens`` includes the ``reasoning_tokens``, which nobody sees. ``finish_reason`` is None
    where the script broke it off.
    """

    finish_reason: FinishReason | None
    completion_tokens: int
    text: str
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """OpenAI's error, and the status and headers that it comes with, or ``in_stream`` after a status of 200."""

    message: str
    param: str | None = None
    code: str | None = None
    error_type: str = "invalid_request_error"
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)
    in_stream: bool = False

    @property
    def error(self) -> dict[str, Any]:
        return {
            "message": self.message,
            "type": self.error_type,
            "param": self.param,
            "code": self.code,
        }


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or a list of parts."""
    return "".join(part.get("text", "") for part in content) if isinstance(content, list) else content or ""


def count_prompt(messages: Iterable[Mapping[str, Any]], encoding: tiktoken.Encoding) -> int:
    """Prompt tokens by OpenAI's cookbook ("How to count tokens with tiktoken", num_tokens_from_messages)."""
    count = 3  # every reply is primed with <|start|>assistant<|message|>
    for message in messages:
        values = message.get("role", ""), text_of(message.get("content")), message.get("name", "")
        count += 3 + ("name" in message) + sum(len(encoding.encode_ordinary(value)) for value in values)
    return count


def says_json(messages: Iterable[Mapping[str, Any]]) -> bool:
    return any("json" in text_of(message.get("content")).lower() for message in messages)


def quoted(values: Sequence[str]) -> str:
    """OpenAI's list of values: ``'low', 'medium', and 'high'``."""
    *others, last = [f"'{value}'" for value in values]
    separator = ", and " if len(others) > 1 else " and "
    return f"{', '.join(others)}{separator}{last}" if others else last


# Refusals that both APIs word alike


def unauthorised(headers: Mapping[str, str], key: str) -> Iterator[Refusal]:
    given = headers.get("authorization", "").removeprefix("Bearer ")
    if given != key:
        message = f"Incorrect API key provided: {given}." if given else "You didn't provide an API key."
        yield Refusal(message, code="invalid_api_key", status=401)


def missing(parameter: str) -> Refusal:
    message = f"Missing required parameter: '{parameter}'."
    return Refusal(message, parameter, "missing_required_parameter")


def prefill_refused(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    """Anthropic's words, which gateways pass on: OpenAI's own models take a last message of the assistant."""
    if not model.takes_prefill and request.messages and request.messages[-1].get("role") == "assistant":
        message = "This model does not support assistant message prefill."
        yield Refusal(f"{message} The conversation must end with a user message.")


def unknown_format_refused(kind: str, parameter: str) -> Iterator[Refusal]:
    if kind not in ("text", "json_object", "json_schema"):
        message = f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'."
        yield Refusal(message, f"{parameter}.type", "invalid_value")


def schema_refused(
    declared: Mapping[str, Any], parameter: str, strict: tuple[str, str | None]
) -> Iterator[Refusal]:
    """What ``parameter`` lacks, and what a strict schema may not say: with the parameter and code ``strict``."""
    yield from (missing(f"{parameter}.{name}") for name in ("name", "schema") if name not in declared)
    for fault in strict_faults(declared["schema"]) if declared.get("strict") else ():
        yield Refusal(f"Invalid schema for response_format '{declared['name']}': {fault}", *strict)


def too_small_refused(request: ChatRequest, *, least: int) -> Iterator[Refusal]:
    name, asked = request.max_tokens_parameter, request.max_tokens
    if asked is not None and asked < least:
        expected = f"Expected a value >= {least}, but got {asked} instead."
        message = f"Invalid '{name}': integer below minimum value. {expected}"
        yield Refusal(message, name, "integer_below_min_value")
