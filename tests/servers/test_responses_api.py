from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest
from asking import CLOSED, client_of, closed, json_schema
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from strict_openai import (
    GPT_5_PRO,
    QUOTA,
    ChatRequest,
    Disconnect,
    Fault,
    Hang,
    Malformed,
    ReasoningEatsAll,
    RepeatedUnits,
    ServedModel,
    Status,
    StrictServer,
    UnaskedUnits,
    load_encoding,
    rate_limited,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY = ServedModel("tiny", 60, 40, "cl100k_base", takes_schema=False, takes_json_mode=False)
SCHEMED = ServedModel("schemed", 8_000, 4_000, "o200k_base", takes_prefill=False)
CAPPED = ServedModel("capped", 400, 200, "cl100k_base", input_cap=50)
THINKING = ServedModel("thinking", 8_000, 4_000, "o200k_base", reasons=True, reasoning_tokens=400)
MODELS = (TINY, SCHEMED, CAPPED, THINKING, GPT_5_PRO)
O200K = load_encoding("o200k_base")
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


def respond(client: OpenAI, given: Any = "Hello", **arguments: Any) -> Any:
    return client.responses.create(**{"model": "schemed", "input": given, **arguments})


def streamed(client: OpenAI, given: Any = "Hello", **arguments: Any) -> list[Any]:
    return list(respond(client, given, stream=True, **arguments))


def text_in(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[StrictServer, OpenAI]]:
    """One healthy server that answers with the text it is asked with."""

    def echo(request: ChatRequest) -> str:
        return request.last_text

    with StrictServer(MODELS, writer=echo) as server, client_of(server) as client:
        yield server, client


Served = tuple[StrictServer, OpenAI]


# Replies


@pytest.mark.parametrize("cap", [None, 16])
def test_streamed_and_whole_responses_are_the_same(served: Served, cap: int | None) -> None:
    """Cut or not, the stream joins to the whole response, and both end with the same status, reason and usage."""
    _, client = served
    text = "one two three four five " * 5
    whole = respond(client, text, max_output_tokens=cap)
    events = streamed(client, text, max_output_tokens=cap)
    last = events[-1].response
    tokens = O200K.encode_ordinary(text)
    assert whole.output_text == text_in(events) == last.output_text == O200K.decode(tokens[:cap])
    assert whole.status == last.status == ("incomplete" if cap else "completed")
    assert events[-1].type == f"response.{whole.status}"
    assert whole.usage == last.usage
    assert whole.usage.output_tokens == (cap or len(tokens))
    for response in (whole, last):
        details = response.incomplete_details
        assert (details and details.reason) == ("max_output_tokens" if cap else None)


def test_every_event_has_openais_shape(served: Served) -> None:
    """The events come in OpenAI's order, numbered, and each of them and the whole response validates against the SDK's types."""
    _, client = served
    events = streamed(client, "one two", model="thinking", reasoning={"effort": "low"})
    for event in events:
        EVENT.validate_json(event.model_dump_json(), strict=False)
    Response.model_validate_json(respond(client).model_dump_json())
    assert [event.type.removeprefix("response.") for event in events] == [
        *("created", "in_progress", "output_item.added", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert [event.sequence_number for event in events] == list(range(12))
    assert [item.type for item in events[-1].response.output] == ["reasoning", "message"]


def test_the_sdk_accumulates_the_stream(served: Served) -> None:
    """The SDK's own accumulating stream and its async client arrive at the text."""
    server, client = served
    with client.responses.stream(model="schemed", input="one two three") as stream:
        assert stream.get_final_response().output_text == "one two three"

    async def said() -> str:
        async with AsyncOpenAI(base_url=server.base_url, api_key=server.key, max_retries=0) as asynchronous:
            events = await asynchronous.responses.create(model="schemed", input="one two", stream=True)
            return text_in([event async for event in events])

    assert asyncio.run(said()) == "one two"


@pytest.mark.parametrize(
    ("given", "instructions"),
    [
        ("Hello", "Be brief."),
        ([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}], None),
        ([{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}], "Be brief."),
    ],
)
def test_each_form_of_the_input_is_one_prompt(served: Served, given: Any, instructions: str | None) -> None:
    """A string or messages, with instructions or a system message, are recorded and counted alike, as chat completions counts."""
    server, client = served
    usage = respond(client, given, instructions=instructions).usage
    chat = client.chat.completions.create(
        model="schemed",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
    )
    request = server.requests[-2]
    assert (request.api, request.last_text, len(request.messages)) == ("responses", "Hello", 2)
    assert usage.input_tokens == request.prompt_tokens == chat.usage.prompt_tokens  # type: ignore[union-attr]
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_a_request_is_recorded_in_the_words_of_chat_completions(served: Served) -> None:
    """Format, cap and effort are recorded as for chat completions; the body is what was sent."""
    server, client = served
    wanted = {"type": "json_schema", "name": "rows", "schema": CLOSED, "strict": True}
    arguments: dict[str, Any] = {"text": {"format": wanted}, "reasoning": {"effort": "low"}, "store": False}
    respond(client, model="thinking", max_output_tokens=99, **arguments)
    request = server.requests[-1]
    assert request.response_format == json_schema(CLOSED)
    assert (request.max_tokens, request.max_tokens_parameter, request.effort) == (
        99,
        "max_output_tokens",
        "low",
    )
    assert request.body["text"] == {"format": wanted}


@pytest.mark.parametrize(
    ("effort", "cap", "reasoning", "visible"),
    [(None, 4_000, 400, 6), ("high", 403, 400, 3), ("low", 102, 100, 2), ("minimal", 60, 60, 0)],
)
def test_reasoning_is_spent_first(effort: str | None, cap: int, reasoning: int, visible: int) -> None:
    """Reasoning tokens come off the cap first; where they are all of it the output has no message."""
    text = "one two three four five six"
    with StrictServer(MODELS, writer=lambda _: text) as server, client_of(server) as client:
        arguments = {"model": "thinking", "max_output_tokens": cap, "reasoning": {"effort": effort}}
        whole, events = respond(client, **arguments), streamed(client, **arguments)
    assert whole.usage == events[-1].response.usage
    assert whole.usage.output_tokens_details.reasoning_tokens == reasoning
    assert whole.usage.output_tokens == reasoning + visible
    assert whole.output_text == text_in(events) == " ".join(text.split()[:visible])
    assert [item.type for item in whole.output] == ["reasoning", "message"][: 2 if visible else 1]


def test_a_schema_is_answered_with_an_instance() -> None:
    """text.format with a strict schema: the reply conforms; json_object gets an object."""
    schema = closed(mood={"type": "string", "enum": ["calm", "loud"]})
    wanted = {"type": "json_schema", "name": "rows", "strict": True, "schema": schema}
    with StrictServer() as server, client_of(server) as client:
        row = json.loads(respond(client, model="gpt-5-pro", text={"format": wanted}).output_text)
        any_object = respond(client, "Say json", model="gpt-4o", text={"format": {"type": "json_object"}})
    assert row["mood"] in {"calm", "loud"}
    assert isinstance(json.loads(any_object.output_text), dict)


# Refusals


def schema_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "name": "rows", "strict": True, "schema": schema}}


MOVED = "Unsupported parameter: '{}'. In the Responses API, this parameter has moved to '{}'. Try again with the new parameter. See the API documentation for more information: https://platform.openai.com/docs/api-reference/responses/create."
TOO_LONG = "Your input exceeds the context window of this model. Please adjust your input and try again."
REFUSED: list[tuple[dict[str, Any], str | None, str | None, str]] = [
    ({"max_output_tokens": 15}, "integer_below_min_value", "max_output_tokens", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 15 instead."),
    ({"max_output_tokens": 4001}, "invalid_value", "max_output_tokens", "max_output_tokens is too large: 4001. This model supports at most 4000 output tokens, whereas you provided 4001."),
    ({"model": "tiny", "input": "word " * 60}, "context_length_exceeded", "input", TOO_LONG),
    ({"model": "tiny", "max_output_tokens": 40, "input": "word " * 20}, "context_length_exceeded", "input", TOO_LONG),
    ({"model": "capped", "input": "word " * 50}, "context_length_exceeded", "input", TOO_LONG),
    ({"model": "gpt-9"}, "model_not_found", "model", "The requested model 'gpt-9' does not exist."),
    ({"model": "gpt-5-pro", "temperature": 0.2}, None, "temperature", "Unsupported parameter: 'temperature' is not supported with this model."),
    ({"model": "gpt-5-pro", "reasoning": {"effort": "low"}}, "unsupported_value", "reasoning.effort", "Unsupported value: 'low' is not supported with the 'gpt-5-pro' model. Supported values are: 'high'."),
    ({"reasoning": {"effort": "low"}}, "unsupported_parameter", "reasoning.effort", "Unsupported parameter: 'reasoning.effort' is not supported with this model."),
    ({"extra_body": {"max_tokens": 9}}, "unknown_parameter", "max_tokens", "Unknown parameter: 'max_tokens'."),
    ({"extra_body": {"response_format": {}}}, "unsupported_parameter", "response_format", MOVED.format("response_format", "text.format")),
    ({"extra_body": {"reasoning_effort": "low"}}, "unsupported_parameter", "reasoning_effort", MOVED.format("reasoning_effort", "reasoning.effort")),
    ({"input": ""}, "missing_required_parameter", None, "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be provided."),
    ({"input": openai.omit}, "missing_required_parameter", "input", "Missing required parameter: 'input'."),
    ({"input": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Well"}]}, None, None, "This model does not support assistant message prefill. The conversation must end with a user message."),
    ({"text": {"format": {"type": "xml"}}}, "invalid_value", "text.format.type", "Invalid value: 'xml'. Supported values are: 'json_object', 'json_schema', and 'text'."),
    ({"text": {"format": {"type": "json_object"}}, "instructions": "Say json"}, None, "input", "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'."),
    ({"text": {"format": {"type": "json_object"}}, "model": "tiny"}, None, "text.format", "Invalid parameter: 'text.format' of type 'json_object' is not supported with model version `tiny`."),
    ({"text": schema_format(CLOSED), "model": "tiny"}, None, "text.format", "Invalid parameter: 'text.format' of type 'json_schema' is not supported with model version `tiny`."),
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "missing_required_parameter", "text.format.name", "Missing required parameter: 'text.format.name'."),
    ({"text": schema_format({"type": "object"})}, "invalid_json_schema", "text.format.schema", "Invalid schema for response_format 'rows': In context=(), 'additionalProperties' is required to be supplied and to be false."),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "param", "message"), REFUSED)
def test_refuses_in_the_words_of_the_responses_api(
    served: Served, arguments: dict[str, Any], code: str | None, param: str | None, message: str
) -> None:
    """Each thing that a model does not allow is a 400 with the code, parameter and sentence of this API; no reply is made."""
    server, client = served
    replies = len(server.replies)
    with pytest.raises(openai.BadRequestError) as caught:
        respond(client, **arguments)
    assert caught.value.body == {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }
    assert len(server.replies) == replies


def test_a_streamed_prompt_that_is_too_long_is_an_event(served: Served) -> None:
    """Streamed, context_length_exceeded comes after a status of 200: the SDK raises its bare APIError, with OpenAI's code."""
    _, client = served
    events: list[Any] = []
    with pytest.raises(openai.APIError, match="exceeds the context window") as caught:
        events.extend(
            respond(client, "word " * 60, model="tiny", stream=True)
        )  # what came before the error is kept
    assert (type(caught.value), caught.value.code) == (openai.APIError, "context_length_exceeded")
    assert [event.type for event in events] == ["response.created", "response.in_progress"]


def test_a_wrong_key_is_refused(served: Served) -> None:
    """A wrong key is a 401 invalid_api_key here too."""
    server, _ = served
    with client_of(server, key="sk-wrong") as client, pytest.raises(openai.AuthenticationError):
        respond(client)


# Faults


def test_errors_are_the_same_as_for_chat_completions() -> None:
    """A scripted status answers in its place, with its headers, streamed or not; with in_stream it is an event."""
    faults = [rate_limited(ms=250), QUOTA, Status(500), Status(429, "insufficient_quota", in_stream=True)]
    with StrictServer(MODELS, faults=faults) as server, client_of(server) as client:
        with pytest.raises(openai.RateLimitError) as rate:
            respond(client)
        with pytest.raises(openai.RateLimitError) as quota:
            streamed(client)
        with pytest.raises(openai.InternalServerError):
            respond(client)
        with pytest.raises(openai.APIError) as event:
            streamed(client)
    assert rate.value.response.headers["retry-after-ms"] == "250"
    assert quota.value.code == event.value.code == "insufficient_quota"
    assert type(event.value) is openai.APIError


@pytest.mark.parametrize("model", ["schemed", "thinking"])
def test_a_broken_stream_keeps_what_arrived(model: str) -> None:
    """Disconnect sends exactly so many visible tokens, then the client sees a connection error, not an end."""
    events: list[Any] = []
    with (
        StrictServer(MODELS, faults=[Disconnect(5)]) as server,
        client_of(server) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        events.extend(respond(client, model=model, stream=True))  # what came before the error is kept
    assert text_in(events) == server.replies[0].text
    assert len(O200K.encode_ordinary(text_in(events))) == 5


def test_a_silence_in_the_middle_of_a_stream() -> None:
    """Hang with after_tokens: a client that does not wait has the tokens before it, one that does has all."""
    events: list[Any] = []
    faults = [Hang(30, after_tokens=5), Hang(0.2, after_tokens=5)]
    with StrictServer(MODELS, faults=faults) as server:
        with client_of(server, timeout=1.0) as client, pytest.raises(openai.APITimeoutError):
            events.extend(respond(client, stream=True))  # what came before the error is kept
        assert len(O200K.encode_ordinary(text_in(events))) == 5
        with client_of(server) as client:
            started = time.monotonic()
            assert text_in(streamed(client)) == server.replies[0].text
    assert time.monotonic() - started >= 0.2


def test_the_model_goes_wrong_alike() -> None:
    """Malformed, repeated and unasked units, and reasoning that eats all, as for chat completions."""
    faults: list[Fault] = [Malformed("{not json"), RepeatedUnits(), UnaskedUnits(), ReasoningEatsAll()]
    schema = schema_format(closed(**{"1": closed(hook={"type": "string"})}))
    with StrictServer(MODELS, faults=faults) as server, client_of(server) as client:
        malformed, repeated, unasked = (respond(client, text=schema).output_text for _ in range(3))
        eaten = streamed(client, model="thinking", reasoning={"effort": "low"}, max_output_tokens=50)[
            -1
        ].response
    assert malformed == "{not json"
    assert repeated.count('"1": {') == 2
    assert list(json.loads(unasked)) == ["0", "1", "999"]
    assert (eaten.status, eaten.output_text) == ("incomplete", "")
    assert [item.type for item in eaten.output] == ["reasoning"]
    assert eaten.usage.output_tokens_details.reasoning_tokens == eaten.usage.output_tokens == 50
