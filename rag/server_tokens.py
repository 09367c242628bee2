"""Token counts by the server that reads them: ``/tokenize`` of llama.cpp and vLLM."""

from __future__ import annotations

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
        self._remembered = lru_cache(maxsize=16_384)(self._ask)

    def count(self, text: str) -> int:
        """How many tokens ``text`` is, without special tokens. Raises ``ServiceFailure`` if nobody says."""
        return self._remembered(text) if text else 0

    def _ask(self, text: str) -> int:
        # each server reads its own fields and passes over the other's
        llama_cpp = {"content": text, "add_special": False}
        vllm = {"model": self._model, "prompt": text, "add_special_tokens": False}
        try:
            reply = self._client.post(f"{self._root}/tokenize", json=llama_cpp | vllm)
            said: Any = reply.json() if reply.is_success else None
        except (httpx2.HTTPError, ValueError) as error:
            raise self._failure(type(error).__name__) from error
        if isinstance(said, dict):
            count, tokens = said.get("count"), said.get("tokens")
            if isinstance(count, int) and count >= 0:
                return count
            if isinstance(tokens, list):
                return len(tokens)
        raise self._failure(f"status {reply.status_code}")

    def _failure(self, why: str) -> ServiceFailure:
        return ServiceFailure(
            f"{self._root}/tokenize counts no tokens ({why}): declare characters_per_token or tokenizer for "
            f"{self._model} in hookline.toml"
        )


@cache
def server_counter(base_url: str, api_key: str | None, model: str) -> ServerCounter:
    """The process's one counter for a server and model."""
    return ServerCounter(base_url, api_key, model)
