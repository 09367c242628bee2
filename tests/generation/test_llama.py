"""The product against llama.cpp's own server: the happy path, counts, its refusals, and its context edge."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from llama_server import LlamaServer
from members import Members

from generation.call import Outcome, complete
from generation.limits import ModelLimits, limits_of
from generation.model import Finished, Message, count_prompt
from generation.openai_model import OpenAIModel
from generation.server_limits import Unsaid, ask_server
from hookline import write_text
from rag.errors import DoesNotFit
from rag.server_tokens import ServerCounter

pytestmark = [pytest.mark.llama, pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[LlamaServer]:
    with LlamaServer(n_ctx=1024) as server:
        yield server


def limits_at(server: LlamaServer, **known: Any) -> ModelLimits:
    """What is believed of the model, which may be wrong."""
    values: dict[str, Any] = {
        "context_window": server.n_ctx,
        "max_output": server.n_ctx,
        "takes_schema": True,
    }
    return ModelLimits(
        name="any",
        encoding="server",
        usd_per_million_input=0,
        usd_per_million_output=0,
        **{**values, **known},
    )


def model_at(server: LlamaServer, limits: ModelLimits) -> tuple[OpenAIModel, ServerCounter]:
    counter = ServerCounter(server.base_url, None, "any")
    count = partial(count_prompt, counter=counter, count_chat=counter.count_chat)
    return OpenAIModel(limits, api_key=None, base_url=server.base_url, count_prompt=count), counter


def run(task: Any, model: OpenAIModel, counter: ServerCounter, **options: Any) -> Outcome:
    from generation.learned import Costs, Memory

    memory = Memory()
    memory._costs = {f"any {task.name}": Costs(prompts=3)}  # its prompts were counted exactly before
    return asyncio.run(complete(task, model, counter=counter, memory=memory, **options))


def test_the_server_says_what_it_allows(server: LlamaServer) -> None:
    """An unknown name is asked for at ``/props``; its window and its counting are the server's."""
    said = ask_server(server.base_url, "any")
    assert not isinstance(said, Unsaid)
    assert (said.context_window, said.encoding) == (1024, "server")
    assert limits_of("whatever", base_url=server.base_url).context_window == 1024


@pytest.mark.parametrize(
    "messages",
    [
        [Message(role="user", content="Hi")],
        [Message(role="system", content="Be brief."), Message(role="user", content="Hi <|endoftext|> there")],
        [Message(role="user", content="Überraschung 🎉\n" * 20)],
    ],
)
@pytest.mark.parametrize("schema", [False, True])
def test_a_whole_request_is_counted_as_the_server_counts(
    server: LlamaServer, messages: list[Message], schema: bool
) -> None:
    """Exactly what it bills, chat template and schema included."""
    from generation.model import ChatRequest

    asked = {
        "type": "object",
        "properties": {"a": {"type": "boolean"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    model, _ = model_at(server, limits_at(server))
    request = ChatRequest(
        messages=tuple(messages), max_tokens=8, response_schema=asked if schema else None, temperature=0
    )

    async def last() -> Any:
        return [event async for event in model.stream(request)][-1]

    finished = asyncio.run(last())
    assert isinstance(finished, Finished)
    counted = model.prompt_tokens(messages, request.response_schema)
    assert (counted.exact, counted.estimated) == (finished.prompt_tokens, 0)


def test_units_under_a_schema(server: LlamaServer) -> None:
    """Every member arrives as the schema wants it, or is said to be missing; nothing is half."""
    model, counter = model_at(server, limits_at(server))
    task = Members(words=5, notes=0, wanted=3, each=120, counter=counter, schema=True)
    outcome = run(task, model, counter)
    assert task.kept
    assert len(task.kept) + len(outcome.missing) == 3
    for unit in outcome.units:
        assert isinstance(json.loads("{" + unit.text + "}")[unit.key], str)
    for call in outcome.calls:
        assert call.prompt_tokens == call.prompt_counted
        assert call.prompt_tokens + call.max_tokens <= server.n_ctx


def test_its_refusal_teaches_the_window(server: LlamaServer) -> None:
    """Believed to hold 8192 tokens: its own 400 says 1024, and the prompt's notes give way."""
    model, counter = model_at(server, limits_at(server, context_window=8192, max_output=2048))
    task = Members(words=100, notes=20, wanted=1, each=60, counter=counter, schema=True)
    outcome = run(task, model, counter, max_retries=0)
    assert [call.finish_reason for call in outcome.calls][:1] == ["rejected"]
    assert model.limits.context_window == 1024
    assert outcome.calls[1].left_out
    assert outcome.calls[1].prompt_tokens + outcome.calls[1].max_tokens <= 1024


def test_a_prompt_that_cannot_fit_is_never_sent(server: LlamaServer) -> None:
    """The sum, before any request."""
    model, counter = model_at(server, limits_at(server))
    task = Members(words=2000, notes=0, wanted=1, each=60, counter=counter, schema=True)
    with pytest.raises(DoesNotFit, match="window 1024 - prompt"):
        run(task, model, counter)


def test_a_reply_that_meets_the_context_edge_is_not_whole(server: LlamaServer) -> None:
    """The window is believed to be larger: the reply ends with ``length`` there, without an error, and no half unit is kept."""
    model, counter = model_at(server, limits_at(server, context_window=4096, max_output=2048))
    task = Members(words=900, notes=0, wanted=1, each=400, counter=counter, schema=True)
    task.value = {"type": "string", "minLength": 1500}
    outcome = run(task, model, counter, max_retries=0)
    assert (outcome.status, outcome.missing) == ("failed", ("1",))
    first = outcome.calls[0]
    assert first.finish_reason == "length"
    assert (
        first.prompt_tokens + first.completion_tokens == server.n_ctx < first.prompt_tokens + first.max_tokens
    )
    assert first.prompt_tokens == first.prompt_counted


def test_from_settings_alone(server: LlamaServer, workplace: Path) -> None:
    """A base URL and a name that nobody knows: limits and counts come from the server."""
    os.environ["HOOKLINE_MODEL"], os.environ["OPENAI_BASE_URL"] = "smol", server.base_url
    (workplace / "hookline.toml").write_text(
        "[models.smol]\ncontext_window = 4096\nmax_output = 1024\nserver_tokenizer = true\n"
    )
    os.environ["HOOKLINE_MAX_CALLS"], os.environ["CODEGEN_MAX_TOKENS"] = "1", "64"
    text, outcome = asyncio.run(write_text("Say hello."))
    assert outcome.calls[0].prompt_counted == outcome.calls[0].prompt_tokens
    assert outcome.calls[0].completion_tokens <= 64
    assert text or outcome.missing
