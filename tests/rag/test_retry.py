"""What can heal is tried again, after what the service asked for; what cannot is not."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ModelFailure, ModelFailureKind, ServiceFailure
from rag.retry import Circuit, RetryPolicy, circuit_for, retried, retry_after_seconds

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class Service:
    """Fails as it is told, then answers; time is what the waits add up to."""

    def __init__(self, *failures: ServiceFailure) -> None:
        self.failures = list(failures)
        self.attempts = 0
        self.waits: list[float] = []

    async def answer(self) -> str:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def ask(
        self, circuit: Circuit | None = None, policy: RetryPolicy | None = None, deadline: float = 1e9
    ) -> str:
        return asyncio.run(
            retried(
                self.answer,
                circuit=circuit or Circuit(proven=True),
                policy=policy or RetryPolicy(),
                deadline_seconds=deadline,
                sleep=self.sleep,
            )
        )


def failure(kind: ModelFailureKind, retry_after: float | None = None) -> ModelFailure:
    return ModelFailure("no luck", kind=kind, retry_after_seconds=retry_after)


@pytest.mark.parametrize("kind", ["unreachable", "overloaded", "rate_limited"])
def test_what_can_heal_is_tried_again(kind: ModelFailureKind) -> None:
    """Six failures in a row, then an answer."""
    service = Service(*[failure(kind)] * 6)
    assert service.ask() == "answer"
    assert service.attempts == 7


@pytest.mark.parametrize("kind", ["refused_key", "unknown_model", "quota", "rejected", "interrupted"])
def test_what_cannot_heal_is_not(kind: ModelFailureKind) -> None:
    """A quota that is used up is a 429 as well, and is asked once."""
    service = Service(failure(kind))
    with pytest.raises(ModelFailure, match="no luck"):
        service.ask()
    assert service.attempts == 1


def test_it_gives_up() -> None:
    """After seven attempts the last failure is raised as it was."""
    service = Service(*[failure("overloaded")] * 20)
    with pytest.raises(ModelFailure, match="no luck"):
        service.ask()
    assert service.attempts == 7


@given(st.floats(0, 100), st.integers(0, 2**32))
def test_what_was_asked_for_is_a_minimum(asked: float, seed: int) -> None:
    """Jitter comes on top of Retry-After, within a window that doubles up to its limit."""
    random.seed(seed)
    service = Service(*[failure("rate_limited", asked)] * 6)
    service.ask(policy=RetryPolicy(first_window_seconds=0.5, longest_window_seconds=4))
    for wait, window in zip(service.waits, [0.5, 1, 2, 4, 4, 4], strict=True):
        assert asked <= wait <= asked + window + 1e-9


def test_the_jitter_is_full() -> None:
    """Waits are anywhere in the window, so that many clients do not come back at once."""
    waits = []
    for _ in range(200):
        service = Service(failure("overloaded"))
        service.ask(policy=RetryPolicy(first_window_seconds=1))
        waits += service.waits
    assert min(waits) < 0.1
    assert max(waits) > 0.9


def test_one_deadline_over_everything() -> None:
    """A wait that would pass the deadline is not begun."""
    service = Service(failure("rate_limited", 30))
    with pytest.raises(ModelFailure):
        service.ask(deadline=20)
    assert service.waits == []


def test_an_unproven_service_is_given_up_sooner() -> None:
    """A wrong address is said after three attempts."""
    service = Service(*[failure("unreachable")] * 9)
    with pytest.raises(ModelFailure):
        service.ask(circuit=Circuit())
    assert service.attempts == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=7), usegmt=True)}, 7.0),
        ({"retry-after": format_datetime(NOW - timedelta(days=7), usegmt=True)}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 09:00:03 -0000"}, 3.0),
        ({"retry-after": "later"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_every_form_of_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds, seconds and a date; what cannot be read asks for nothing."""
    assert retry_after_seconds(headers, NOW) == seconds


def run_together(service: Service, circuit: Circuit, calls: int) -> list[object]:
    async def together() -> list[object]:
        async def one() -> str:
            return await retried(
                service.answer,
                circuit=circuit,
                policy=RetryPolicy(),
                deadline_seconds=60,
                sleep=service.sleep,
            )

        return list(await asyncio.gather(*(one() for _ in range(calls)), return_exceptions=True))

    return asyncio.run(together())


@pytest.mark.parametrize("kind", ["refused_key", "quota"])
def test_one_call_tries_a_key_alone(kind: ModelFailureKind) -> None:
    """While a key or a quota is unproven, the others wait; what the first learns holds for them."""
    service = Service(*[failure(kind)] * 9)
    results = run_together(service, Circuit(), 8)
    assert service.attempts == 1
    assert [getattr(result, "kind", None) for result in results] == [kind] * 8


def test_after_the_first_all_go() -> None:
    """Once it has answered, nobody waits."""
    service = Service()
    assert run_together(service, Circuit(), 8) == ["answer"] * 8
    assert service.attempts == 8


def test_the_circuit_opens_and_closes_again() -> None:
    """After calls in a row that gave up nothing is sent for a while; then one call goes first."""
    now = [0.0]
    circuit = Circuit(failures=2, rest_seconds=60, clock=lambda: now[0], proven=True)
    service = Service(*[failure("overloaded")] * 14)
    for _ in range(5):
        with pytest.raises(ModelFailure):
            service.ask(circuit=circuit)
    assert service.attempts == 14
    assert not circuit.proven
    now[0] = 61
    assert service.ask(circuit=circuit) == "answer"
    assert circuit.proven


def test_a_bad_request_says_nothing_of_the_service() -> None:
    """What is wrong with one request does not stop the next."""
    circuit = Circuit(failures=1, proven=True)
    service = Service(failure("rejected"), failure("rejected"))
    for _ in range(2):
        with pytest.raises(ModelFailure):
            service.ask(circuit=circuit)
    assert service.ask(circuit=circuit) == "answer"


def test_a_cancelled_call_lets_the_next_go_first() -> None:
    """Nobody waits for a call that is gone."""

    async def cancelled_then_asked() -> str:
        circuit = Circuit()

        async def forever() -> str:
            await asyncio.sleep(3600)
            return ""

        first = asyncio.create_task(
            retried(forever, circuit=circuit, policy=RetryPolicy(), deadline_seconds=60)
        )
        await asyncio.sleep(0)
        first.cancel()
        return await retried(Service().answer, circuit=circuit, policy=RetryPolicy(), deadline_seconds=60)

    assert asyncio.run(asyncio.wait_for(cancelled_then_asked(), 5)) == "answer"


def test_a_key_has_one_circuit() -> None:
    """The same server, model and key share it; another key does not."""
    assert circuit_for(("a", "m", "1")) is circuit_for(("a", "m", "1"))
    assert circuit_for(("a", "m", "1")) is not circuit_for(("a", "m", "2"))
