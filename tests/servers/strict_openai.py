"""OpenAI's wire, chat completions and responses, as strict as the original, over real HTTP on loopback.

    with StrictServer(faults=[rate_limited("1"), Disconnect(40)], reply_cap=300) as server:
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
import json
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import unquote

import chat_completions
import responses_api
from fault_script import (
    OVERLOADED,
    QUOTA,
    SERVER_ERROR,
    Disconnect,
    Fault,
    Hang,
    Malformed,
    Ok,
    ReasoningEatsAll,
    RepeatedUnits,
    Status,
    UnaskedUnits,
    parse_script,
    rate_limited,
    spoiled,
)
from schema_instances import ConformingWriter
from served_models import (
    DEFAULT_MODELS,
    GPT_5_MINI,
    GPT_5_PRO,
    ChatRequest,
    FinishReason,
    Refusal,
    Reply,
    ServedModel,
    count_prompt,
    load_encoding,
    unauthorised,
)

if TYPE_CHECKING:
    import tiktoken

__all__ = [
    "DEFAULT_MODELS",
    "GPT_5_MINI",
    "GPT_5_PRO",
    "OVERLOADED",
    "QUOTA",
    "SERVER_ERROR",
    "ChatRequest",
    "Disconnect",
    "Fault",
    "Hang",
    "Malformed",
    "Ok",
    "ReasoningEatsAll",
    "RepeatedUnits",
    "Reply",
    "ServedModel",
    "Status",
    "StrictServer",
    "UnaskedUnits",
    "load_encoding",
    "rate_limited",
]


class Wire(Protocol):
    """One API: how its requests are read, refused and answered, whole or as the events of a stream."""

    def read(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> ChatRequest: ...
    def unknown_model(self, name: str) -> Refusal: ...
    def refusals(self, request: ChatRequest, model: ServedModel) -> Iterator[Refusal]: ...
    def whole(self, request: ChatRequest, reply: Reply) -> dict[str, Any]: ...
    def events(self, request: ChatRequest, reply: Reply, pieces: Iterable[str]) -> Iterator[str]: ...
    def refused_events(self, request: ChatRequest, refusal: Refusal) -> Iterator[str]: ...


WIRES: Mapping[str, Wire] = {"/v1/chat/completions": chat_completions, "/v1/responses": responses_api}


class StrictServer(ThreadingHTTPServer):
    """The server: it listens from construction, and serves inside its ``with`` block.

    ``faults`` is consumed one entry a request for a reply, refused ones too: ``requests[i]`` met
    ``faults[i]``. ``reply_cap`` cuts every reply as if the model had stopped there. After ``dies_after``
    replies nothing is answered any more. With ``declares_limits`` it says what it allows and counts tokens on
    request, as vLLM does. What goes wrong in the server itself (a writer that raises) breaks the connection,
    and is raised at the end of the ``with`` block, which ends every silence and every connection.
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
        declares_limits: bool = False,
        port: int = 0,
    ) -> None:
        self.models = {model.name: model for model in models}
        self.encodings = {name: load_encoding(name) for name in {m.encoding for m in self.models.values()}}
        self.key = key
        self.writer = writer or ConformingWriter()
        self.faults = list(faults)
        self.reply_cap = reply_cap
        self.dies_after = dies_after
        self.declares_limits = declares_limits
        self.requests: list[ChatRequest] = []
        self.replies: list[Reply] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[Any] = set()
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

    def encoding_of(self, model: ServedModel) -> tiktoken.Encoding:
        return self.encodings[model.encoding]

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own asks DNS for this host's name

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.is_dead

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

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
        path = unquote(self.path)
        name = path.removeprefix("/v1/models/")
        pages = {f"/v1/models/{name}": self._entry(model) for name, model in self.server.models.items()}
        pages["/v1/models"] = {"object": "list", "data": list(pages.values())}
        if self.server.is_dead:
            self._hang_up()
        elif name == path != "/v1/models":
            self._refuse(invalid_url("GET", path))
        elif refusal := next(unauthorised(self._headers(), self.server.key), None):
            self._refuse(refusal)
        elif page := pages.get(path):
            self._send(200, page)
        else:
            message = f"The model '{name}' does not exist"
            self._refuse(Refusal(message, "model", "model_not_found", status=404))

    def _entry(self, model: ServedModel) -> dict[str, Any]:
        entry = {"id": model.name, "object": "model", "owned_by": "openai", "created": 0}
        return entry | ({"max_model_len": model.context_window} if self.server.declares_limits else {})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(length)
        if self.server.is_dead or len(raw) < length:  # a client that was killed while it asked
            self._hang_up()
        elif wire := WIRES.get(self.path):
            self._reply(wire, json.loads(raw))
        elif self.path == "/tokenize" and self.server.declares_limits:
            self._tokenize(json.loads(raw))
        else:
            self._refuse(invalid_url("POST", self.path))

    def _tokenize(self, body: dict[str, Any]) -> None:
        """vLLM's: a text, or a chat with its framing; outside /v1 it asks for no key."""
        if model := self.server.models.get(body["model"]):
            encoding = self.server.encoding_of(model)
            if "messages" in body:
                count = count_prompt(body["messages"], encoding)
                tokens = list(range(count))  # which they are is not looked at
            else:
                tokens = encoding.encode_ordinary(body["prompt"])
                count = len(tokens)
            counted = {"count": count, "max_model_len": model.context_window, "tokens": tokens}
            self._send(200, {**counted, "token_strs": None})
        else:
            self._refuse(chat_completions.unknown_model(body["model"]))

    def _reply(self, wire: Wire, body: dict[str, Any]) -> None:
        request = wire.read(body, self._headers())
        model = self.server.models.get(request.model)
        if model:
            prompt_tokens = count_prompt(request.messages, self.server.encoding_of(model))
            request = replace(request, prompt_tokens=prompt_tokens)
        fault = self.server.take(request)
        refusal = next(self._refusals(wire, request, fault), None)
        if refusal and refusal.in_stream and request.stream:
            self._stream(wire.refused_events(request, refusal))
        elif refusal or not model:
            self._refuse(refusal or wire.unknown_model(request.model))
        else:
            self._answer(wire, request, model, fault)

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _refusals(self, wire: Wire, request: ChatRequest, fault: Fault) -> Iterator[Refusal]:
        yield from unauthorised(request.headers, self.server.key)
        if isinstance(fault, Status):
            yield fault.refusal
        if model := self.server.models.get(request.model):
            yield from wire.refusals(request, model)

    def _answer(self, wire: Wire, request: ChatRequest, model: ServedModel, fault: Fault) -> None:
        reply, pieces = self._generate(request, model, fault)
        if isinstance(fault, Hang) and not (request.stream and fault.after_tokens):
            self.server.closing.wait(fault.seconds)
        if not self.server.claim(reply):
            self._hang_up()
        elif request.stream:
            self._stream(wire.events(request, reply, self._paced(pieces, fault)))
        else:
            self._send(200, wire.whole(request, reply), broken_off=reply.finish_reason is None)

    def _generate(self, request: ChatRequest, model: ServedModel, fault: Fault) -> tuple[Reply, list[str]]:
        """The reply, and its text in pieces of a token each."""
        server, encoding = self.server, self.server.encoding_of(model)
        writer = server.writer if isinstance(server.writer, ConformingWriter) else ConformingWriter()
        text = "" if isinstance(fault, Malformed) else server.writer(request)
        tokens = encoding.encode_ordinary(spoiled(text, fault, partial(writer.unit, request)))
        limits = (request.max_tokens, server.reply_cap, model.max_output_tokens)
        room = model.context_window - request.prompt_tokens
        cap = min(room, *(limit for limit in limits if limit is not None))
        eats_all = isinstance(fault, ReasoningEatsAll)
        reasoning = cap if eats_all else min(cap, model.reasoning_at(request.effort))
        kept = tokens[: cap - reasoning]
        finish_reason: FinishReason | None = "length" if eats_all or len(kept) < len(tokens) else "stop"
        if isinstance(fault, Disconnect):
            kept, finish_reason = kept[: fault.after_tokens], None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may be several tokens long
        pieces = [decoder.decode(token) for token in encoding.decode_tokens_bytes(kept)]
        pieces.append(decoder.decode(b"", final=True))
        reply = Reply(
            finish_reason=finish_reason,
            completion_tokens=reasoning + len(kept),
            text="".join(pieces),
            reasoning_tokens=reasoning,
        )
        return reply, pieces

    def _paced(self, pieces: list[str], fault: Fault) -> Iterator[str]:
        """The pieces, with the fault's silence in the middle and its broken connection at the end."""
        silent_at = min(fault.after_tokens, len(pieces) - 1) if isinstance(fault, Hang) else 0
        for index, piece in enumerate(pieces):
            if isinstance(fault, Hang) and 0 < index == silent_at and self.server.closing.wait(fault.seconds):
                raise ConnectionAbortedError("the server closes")
            yield piece
        if isinstance(fault, Disconnect):
            raise ConnectionAbortedError("the script says so")

    def _stream(self, events: Iterable[str]) -> None:
        self._start(200, {"Content-Type": "text/event-stream; charset=utf-8", "Transfer-Encoding": "chunked"})
        for event in events:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event.encode()), event.encode()))
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, refusal: Refusal) -> None:
        self._send(refusal.status, {"error": refusal.error}, headers=refusal.headers)

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


def invalid_url(method: str, path: str) -> Refusal:
    return Refusal(f"Invalid URL ({method} {path})", status=404)


def main() -> None:
    names = [model.name for model in DEFAULT_MODELS]
    parser = argparse.ArgumentParser(description="Serve OpenAI's wire on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--key", default="sk-strict")
    parser.add_argument("--reply-cap", type=int, help="cut every reply at so many tokens")
    parser.add_argument("--dies-after", type=int, help="answer nothing after so many replies")
    parser.add_argument("--declares-limits", action="store_true", help="as vLLM: max_model_len, /tokenize")
    parser.add_argument(
        "--faults", default="ok", help="ok,429,429:250ms,429:date+2,quota,500,503,hang:1@40,disconnect:40,..."
    )
    parser.add_argument(
        "--model", action="append", choices=names, help="serve only this one; may be repeated"
    )
    options = vars(parser.parse_args())
    wanted = options.pop("model") or names
    try:
        options["faults"] = parse_script(options["faults"])
    except (ValueError, TypeError) as error:
        parser.error(f"--faults: {error}")
    server = StrictServer([model for model in DEFAULT_MODELS if model.name in wanted], **options)
    with contextlib.suppress(KeyboardInterrupt), server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
