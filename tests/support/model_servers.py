"""Loopback servers that say what a model allows, as vLLM, llama.cpp and Ollama do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Served:
    """A loopback server with scripted answers by method and path, and the paths it was asked for."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.bodies: list[Any] = []
        self.keys: list[str | None] = []
        self.base_url = ""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the script."""


@contextmanager
def served(answers: dict[str, Any]) -> Iterator[Served]:
    """A value is sent as JSON, bytes as they are, an integer as a status, and a function does as it likes."""
    state = Served(answers)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            state.asked.append(f"{self.command} {self.path}")
            state.keys.append(self.headers["Authorization"])
            state.bodies.append(self.rfile.read(int(self.headers["Content-Length"] or 0)))
            answer = state.answers.get(state.asked[-1], 404)
            if callable(answer):
                answer(self)
                return
            self.send_response(answer if isinstance(answer, int) else 200)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815  # http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def vllm(name: str) -> dict[str, Any]:
    return {
        "GET /v1/models": {
            "data": [{"id": "other", "max_model_len": 1}, {"id": name, "max_model_len": 4096}]
        },
        "POST /tokenize": {"count": 1, "max_model_len": 4096, "tokens": [64]},
    }


def llama_cpp(name: str) -> dict[str, Any]:
    return {
        "GET /v1/models": {"data": [{"id": name, "meta": {"n_ctx_train": 8192, "n_vocab": 49152}}]},
        "GET /props": {"default_generation_settings": {"n_ctx": 2048}, "total_slots": 1},
        "POST /tokenize": {"tokens": [64]},
    }


def ollama(name: str, parameters: str = "") -> dict[str, Any]:
    return {
        "GET /v1/models": {"data": [{"id": name, "object": "model", "owned_by": "library"}]},
        "POST /api/show": {
            "model_info": {"general.architecture": "llama", "llama.context_length": 131_072},
            "parameters": parameters,
        },
    }
