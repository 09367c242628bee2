"""One retry layer for every client: what can heal is tried again, within one deadline.

The waits are tenacity's: full jitter (the window doubles, the wait is anywhere in it), on top of what the
service itself asked for. A client says through ``ServiceFailure`` whether a failure can heal.
"""

from __future__ import annotations

import asyncio
import email.utils
import threading
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import tenacity

from rag.errors import ServiceFailure

_Result = TypeVar("_Result")
_LOOK_AGAIN_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long.

    ``unproven_attempts`` holds until a service has answered once: a wrong address should be said soon.
    """

    attempts: int = 7
    unproven_attempts: int = 3
    first_window_seconds: float = 0.5
    longest_window_seconds: float = 30.0


@dataclass(slots=True, kw_only=True)
class Circuit:
    """What is known of one service and key: whether it has answered yet, and whether to leave it alone.

    While it is unproven, one call goes first alone, and the others wait to see how it fares. After
    ``failures`` calls in a row that gave up, or one whose failure concerns the key itself, nothing is sent
    for ``rest_seconds``; then one call goes first again (a circuit breaker, half open).
    """

    failures: int = 3
    rest_seconds: float = 60.0
    clock: Callable[[], float] = time.monotonic
    proven: bool = False
    _first: bool = False
    _gave_up: int = 0
    _rests_until: float = 0.0
    _last: ServiceFailure | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def enter(self) -> bool:
        """Wait for a turn; whether this call goes first. Raises the last failure while the circuit rests."""
        while True:
            with self._lock:
                if self._last is not None and self.clock() < self._rests_until:
                    raise self._last
                if self.proven:
                    return False
                if not self._first:
                    self._first = True
                    return True
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def answered(self) -> None:
        """The service did what it was asked."""
        with self._lock:
            self.proven, self._first, self._gave_up, self._last = True, False, 0, None

    def gave_up(self, failure: ServiceFailure, *, was_first: bool) -> None:
        """A call ended with ``failure``; a failure of the request alone says nothing against the service."""
        with self._lock:
            self._first = self._first and not was_first
            if not (failure.heals or failure.concerns_key):
                return
            self._gave_up += 1
            if failure.concerns_key or self._gave_up >= self.failures:
                self._last, self._rests_until, self.proven = failure, self.clock() + self.rest_seconds, False

    def left(self, *, was_first: bool) -> None:
        """A call ended without a verdict: it was cancelled."""
        with self._lock:
            self._first = self._first and not was_first


_circuits: dict[Hashable, Circuit] = {}


def circuit_for(key: Hashable) -> Circuit:
    """The process's one circuit for ``key``: a model, its server and a digest of the API key."""
    return _circuits.setdefault(key, Circuit())


async def retried(
    action: Callable[[], Awaitable[_Result]],
    *,
    circuit: Circuit,
    policy: RetryPolicy,
    deadline_seconds: float,
    on_failure: Callable[[ServiceFailure, float | None], None] = lambda *_: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> _Result:
    """What ``action`` returns, tried again while its ``ServiceFailure`` can heal.

    The waits end before ``deadline_seconds`` from now. ``on_failure`` hears each failure, and the seconds
    until the next attempt (None: there is none). Raises the last failure.
    """
    was_first = await circuit.enter()
    told = False
    attempts = policy.attempts if circuit.proven else policy.unproven_attempts

    async def attempt() -> _Result:
        return await action()

    def before_sleep(state: tenacity.RetryCallState) -> None:
        on_failure(_failure(state), state.upcoming_sleep)

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, ServiceFailure) and e.heals),
        stop=tenacity.stop_any(
            tenacity.stop_after_attempt(attempts), tenacity.stop_before_delay(max(0.0, deadline_seconds))
        ),
        wait=_what_was_asked
        + tenacity.wait_random_exponential(
            multiplier=policy.first_window_seconds, max=policy.longest_window_seconds
        ),
        before_sleep=before_sleep,
        sleep=sleep,
        reraise=True,
    )
    try:
        result: _Result = await retrying(attempt)
        circuit.answered()
        told = True
    except ServiceFailure as failure:
        circuit.gave_up(failure, was_first=was_first)
        told = True
        on_failure(failure, None)
        raise
    finally:
        if not told:
            circuit.left(was_first=was_first)
    return result


class _WhatWasAsked(tenacity.wait.wait_base):
    """The wait that the service itself named: a minimum."""

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        return _failure(retry_state).retry_after_seconds or 0.0


_what_was_asked = _WhatWasAsked()


def _failure(state: tenacity.RetryCallState) -> ServiceFailure:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, ServiceFailure)
    return error


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """What a reply's headers ask for: ``retry-after-ms``, or ``Retry-After`` in seconds or as a date.

    None where they name nothing that can be read. A date in the past is 0.

    >>> retry_after_seconds({"retry-after-ms": "250"}), retry_after_seconds({"retry-after": "2"})
    (0.25, 2.0)
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        when = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())
