"""Token counts by the server that reads them: llama.cpp's and vLLM's own endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import httpx2

from rag.errors import ServiceFailure

_TIMEOUT_SECONDS = 10.0


class ServerCounter:
    """Counts at ``base_url``'s ``/tokenize``, one request a text; what was asked once is remembered."""

    def __init__(self, base_url: str, api_key: str | None, model: str) -> None:
        self.encoding = "server"
        self._root = base_url.rstrip("/").removesuffix("/v1")
        self._model = model
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx2.Client(headers=headers, timeout=_TIMEOUT_SECONDS)
        self._remembered = lru_cache(maxsize=16_384)(self._count)

    def count(self, text: str) -> int:
        """How many tokens ``text`` is, without special tokens. Raises ``ServiceFailure`` if nobody says."""
        return self._remembered(text) if text else 0

    def count_chat(self, messages: Sequence[tuple[str, str]]) -> int | None:
        """How many tokens a chat of ``(role, content)`` is with its template; None if the server does not say."""
        chat = [{"role": role, "content": content} for role, content in messages]
        for path, field in (("/v1/chat/completions/input_tokens", "input_tokens"), ("/tokenize", "count")):
            _, said = self._post(path, {"model": self._model, "messages": chat})
            count = said.get(field)
            if isinstance(count, int) and count > 0:
                return count
        return None

    def _count(self, text: str) -> int:
        # each server reads its own fields and passes over the other's
        llama_cpp = {"content": text, "add_special": False}
        vllm = {"model": self._model, "prompt": text, "add_special_tokens": False}
        status, said = self._post("/tokenize", llama_cpp | vllm)
        count, tokens = said.get("count"), said.get("tokens")
        if isinstance(count, int) and count >= 0:
            return count
        if isinstance(tokens, list):
            return len(tokens)
        raise self._failure(f"status {status}")

    def _post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the object that came; an empty one for whatever else it was."""
        try:
            reply = self._client.post(self._root + path, json=body)
        except httpx2.HTTPError as error:
            raise self._failure(type(error).__name__) from error
        try:
            said: Any = reply.json() if reply.is_success else None
        except ValueError:
            said = None
        return reply.status_code, said if isinstance(said, dict) else {}

    def _failure(self, why: str) -> ServiceFailure:
        return ServiceFailure(
            f"{self._root}/tokenize counts no tokens ({why}): declare characters_per_token or tokenizer for "
            f"{self._model} in hookline.toml"
        )


@cache
def server_counter(base_url: str, api_key: str | None, model: str) -> ServerCounter:
    """The process's one counter for a server and model."""
    return ServerCounter(base_url, api_key, model)
