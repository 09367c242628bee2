from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import openai
import pytest
from asking import ask, client_of, closed, json_schema, streamed, text_in
from fault_script import Fault, parse_script
from schema_instances import ConformingWriter
from strict_openai import (
    OVERLOADED,
    QUOTA,
    SERVER_ERROR,
    Disconnect,
    Hang,
    Malformed,
    Ok,
    ReasoningEatsAll,
    RepeatedUnits,
    ServedModel,
    Status,
    StrictServer,
    UnaskedUnits,
    load_encoding,
    rate_limited,
)

O200K = load_encoding("o200k_base")
MODELS = (
    ServedModel("schemed", 8_000, 4_000, "o200k_base"),
    ServedModel("thinking", 8_000, 4_000, "o200k_base", reasons=True, reasoning_tokens=10),
)
ROW = closed(hook={"type": "string"}, mood={"type": "string", "enum": ["calm", "loud"]})
MONTH = json_schema(closed(**{key: {"$ref": "#/$defs/Row"} for key in "12"}) | {"$defs": {"Row": ROW}})
KEYS = 'Write.\nKeys: "1", "2"'


# Errors instead of answers


def test_faults_come_in_the_order_of_the_script() -> None:
    """Each request takes one fault; after the last, all is well; every request is recorded."""
    faults: list[Fault] = [
        Ok(),
        Status(429, "insufficient_quota", "You exceeded your current quota."),
        Status(429, "rate_limit_exceeded", headers={"retry-after-ms": "40"}),
        Status(500),
        Malformed("{not json"),
    ]
    with StrictServer(MODELS, faults=faults) as server, client_of(server) as client:
        ask(client)
        with pytest.raises(openai.RateLimitError) as quota:
            ask(client)
        with pytest.raises(openai.RateLimitError) as rate:
            ask(client)
        with pytest.raises(openai.InternalServerError) as internal:
            ask(client)
        assert ask(client).choices[0].message.content == "{not json"
        assert ask(client).choices[0].finish_reason == "stop"
    assert (quota.value.code, quota.value.type) == ("insufficient_quota", "insufficient_quota")
    assert (rate.value.code, rate.value.response.headers["retry-after-ms"]) == ("rate_limit_exceeded", "40")
    assert (internal.value.type, internal.value.status_code) == ("server_error", 500)
    assert (len(server.requests), len(server.replies), server.faults) == (6, 3, [])


@pytest.mark.parametrize(
    ("fault", "name", "value"),
    [
        (rate_limited(), "Retry-After", "1"),
        (rate_limited("2.5"), "Retry-After", "2.5"),
        (rate_limited(ms=250), "retry-after-ms", "250"),
        (rate_limited(None), "Retry-After", None),
    ],
)
def test_a_rate_limit_says_when_to_come_back(fault: Status, name: str, value: str | None) -> None:
    """A 429 of type tokens with Retry-After in seconds, retry-after-ms, or neither, and no other such header."""
    with (
        StrictServer(MODELS, faults=[fault]) as server,
        client_of(server) as client,
        pytest.raises(openai.RateLimitError, match="Rate limit reached") as caught,
    ):
        ask(client)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "tokens")
    said = {
        key.lower(): value for key, value in caught.value.response.headers.items() if "retry" in key.lower()
    }
    assert said == ({} if value is None else {name.lower(): value})


def test_a_date_to_come_back_at_counts_from_the_answer() -> None:
    """Retry-After as an HTTP date is that far ahead when it is sent, however long ago the script was written."""
    fault = rate_limited(date_in=3)
    time.sleep(1.1)
    with StrictServer(MODELS, faults=[fault]) as server, client_of(server) as client:
        asked = time.time()
        with pytest.raises(openai.RateLimitError) as caught:
            ask(client)
    date = parsedate_to_datetime(caught.value.response.headers["Retry-After"]).timestamp()
    assert asked + 3 <= date <= time.time() + 4


@pytest.mark.parametrize(
    ("fault", "status", "code", "error_type"),
    [
        (QUOTA, 429, "insufficient_quota", "insufficient_quota"),
        (SERVER_ERROR, 500, None, "server_error"),
        (OVERLOADED, 503, None, "server_error"),
    ],
)
def test_named_errors_are_openais(fault: Status, status: int, code: str | None, error_type: str) -> None:
    """QUOTA, SERVER_ERROR and OVERLOADED have OpenAI's status, code and type, streamed or not, and no reply is made."""
    with StrictServer(MODELS, faults=[fault, fault]) as server, client_of(server) as client:
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError) as caught:
                ask(client, stream=stream)
            error = caught.value
            assert (error.status_code, error.code, error.type) == (status, code, error_type)
    assert (len(server.requests), server.replies) == (2, [])


def test_an_error_in_a_stream_is_its_first_event() -> None:
    """With in_stream the error comes after a status of 200, where the SDK raises its bare APIError; unstreamed it is a status."""
    quota = Status(429, "insufficient_quota", in_stream=True)
    with StrictServer(MODELS, faults=[quota, quota]) as server, client_of(server) as client:
        with pytest.raises(openai.APIError) as caught:
            streamed(client)
        with pytest.raises(openai.RateLimitError):
            ask(client)
    assert (type(caught.value), caught.value.code) == (openai.APIError, "insufficient_quota")


# Connections


def test_a_broken_stream_keeps_what_arrived() -> None:
    """Disconnect sends exactly so many tokens, then the client sees a connection error, not an end."""
    said: list[Any] = []
    with StrictServer(MODELS, faults=[Disconnect(5)]) as server, client_of(server) as client:
        stream = ask(client, stream=True)
        with pytest.raises(openai.APIConnectionError):
            said.extend(stream)  # what came before the error is kept
        assert ask(client).choices[0].finish_reason == "stop"
    broken = server.replies[0]
    assert (broken.finish_reason, broken.completion_tokens) == (None, 5)
    assert text_in(said) == broken.text
    assert len(O200K.encode_ordinary(broken.text)) == 5


def test_a_broken_whole_reply_is_a_connection_error() -> None:
    """Disconnect without streaming closes in the middle of the body."""
    with (
        StrictServer(MODELS, faults=[Disconnect(5)]) as server,
        client_of(server) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        ask(client)
    assert server.replies[0].finish_reason is None


@pytest.mark.parametrize("stream", [False, True])
def test_a_hang_is_the_clients_timeout(stream: bool) -> None:
    """Hang outlasts the client's timeout, and neither it nor an open connection holds up the server's end."""
    with StrictServer(MODELS, faults=[Hang(30)]) as server, client_of(server, timeout=0.2) as client:
        with pytest.raises(openai.APITimeoutError):
            ask(client, stream=stream)
        started = time.monotonic()
    assert time.monotonic() - started < 2
    assert (len(server.requests), server.replies) == (1, [])


def test_a_short_hang_ends_in_the_answer() -> None:
    """A hang that the client waits out is followed by the reply."""
    with StrictServer(MODELS, faults=[Hang(0.1)]) as server, client_of(server) as client:
        started = time.monotonic()
        assert ask(client).choices[0].finish_reason == "stop"
    assert time.monotonic() - started >= 0.1


def test_a_silence_in_the_middle_of_a_stream() -> None:
    """Hang with after_tokens sends so many tokens at once, is silent, and then sends the rest to who still waits."""
    with StrictServer(MODELS, faults=[Hang(0.5, after_tokens=5)]) as server, client_of(server) as client:
        arrived = [
            (time.monotonic(), chunk.choices[0].delta.content or "") for chunk in ask(client, stream=True)
        ]
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(arrived)]
    before = gaps.index(max(gaps)) + 1
    assert max(gaps) >= 0.45
    assert len(O200K.encode_ordinary("".join(text for _, text in arrived[:before]))) == 5
    assert "".join(text for _, text in arrived) == server.replies[0].text


def test_who_does_not_wait_keeps_what_arrived() -> None:
    """A client whose timeout is shorter than a silence in the stream has a timeout, and the tokens before it."""
    said: list[Any] = []
    faults = [Hang(30, after_tokens=5)]
    with (
        StrictServer(MODELS, faults=faults) as server,
        client_of(server, timeout=1.0) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        said.extend(ask(client, stream=True))  # what came before the error is kept
    assert len(O200K.encode_ordinary(text_in(said))) == 5


def test_an_unstreamed_silence_comes_before_the_answer() -> None:
    """Where nothing is streamed, or the silence would come after the last token, the client waits as long for the end."""
    faults = [Hang(0.2, after_tokens=5), Hang(0.2, after_tokens=10_000)]
    with StrictServer(MODELS, faults=faults) as server, client_of(server) as client:
        for call in (ask, streamed):
            started = time.monotonic()
            call(client)
            assert time.monotonic() - started >= 0.2
    assert [reply.finish_reason for reply in server.replies] == ["stop", "stop"]


# What the model says


def members_of(text: str) -> list[tuple[str, Any]]:
    """The members of a JSON object in order, a key that comes twice twice."""
    objects: list[list[tuple[str, Any]]] = []

    def keep(members: list[tuple[str, Any]]) -> dict[str, Any]:
        objects.append(members)
        return dict(members)

    json.loads(text, object_pairs_hook=keep)
    return objects[-1]


ASKED: list[dict[str, Any]] = [{"text": KEYS}, {"response_format": MONTH}]


@pytest.mark.parametrize("asked", ASKED, ids=["keys", "schema"])
def test_units_are_repeated_in_other_words(asked: dict[str, Any]) -> None:
    """RepeatedUnits: the members as they are without the fault, then each key again, conforming, with another value."""
    with StrictServer(MODELS, faults=[RepeatedUnits()]) as server, client_of(server) as client:
        spoiled, healthy = (members_of(ask(client, **asked).choices[0].message.content) for _ in range(2))
    assert [key for key, _ in spoiled] == ["1", "2", "1", "2"]
    assert spoiled[:2] == healthy
    for (_, first), (_, second) in zip(spoiled[:2], spoiled[2:], strict=True):
        assert first["hook"] != second["hook"]
        assert first.keys() == second.keys()
        assert second.get("mood") in {None, "calm", "loud"}


@pytest.mark.parametrize("asked", ASKED, ids=["keys", "schema"])
def test_units_nobody_asked_for_stand_before_and_after(asked: dict[str, Any]) -> None:
    """UnaskedUnits: the members as they are without the fault, between members of other keys and the same form."""
    faults = [UnaskedUnits(), UnaskedUnits(["7", "8", "9"])]
    with StrictServer(MODELS, faults=faults) as server, client_of(server) as client:
        two, three, healthy = (members_of(ask(client, **asked).choices[0].message.content) for _ in range(3))
    assert [key for key, _ in two] == ["0", "1", "2", "999"]
    assert [key for key, _ in three] == ["7", "8", "1", "2", "9"]
    assert two[1:3] == three[2:4] == healthy
    assert all(unit.keys() == healthy[0][1].keys() for _, unit in two + three)
    assert len({unit["hook"] for _, unit in three}) == 5


def test_a_writer_of_ones_own_is_spoiled_too() -> None:
    """The units of any writer are kept; only what the fault adds is the default writer's."""
    faults: list[Fault] = [RepeatedUnits(), UnaskedUnits(["9"])]
    with (
        StrictServer(MODELS, faults=faults, writer=lambda _: '{"1": {"hook": "Mine"}}') as server,
        client_of(server) as client,
    ):
        repeated, unasked = (members_of(ask(client).choices[0].message.content) for _ in range(2))
    assert repeated[0] == unasked[1] == ("1", {"hook": "Mine"})
    assert repeated[1][0] == "1"
    assert unasked[0][0] == "9"


@pytest.mark.parametrize(
    ("fault", "text", "reason"),
    [
        (RepeatedUnits(), "Write.", "RepeatedUnits needs a reply that is a JSON object"),
        (UnaskedUnits(), "Write.", "UnaskedUnits needs a reply that is a JSON object"),
        (UnaskedUnits(["2"]), KEYS, "somebody did ask for {'2'}"),
    ],
)
def test_a_fault_without_effect_fails_the_test(fault: Fault, text: str, reason: str) -> None:
    """A fault about units raises where the reply has none, and where what nobody should ask for was asked for."""
    with (
        pytest.raises(ValueError, match=reason),
        StrictServer(MODELS, faults=[fault]) as server,
        client_of(server) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        ask(client, text)


def test_units_are_spoiled_before_the_reply_is_cut() -> None:
    """The cap counts the tokens of what the fault makes of the reply."""
    writer = ConformingWriter(words={})
    with StrictServer(MODELS, faults=[RepeatedUnits()], writer=writer) as server, client_of(server) as client:
        whole = ask(client, KEYS, max_tokens=4_000).usage.completion_tokens
        cut = ask(client, KEYS, max_tokens=20)
    assert whole > 20 == cut.usage.completion_tokens
    assert cut.choices[0].finish_reason == "length"


@pytest.mark.parametrize("model", ["schemed", "thinking"])
def test_reasoning_eats_all(model: str) -> None:
    """ReasoningEatsAll: nothing is said, finish_reason is length, and all of the cap was reasoning, at low effort too."""
    effort = {"reasoning_effort": "low"} if model == "thinking" else {}
    with StrictServer(MODELS, faults=[ReasoningEatsAll()] * 3) as server, client_of(server) as client:
        whole = ask(client, model=model, max_completion_tokens=50, **effort)
        chunks = streamed(client, model=model, max_completion_tokens=50)
        uncapped = ask(client, model=model).usage
    assert (whole.choices[0].message.content, text_in(chunks)) == ("", "")
    assert whole.choices[0].finish_reason == chunks[-2].choices[0].finish_reason == "length"
    for usage in (whole.usage, chunks[-1].usage):
        assert usage.completion_tokens == usage.completion_tokens_details.reasoning_tokens == 50
    assert uncapped.completion_tokens == uncapped.completion_tokens_details.reasoning_tokens == 4_000


# On a command line


@pytest.mark.parametrize(
    ("script", "faults"),
    [
        ("ok,429,503,disconnect:40,hang:1,malformed,repeated,unasked,reasoning", [Ok(), rate_limited(), OVERLOADED, Disconnect(40), Hang(1), Malformed(), RepeatedUnits(), UnaskedUnits(), ReasoningEatsAll()]),
        ("429:2, 429:250ms, 429:date+2, quota, 500", [rate_limited("2"), rate_limited(ms=250), rate_limited(date_in=2), QUOTA, SERVER_ERROR]),
        ("hang:0.5@40,malformed:No.,unasked:7+8", [Hang(0.5, 40), Malformed("No."), UnaskedUnits(["7", "8"])]),
        ('["ok", {"fault": "hang", "seconds": 1, "after_tokens": 2}]', [Ok(), Hang(1, 2)]),
        ('[{"fault": "status", "code": 418, "message": "No, tea."}]', [Status(418, message="No, tea.")]),
    ],
)  # fmt: skip
def test_scripts_are_written_in_words_or_json(script: str, faults: list[Fault]) -> None:
    """Each fault has a word, with its numbers after a colon; JSON takes the words and objects of a fault's fields."""
    assert parse_script(script) == faults


@pytest.mark.parametrize("script", ["flood", "ok:1,flood:2", '[{"fault": "flood"}]', "[{}]"])
def test_an_unknown_fault_is_refused(script: str) -> None:
    """What is no fault raises, with the names of those that are."""
    with pytest.raises(ValueError, match=r"unknown fault .*expected one of .*repeated"):
        parse_script(script)
