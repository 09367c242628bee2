"""``call_model``, the drop-in: prompt in, text out, whatever happened on the way."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from strict_openai import QUOTA, Disconnect, ServedModel, StrictServer, rate_limited

from hookline import call_model, write_text
from hookline.settings import load_settings
from rag.errors import BadInput, ModelFailure

LINES = [f"line {number} of what was asked for" for number in range(1, 61)]


def going_on(request: Any) -> str:
    """The lines, from where the request says."""
    said = request.last_text.rsplit("Go on with line ", 1)
    begin = int(said[1].split(":")[0]) if len(said) > 1 else 1
    return (f"@@ line {begin} @@\n" if len(said) > 1 else "") + "\n".join(LINES[begin - 1 :])


@pytest.fixture
def served(serve: Callable[..., StrictServer]) -> Callable[..., StrictServer]:
    """A server that writes the lines."""
    return partial(serve, writer=going_on)


def test_the_seeds_signature(served: Callable[..., StrictServer]) -> None:
    """A prompt, and the whole reply; 4096 tokens at first, temperature 0.2."""
    server = served()
    assert asyncio.run(call_model("Write the lines.", 2)) == "\n".join(LINES)
    (request,) = server.requests
    assert (request.max_tokens, request.body["temperature"]) == (4096, 0.2)
    assert [message["content"] for message in request.messages] == ["Write the lines."]


def test_however_it_is_cut_the_text_is_whole(served: Callable[..., StrictServer]) -> None:
    """Every reply ends at 100 tokens, a connection is lost, a rate is limited: no line is lost or twice."""
    served(reply_cap=100, faults=[Disconnect(45), rate_limited(ms=1)])
    text, outcome = asyncio.run(write_text("Write the lines."))
    assert text == "\n".join(LINES)
    assert outcome.status == "continued"
    assert {call.strategy for call in outcome.calls} == {"first", "continue"}
    assert any(call.finish_reason == "rate_limited" for call in outcome.calls)


def test_what_is_whole_is_returned_and_the_rest_is_said(
    served: Callable[..., StrictServer], caplog: pytest.LogCaptureFixture
) -> None:
    """A quota that ends in the middle: the lines that came, and a warning with the reason."""
    served(reply_cap=100, faults=[Disconnect(45), QUOTA])
    with caplog.at_level(logging.WARNING, logger="hookline"):
        text = asyncio.run(call_model("Write the lines."))
    assert LINES[: text.count("\n")] == text.splitlines()
    assert f"the reply ends after line {text.count(chr(10))}: the quota" in caplog.text


def test_nothing_at_all_is_an_error(served: Callable[..., StrictServer]) -> None:
    """No line came: the failure is raised with its reason, and no model is bad input."""
    served(faults=[QUOTA])
    with pytest.raises(ModelFailure, match="the quota"):
        asyncio.run(call_model("Write the lines."))
    with pytest.raises(BadInput, match="no model to call"):
        asyncio.run(write_text("Write.", settings=load_settings(model="offline")))


def test_settings_bound_it(served: Callable[..., StrictServer], monkeypatch: pytest.MonkeyPatch) -> None:
    """``CODEGEN_MAX_TOKENS`` is the first cap, and a bound on calls holds."""
    server = served(reply_cap=30)
    monkeypatch.setenv("CODEGEN_MAX_TOKENS", "900")
    monkeypatch.setenv("HOOKLINE_MAX_CALLS", "3")
    _, outcome = asyncio.run(write_text("Write the lines."))
    assert next(request.max_tokens for request in server.requests) == 900
    assert (len(server.requests), outcome.status) == (3, "partial")
    assert "max_calls" in str(outcome.why)


def test_every_attempt_is_a_line_of_the_log(served: Callable[..., StrictServer], workplace: Path) -> None:
    """``call_log`` names a file; what is learned stands in another."""
    served(faults=[rate_limited(ms=1)])
    settings = load_settings(call_log="logs/calls.jsonl")
    asyncio.run(write_text("Write the lines.", settings=settings))
    lines = [json.loads(line) for line in (workplace / "logs/calls.jsonl").read_text().splitlines()]
    assert [line["finish_reason"] for line in lines] == ["rate_limited", "stop"]
    assert json.loads((workplace / ".hookline/learned.json").read_text())["gpt-4o-mini text"]["units"] == 60


def test_a_model_of_ones_own(served: Callable[..., StrictServer], workplace: Path) -> None:
    """Declared in hookline.toml: counted by its declared floor, within its window, and it is not refused."""
    server = served(models=[ServedModel("mine", 6000, 1500, "cl100k_base")], reply_cap=200)
    os.environ["HOOKLINE_MODEL"] = "mine"
    (workplace / "hookline.toml").write_text(
        "[models.mine]\ncontext_window = 6000\nmax_output = 1500\ncharacters_per_token = 2.5\ntakes_schema = false\n"
    )
    text, outcome = asyncio.run(write_text("Write the lines. " + "word " * 1000))
    assert text == "\n".join(LINES)
    assert outcome.status == "continued"
    assert all(call.prompt_counted >= call.prompt_tokens for call in outcome.calls)
    assert len(server.replies) == len(server.requests)


def test_a_server_that_says_what_it_allows(served: Callable[..., StrictServer]) -> None:
    """Unknown to us, known to its server: window and tokens are asked for there."""
    served(models=[ServedModel("theirs", 8000, 8000, "o200k_base")], declares_limits=True)
    os.environ["HOOKLINE_MODEL"] = "theirs"
    text, outcome = asyncio.run(write_text("Write the lines. <|endoftext|>"))
    assert text == "\n".join(LINES)
    assert outcome.calls[0].prompt_counted == outcome.calls[0].prompt_tokens
