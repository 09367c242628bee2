"""OpenAI's chat-completions wire, as strict as the original, over real HTTP on loopback.

    with StrictServer(faults=[Status(429, "rate_limit_exceeded")], reply_cap=300) as server:
        client = OpenAI(base_url=server.base_url, api_key=server.key, max_retries=0)

It counts tokens itself, refuses what OpenAI refuses in OpenAI's words, cuts replies at the token, and keeps
every request and reply for inspection. Arguments that it does not act on (``n``, ``stop``, ``tools``) are
refused too, so that no test passes because something was ignored. A response schema's own share of the
prompt is not counted: OpenAI does not publish its framing.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import functools
import hashlib
import json
import os
import shutil
import socket
import socketserver
import sys
import tempfile
import threading
import time
from dataclasses import KW_ONLY, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from unittest import mock
from urllib.parse import unquote

import tiktoken
from schema_instances import ConformingWriter, strict_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

EncodingName = Literal["cl100k_base", "o200k_base"]
OutputParameter = Literal["max_tokens", "max_completion_tokens"]
FinishReason = Literal["stop", "length"]
ENCODINGS = Path(__file__).parents[2] / "rag" / "encodings"


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
    ``max_completion_tokens`` refuses the old name.
    """

    name: str
    context_window: int
    max_output_tokens: int
    encoding: EncodingName
    _: KW_ONLY
    input_cap: int | None = None
    output_parameter: OutputParameter = "max_tokens"
    takes_schema: bool = True
    takes_temperature: bool = True


GPT_5_MINI = ServedModel(
    *("gpt-5-mini", 400_000, 128_000, "o200k_base"),
    input_cap=272_000,
    output_parameter="max_completion_tokens",
    takes_temperature=False,
)
DEFAULT_MODELS = (
    ServedModel("gpt-4-turbo-preview", 128_000, 4_096, "cl100k_base", takes_schema=False),
    ServedModel("gpt-3.5-turbo", 16_385, 4_096, "cl100k_base", takes_schema=False),
    ServedModel("gpt-4o-mini", 128_000, 16_384, "o200k_base"),
    ServedModel("gpt-4o", 128_000, 16_384, "o200k_base"),
    GPT_5_MINI,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A chat request as it came, refused ones too; ``prompt_tokens`` is 0 where the model is unknown."""

    model: str
    messages: tuple[dict[str, Any], ...]
    max_tokens: int | None
    max_tokens_parameter: OutputParameter | None
    stream: bool
    response_format: dict[str, Any] | None
    prompt_tokens: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def last_text(self) -> str:
        return text_of(self.messages[-1]["content"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What was generated for one request, whether or not the client stayed to read it.

    ``finish_reason`` is None where the script broke it off.
    """

    finish_reason: FinishReason | None
    completion_tokens: int
    text: str


@dataclass(frozen=True, slots=True)
class Ok:
    """Nothing goes wrong."""


@dataclass(frozen=True, slots=True)
class Status:
    """An error instead of an answer, whatever the request says."""

    code: int
    error_code: str | None = None
    message: str = "The fault script says so."
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The socket closes after so many tokens of a stream, or in the middle of an unstreamed body."""

    after_tokens: int


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing is sent for so long; then the answer, to whoever still waits."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Malformed:
    """The model says this instead of what it should."""

    text: str


Fault = Ok | Status | Disconnect | Hang | Malformed


@dataclass(frozen=True, slots=True)
class Refusal:
    """OpenAI's error body, and the status and headers that it comes with."""

    message: str
    param: str | None = None
    code: str | None = None
    error_type: str = "invalid_request_error"
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)


ARGUMENTS = {
    *("model", "messages", "max_tokens", "max_completion_tokens", "stream", "stream_options", "store"),
    *("response_format", "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "user"),
    *("reasoning_effort", "verbosity", "service_tier", "prompt_cache_key", "safety_identifier", "metadata"),
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


def unauthorised(headers: Mapping[str, str], key: str) -> Iterator[Refusal]:
    given = headers.get("authorization", "").removeprefix("Bearer ")
    if given != key:
        message = f"Incorrect API key provided: {given}." if given else "You didn't provide an API key."
        yield Refusal(message, code="invalid_api_key", status=401)


def refusals(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    """Every ground on which OpenAI refuses ``request``; the first is the one that it states."""
    body = request.body
    for name in sorted(body.keys() - ARGUMENTS):
        yield Refusal(f"Unrecognized request argument supplied: {name}")
    if not request.messages:
        yield Refusal("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if body.get("stream_options") and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        yield Refusal(message, "stream_options")
    yield from _unsupported(body, model)
    yield from _format_refused(request, model)
    yield from _too_many_tokens(request, model)


def _unsupported(body: Mapping[str, Any], model: ServedModel) -> Iterator[Refusal]:
    unsupported = "Unsupported parameter: '{}' is not supported with this model."
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        yield Refusal(message, "max_tokens", "invalid_parameter_combination")
    if body.get("max_tokens") is not None and model.output_parameter == "max_completion_tokens":
        message = unsupported.format("max_tokens") + " Use 'max_completion_tokens' instead."
        yield Refusal(message, "max_tokens", "unsupported_parameter")
    if body.get("temperature") is not None and not model.takes_temperature:
        yield Refusal(unsupported.format("temperature"), "temperature", "unsupported_parameter")


def _format_refused(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    wanted = request.response_format or {"type": "text"}
    kind, declared = wanted.get("type"), wanted.get("json_schema") or {}
    if kind not in ("text", "json_object", "json_schema"):
        message = f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'."
        yield Refusal(message, "response_format.type", "invalid_value")
    if kind == "json_object" and not any("json" in text_of(m["content"]).lower() for m in request.messages):
        message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type"
        yield Refusal(f"{message} 'json_object'.", "messages")
    if kind == "json_schema" and not model.takes_schema:
        message = (
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
        )
        guide = "https://platform.openai.com/docs/guides/structured-outputs"
        yield Refusal(f"{message} Learn more about supported models at the Structured Outputs guide: {guide}")
    for name in {"name", "schema"} - declared.keys() if kind == "json_schema" else ():
        param = f"response_format.json_schema.{name}"
        yield Refusal(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    for fault in strict_faults(declared["schema"]) if declared.get("strict") else ():
        yield Refusal(f"Invalid schema for response_format '{declared['name']}': {fault}", "response_format")


def _too_many_tokens(request: ChatRequest, model: ServedModel) -> Iterator[Refusal]:
    asked, prompt, most = request.max_tokens, request.prompt_tokens, model.max_output_tokens
    name = request.max_tokens_parameter
    if asked is not None and asked < 1:
        message = (
            f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {asked} instead."
        )
        yield Refusal(message, name, "integer_below_min_value")
    if asked is not None and asked > most:
        message = (
            f"max_tokens is too large: {asked}. This model supports at most {most} completion tokens, whereas"
        )
        yield Refusal(f"{message} you provided {asked}.", name, "invalid_value")
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


class StrictServer(ThreadingHTTPServer):
    """The server: it listens from construction, and serves inside its ``with`` block.

    ``faults`` is consumed one entry a chat request, refused ones too: ``requests[i]`` met ``faults[i]``.
    ``reply_cap`` cuts every reply as if the model had stopped there. After ``dies_after`` replies nothing is
    answered any more. What goes wrong in the server itself (a writer that raises) breaks the connection, and
    is raised at the end of the ``with`` block.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        models: Iterable[ServedModel] = DEFAULT_MODELS,
        *,
        key: str = "sk-strict",
        writer: Callable[[ChatRequest], str] | None = None,
        faults: Iterable[Fault] = (),
        reply_cap: int | None = None,
        dies_after: int | None = None,
        port: int = 0,
    ) -> None:
        self.models = {model.name: model for model in models}
        self.encodings = {name: load_encoding(name) for name in {m.encoding for m in self.models.values()}}
        self.key = key
        self.writer = writer or ConformingWriter()
        self.faults = list(faults)
        self.reply_cap = reply_cap
        self.dies_after = dies_after
        self.requests: list[ChatRequest] = []
        self.replies: list[Reply] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._failures: list[BaseException] = []
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def is_dead(self) -> bool:
        had_its_time = self.dies_after is not None and len(self.replies) >= self.dies_after
        return had_its_time or self.closing.is_set()

    def take(self, request: ChatRequest) -> Fault:
        """Record a request; the answer is what the script has for it."""
        with self._lock:
            self.requests.append(request)
            return self.faults.pop(0) if self.faults else Ok()

    def claim(self, reply: Reply) -> bool:
        """Record a reply that is about to be sent, unless the server has died meanwhile."""
        with self._lock:
            alive = not self.is_dead
            self.replies += [reply] if alive else []
            return alive

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own asks DNS for this host's name

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.is_dead

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request_thread(request, client_address)
        with self._lock:
            self._connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):  # a client may go away
            self._failures.append(error)
            super().handle_error(request, client_address)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                hang_up(connection)
        if self._failures and exception[0] is None:
            raise self._failures[0]


def hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side may have been first
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: StrictServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        made = {"object": "model", "owned_by": "openai", "created": 0}
        listed = [{"id": name, **made} for name in self.server.models]
        pages = {"/v1/models": {"object": "list", "data": listed}} | {
            f"/v1/models/{m['id']}": m for m in listed
        }
        missing = f"The model '{unquote(self.path).removeprefix('/v1/models/')}' does not exist"
        if self.server.is_dead:
            self._hang_up()
        elif refusal := next(unauthorised(self._headers(), self.server.key), None):
            self._refuse(refusal)
        elif page := pages.get(unquote(self.path)):
            self._send(200, page)
        else:
            self._refuse(Refusal(missing, "model", "model_not_found", status=404))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.is_dead:
            self._hang_up()
        elif self.path != "/v1/chat/completions":
            self._refuse(Refusal(f"Invalid URL ({self.command} {self.path})", status=404))
        else:
            request = self._request(json.loads(raw))
            fault = self.server.take(request)
            if refusal := next(self._refusals(request, fault), None):
                self._refuse(refusal)
            else:
                self._answer(request, fault)

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _request(self, body: dict[str, Any]) -> ChatRequest:
        model = self.server.models.get(body["model"])
        messages = tuple(body.get("messages") or ())
        names: tuple[OutputParameter, ...] = ("max_completion_tokens", "max_tokens")
        parameter = next((name for name in names if body.get(name) is not None), None)
        return ChatRequest(
            model=body["model"],
            messages=messages,
            max_tokens=body[parameter] if parameter else None,
            max_tokens_parameter=parameter,
            stream=bool(body.get("stream")),
            response_format=body.get("response_format"),
            prompt_tokens=count_prompt(messages, self.server.encodings[model.encoding]) if model else 0,
            headers=self._headers(),
            body=body,
        )

    def _refusals(self, request: ChatRequest, fault: Fault) -> Iterator[Refusal]:
        yield from unauthorised(request.headers, self.server.key)
        if isinstance(fault, Status):
            kind = "server_error" if fault.code >= 500 else fault.error_code or "invalid_request_error"
            yield Refusal(fault.message, None, fault.error_code, kind, fault.code, fault.headers)
        if request.model in self.server.models:
            yield from refusals(request, self.server.models[request.model])
        else:
            message = f"The model `{request.model}` does not exist or you do not have access to it."
            yield Refusal(message, code="model_not_found", status=404)

    def _answer(self, request: ChatRequest, fault: Fault) -> None:
        model = self.server.models[request.model]
        encoding = self.server.encodings[model.encoding]
        text = fault.text if isinstance(fault, Malformed) else self.server.writer(request)
        tokens = encoding.encode_ordinary(text)
        limits = (request.max_tokens, self.server.reply_cap, model.max_output_tokens)
        room = model.context_window - request.prompt_tokens
        kept = tokens[: min(room, *(limit for limit in limits if limit is not None))]
        finish_reason: FinishReason | None = "length" if len(kept) < len(tokens) else "stop"
        if isinstance(fault, Disconnect):
            kept, finish_reason = kept[: fault.after_tokens], None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may be several tokens long
        pieces = [decoder.decode(token) for token in encoding.decode_tokens_bytes(kept)]
        pieces.append(decoder.decode(b"", final=True))
        reply = Reply(finish_reason=finish_reason, completion_tokens=len(kept), text="".join(pieces))
        if isinstance(fault, Hang):
            self.server.closing.wait(fault.seconds)
        if not self.server.claim(reply):
            self._hang_up()
        elif request.stream:
            self._stream(request, reply, pieces)
        else:
            message = {"role": "assistant", "content": reply.text, "refusal": None}
            choices = [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}]
            whole = {**_head(request), "choices": choices, "usage": _usage(request, reply)}
            self._send(200, whole, broken_off=finish_reason is None)

    def _stream(self, request: ChatRequest, reply: Reply, pieces: list[str]) -> None:
        self._start(200, {"Content-Type": "text/event-stream; charset=utf-8", "Transfer-Encoding": "chunked"})
        wants_usage = (request.body.get("stream_options") or {}).get("include_usage")
        head = _head(request) | ({"usage": None} if wants_usage else {})
        deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces if piece)]
        for delta in deltas:
            self._event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        if reply.finish_reason is None:
            self._hang_up()
            return
        self._event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish_reason}]})
        if wants_usage:
            self._event({**head, "choices": [], "usage": _usage(request, reply)})
        self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: dict[str, Any] | str) -> None:
        event = f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))

    def _refuse(self, refusal: Refusal) -> None:
        error = {"message": refusal.message, "type": refusal.error_type}
        error_body = {"error": {**error, "param": refusal.param, "code": refusal.code}}
        self._send(refusal.status, error_body, headers=refusal.headers)

    def _send(
        self, status: int, value: Any, *, headers: Mapping[str, str] | None = None, broken_off: bool = False
    ) -> None:
        body = json.dumps(value).encode()
        framing = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self._start(status, {**framing, **(headers or {})})
        self.wfile.write(body[: len(body) // 2] if broken_off else body)
        if broken_off:
            self._hang_up()

    def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"x-request-id": f"req_{time.time_ns():x}", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _hang_up(self) -> None:
        self.close_connection = True
        hang_up(self.connection)


def _head(request: ChatRequest) -> dict[str, Any]:
    kind = "chat.completion.chunk" if request.stream else "chat.completion"
    nanoseconds = time.time_ns()
    created = nanoseconds // 10**9
    return {"id": f"chatcmpl-{nanoseconds:x}", "object": kind, "created": created, "model": request.model}


def _usage(request: ChatRequest, reply: Reply) -> dict[str, Any]:
    prompt, completion = request.prompt_tokens, reply.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def main() -> None:
    names = [model.name for model in DEFAULT_MODELS]
    parser = argparse.ArgumentParser(description="Serve OpenAI's chat-completions wire on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--key", default="sk-strict")
    parser.add_argument("--reply-cap", type=int, help="cut every reply at so many tokens")
    parser.add_argument("--dies-after", type=int, help="answer nothing after so many replies")
    parser.add_argument(
        "--model", action="append", choices=names, help="serve only this one; may be repeated"
    )
    options = vars(parser.parse_args())
    wanted = options.pop("model") or names
    server = StrictServer([model for model in DEFAULT_MODELS if model.name in wanted], **options)
    with contextlib.suppress(KeyboardInterrupt), server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
