"""OpenAI's Responses API: how a request is read, refused and answered.

Its words differ from those of chat completions even where the rule is the same. A prompt that is too long
is an ``error`` event after a status of 200 if the reply is streamed, and a 400 otherwise.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from served_models import (
    ChatRequest,
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
    *("model", "input", "instructions", "max_output_tokens", "stream", "store", "text", "reasoning"),
    *("temperature", "top_p", "metadata", "service_tier", "prompt_cache_key", "safety_identifier", "user"),
}
MOVED = {
    "messages": "input",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
}
REFERENCE = "https://platform.openai.com/docs/api-reference/responses/create"
LEAST_OUTPUT = 16


def read(body: Mapping[str, Any], headers: Mapping[str, str]) -> ChatRequest:
    given, instructions = body.get("input") or (), body.get("instructions")
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else list(given)
    head = [{"role": "system", "content": instructions}] if instructions else []
    asked = body.get("max_output_tokens")
    return ChatRequest(
        api="responses",
        model=body["model"],
        messages=(*head, *messages),
        max_tokens=asked,
        max_tokens_parameter=None if asked is None else "max_output_tokens",
        stream=bool(body.get("stream")),
        response_format=_response_format(body),
        effort=(body.get("reasoning") or {}).get("effort"),
        headers=headers,
        body=body,
    )


def _response_format(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """``text.format`` in the form of chat completions."""
    wanted: dict[str, Any] | None = (body.get("text") or {}).get("format")
    if wanted and wanted.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": {k: v for k, v in wanted.items() if k != "type"}}
    return wanted


def unknown_model(name: str) -> Refusal:
    return Refusal(f"The requested model '{name}' does not exist.", "model", "model_not_found")


def refusals(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    """Every ground on which OpenAI refuses ``request``; the first is the one that it states."""
    body = request.body
    for name in sorted(body.keys() - ARGUMENTS):
        if name in MOVED:
            message = f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to"
            message += f" '{MOVED[name]}'. Try again with the new parameter."
            message += f" See the API documentation for more information: {REFERENCE}."
            yield Refusal(message, name, "unsupported_parameter")
        yield Refusal(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    if "input" not in body:
        yield missing("input")
    if not body["input"]:
        message = (
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be provided."
        )
        yield Refusal(message, None, "missing_required_parameter")
    yield from prefill_refused(request, model)
    yield from _unsupported(request, model)
    yield from _format_refused(request, model)
    yield from _too_many_tokens(request, model)


def _unsupported(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    unsupported = "Unsupported parameter: '{}' is not supported with this model."
    effort = request.effort
    if request.body.get("temperature") is not None and not model.takes_temperature:
        yield Refusal(unsupported.format("temperature"), "temperature")
    if effort is not None and not model.reasons:
        yield Refusal(unsupported.format("reasoning.effort"), "reasoning.effort", "unsupported_parameter")
    if effort is not None and effort not in model.efforts:
        message = f"Unsupported value: '{effort}' is not supported with the '{model.name}' model."
        message += f" Supported values are: {quoted(model.efforts)}."
        yield Refusal(message, "reasoning.effort", "unsupported_value")


def _format_refused(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    wanted = request.response_format or {"type": "text"}
    kind = wanted.get("type", "")
    takes = {"json_object": model.takes_json_mode, "json_schema": model.takes_schema}
    yield from unknown_format_refused(kind, "text.format")
    if not takes.get(kind, True):
        message = f"Invalid parameter: 'text.format' of type '{kind}' is not supported with model version"
        yield Refusal(f"{message} `{model.name}`.", "text.format")
    given = request.body["input"]
    if kind == "json_object" and not says_json([{"content": given}] if isinstance(given, str) else given):
        message = "Response input messages must contain the word 'json' in some form to use 'text.format' of"
        yield Refusal(f"{message} type 'json_object'.", "input")
    if kind == "json_schema":
        strict = ("text.format.schema", "invalid_json_schema")
        yield from schema_refused(wanted["json_schema"], "text.format", strict)


def _too_many_tokens(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    asked, prompt, most = request.max_tokens, request.prompt_tokens, model.max_output_tokens
    yield from too_small_refused(request, least=LEAST_OUTPUT)
    if asked is not None and asked > most:
        supports = f"This model supports at most {most} output tokens, whereas you provided {asked}."
        message = f"max_output_tokens is too large: {asked}. {supports}"
        yield Refusal(message, "max_output_tokens", "invalid_value")
    too_long = model.input_cap is not None and prompt > model.input_cap
    if too_long or prompt + (asked or 0) > model.context_window:
        message = (
            "Your input exceeds the context window of this model. Please adjust your input and try again."
        )
        yield Refusal(message, "input", "context_length_exceeded", in_stream=request.stream)


def whole(request: ChatRequest, reply: Reply) -> dict[str, Any]:
    return _Wire(request).response(reply)


def events(request: ChatRequest, reply: Reply, pieces: Iterable[str]) -> Iterator[str]:
    wire = _Wire(request)
    yield from wire.begin()
    for index, item in enumerate(wire.items(reply)):
        if item["type"] == "message":
            yield from wire.message(item, index, pieces)
        else:
            yield wire.event("response.output_item.added", output_index=index, item=item)
            yield wire.event("response.output_item.done", output_index=index, item=item)
    if not reply.text:
        for _ in pieces:  # a fault of the script may be among them
            pass
    response = wire.response(reply)
    yield wire.event(f"response.{response['status']}", response=response)


def refused_events(request: ChatRequest, refusal: Refusal) -> Iterator[str]:
    wire = _Wire(request)
    yield from wire.begin()
    yield wire.event("error", error=refusal.error)
    error = {"code": refusal.code, "message": refusal.message}
    yield wire.event("response.failed", response=wire.response(None) | {"status": "failed", "error": error})


class _Wire:
    """One response, under one id, with its events in one sequence."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._nanoseconds = time.time_ns()
        self._numbers = itertools.count()

    def event(self, kind: str, **fields: Any) -> str:
        data = {"type": kind, "sequence_number": next(self._numbers), **fields}
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n"

    def begin(self) -> Iterator[str]:
        response = self.response(None)
        yield self.event("response.created", response=response)
        yield self.event("response.in_progress", response=response)

    def items(self, reply: Reply) -> list[dict[str, Any]]:
        """The reasoning, if there was any, and the message, unless reasoning ate all."""
        part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        status = "completed" if reply.finish_reason == "stop" else "incomplete"
        reasoning = {"id": self._id("rs"), "type": "reasoning", "summary": []}
        message = {"id": self._id("msg"), "type": "message", "role": "assistant", "status": status}
        return [
            *([reasoning] if reply.reasoning_tokens else []),
            *([{**message, "content": [part]}] if reply.text or not reply.reasoning_tokens else []),
        ]

    def message(self, item: dict[str, Any], index: int, pieces: Iterable[str]) -> Iterator[str]:
        (part,) = item["content"]
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        begun = {**item, "status": "in_progress", "content": []}
        yield self.event("response.output_item.added", output_index=index, item=begun)
        yield self.event("response.content_part.added", **place, part={**part, "text": ""})
        for piece in filter(None, pieces):
            yield self.event("response.output_text.delta", **place, delta=piece, logprobs=[])
        yield self.event("response.output_text.done", **place, text=part["text"], logprobs=[])
        yield self.event("response.content_part.done", **place, part=part)
        yield self.event("response.output_item.done", output_index=index, item=item)

    def response(self, reply: Reply | None) -> dict[str, Any]:
        """The response object: in progress while there is no ``reply``."""
        body = self._request.body
        status = ("completed" if reply.finish_reason == "stop" else "incomplete") if reply else "in_progress"
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": self._id("resp"),
            "object": "response",
            "created_at": self._nanoseconds // 10**9,
            "status": status,
            "error": None,
            "incomplete_details": cut,
            "instructions": body.get("instructions"),
            "max_output_tokens": self._request.max_tokens,
            "metadata": body.get("metadata") or {},
            "model": self._request.model,
            "output": self.items(reply) if reply else [],
            "parallel_tool_calls": True,
            "reasoning": {"effort": self._request.effort, "summary": None},
            "store": body.get("store", True),
            "temperature": body.get("temperature", 1.0),
            "text": {"format": {"type": "text"}, **(body.get("text") or {})},
            "tool_choice": "auto",
            "tools": [],
            "top_p": body.get("top_p", 1.0),
            "truncation": "disabled",
            "usage": self._usage(reply) if reply else None,
        }

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._nanoseconds:x}"

    def _usage(self, reply: Reply) -> dict[str, Any]:
        prompt, completion = self._request.prompt_tokens, reply.completion_tokens
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
            "total_tokens": prompt + completion,
        }
