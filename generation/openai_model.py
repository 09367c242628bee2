"""The OpenAI adapter, for api.openai.com and any server that speaks its chat completions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai

from generation.limits import ModelLimits
from generation.model import ChatRequest, Finished
from rag.errors import ModelFailure

_TIMEOUT_SECONDS = 120.0
_CONNECT_SECONDS = 10.0


class OpenAIModel:
    """A model behind ``base_url``, or OpenAI's own where that is None. The SDK's retries are off."""

    def __init__(self, limits: ModelLimits, *, api_key: str | None, base_url: str | None) -> None:
        self.limits = limits
        self._where = base_url or "api.openai.com"
        self._key = api_key or "none"  # a server of one's own asks for none
        self._base_url = base_url

    async def stream(self, request: ChatRequest) -> AsyncIterator[str | Finished]:
        """The reply's text in pieces, then ``Finished``. Raises ``ModelFailure``.

        A client is made for each call: it belongs to the event loop that it first ran in.
        """
        reason: str | None = None
        usage: Any = None
        begun = False
        timeout = openai.Timeout(_TIMEOUT_SECONDS, connect=_CONNECT_SECONDS)
        async with openai.AsyncOpenAI(
            api_key=self._key, base_url=self._base_url, max_retries=0, timeout=timeout
        ) as client:
            try:
                async with await client.chat.completions.create(**self._arguments(request)) as chunks:
                    async for chunk in chunks:
                        begun = True
                        usage = chunk.usage or usage
                        for choice in (chunk.choices or [])[:1]:
                            reason = choice.finish_reason or reason
                            if choice.delta.content:
                                yield choice.delta.content
            except openai.OpenAIError as error:
                raise self._failure(error, begun=begun) from error
            except Exception as error:  # nothing that a server sends may cost rows that are whole
                raise ModelFailure(
                    f"the reply from {self._where} is damaged ({type(error).__name__})", kind="interrupted"
                ) from error
        if reason is None:
            raise ModelFailure(f"the reply from {self._where} ended without a reason", kind="interrupted")
        yield Finished(
            reason=reason,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
        )

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.limits.name,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            self.limits.output_parameter: request.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.response_schema is not None:
            arguments["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "strict": True, "schema": request.response_schema},
            }
        if request.temperature is not None and self.limits.takes_temperature:
            arguments["temperature"] = request.temperature
        return arguments

    def _failure(self, error: openai.OpenAIError, *, begun: bool) -> ModelFailure:
        """What an SDK error means here, in one line with a remedy."""
        match error:
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                return ModelFailure(
                    f"{self._where} refused the API key: set OPENAI_API_KEY to one that may use {self.limits.name}",
                    kind="refused_key",
                )
            case openai.NotFoundError():
                return ModelFailure(
                    f"{self._where} does not know the model {self.limits.name}: choose another with --model",
                    kind="unknown_model",
                )
            case openai.RateLimitError() if error.code in {
                "insufficient_quota",
                "billing_hard_limit_reached",
            }:
                return ModelFailure(
                    f"the quota at {self._where} is used up: add credit, or use --model offline", kind="quota"
                )
            case openai.BadRequestError() | openai.UnprocessableEntityError():
                return ModelFailure(f"{self._where} refused the request: {error.message}", kind="rejected")
            case openai.APIConnectionError() if not begun:
                return ModelFailure(
                    f"no answer from {self._where} ({error.message.rstrip('.').lower()}): check --base-url and the network",
                    kind="unreachable",
                )
            case _:
                return ModelFailure(f"the call to {self._where} failed ({error})", kind="interrupted")
