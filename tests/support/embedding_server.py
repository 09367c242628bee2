"""OpenAI's ``/embeddings`` over real HTTP on loopback, with hashed words for vectors, as strict as the original."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from rag.embedding import HashingEmbedder

MODEL = "text-embedding-3-small"
_TEXTS_AT_ONCE = 2048


class EmbeddingServer:
    """Serves ``MODEL`` to ``key``. ``failures`` are statuses that the next requests get, first to last."""

    def __init__(self, *, key: str = "sk-test", failures: tuple[int, ...] = ()) -> None:
        self.key = key
        self.failures = list(failures)
        self.requests: list[list[str]] = []
        handler = type("Handler", (_Handler,), {"served": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, authorization: str | None, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and body for a request."""
        if authorization != f"Bearer {self.key}":
            return 401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
        if self.failures:
            return self.failures.pop(0), {"error": {"message": "not now"}}
        texts = asked.get("input")
        if asked.get("model") != MODEL:
            return 404, {"error": {"message": f"The model {asked.get('model')} does not exist"}}
        if not isinstance(texts, list) or not 0 < len(texts) <= _TEXTS_AT_ONCE or not all(texts):
            return 400, {"error": {"message": "'$.input' is invalid"}}
        self.requests.append(texts)
        vectors = 3.0 * HashingEmbedder().embed_documents(texts)  # not of unit length
        data = [
            {"object": "embedding", "index": index, "embedding": vector.tolist()}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return 200, {"object": "list", "data": data[::-1], "model": MODEL, "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    served: EmbeddingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, reply = self.served.reply(self.headers["Authorization"], json.loads(body))
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        pass
