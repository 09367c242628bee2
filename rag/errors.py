"""What can go wrong, as types.

    HooklineError            one clear line: what is wrong, and the remedy
    ├── BadInput             something the caller named cannot be used: a path, a month, a model, a budget
    ├── StoreBusy            another process holds the store's write lock
    ├── DoesNotFit           a request would exceed a model's limit; carries the arithmetic (law 1)
    └── ServiceFailure       another process or host did not do what it was asked; says whether that can heal
        └── ModelFailure     a model call ended without a whole reply; ``kind`` says how

What is raised here is shown to people as it is, so each message names the file or field and what to do.
"""

from __future__ import annotations

from typing import Literal


class HooklineError(Exception):
    """Base of everything that Hookline raises on purpose."""


class BadInput(HooklineError):
    """Something that the caller named cannot be used; nothing was written."""


class StoreBusy(HooklineError):
    """Another process writes the store, and went on for longer than was waited."""


class DoesNotFit(HooklineError):
    """A request cannot be made to fit a model's limits; the message shows the sum.

    ``over_tokens`` is by how much the prompt is too long.
    """

    def __init__(self, message: str, *, over_tokens: int) -> None:
        super().__init__(message)
        self.over_tokens = over_tokens


class ServiceFailure(HooklineError):
    """Another process or host did not do what it was asked.

    ``heals`` is whether the same request may succeed later. ``retry_after_seconds`` is what the service
    asked for, None where it named nothing. ``concerns_key`` is whether every request with the same key
    would fare alike.
    """

    def __init__(
        self,
        message: str,
        *,
        heals: bool = False,
        retry_after_seconds: float | None = None,
        concerns_key: bool = False,
    ) -> None:
        super().__init__(message)
        self.heals = heals
        self.retry_after_seconds = retry_after_seconds
        self.concerns_key = concerns_key


ModelFailureKind = Literal[
    "unreachable",
    "timed_out",
    "overloaded",
    "rate_limited",
    "refused_key",
    "unknown_model",
    "quota",
    "rejected",
    "interrupted",
    "deadline",
]
_HEALS: frozenset[ModelFailureKind] = frozenset({"unreachable", "timed_out", "overloaded", "rate_limited"})
_CONCERNS_KEY: frozenset[ModelFailureKind] = frozenset({"refused_key", "quota"})


class ModelFailure(ServiceFailure):
    """A model call ended without a whole reply.

    ``kind``: ``unreachable`` (no connection), ``timed_out`` (no answer in time, which may be billed all the
    same), ``overloaded`` (the server's own fault), ``rate_limited``, ``refused_key``, ``unknown_model``, ``quota``, ``rejected`` (the server says that the
    request itself is wrong), ``interrupted`` (the reply broke off) or ``deadline`` (our own time was up).
    """

    def __init__(
        self, message: str, *, kind: ModelFailureKind, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(
            message,
            heals=kind in _HEALS,
            retry_after_seconds=retry_after_seconds,
            concerns_key=kind in _CONCERNS_KEY,
        )
        self.kind: ModelFailureKind = kind
