"""The chat model port: a request goes out, text comes back as it is written."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from generation.limits import ModelLimits
from rag.errors import ModelFailure
from rag.retry import Circuit
from rag.tokens import ENCODINGS, TokenCounter, counter_for

Role = Literal["system", "user", "assistant"]
_FRAMING_TOKENS = 3  # OpenAI's, a message beside its role and content, and once to prime the reply
_OTHER_FRAMING_TOKENS = 8  # more than the chat templates of open models were seen to take
_SCHEMA_TOKENS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What is asked of a model.

    ``response_schema`` is a JSON Schema that the reply must follow; ``json_mode`` asks for JSON without one.
    ``effort`` is how long a reasoning model may think, None for its default.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    response_schema: dict[str, Any] | None = None
    json_mode: bool = False
    temperature: float | None = None
    effort: Literal["low"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a reply ended, with the server's own counts where it gave them.

    ``reason`` is the server's: ``stop``, ``length`` for a reply cut at a limit, or another word of its own.
    ``reasoning_tokens`` are those of ``completion_tokens`` that nobody sees.
    """

    reason: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTokens:
    """What a prompt costs: ``exact`` tokens are counted as the server counts, ``estimated`` ones are not."""

    exact: int
    estimated: int = 0

    @property
    def total(self) -> int:
        """Both."""
        return self.exact + self.estimated


class ChatModel(Protocol):
    """A model that writes a reply piece by piece."""

    @property
    def limits(self) -> ModelLimits:
        """What it allows, as far as is known by now."""
        ...

    @property
    def circuit(self) -> Circuit:
        """What is known of its server and key; shared with whoever calls the same."""
        ...

    def learn(self, limits: ModelLimits) -> None:
        """Go by ``limits`` from now on: the server has said what it allows."""
        ...

    def prompt_tokens(self, messages: Sequence[Message], schema: dict[str, Any] | None) -> PromptTokens:
        """What a prompt costs."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[str | Finished, None]:
        """The reply's text in pieces, an empty one as soon as it begins, then ``Finished``.

        Raises ``ModelFailure`` if it breaks off.
        """
        ...


def count_prompt(
    messages: Sequence[Message],
    schema: dict[str, Any] | None,
    counter: TokenCounter,
    *,
    count_chat: Callable[[Sequence[tuple[str, str]]], int | None] | None = None,
) -> PromptTokens:
    """What a prompt costs: exact for OpenAI's messages with their chat framing, an estimate for the schema.

    Framing after OpenAI's cookbook: 3 tokens a message beside role and content, 3 to prime the reply. Other
    models frame by templates of their own: theirs is an estimate. No vendor publishes what a schema costs;
    its compact JSON and 9 tokens were seen to (openai-cookbook, issue 2140). Where a server of one's own
    counts whole chats (``count_chat``), that is exact: it holds replies to a schema without showing it.
    """
    chat = count_chat([(m.role, m.content) for m in messages]) if count_chat else None
    if chat is not None:
        return PromptTokens(exact=chat)
    text = sum(counter.count(m.role) + counter.count(m.content) for m in messages)
    openais = counter.encoding in ENCODINGS
    framing = (len(messages) + 1) * (_FRAMING_TOKENS if openais else _OTHER_FRAMING_TOKENS)
    estimated = 0
    if schema is not None:
        estimated = counter.count(json.dumps(schema, separators=(",", ":"))) + _SCHEMA_TOKENS
    if openais:
        return PromptTokens(exact=text + framing, estimated=estimated)
    return PromptTokens(exact=text, estimated=framing + estimated)


@dataclass(slots=True)
class ScriptedModel:
    """A model that gives prepared replies in turn, and remembers what it was asked.

    A reply is its text, or a ``ModelFailure`` to raise, or ``(text, ModelFailure)`` to break off after the
    text. With a ``counter``, a reply longer than the request's ``max_tokens`` is cut as a server would.
    """

    limits: ModelLimits
    replies: list[str | ModelFailure | tuple[str, ModelFailure]]
    counter: TokenCounter | None = None
    requests: list[ChatRequest] = field(default_factory=list)
    circuit: Circuit = field(default_factory=Circuit)

    def learn(self, limits: ModelLimits) -> None:
        """Go by ``limits`` from now on."""
        self.limits = limits

    def prompt_tokens(self, messages: Sequence[Message], schema: dict[str, Any] | None) -> PromptTokens:
        """What a prompt costs."""
        return count_prompt(messages, schema, self.counter or counter_for(self.limits.encoding))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[str | Finished, None]:
        """The next prepared reply, in pieces of seven characters."""
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, ModelFailure):
            raise reply
        text, failure = reply if isinstance(reply, tuple) else (reply, None)
        reason = "stop"
        if self.counter is not None:
            while self.counter.count(text) > request.max_tokens:
                text, reason = text[: len(text) * 15 // 16], "length"
        for start in range(0, len(text), 7):
            yield text[start : start + 7]
        if failure is not None:
            raise failure
        yield Finished(reason=reason)
