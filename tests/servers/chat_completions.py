"""OpenAI's chat completions: how a request is read, refused and answered."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from served_models import (
    ChatRequest,
    OutputParameter,
    Refusal,
    Reply,
    ServedModel,
    missing,
    prefill_refused,
    quoted,
    says_json,
    schema_refused,
    too_small_refused,
    unknown_format_refused,
)

ARGUMENTS = {
    *("model", "messages", "max_tokens", "max_completion_tokens", "stream", "stream_options", "store"),
    *("response_format", "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "user"),
    *("reasoning_effort", "verbosity", "service_tier", "prompt_cache_key", "safety_identifier", "metadata"),
}
GUIDE = "https://platform.openai.com/docs/guides/structured-outputs"


def read(body: Mapping[str, Any], headers: Mapping[str, str]) -> ChatRequest:
    names: tuple[OutputParameter, ...] = ("max_completion_tokens", "max_tokens")
    parameter = next((name for name in names if body.get(name) is not None), None)
    return ChatRequest(
        api="chat.completions",
        model=body["model"],
        messages=tuple(body.get("messages") or ()),
        max_tokens=body[parameter] if parameter else None,
        max_tokens_parameter=parameter,
        stream=bool(body.get("stream")),
        response_format=body.get("response_format"),
        effort=body.get("reasoning_effort"),
        headers=headers,
        body=body,
    )


def unknown_model(name: str) -> Refusal:
    message = f"The model `{name}` does not exist or you do not have access to it."
    return Refusal(message, code="model_not_found", status=404)


def refusals(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    """Every ground on which OpenAI refuses ``request``; the first is the one that it states."""
    if model.responses_only:
        message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
        yield Refusal(f"{message} Did you mean to use v1/completions?", "model", status=404)
    unknown = request.body.keys() - ARGUMENTS
    if request.effort is not None and not model.reasons:
        unknown |= {"reasoning_effort"}
    yield from (Refusal(f"Unrecognized request argument supplied: {name}") for name in sorted(unknown))
    if not request.messages:
        yield missing("messages")
    if request.body.get("stream_options") and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        yield Refusal(message, "stream_options")
    yield from prefill_refused(request, model)
    yield from _unsupported(request, model)
    yield from _format_refused(request, model)
    yield from _too_many_tokens(request, model)


def _unsupported(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    body, temperature, effort = request.body, request.body.get("temperature"), request.effort
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        yield Refusal(message, "max_tokens", "invalid_parameter_combination")
    if body.get("max_tokens") is not None and model.output_parameter == "max_completion_tokens":
        message = "Unsupported parameter: 'max_tokens' is not supported with this model."
        message += " Use 'max_completion_tokens' instead."
        yield Refusal(message, "max_tokens", "unsupported_parameter")
    if temperature not in (None, 1) and not model.takes_temperature:
        message = (
            f"Unsupported value: 'temperature' does not support {json.dumps(temperature)} with this model."
        )
        message += " Only the default (1) value is supported."
        yield Refusal(message, "temperature", "unsupported_value")
    if effort is not None and effort not in model.efforts:
        message = f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model."
        message += f" Supported values are: {quoted(model.efforts)}."
        yield Refusal(message, "reasoning_effort", "unsupported_value")


def _format_refused(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    wanted = request.response_format or {"type": "text"}
    kind = wanted.get("type", "")
    unsupported = f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
    yield from unknown_format_refused(kind, "response_format")
    if kind == "json_object" and not model.takes_json_mode:
        yield Refusal(unsupported, "response_format")
    if kind == "json_object" and not says_json(request.messages):
        message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type"
        yield Refusal(f"{message} 'json_object'.", "messages")
    if kind == "json_schema" and not model.takes_schema:
        learn = f"Learn more about supported models at the Structured Outputs guide: {GUIDE}"
        yield Refusal(f"{unsupported} {learn}")
    if kind == "json_schema":
        strict = ("response_format", None)
        yield from schema_refused(wanted.get("json_schema") or {}, "response_format.json_schema", strict)


def _too_many_tokens(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    asked, prompt, most = request.max_tokens, request.prompt_tokens, model.max_output_tokens
    yield from too_small_refused(request, least=1)
    if asked is not None and asked > most:
        supports = f"This model supports at most {most} completion tokens, whereas you provided {asked}."
        message = f"max_tokens is too large: {asked}. {supports}"
        yield Refusal(message, request.max_tokens_parameter, "invalid_value")
    resulted = f"messages resulted in {prompt} tokens. Please reduce the length of the messages."
    if model.input_cap is not None and prompt > model.input_cap:
        message = f"Input tokens exceed the configured limit of {model.input_cap} tokens. Your {resulted}"
        yield Refusal(message, "messages", "context_length_exceeded")
    total = prompt + (asked or 0)
    if total > model.context_window:
        asked_for = f"you requested {total} tokens ({prompt} in the messages, {asked} in the completion)."
        remedy = "Please reduce the length of the messages or completion."
        message = f"This model's maximum context length is {model.context_window} tokens. However, "
        message += f"your {resulted}" if asked is None else f"{asked_for} {remedy}"
        yield Refusal(message, "messages", "context_length_exceeded")


def whole(request: ChatRequest, reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    return {**_head(request, "chat.completion"), "choices": [choice], "usage": _usage(request, reply)}


def events(request: ChatRequest, reply: Reply, pieces: Iterable[str]) -> Iterator[str]:
    wants_usage = (request.body.get("stream_options") or {}).get("include_usage")
    head = _head(request, "chat.completion.chunk") | ({"usage": None} if wants_usage else {})

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> str:
        return _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})

    yield chunk({"role": "assistant", "content": ""})
    yield from (chunk({"content": piece}) for piece in pieces if piece)
    yield chunk({}, reply.finish_reason)
    if wants_usage:
        yield _event({**head, "choices": [], "usage": _usage(request, reply)})
    yield "data: [DONE]\n\n"


def refused_events(request: ChatRequest, refusal: Refusal) -> Iterator[str]:
    yield _event({"error": refusal.error})


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _head(request: ChatRequest, kind: str) -> dict[str, Any]:
    nanoseconds = time.time_ns()
    created = nanoseconds // 10**9
    return {"id": f"chatcmpl-{nanoseconds:x}", "object": kind, "created": created, "model": request.model}


def _usage(request: ChatRequest, reply: Reply) -> dict[str, Any]:
    prompt, completion = request.prompt_tokens, reply.completion_tokens
    predictions = {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reply.reasoning_tokens,
            "audio_tokens": 0,
            **predictions,
        },
    }
