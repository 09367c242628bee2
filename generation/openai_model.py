"""The OpenAI adapter, for api.openai.com and any server that speaks its chat completions or responses."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from functools import cache
from typing import Any

import httpx2
import openai

from generation.limits import ModelLimits
from generation.model import ChatRequest, Finished, Message, PromptTokens
from generation.refusals import Refused, lesson_of
from rag.errors import ModelFailure
from rag.retry import Circuit, circuit_for, retry_after_seconds
from rag.tokens import well_formed

TIMEOUT_SECONDS = 120.0  # of silence
_CONNECT_SECONDS = 10.0
_LEAST_OUTPUT_TOKENS = 16  # the Responses API takes no less
_BEFORE_ANYTHING = {"response.created", "response.queued", "response.in_progress"}  # an error may follow
_QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
CountPrompt = Callable[[Sequence[Message], dict[str, Any] | None], PromptTokens]


_REASONS = {  # of servers that speak the same language with other words
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length"), "length"),
    **dict.fromkeys(("content_filter", "safety", "refusal"), "content_filter"),
    "error": "interrupted",
}


class OpenAIModel:
    """A model behind ``base_url``, or OpenAI's own where that is None. The SDK's retries are off.

    A model whose output parameter is ``max_output_tokens`` is called through the Responses API.
    """

    def __init__(
        self,
        limits: ModelLimits,
        *,
        api_key: str | None,
        base_url: str | None,
        count_prompt: CountPrompt,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.limits = limits
        self._where = base_url or "api.openai.com"
        self._key = api_key or "none"  # a server of one's own asks for none
        self._base_url = base_url
        self._count_prompt = count_prompt
        self._timeout = openai.Timeout(timeout_seconds, connect=min(timeout_seconds, _CONNECT_SECONDS))

    @property
    def circuit(self) -> Circuit:
        """Shared by every call of this model, at this server, with this key."""
        return circuit_for((self._where, self.limits.name, hashlib.sha256(self._key.encode()).hexdigest()))

    def learn(self, limits: ModelLimits) -> None:
        """Go by ``limits`` from now on."""
        self.limits = limits

    def prompt_tokens(self, messages: Sequence[Message], schema: dict[str, Any] | None) -> PromptTokens:
        """What a prompt costs."""
        return self._count_prompt(messages, schema)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[str | Finished, None]:
        """The reply's text in pieces, an empty one as soon as it begins, then ``Finished``.

        Raises ``ModelFailure``. A client is made for each call: it belongs to the event loop that it first
        ran in.
        """
        begun = False
        finished: Finished | None = None
        async with openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._base_url,
            max_retries=0,
            timeout=self._timeout,
            http_client=openai.DefaultAsyncHttpxClient(verify=_tls()),
        ) as client:
            responses = self.limits.output_parameter == "max_output_tokens"
            events = self._responses(client, request) if responses else self._chat(client, request)
            try:
                async for event in events:
                    begun = True
                    if isinstance(event, Finished):
                        finished = event
                    else:
                        yield event
            except openai.OpenAIError as error:
                raise self._failure(error, begun=begun) from error
            except ModelFailure:
                raise
            except Exception as error:  # nothing that a server sends may cost units that are whole
                raise ModelFailure(
                    f"the reply from {self._where} is damaged ({type(error).__name__})", kind="interrupted"
                ) from error
        if finished is None:
            raise ModelFailure(f"the reply from {self._where} ended without a reason", kind="interrupted")
        yield finished

    async def _chat(self, client: openai.AsyncOpenAI, request: ChatRequest) -> AsyncIterator[str | Finished]:
        """Chat completions."""
        arguments = self._common(request)
        arguments["messages"] = _plain(request)
        arguments["stream_options"] = {"include_usage": True}
        if request.response_schema is not None:
            arguments["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "strict": True, "schema": request.response_schema},
            }
        elif request.json_mode:
            arguments["response_format"] = {"type": "json_object"}
        if request.effort is not None:
            arguments["reasoning_effort"] = request.effort
        reason: str | None = None
        usage: Any = None
        begun = False
        async with await client.chat.completions.create(**arguments) as chunks:
            async for chunk in chunks:
                if not begun:  # an error may come as the first event: then nothing has begun
                    begun = True
                    yield ""
                usage = chunk.usage or usage
                for choice in (chunk.choices or [])[:1]:
                    reason = choice.finish_reason or reason
                    if choice.delta.content:
                        yield choice.delta.content
        if reason is not None:
            details = usage.completion_tokens_details if usage else None
            yield Finished(
                reason=_REASONS.get(reason.lower(), "stop"),
                prompt_tokens=_number(usage.prompt_tokens) if usage else None,
                completion_tokens=_number(usage.completion_tokens) if usage else None,
                reasoning_tokens=(_number(details.reasoning_tokens) if details else None) or 0,
            )

    async def _responses(
        self, client: openai.AsyncOpenAI, request: ChatRequest
    ) -> AsyncIterator[str | Finished]:
        """The Responses API; nothing is stored at the server."""
        arguments = self._common(request)
        arguments["input"] = _plain(request)
        arguments["store"] = False
        if request.response_schema is not None:
            schema = {"type": "json_schema", "name": "reply", "strict": True}
            arguments["text"] = {"format": {**schema, "schema": request.response_schema}}
        elif request.json_mode:
            arguments["text"] = {"format": {"type": "json_object"}}
        if request.effort is not None:
            arguments["reasoning"] = {"effort": request.effort}
        arguments["max_output_tokens"] = max(request.max_tokens, _LEAST_OUTPUT_TOKENS)
        begun = False
        async with await client.responses.create(**arguments) as events:
            async for event in events:
                if event.type == "response.failed":
                    code = event.response.error.code if event.response.error else None
                    raise self._in_stream(code, "the response failed", begun=begun)
                if not begun and event.type not in _BEFORE_ANYTHING:
                    begun = True
                    yield ""
                if event.type == "response.output_text.delta":
                    yield event.delta
                elif event.type in {"response.completed", "response.incomplete"}:
                    yield _finished(event.response, cap=arguments["max_output_tokens"])

    def _common(self, request: ChatRequest) -> dict[str, Any]:
        """The arguments that both APIs share."""
        arguments: dict[str, Any] = {
            "model": self.limits.name,
            self.limits.output_parameter: request.max_tokens,
            "stream": True,
        }
        if request.temperature is not None and self.limits.takes_temperature:
            arguments["temperature"] = request.temperature
        return arguments

    def _failure(self, error: openai.OpenAIError, *, begun: bool) -> ModelFailure:
        """What an SDK error means here, in one line with a remedy."""
        match error:
            case openai.APIStatusError():
                return self._refused(error)
            case openai.APITimeoutError() if not begun:
                return ModelFailure(
                    f"{self._where} did not answer in {self._timeout.read:g} s: raise timeout_seconds, or try later",
                    kind="timed_out",
                )
            case openai.APIConnectionError() if not begun:
                return ModelFailure(
                    f"no answer from {self._where} ({error.message.rstrip('.').lower()}): check --base-url and the network",
                    kind="unreachable",
                )
            case openai.APIError():  # an error event in a stream that began with 200
                return self._in_stream(error.code or error.type, error.message, begun=begun)
            case _:
                return ModelFailure(f"the call to {self._where} failed ({error})", kind="interrupted")

    def _refused(self, error: openai.APIStatusError) -> ModelFailure:  # noqa: PLR0911  # one table
        """What a status says; a quota that is used up is a 429 too, and a model unknown may be a 400."""
        asked = retry_after_seconds(error.response.headers)
        match error:
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                return ModelFailure(
                    f"{self._where} refused the API key: set OPENAI_API_KEY to one that may use {self.limits.name}",
                    kind="refused_key",
                )
            case openai.RateLimitError() if {error.code, error.type} & _QUOTA_CODES:
                return self._quota()
            case openai.RateLimitError() if "request too large" in error.message.lower():
                return self._rejected(error.message, {})  # more than a minute's rate: no wait mends it
            case openai.RateLimitError():
                return self._limits_the_rate(asked)
            case openai.APIStatusError(status_code=408 | 409) | openai.InternalServerError():
                return self._overloaded(str(error.status_code), asked)
        if isinstance(error, openai.NotFoundError) or error.code == "model_not_found":
            return ModelFailure(
                f"{self._where} does not know the model {self.limits.name}: choose another with --model",
                kind="unknown_model",
            )
        return self._rejected(error.message, error.body if isinstance(error.body, dict) else {})

    def _in_stream(self, code: str | int | None, message: str, *, begun: bool) -> ModelFailure:
        """What an error event in a stream means; as the first of its events it is a refusal."""
        if code in _QUOTA_CODES:
            return self._quota()
        if begun:
            return ModelFailure(f"the call to {self._where} failed ({message})", kind="interrupted")
        if code in {"rate_limit_exceeded", "429", 429}:
            return self._limits_the_rate(None)
        if code == "server_error" or str(code).startswith("5"):
            return self._overloaded(str(code), None)
        return self._rejected(message, {"code": code})

    def _quota(self) -> ModelFailure:
        return ModelFailure(
            f"the quota at {self._where} is used up: add credit, or use --model offline", kind="quota"
        )

    def _limits_the_rate(self, asked: float | None) -> ModelFailure:
        return ModelFailure(
            f"{self._where} limits the rate: wait, or ask for less at once",
            kind="rate_limited",
            retry_after_seconds=asked,
        )

    def _overloaded(self, what: str, asked: float | None) -> ModelFailure:
        return ModelFailure(
            f"{self._where} cannot answer now ({what}): try again later",
            kind="overloaded",
            retry_after_seconds=asked,
        )

    def _rejected(self, why: str, body: Mapping[str, Any]) -> ModelFailure:
        message = f"{self._where} refused the request: {why}"
        lesson = lesson_of(why, body)
        return Refused(message, lesson=lesson) if lesson else ModelFailure(message, kind="rejected")


def _finished(response: Any, *, cap: int) -> Finished:
    """How a response ended, in the words of chat completions; llama.cpp calls one cut at its cap completed."""
    usage = response.usage
    why = response.incomplete_details.reason if response.incomplete_details else None
    at_its_cap = usage is not None and usage.output_tokens >= cap
    return Finished(
        reason="length" if at_its_cap else _REASONS.get(why or "", "stop"),
        prompt_tokens=_number(usage.input_tokens) if usage else None,
        completion_tokens=_number(usage.output_tokens) if usage else None,
        reasoning_tokens=(_number(usage.output_tokens_details.reasoning_tokens) if usage else None) or 0,
    )


def _plain(request: ChatRequest) -> list[Any]:
    """The messages as they are sent; half a surrogate pair cannot be."""
    return [{"role": m.role, "content": well_formed(m.content)} for m in request.messages]


def _number(said: Any) -> int | None:
    """A count out of something untrusted."""
    return said if isinstance(said, int) and said > 0 else None


@cache
def _tls() -> ssl.SSLContext:
    """Loading the trusted certificates takes longer than a call to a server at hand: once a process."""
    return httpx2.create_ssl_context()
