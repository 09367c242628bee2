"""The chat model port: a request goes out, text comes back as it is written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from generation.limits import ModelLimits
from rag.errors import ModelFailure
from rag.tokens import TokenCounter

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What is asked of a model. ``response_schema`` is a JSON Schema that the reply must follow."""

    messages: tuple[Message, ...]
    max_tokens: int
    response_schema: dict[str, Any] | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a reply ended, with the server's own counts where it gave them.

    ``reason`` is the server's: ``stop``, ``length`` for a reply cut at a limit, or another word of its own.
    """

    reason: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ChatModel(Protocol):
    """A model that writes a reply piece by piece."""

    @property
    def limits(self) -> ModelLimits:
        """What it allows."""
        ...

    def stream(self, request: ChatRequest) -> AsyncIterator[str | Finished]:
        """The reply's text in pieces, then ``Finished``. Raises ``ModelFailure`` if it breaks off."""
        ...


def prompt_tokens(messages: Sequence[Message], schema: dict[str, Any] | None, counter: TokenCounter) -> int:
    """What a prompt costs: exact for the messages with their chat framing, an estimate for the schema.

    Framing after OpenAI's cookbook: 3 tokens a message beside role and content, 3 to prime the reply. No
    vendor publishes what a schema costs; its compact JSON and 9 tokens were seen to (openai-cookbook, issue
    2140), which the safety margin covers.
    """
    total = 3 + sum(3 + counter.count(m.role) + counter.count(m.content) for m in messages)
    if schema is not None:
        total += counter.count(json.dumps(schema, separators=(",", ":"))) + 9
    return total


@dataclass(slots=True)
class ScriptedModel:
    """A model that gives prepared replies in turn, and remembers what it was asked.

    A reply is its text, or a ``ModelFailure`` to raise, or ``(text, ModelFailure)`` to break off after the
    text. With a ``counter``, a reply longer than the request's ``max_tokens`` is cut as a server would.

    >>> ScriptedModel(limits=..., replies=['{"1": {}}']).requests
    []
    """

    limits: ModelLimits
    replies: list[str | ModelFailure | tuple[str, ModelFailure]]
    counter: TokenCounter | None = None
    requests: list[ChatRequest] = field(default_factory=list)

    async def stream(self, request: ChatRequest) -> AsyncIterator[str | Finished]:
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
