"""The adapter over real HTTP: what each failure means, and that no request is ever refused for its size."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from members import Members
from strict_openai import (
    OVERLOADED,
    QUOTA,
    SERVER_ERROR,
    Disconnect,
    Fault,
    Hang,
    ReasoningEatsAll,
    ServedModel,
    Status,
    StrictServer,
    rate_limited,
)

from generation.budget import MARGIN_TOKENS, Bounds
from generation.call import Outcome, complete
from generation.learned import Costs, Memory
from generation.limits import ModelLimits, limits_of
from generation.model import ChatRequest, Finished, Message, count_prompt
from generation.moves import Move
from generation.openai_model import OpenAIModel
from generation.refusals import Refused
from generation.texts import TextTask
from rag.errors import DoesNotFit, ModelFailure, ModelFailureKind
from rag.retry import RetryPolicy
from rag.tokens import ENCODINGS, counter_for

AT_ONCE = RetryPolicy(first_window_seconds=0.001)
BOTH = pytest.mark.parametrize("name", ["gpt-4o-mini", "gpt-5-pro"])  # chat completions, responses


def model_of(server: StrictServer, limits: ModelLimits) -> OpenAIModel:
    counter = counter_for(limits.encoding)
    return OpenAIModel(
        limits,
        api_key=server.key,
        base_url=server.base_url,
        count_prompt=partial(count_prompt, counter=counter),
    )


def events_of(model: OpenAIModel, request: ChatRequest) -> list[str | Finished]:
    async def read() -> list[str | Finished]:
        return [event async for event in model.stream(request)]

    return asyncio.run(read())


def asked(max_tokens: int = 2000, **more: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content="Write JSON."),), max_tokens=max_tokens, **more)


def failed(faults: Sequence[Fault], name: str, request: ChatRequest | None = None) -> ModelFailure:
    with StrictServer(faults=faults) as server, pytest.raises(ModelFailure) as raised:
        events_of(model_of(server, limits_of(name)), request or asked())
    return raised.value


@BOTH
def test_a_reply_arrives_in_pieces_and_ends_with_the_servers_counts(name: str) -> None:
    """Both APIs: an empty piece as it begins, text, and billed tokens equal to those counted here."""
    with StrictServer(writer=lambda _: "one two three") as server:
        model = model_of(server, limits_of(name))
        request = asked()
        first, *pieces, last = events_of(model, request)
    assert first == ""
    assert "".join(map(str, pieces)) == "one two three"
    assert isinstance(last, Finished)
    assert last.reason == "stop"
    assert last.prompt_tokens == model.prompt_tokens(request.messages, None).exact


@BOTH
def test_a_reply_cut_at_its_cap_says_so(name: str) -> None:
    """``length``, in both APIs, and no more tokens than were asked for."""
    with StrictServer(writer=lambda _: "word " * 9000) as server:
        last = events_of(model_of(server, limits_of(name)), asked(700))[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.completion_tokens) == ("length", 700)


FAILURES: list[tuple[Fault, ModelFailureKind, float | None]] = [
    (rate_limited("2"), "rate_limited", 2.0),
    (rate_limited(ms=250), "rate_limited", 0.25),
    (rate_limited(None), "rate_limited", None),
    (QUOTA, "quota", None),
    (Status(429, "insufficient_quota", in_stream=True), "quota", None),
    (Status(429, "rate_limit_exceeded", in_stream=True), "rate_limited", None),
    (Status(500, "server_error", in_stream=True), "overloaded", None),
    (SERVER_ERROR, "overloaded", None),
    (OVERLOADED, "overloaded", None),
    (Status(408), "overloaded", None),
    (Status(409), "overloaded", None),
    (Status(401, "invalid_api_key"), "refused_key", None),
    (Status(403), "refused_key", None),
    (Status(404, "model_not_found"), "unknown_model", None),
    (Status(400, "model_not_found"), "unknown_model", None),
    (Status(400, "invalid_value"), "rejected", None),
    (Disconnect(0), "interrupted", None),
]


@BOTH
@pytest.mark.parametrize(("fault", "kind", "retry_after"), FAILURES, ids=lambda value: str(value)[:60])
def test_what_each_failure_means(
    name: str, fault: Fault, kind: ModelFailureKind, retry_after: float | None
) -> None:
    """What can heal, what concerns the key, and what the server asked to wait."""
    failure = failed([fault], name)
    assert (failure.kind, failure.retry_after_seconds) == (kind, retry_after)
    assert failure.heals == (kind in {"rate_limited", "overloaded"})
    assert failure.concerns_key == (kind in {"refused_key", "quota"})


@BOTH
def test_a_retry_after_that_is_a_date(name: str) -> None:
    """In seconds from now."""
    seconds = failed([rate_limited(date_in=9)], name).retry_after_seconds
    assert seconds is not None
    assert 6 < seconds <= 10


@BOTH
def test_a_limit_in_a_refusal_is_learned(name: str) -> None:
    """A cap that our table has too large: the refusal says the true one."""
    with StrictServer(
        [ServedModel(name, 10_000, 500, "o200k_base", responses_only=name == "gpt-5-pro")]
    ) as server:
        model = model_of(server, replace(limits_of(name), max_output=4000))
        with pytest.raises(Refused) as raised:
            events_of(model, asked(4000))
    assert raised.value.lesson.applied_to(model.limits).max_output == 500


@BOTH
def test_a_window_that_is_smaller_than_we_know_is_learned_in_a_run(name: str) -> None:
    """The run goes on within it, and ends complete."""
    served = ServedModel(name, 8_000, 2_000, "o200k_base", responses_only=name == "gpt-5-pro")
    with StrictServer([served], writer=lambda _: "one\ntwo") as server:
        model = model_of(server, replace(limits_of(name), reasons=False))
        task = TextTask(
            messages=[Message(role="user", content="word " * 5000)], counter=counter_for("o200k_base")
        )
        outcome = run(task, model)
    assert outcome.status == "complete"
    assert task.text == "one\ntwo"
    assert model.limits.max_output == 2_000
    assert [call.finish_reason for call in outcome.calls] == ["rejected", "stop"]


def test_an_effort_that_is_not_taken_is_not_asked_for_again() -> None:
    """gpt-5-pro thinks hard or not at all: the refusal of ``low`` does not end the run."""
    with StrictServer(faults=[ReasoningEatsAll()], writer=lambda _: "one") as server:
        model = model_of(server, replace(limits_of("gpt-5-pro"), takes_low_effort=True))
        task = TextTask(messages=[Message(role="user", content="Write.")], counter=counter_for("o200k_base"))
        outcome = run(task, model)
    assert (outcome.status, task.text) == ("continued", "one")
    assert not model.limits.takes_low_effort


def test_a_stream_that_hangs_is_left_at_the_deadline() -> None:
    """Lines that came are kept."""
    with StrictServer(faults=[Hang(60, after_tokens=20)], writer=lambda _: "a line\n" * 50) as server:
        model = model_of(server, limits_of("gpt-4o-mini"))
        task = TextTask(messages=[Message(role="user", content="Write.")], counter=counter_for("o200k_base"))
        outcome = run(task, model, bounds=Bounds(seconds=1))
    assert outcome.calls[-1].finish_reason == "deadline"
    assert len(task.lines) >= 4


def test_no_assistant_turn_is_ever_last() -> None:
    """A server that refuses prefill continues a reply all the same."""
    served = ServedModel("gpt-4o-mini", 128_000, 16_384, "o200k_base", takes_prefill=False)
    lines = [f"line {n}" for n in range(1, 40)]

    def writer(request: Any) -> str:
        said = request.last_text.rsplit("Go on with line ", 1)
        begin = int(said[1].split(":")[0]) if len(said) > 1 else 1
        return (f"@@ line {begin} @@\n" if len(said) > 1 else "") + "\n".join(lines[begin - 1 :])

    with StrictServer([served], writer=writer, reply_cap=30) as server:
        task = TextTask(messages=[Message(role="user", content="Write.")], counter=counter_for("o200k_base"))
        outcome = run(task, model_of(server, limits_of("gpt-4o-mini")))
    assert (outcome.status, task.lines) == ("continued", lines)


def run(task: Any, model: OpenAIModel, **options: Any) -> Outcome:
    counter = counter_for(model.limits.encoding)
    return asyncio.run(complete(task, model, counter=counter, retry=AT_ONCE, **options))


SERVED = [
    ServedModel(
        f"m{number}",
        window,
        output,
        encoding,
        input_cap=window * 2 // 3 if number % 3 == 0 else None,
        output_parameter="max_completion_tokens" if number % 4 == 0 else "max_tokens",
        takes_schema=number % 2 == 0,
        takes_temperature=number % 4 != 0,
    )
    for number, (window, output, encoding) in enumerate(
        (window, output, encoding)
        for window in (2_300, 4_096, 8_192, 16_385, 40_000)
        for output in (256, 4_096, 128_000)
        for encoding in ENCODINGS
    )
]
LIMITS = {
    served.name: ModelLimits(
        name=served.name,
        context_window=served.context_window,
        max_output=served.max_output_tokens,
        max_input=served.input_cap,
        encoding=served.encoding,
        usd_per_million_input=0,
        usd_per_million_output=0,
        output_parameter=served.output_parameter,
        takes_schema=served.takes_schema,
        takes_temperature=served.takes_temperature,
    )
    for served in SERVED
}
HISTORY = st.builds(
    Costs,
    units=st.integers(0, 50),
    unit_tokens=st.floats(1, 500),
    replies=st.integers(0, 9),
    prompts=st.integers(0, 9),
    undercount_tokens=st.floats(0, 3000),
    cut_at_tokens=st.sampled_from([0, 0, 100, 1000]),
)


@pytest.fixture(scope="module")
def strict() -> Iterator[StrictServer]:
    with StrictServer(SERVED) as server:
        yield server


@pytest.mark.slow
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(
    served=st.sampled_from(SERVED),
    words=st.sampled_from([1_000, 2_000, 2_000, 4_000, 9_000, 45_000]).flatmap(lambda n: st.integers(0, n)),
    notes=st.integers(0, 60),
    wanted=st.integers(1, 12),
    each=st.integers(1, 3_000),
    history=HISTORY,
)
def test_the_strict_server_refuses_nothing(
    strict: StrictServer, served: ServedModel, words: int, notes: int, wanted: int, each: int, history: Costs
) -> None:
    """Law 1 over a thousand random prompts, models, contents and histories, as the server counts them.

    And no reply is given less room than its content needs while more than the margin lies unused.
    """
    limits = LIMITS[served.name]
    memory = Memory()
    memory._costs = {f"{served.name} members": history}
    margin = min(history.margin_tokens(MARGIN_TOKENS), limits.context_window // 4)
    task = Members(words, notes, wanted, each, counter_for(limits.encoding), served.takes_schema)
    seen = len(strict.requests)
    refused = len(strict.requests) - len(strict.replies)
    try:
        outcome = run(task, model_of(strict, limits), memory=memory, bounds=Bounds(calls=1))
    except DoesNotFit:
        assert len(strict.requests) == seen
        bare = task.ask(["1"], Move(at_once=1), save_tokens=10**9)
        prompt = count_prompt(
            tuple(Message(role=part.role, content=str(part)) for part in bare.sections),
            bare.schema,
            task.counter,
        ).total
        over = limits.max_input is not None and prompt > limits.max_input
        assert over or prompt + margin + task.least_tokens(history) > limits.context_window
        return
    assert len(strict.requests) - len(strict.replies) == refused
    (call,) = outcome.calls
    needed = min(len(task.kept) * each, limits.max_output)
    if call.max_tokens < needed:
        assert limits.context_window - call.prompt_counted - call.max_tokens <= margin
