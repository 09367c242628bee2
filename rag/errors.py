"""What can go wrong, as types.

    HooklineError            one clear line: what is wrong, and the remedy
    ├── BadInput             something the caller named cannot be used: a path, a month, a model, a budget
    ├── StoreBusy            another process holds the store's write lock
    ├── DoesNotFit           a request would exceed a model's limit; carries the arithmetic (law 1)
    └── ModelFailure         a model call ended without a whole reply; ``kind`` says how

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
    """A request cannot be made to fit a model's limits; the message shows the sum."""


ModelFailureKind = Literal["unreachable", "refused_key", "unknown_model", "quota", "rejected", "interrupted"]


class ModelFailure(HooklineError):
    """A model call ended without a whole reply.

    ``kind``: ``unreachable`` (no connection), ``refused_key``,
    ``unknown_model``, ``quota``, ``rejected`` (the server says that the request itself is wrong) or
    ``interrupted`` (the reply broke off).
    """

    def __init__(self, message: str, *, kind: ModelFailureKind) -> None:
        super().__init__(message)
        self.kind: ModelFailureKind = kind
