"""What does exact counting cost, and what do others count for the same requests?

    python benchmarks/token_counting.py [--repeats 5] [--peers PYTHON]

Speed: our counter, which remembers segments, against tiktoken counting the whole, by turns in one run;
medians; and LangChain's and LiteLLM's on the prompt that grows, once. Counts: chat requests in our count, by the rule of OpenAI's cookbook, and in LangChain's and LiteLLM's,
which the Python named by ``--peers`` has. Nothing reaches for a network.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import inspect
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

# The project's modules are imported where they are used: the peers' Python runs this file too, and has none.
if TYPE_CHECKING:
    from rag.documents import Chunk, Hit
    from rag.tokens import EncodingName, TokenCounter

MODEL, NEWEST_MODEL = "gpt-4o-mini", "gpt-6.1"
ENCODING: EncodingName = "o200k_base"  # of both
CREATORS = Path(__file__).parents[1] / "data" / "creators"
BIG_CHARACTERS = 4_000_000
APPENDS = 200
APPENDED_CHARACTERS = 2_250  # about 500 tokens
HITS = 200
PEERS = ("LangChain", "approx.", "approx.+tool", "LiteLLM", "LiteLLM+tool")
INSTALL = "python3 -m venv peers && peers/bin/pip install langchain-core langchain-openai litellm"


def main() -> None:
    """Time our counter, then compare counts; or, inside the peers' Python, count for them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", help="a Python that has langchain-core, langchain-openai and litellm")
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.count:
        print(json.dumps(_peer_counts(json.load(sys.stdin))))
        return
    chunks = _chunks()
    _speed(chunks, arguments.repeats)
    _counts(chunks, arguments.peers)


def _speed(chunks: Sequence[Chunk], repeats: int) -> None:
    from rag.packing import pack

    big = "".join(_paragraphs(chunks, BIG_CHARACTERS))
    prompts = _growing(chunks)
    hits = _hits(chunks)
    print(f"{ENCODING}, median of {repeats}; our counter begins empty each time")
    _compare(
        f"{len(big) / 1e6:.1f} million characters, {_Plain().count(big):,} tokens, once",
        lambda counter: counter.count(big),
        repeats,
    )
    _compare(
        f"counted after each of {APPENDS} appends, to {_Plain().count(prompts[-1]):,} tokens",
        lambda counter: [counter.count(prompt) for prompt in prompts],
        repeats,
    )
    for budget in (1000, 4000, 100_000):
        _compare(f"{len(hits)} hits packed into {budget} tokens", partial(pack, hits, budget), repeats)


def _compare(name: str, work: Callable[[TokenCounter], object], repeats: int) -> None:
    """Print the seconds of ``work`` with our counter and with a plain one, which must find the same."""
    from rag.tokens import TiktokenCounter

    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        results = []
        counters: tuple[TokenCounter, ...] = (TiktokenCounter(ENCODING), _Plain())
        for counter, taken in zip(counters, seconds, strict=True):
            begun = time.perf_counter()
            results.append(work(counter))
            taken.append(time.perf_counter() - begun)
        assert results[0] == results[1], name
    ours, plain = map(statistics.median, seconds)
    print(f"  {name:55} ours {ours:7.3f} s   tiktoken {plain:7.3f} s   tiktoken/ours {plain / ours:6.2f}")


class _Plain:
    """tiktoken, every time on the whole text."""

    encoding = ENCODING

    def __init__(self) -> None:
        from rag.tokens import load_encoding

        self._loaded = load_encoding(ENCODING)

    def count(self, text: str) -> int:
        return len(self._loaded.encode_ordinary(text))


def _chunks() -> list[Chunk]:
    """The sample creators' transcripts in windows, without an embedding model's pieces."""
    from ingest.chunking import chunks_of, script_of, windows_of
    from ingest.cleaning import clean
    from ingest.files import find_files
    from ingest.readers import read_transcripts

    def pieces(texts: Sequence[str]) -> list[int]:
        return [len(text) // 4 + 1 for text in texts]

    chunks: list[Chunk] = []
    for number, path in enumerate(find_files([CREATORS])):
        script = script_of(clean(read_transcripts(path).transcripts[0]), pieces)
        chunks += chunks_of(
            script, windows_of(script), [], creator=path.parent.name, video_id=str(number), title=path.stem
        )
    return chunks


def _paragraphs(chunks: Sequence[Chunk], characters: int) -> Iterator[str]:
    """Paragraphs of ``characters`` in all, no two alike."""
    written = telling = 0
    while written < characters:
        telling += 1
        for chunk in chunks:
            paragraph = f"{chunk.creator}, telling {telling}: {chunk.text}\n\n"
            written += len(paragraph)
            yield paragraph
            if written >= characters:
                return


def _growing(chunks: Sequence[Chunk]) -> list[str]:
    """A prompt after each of its appends."""
    text = ""
    prompts: list[str] = []
    for paragraph in _paragraphs(chunks, APPENDS * APPENDED_CHARACTERS):
        text += paragraph
        if len(text) >= (len(prompts) + 1) * APPENDED_CHARACTERS:
            prompts.append(text)
    return prompts


def _hits(chunks: Sequence[Chunk]) -> list[Hit]:
    from rag.documents import Hit

    chosen = random.Random(7).sample(chunks, HITS)
    return [Hit(chunk=chunk, score=1 - rank / HITS) for rank, chunk in enumerate(chosen)]


def _requests(chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
    """Chat requests: name, model, messages and schema."""
    from generation.rows import reply_schema
    from rag.packing import pack
    from rag.tokens import counter_for

    system = "You plan short videos. Use only the evidence that you are given, and name it."
    evidence = pack(_hits(chunks), 3000, counter_for(ENCODING)).text
    task = "Write the calendar rows for these days."
    texts = {
        "short": task,
        "3,000 of evidence": f"{task}\n\n{evidence}",
        "<|endoftext|>": f"{task} Someone said <|endoftext|> on air, then <|im_end|>.",
        (
            foreign := "Japanese, Thai"
        ): f"{task} 毎日同じ植木鉢を五分で見て回るコツを教えます。 ดูแลต้นไม้ทุกวันก่อนไปทำงาน",
    }
    requests: list[tuple[str, str, dict[str, Any] | None]] = [(*text, None) for text in texts.items()]
    for rows in (1, 6, 28):
        slots = {slot: range(4 * slot - 3, 4 * slot + 1) for slot in range(1, rows + 1)}
        requests.append((f"schema, {rows} rows", task, reply_schema(slots)))
    requests.insert(4, (NEWEST_MODEL, texts[foreign], None))
    return [
        {
            "name": name,
            "model": NEWEST_MODEL if name == NEWEST_MODEL else MODEL,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}],
            "schema": schema,
        }
        for name, text, schema in requests
    ]


def _counts(chunks: Sequence[Chunk], peers: str | None) -> None:
    from generation.model import Message, count_prompt
    from rag.tokens import counter_for, load_encoding

    requests = _requests(chunks)
    found = _ask_peers(peers, requests, _growing(chunks)) if peers else None
    columns = PEERS if found else ()
    print(f"\nTokens of a request to {MODEL}; the fifth is the fourth to {NEWEST_MODEL}")
    print("".join(f"{head:>15}" for head in ("", "ours, exact", "schema, est.", "cookbook", *columns)))
    encode = load_encoding(ENCODING).encode_ordinary
    for number, request in enumerate(requests):
        messages = [Message(**message) for message in request["messages"]]
        ours = count_prompt(messages, request["schema"], counter_for(ENCODING))
        cookbook = 3 + sum(3 + len(encode(m.role)) + len(encode(m.content)) for m in messages)
        assert ours.exact == cookbook, request["name"]
        theirs = [found["counts"][number][peer] for peer in columns] if found else []
        print(
            f"{request['name']:<18}"
            f"{ours.exact:>12,}{ours.estimated:>15,}{cookbook:>15,}"
            + "".join(f"{count:>15,}" if isinstance(count, int) else f"{count:>15}" for count in theirs)
        )
    if found:
        print("approx.: langchain_core's count_tokens_approximately; +tool: the schema handed over as a tool")
        for line in found["notes"]:
            print(f"  {line}")
        seconds = ", ".join(f"{peer} {taken:.3f} s" for peer, taken in found["seconds"].items())
        print(f"The prompt counted after each of {APPENDS} appends, once: {seconds}")
    else:
        print(f"LangChain and LiteLLM: left out. {INSTALL}; then --peers peers/bin/python")


def _ask_peers(python: str, requests: list[dict[str, Any]], prompts: Sequence[str]) -> dict[str, Any]:
    from rag.tokens import _RANK_URL, ENCODINGS, RANK_FILES

    with tempfile.TemporaryDirectory() as ranks:
        for name in ENCODINGS:
            key = hashlib.sha1(_RANK_URL.format(name=name).encode()).hexdigest()
            shutil.copyfile(RANK_FILES / f"{name}.tiktoken", Path(ranks) / key)
        done = subprocess.run(
            [python, "-I", __file__, "--count"],
            input=json.dumps({"requests": requests, "last": prompts[-1], "ends": [*map(len, prompts)]}),
            env={
                **os.environ,
                "TIKTOKEN_CACHE_DIR": ranks,
                "CUSTOM_TIKTOKEN_CACHE_DIR": ranks,  # LiteLLM sets the other to its own
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _peer_counts(asked: dict[str, Any]) -> dict[str, Any]:
    """What LangChain and LiteLLM count, an error by its name, which arguments they take, and how fast they are."""
    approximately = importlib.import_module("langchain_core.messages.utils").count_tokens_approximately
    convert = importlib.import_module("langchain_core.messages").convert_to_messages
    chat = importlib.import_module("langchain_openai").ChatOpenAI
    litellm = importlib.import_module("litellm")
    said: dict[str, None] = {}

    def tried(name: str, count: Callable[..., int], *positional: Any, **named: Any) -> int | str:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                return count(*positional, **named)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
                said[f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}"] = None
                return type(error).__name__
            finally:
                said.update(dict.fromkeys(f"{name}: {warning.message}" for warning in warned))

    counts = []
    for request in asked["requests"]:
        model, messages, schema = request["model"], request["messages"], request["schema"]
        plain = convert([(message["role"], message["content"]) for message in messages])
        tools = (
            [{"type": "function", "function": {"name": "reply", "parameters": schema}}] if schema else None
        )
        exactly = chat(model=model, api_key="none").get_num_tokens_from_messages
        count = partial(litellm.token_counter, model=model, messages=messages)
        counts.append(
            {
                "LangChain": tried("LangChain", exactly, plain, tools),
                "approx.": tried("approx.", approximately, plain),
                "approx.+tool": tried("approx.+tool", approximately, plain, tools=tools) if tools else "",
                "LiteLLM": tried("LiteLLM", count),
                "LiteLLM+tool": tried("LiteLLM+tool", count, tools=tools) if tools else "",
            }
        )
    exactly = chat(model=MODEL, api_key="none").get_num_tokens_from_messages
    seconds = {}
    works: dict[str, Callable[[str], Any]] = {
        "LangChain": lambda text: exactly(convert([("user", text)])),
        "LiteLLM": lambda text: litellm.token_counter(MODEL, messages=[{"role": "user", "content": text}]),
    }
    for name, work in works.items():
        begun = time.perf_counter()
        for end in asked["ends"]:
            work(asked["last"][:end])
        seconds[name] = time.perf_counter() - begun
    takers = {
        "ChatOpenAI.get_num_tokens_from_messages": chat.get_num_tokens_from_messages,
        "count_tokens_approximately": approximately,
        "litellm.token_counter": litellm.token_counter,
    }
    return {
        "counts": counts,
        "seconds": seconds,
        "notes": [
            *said,
            *(f"{name}({', '.join(inspect.signature(taker).parameters)})" for name, taker in takers.items()),
        ],
    }


if __name__ == "__main__":
    main()
