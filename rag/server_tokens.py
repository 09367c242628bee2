"""Token counts by the server that reads them: llama.cpp's and vLLM's own endpoints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import httpx2

from rag.errors import ServiceFailure
from rag.tokens import remembered, well_formed

_TIMEOUT_SECONDS = 10.0
_HUNG_UP = (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)
_REMEMBERED_TEXTS, _REMEMBERED_CHARACTERS = 1024, 20_000  # 20 MB at most


class ServerCounter:
    """Counts at ``base_url``'s ``/tokenize``, one request a text; shorter texts are remembered.

    A special token's name is text to llama.cpp here; vLLM reads it as the token, as it does in a chat.
    """

    def __init__(self, base_url: str, api_key: str | None, model: str) -> None:
        self.encoding = "server"
        self._root = base_url.rstrip("/").removesuffix("/v1")
        self._model = model
        headers = [(b"Authorization", f"Bearer {api_key}".encode())] if api_key else []
        self._client = httpx2.Client(headers=headers, timeout=_TIMEOUT_SECONDS)
        self._remembered = remembered(self._count, texts=_REMEMBERED_TEXTS, longest=_REMEMBERED_CHARACTERS)

    def count(self, text: str) -> int:
        """How many tokens ``text`` is, without special tokens. Raises ``ServiceFailure`` if nobody says."""
        return self._remembered(text) if text else 0

    def count_chat(self, messages: Sequence[tuple[str, str]]) -> int | None:
        """How many tokens a chat of ``(role, content)`` is with its template; None if the server does not say."""
        chat = [{"role": role, "content": well_formed(content)} for role, content in messages]
        for path, field in (("/v1/chat/completions/input_tokens", "input_tokens"), ("/tokenize", "count")):
            _, said = self._post(path, {"model": self._model, "messages": chat})
            if count := _number(said.get(field)):
                return count
        return None

    def _count(self, text: str) -> int:
        text = well_formed(text)
        # each server reads its own fields and passes over the other's
        llama_cpp = {"content": text, "add_special": False, "parse_special": False}
        vllm = {"model": self._model, "prompt": text, "add_special_tokens": False}
        status, said = self._post("/tokenize", llama_cpp | vllm)
        count, tokens = _number(said.get("count")), said.get("tokens")
        if count is not None:
            return count
        if isinstance(tokens, list):
            return len(tokens)
        raise self._failure(f"status {status}")

    def _post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the object that came; an empty one for whatever else it was."""
        post = partial(self._client.post, self._root + path, json=body)
        try:
            try:
                reply = post()
            except _HUNG_UP:  # a server may close a connection that was kept, without a word
                reply = post()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._failure(type(error).__name__) from error
        try:
            said: Any = reply.json() if reply.is_success else None
        except (ValueError, RecursionError):
            said = None
        return reply.status_code, said if isinstance(said, dict) else {}

    def _failure(self, why: str) -> ServiceFailure:
        return ServiceFailure(
            f"{re.sub('//[^/]*@', '//', self._root)}/tokenize counts no tokens ({why}): declare "
            f"characters_per_token or tokenizer for {self._model} in hookline.toml"
        )


def _number(said: Any) -> int | None:
    return said if isinstance(said, int) and not isinstance(said, bool) and said >= 0 else None


@cache
def server_counter(base_url: str, api_key: str | None, model: str) -> ServerCounter:
    """The process's one counter for a server and model."""
    return ServerCounter(base_url, api_key, model)
