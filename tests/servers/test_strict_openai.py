from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import openai
import pytest
from asking import CLOSED, ask, client_of, closed, json_schema, streamed, text_in
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from schema_instances import ConformingWriter, instance, sentence, strict_faults
from strict_openai import (
    GPT_5_MINI,
    ChatRequest,
    Hang,
    Ok,
    Reply,
    ServedModel,
    StrictServer,
    load_encoding,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY = ServedModel("tiny", 40, 20, "cl100k_base", takes_schema=False)
SCHEMED = ServedModel("schemed", 8_000, 4_000, "o200k_base")
CAPPED = ServedModel("capped", 400, 200, "cl100k_base", input_cap=50)
PLAIN = ServedModel("plain", 8_000, 4_000, "cl100k_base", takes_json_mode=False, takes_prefill=False)
MODELS = (TINY, SCHEMED, CAPPED, PLAIN, GPT_5_MINI)
O200K = load_encoding("o200k_base")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[StrictServer, OpenAI]]:
    """One healthy server that answers with the text it is asked with."""

    def echo(request: ChatRequest) -> str:
        return request.last_text

    with StrictServer(MODELS, writer=echo) as server, client_of(server) as client:
        yield server, client


Served = tuple[StrictServer, OpenAI]


# Who may ask, and for what


def test_models_are_listed_and_described(served: Served) -> None:
    """GET /v1/models lists what is served, /v1/models/{id} one of them, and an unknown one is a 404."""
    _, client = served
    assert [model.id for model in client.models.list()] == [model.name for model in MODELS]
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-9")
    assert caught.value.body == {
        "message": "The model 'gpt-9' does not exist",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


def test_a_wrong_key_is_refused(served: Served) -> None:
    """A wrong key is a 401 invalid_api_key, for chat and for the model list, and is recorded as a request."""
    server, _ = served
    with client_of(server, key="sk-wrong") as client:
        for call in (client.models.list, lambda: ask(client)):
            with pytest.raises(openai.AuthenticationError) as caught:
                call()
            assert caught.value.code == "invalid_api_key"
    assert server.requests[-1].headers["authorization"] == "Bearer sk-wrong"


def test_a_missing_key_is_refused_and_the_connection_lives_on(served: Served) -> None:
    """Without a key OpenAI's error body comes with status 401; the same connection then takes the next request."""
    server, _ = served
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.server_address[1])) as connection:
        for headers, status in (({}, 401), ({"Authorization": f"Bearer {server.key}"}, 200)):
            connection.request("GET", "/v1/models", headers=headers)
            response = connection.getresponse()
            body = json.loads(response.read())
            assert response.status == status
            if status == 401:
                assert body["error"] | {"message": ""} == {
                    "message": "",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "invalid_api_key",
                }


def test_an_unknown_model_is_a_404(served: Served) -> None:
    """A chat with a model that is not served is refused with model_not_found."""
    _, client = served
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, model="gpt-9")
    assert caught.value.code == "model_not_found"


def post(server: StrictServer, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """A request beside the SDK's own, without a key."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.server_address[1])) as connection:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_limits_are_declared_as_by_vllm() -> None:
    """With declares_limits each model entry has max_model_len and /tokenize counts, without a key; an unknown model is a 404."""
    with StrictServer(MODELS, declares_limits=True) as server, client_of(server) as client:
        entry = client.models.retrieve("tiny").model_dump()
        counted = post(server, "/tokenize", {"model": "schemed", "prompt": "one two <|endoftext|>"})
        status, _ = post(server, "/tokenize", {"model": "gpt-9", "prompt": "one"})
    tokens = O200K.encode_ordinary("one two <|endoftext|>")
    assert entry["max_model_len"] == 40
    assert counted == (
        200,
        {"count": len(tokens), "max_model_len": 8_000, "tokens": tokens, "token_strs": None},
    )
    assert status == 404


def test_limits_are_not_declared_unasked(served: Served) -> None:
    """OpenAI names no limits and has no /tokenize; llama.cpp's and Ollama's questions are a 404 in any case."""
    server, client = served
    assert "max_model_len" not in client.models.retrieve("tiny").model_dump()
    assert post(server, "/tokenize", {"model": "tiny", "prompt": "one"})[0] == 404
    with StrictServer(declares_limits=True) as declaring:
        for asked in (server, declaring):
            status, body = post(asked, "/api/show", {"model": "tiny"})
            assert (status, body["error"]["message"]) == (404, "Invalid URL (POST /api/show)")
            with (
                client_of(asked) as client,
                pytest.raises(openai.NotFoundError, match=r"Invalid URL \(GET /props"),
            ):
                client.get("../props", cast_to=object)


# What a request may say


FIFTY = "word " * 50

REFUSED: list[tuple[dict[str, Any], str | None, str | None, str]] = [
    ({"max_tokens": 4001}, "invalid_value", "max_tokens", "max_tokens is too large: 4001. This model supports at most 4000 completion tokens, whereas you provided 4001."),
    ({"max_tokens": 0}, "integer_below_min_value", "max_tokens", "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead."),
    ({"max_tokens": 9, "max_completion_tokens": 9}, "invalid_parameter_combination", "max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."),
    ({"model": "gpt-5-mini", "max_tokens": 9}, "unsupported_parameter", "max_tokens", "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
    ({"model": "gpt-5-mini", "temperature": 0.2}, "unsupported_value", "temperature", "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported."),
    ({"model": "gpt-5-mini", "reasoning_effort": "none"}, "unsupported_value", "reasoning_effort", "Unsupported value: 'reasoning_effort' does not support 'none' with this model. Supported values are: 'minimal', 'low', 'medium', and 'high'."),
    ({"reasoning_effort": "low"}, None, None, "Unrecognized request argument supplied: reasoning_effort"),
    ({"model": "plain", "messages": [{"role": "user", "content": "json"}, {"role": "assistant", "content": "{"}]}, None, None, "This model does not support assistant message prefill. The conversation must end with a user message."),
    ({"model": "plain", "response_format": {"type": "json_object"}}, None, "response_format", "Invalid parameter: 'response_format' of type 'json_object' is not supported with this model."),
    ({"model": "tiny", "messages": [{"role": "user", "content": FIFTY}]}, "context_length_exceeded", "messages", "This model's maximum context length is 40 tokens. However, your messages resulted in 58 tokens. Please reduce the length of the messages."),
    ({"model": "tiny", "max_tokens": 20, "messages": [{"role": "user", "content": FIFTY}]}, "context_length_exceeded", "messages", "This model's maximum context length is 40 tokens. However, you requested 78 tokens (58 in the messages, 20 in the completion). Please reduce the length of the messages or completion."),
    ({"model": "capped", "messages": [{"role": "user", "content": FIFTY}]}, "context_length_exceeded", "messages", "Input tokens exceed the configured limit of 50 tokens. Your messages resulted in 58 tokens. Please reduce the length of the messages."),
    ({"model": "tiny", "response_format": json_schema(CLOSED)}, None, None, "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. Learn more about supported models at the Structured Outputs guide: https://platform.openai.com/docs/guides/structured-outputs"),
    ({"response_format": json_schema({"type": "object"})}, None, "response_format", "Invalid schema for response_format 'rows': In context=(), 'additionalProperties' is required to be supplied and to be false."),
    ({"response_format": {"type": "json_object"}}, None, "messages", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."),
    ({"response_format": {"type": "xml"}}, "invalid_value", "response_format.type", "Invalid value: 'xml'. Supported values are: 'json_object', 'json_schema', and 'text'."),
    ({"messages": []}, "missing_required_parameter", "messages", "Missing required parameter: 'messages'."),
    ({"stop": ["."]}, None, None, "Unrecognized request argument supplied: stop"),
    ({"stream_options": {"include_usage": True}}, None, "stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled."),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "param", "message"), REFUSED)
def test_refuses_in_openais_words(
    served: Served, arguments: dict[str, Any], code: str | None, param: str | None, message: str
) -> None:
    """Each thing that a model does not allow is a 400 with OpenAI's code, parameter and sentence; no reply is made."""
    server, client = served
    replies = len(server.replies)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, **arguments)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.body == {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }
    assert len(server.replies) == replies


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "gpt-5-mini", "temperature": 1, "reasoning_effort": "minimal"},
        {"reasoning_effort": None, "temperature": 0.2},
        {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Well"}]},
    ],
)
def test_what_openai_takes_is_taken(served: Served, arguments: dict[str, Any]) -> None:
    """The default temperature, an effort that the model knows or null, and a prefill where it is not ruled out."""
    _, client = served
    assert ask(client, **arguments).choices[0].finish_reason == "stop"


def test_a_model_of_the_responses_api_is_no_chat_model() -> None:
    """A model that is served through /v1/responses only is a 404 for chat completions, in OpenAI's words."""
    with (
        StrictServer() as server,
        client_of(server) as client,
        pytest.raises(
            openai.NotFoundError, match="not supported in the v1/chat/completions endpoint"
        ) as caught,
    ):
        ask(client, model="gpt-5-pro")
    assert (caught.value.code, caught.value.param) == (None, "model")


@pytest.mark.parametrize(("word_count", "accepted"), [(12, True), (13, True), (14, False)])
def test_the_window_is_exact(served: Served, word_count: int, accepted: bool) -> None:
    """A prompt and a max_tokens that fill the window to the last token are served; one more is refused."""
    _, client = served
    expected = contextlib.nullcontext() if accepted else pytest.raises(openai.BadRequestError)
    with expected:
        ask(client, " a" * word_count, model="tiny", max_tokens=40 - (3 + 3 + 1) - 13)


@pytest.mark.parametrize("parameter", ["max_tokens", "max_completion_tokens"])
def test_older_models_take_both_names(served: Served, parameter: str) -> None:
    """A model of the older kind cuts at either output parameter, and the record says which one was sent."""
    server, client = served
    assert ask(client, "one two three four", **{parameter: 2}).choices[0].message.content == "one two"
    assert (server.requests[-1].max_tokens, server.requests[-1].max_tokens_parameter) == (2, parameter)


# Counting and cutting


@pytest.mark.parametrize(
    ("message", "count"),
    [
        ({"role": "user", "content": "Hello"}, 3 + 3 + 1 + 1),
        ({"role": "user", "content": "Hello", "name": "Ann"}, 3 + 3 + 1 + 1 + 1 + 1),
        ({"role": "user", "content": [{"type": "text", "text": "Hello"}]}, 3 + 3 + 1 + 1),
        ({"role": "user", "content": "<|endoftext|>"}, 3 + 3 + 1 + 7),
    ],
)
def test_prompts_are_counted_as_published(served: Served, message: dict[str, Any], count: int) -> None:
    """usage.prompt_tokens is OpenAI's published framing, and text like a special token counts as text."""
    server, client = served
    usage = ask(client, model="tiny", messages=[message], max_tokens=1).usage
    assert (usage.prompt_tokens, usage.total_tokens) == (count, count + usage.completion_tokens)
    assert server.requests[-1].prompt_tokens == count


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=40), limit=st.integers(1, 30))
def test_streamed_and_whole_replies_are_the_same_and_cut_at_the_token(
    served: Served, text: str, limit: int
) -> None:
    """Any text, cut inside a character or not: the stream joins to the whole reply, which is the first tokens."""
    server, client = served
    text = text.encode("utf-8", "ignore").decode()  # a lone surrogate cannot be sent
    whole = ask(client, text, max_tokens=limit)
    chunks = streamed(client, text, max_tokens=limit)
    tokens = O200K.encode_ordinary(text)
    expected = Reply(
        finish_reason="length" if len(tokens) > limit else "stop",
        completion_tokens=min(len(tokens), limit),
        text=O200K.decode(tokens[:limit]),
    )
    assert server.replies[-2:] == [expected, expected]
    assert whole.choices[0].message.content == text_in(chunks) == expected.text
    assert whole.choices[0].finish_reason == chunks[-2].choices[0].finish_reason == expected.finish_reason
    assert whole.usage.completion_tokens == expected.completion_tokens
    assert chunks[-1].usage == whole.usage


def test_a_stream_has_openais_shape(served: Served) -> None:
    """First the role, then a chunk a token, then the finish reason, then usage without choices; usage only if asked."""
    _, client = served
    chunks = streamed(client, "one two three")
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].delta.content for chunk in chunks[1:4]] == ["one", " two", " three"]
    assert chunks[4].choices[0].finish_reason == "stop"
    assert chunks[5].choices == []
    assert [chunk.usage for chunk in chunks[:5]] == [None] * 5
    plain = list(ask(client, "one two three", stream=True))
    assert len(plain) == 5
    assert all(chunk.choices for chunk in plain)
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_async_client_streams_too(served: Served) -> None:
    """AsyncOpenAI gets the same text, from several streams at once."""
    server, _ = served

    async def stream(client: AsyncOpenAI, text: str) -> str:
        said = ""
        messages: Any = [{"role": "user", "content": text}]
        async for chunk in await client.chat.completions.create(
            model="schemed", messages=messages, stream=True
        ):
            said += chunk.choices[0].delta.content or ""
        return said

    async def several(texts: list[str]) -> list[str]:
        async with AsyncOpenAI(base_url=server.base_url, api_key=server.key, max_retries=0) as client:
            return await asyncio.gather(*(stream(client, text) for text in texts))

    texts = [sentence((str(index),), 20) for index in range(8)]
    assert asyncio.run(several(texts)) == texts


def test_a_reply_cap_cuts_earlier_than_asked() -> None:
    """reply_cap ends every reply after so many tokens with finish_reason length, whatever max_tokens allows."""
    with StrictServer(MODELS, reply_cap=7) as server, client_of(server) as client:
        replies = [ask(client), ask(client, max_tokens=100), ask(client, max_tokens=3)]
    assert [reply.usage.completion_tokens for reply in replies] == [7, 7, 3]
    assert {reply.choices[0].finish_reason for reply in replies} == {"length"}


THINKING = ServedModel("thinking", 8_000, 4_000, "o200k_base", reasons=True, reasoning_tokens=400)


@pytest.mark.parametrize(
    ("effort", "cap", "reasoning", "visible"),
    [(None, 4_000, 400, 6), ("high", 403, 400, 3), ("low", 102, 100, 2), ("minimal", 60, 60, 0)],
)
def test_reasoning_is_spent_first_and_never_seen(
    effort: str | None, cap: int, reasoning: int, visible: int
) -> None:
    """Reasoning tokens come off the cap before the first visible one, a quarter of them at low effort, and usage includes and names them."""
    text = "one two three four five six"
    with StrictServer([THINKING], writer=lambda _: text) as server, client_of(server) as client:
        arguments: dict[str, Any] = {
            "model": "thinking",
            "max_completion_tokens": cap,
            "reasoning_effort": effort,
        }
        whole, chunks = ask(client, **arguments), streamed(client, **arguments)
    choice, usage = whole.choices[0], whole.usage
    assert usage.completion_tokens_details.reasoning_tokens == reasoning
    assert usage.completion_tokens == reasoning + visible
    assert choice.message.content == text_in(chunks) == " ".join(text.split()[:visible])
    assert choice.finish_reason == ("stop" if visible == 6 else "length")
    assert chunks[-1].usage == usage
    assert server.replies[0].reasoning_tokens == reasoning
    assert server.requests[0].effort == effort


# What the model writes


SCALARS: list[Any] = [str, int, float, bool, types.NoneType, Literal["a", "b"], Literal[3]]
NAMES = st.sampled_from(["title", "script", "rows", "evidence", "note"])


def closed_models(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Closed models whose fields are of ``kinds``, lists of them (bounded), or them or nothing."""
    lengths = st.tuples(st.integers(0, 3), st.integers(0, 3))
    fields = st.one_of(
        kinds.map(lambda kind: (kind, ...)),
        kinds.map(lambda kind: (kind | None, ...)),
        st.builds(
            lambda kind, length: (
                types.GenericAlias(list, (kind,)),
                Field(min_length=length[0], max_length=sum(length)),
            ),
            kinds,
            lengths,
        ),
    )
    return st.dictionaries(NAMES, fields, min_size=1, max_size=3).map(
        lambda named: create_model("Row", __config__=ConfigDict(extra="forbid"), **named)
    )


MODEL_TYPES = closed_models(st.recursive(st.sampled_from(SCALARS), closed_models, max_leaves=6))


@settings(max_examples=80, deadline=None)
@given(model=MODEL_TYPES)
def test_instances_conform(model: type[BaseModel]) -> None:
    """pydantic accepts the instance of any closed model's schema, OpenAI's rules find no fault, and it is the same twice."""
    schema = model.model_json_schema()
    value = instance(schema)
    model.model_validate_json(json.dumps(value), strict=True)
    assert list(strict_faults(schema)) == []
    assert instance(schema) == value


class Node(BaseModel):
    model_config = ConfigDict(extra="forbid")
    label: str
    children: list[Node]
    parent: Node | None


def test_recursive_schemas_end() -> None:
    """A schema that refers to itself gets a finite instance."""
    value = Node.model_validate(instance(Node.model_json_schema()))
    assert value.children


def test_open_objects_get_keys_of_their_own() -> None:
    """additionalProperties with a schema: the instance has some keys, whose values conform."""
    kind = TypeAdapter(dict[str, int])
    assert kind.validate_python(instance(kind.json_schema()))


def test_what_cannot_be_written_is_an_error() -> None:
    """A keyword that the generator does not understand raises, instead of a value that may not conform."""
    with pytest.raises(ValueError, match="'pattern' at row"):
        instance({"type": "string", "pattern": "^#"}, path=("row",))


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        (
            {"type": "array", "items": {"type": "string"}},
            "schema must be a JSON Schema of 'type: \"object\"'",
        ),
        (
            closed(row={"type": "object"}),
            "In context=('properties', 'row'), 'additionalProperties' is required",
        ),
        (closed(a={"type": "string"}) | {"required": []}, "every key in properties. Missing 'a'."),
        (closed() | {"required": ["b"]}, "Extra required key 'b' supplied."),
        (closed(a={"type": "array", "items": {"type": "object"}}), "In context=('properties', 'a', 'items')"),
        (closed(a={"anyOf": [{"type": "object"}]}), "In context=('properties', 'a', 'anyOf', '0')"),
        (closed(a={"oneOf": [{"type": "string"}]}), "'oneOf' is not permitted."),
        (closed(a={"type": "array"}), "array schema missing items."),
        (closed(a={}), "schema must have a 'type' key."),
        (closed(a={"$ref": "#/$defs/A", "description": "b"}), "$ref cannot have keywords {'description'}."),
        (closed() | {"$defs": {"A": {"type": "object"}}}, "In context=('$defs', 'A')"),
    ],
)
def test_invalid_strict_schemas_are_refused(served: Served, schema: dict[str, Any], fault: str) -> None:
    """Each rule of strict schemas refuses what breaks it; the same schema without strict is served."""
    _, client = served
    with pytest.raises(openai.BadRequestError, match=re.escape(fault)):
        ask(client, response_format=json_schema(schema))
    ask(client, response_format=json_schema(schema, strict=False))


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hook: str
    script: str
    evidence: Annotated[list[Literal[3, 5, 8]], Field(min_length=1, max_length=3)]


class Month(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rows: Annotated[list[Row], Field(min_length=4, max_length=4)]


def test_a_schema_is_answered_with_an_instance() -> None:
    """The default writer's reply validates, its strings have the number of words asked for, and rows differ."""
    answer = json_schema(Month.model_json_schema())
    with StrictServer(MODELS) as server, client_of(server) as client:
        month = Month.model_validate_json(ask(client, response_format=answer).choices[0].message.content)
    assert {len(row.script.split()) for row in month.rows} == {70}
    assert {len(row.hook.split()) for row in month.rows} == {8}
    assert len({row.script for row in month.rows}) == 4
    assert all(len(set(row.evidence)) == len(row.evidence) for row in month.rows)


def test_without_a_schema_the_named_keys_are_answered() -> None:
    """A last line of keys is answered with one row a key, the same row whichever keys stand beside it."""
    writer = ConformingWriter(words={"script": 5}, evidence=lambda _request, key: [int(key), 9])
    with StrictServer(MODELS, writer=writer) as server, client_of(server) as client:
        texts = [
            ask(client, f"Write.\nKeys: {keys}").choices[0].message.content
            for keys in ('"1", "2", "5"', '"5"')
        ]
        prose = ask(client, "Write.").choices[0].message.content
    three, one = (json.loads(text) for text in texts)
    assert list(three) == ["1", "2", "5"]
    assert set(three["1"]) == {"title", "hook", "script", "caption", "hashtags", "evidence"}
    assert three["5"] == one["5"]
    assert three["2"]["evidence"] == [2, 9]
    assert len(three["2"]["script"].split()) == 5
    assert all(isinstance(tag, str) for tag in three["1"]["hashtags"])
    assert len(prose.split()) == 40


# How the server behaves as a whole


def test_it_dies_after_so_many_replies() -> None:
    """After dies_after replies nothing is answered, on an old connection or a new one, however many ask at once."""
    with StrictServer(MODELS, dies_after=3) as server, client_of(server) as client:
        with ThreadPoolExecutor(8) as pool:
            outcomes = [future.exception() for future in [pool.submit(ask, client) for _ in range(8)]]
        assert [type(outcome) for outcome in outcomes if outcome] == [openai.APIConnectionError] * 5
        for call in (client.models.list, lambda: ask(client)):
            with pytest.raises(openai.APIConnectionError):
                call()
    assert len(server.replies) == 3


def test_many_clients_at_once_are_all_recorded() -> None:
    """Requests from many threads are all answered, and requests and replies hold each of them once."""
    texts = [f"number {index}" for index in range(64)]
    with (
        StrictServer(MODELS, writer=lambda request: request.last_text) as server,
        client_of(server) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        answers = list(pool.map(lambda text: ask(client, text).choices[0].message.content, texts))
    assert answers == texts
    assert sorted(request.last_text for request in server.requests) == sorted(texts)
    assert sorted(reply.text for reply in server.replies) == sorted(texts)


def test_a_writer_that_raises_fails_the_test() -> None:
    """An error inside the server is raised at the end of the with block; the client sees a lost connection."""

    def broken(_request: ChatRequest) -> str:
        raise LookupError("no such row")

    with (
        pytest.raises(LookupError, match="no such row"),
        StrictServer(MODELS, writer=broken) as server,
        client_of(server) as client,
        contextlib.suppress(openai.APIConnectionError),
    ):
        ask(client)


def test_the_end_ends_every_silence() -> None:
    """When the with block ends, no thread of the server waits on, neither for a script's silence nor for a client's next request."""
    before = set(threading.enumerate())
    with StrictServer(MODELS, faults=[Ok(), Hang(30), Hang(30, after_tokens=2)]) as server:
        clients = [client_of(server, timeout=timeout) for timeout in (10, 0.2, 0.2)]
        ask(clients[0])
        for client in clients[1:]:
            with pytest.raises(openai.APITimeoutError):
                streamed(client)
        started = time.monotonic()
    while (threads := set(threading.enumerate()) - before) and time.monotonic() < started + 2:
        time.sleep(0.01)
    assert not threads
    for client in clients:
        client.close()


def test_a_request_is_recorded_as_it_came(served: Served) -> None:
    """A test can inspect what was sent: model, messages, output parameter, stream, format, headers, the body."""
    server, client = served
    ask(client, "Say json", max_tokens=5, seed=7, response_format={"type": "json_object"})
    request = server.requests[-1]
    assert (request.model, request.last_text, request.stream) == ("schemed", "Say json", False)
    assert (request.max_tokens, request.max_tokens_parameter) == (5, "max_tokens")
    assert (request.response_format, request.body["seed"]) == ({"type": "json_object"}, 7)
    assert request.headers["x-stainless-retry-count"] == "0"


# As a program


def test_it_runs_as_a_program() -> None:
    """Run as a script it prints its base URL first, serves the default models, and obeys its options and its fault script."""
    command = [sys.executable, str(Path(__file__).with_name("strict_openai.py")), "--model", "gpt-3.5-turbo"]
    options = ["--port", "0", "--reply-cap", "3", "--dies-after", "1", "--declares-limits"]
    options += ["--faults", "quota,ok"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        with OpenAI(base_url=base_url, api_key="sk-strict", max_retries=0, timeout=10) as client:
            (entry,) = client.models.list()
            assert (entry.id, entry.model_dump()["max_model_len"]) == ("gpt-3.5-turbo", 16_385)
            with pytest.raises(openai.RateLimitError):
                ask(client, model="gpt-3.5-turbo")
            assert ask(client, model="gpt-3.5-turbo").usage.completion_tokens == 3
            with pytest.raises(openai.APIConnectionError):
                ask(client, model="gpt-3.5-turbo")
        process.terminate()


def test_a_script_that_is_not_understood_is_an_error() -> None:
    """An unknown fault ends the program with a line that names the known ones, before anything is served."""
    command = [sys.executable, str(Path(__file__).with_name("strict_openai.py")), "--faults", "ok,flood"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "unknown fault 'flood': expected one of 429, quota" in ended.stderr
    assert not ended.stdout
