"""Token counts are tiktoken's own, and need no network."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import shutil
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import tiktoken_ext.openai_public
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from model_servers import served
from strict_openai import StrictServer

from rag import tokens
from rag.errors import BadInput, HooklineError, ServiceFailure
from rag.server_tokens import ServerCounter
from rag.tokens import (
    ENCODINGS,
    RANK_FILES,
    RANK_SHA256,
    EncodingName,
    TiktokenCounter,
    counter_for,
    load_encoding,
    remembered,
    segments,
)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_rank_files_are_those_that_tiktoken_expects(encoding: EncodingName) -> None:
    """The carried files hash to what tiktoken itself checks for."""
    assert (
        hashlib.sha256((RANK_FILES / f"{encoding}.tiktoken").read_bytes()).hexdigest()
        == RANK_SHA256[encoding]
    )
    assert RANK_SHA256[encoding] in inspect.getsource(getattr(tiktoken_ext.openai_public, encoding))


@given(st.text(), st.sampled_from(ENCODINGS))
def test_counts_are_exact(text: str, encoding: EncodingName) -> None:
    """A count is the length of tiktoken's own encoding of the text as ordinary text."""
    ids = load_encoding(encoding).encode(text, disallowed_special=())
    assert counter_for(encoding).count(text) == len(ids)


PIECES = st.sampled_from(
    [
        *(
            "\n",
            "\n\n",
            "\r\n",
            "\r",
            " ",
            "  ",
            "\t",
            "\x0b",
            "\x1c",
            "\u0085",
            "\u00a0",
            "\u2028",
            "\u3000",
        ),
        *(
            "/",
            "//",
            ".",
            "!!",
            "`",
            "#",
            "'s",
            "'S",
            "a",
            "B",
            "é",
            "e\u0301",
            "\u0301",
            "7",
            "123",
            "中",
            "🎉",
        ),
        *("\ud800", "<|endoftext|>", "word ", " Word", "x" * 150, "so it goes " * 40, "a\n" * 90, "\n/" * 90),
    ]
)
TANGLED = st.lists(PIECES | st.text(max_size=3), max_size=60).map("".join)


@given(TANGLED, st.sampled_from(ENCODINGS))
def test_counts_by_segment_are_exact(text: str, encoding: EncodingName) -> None:
    """White space, line breaks, slashes, marks and contractions in any order: segments add up to the whole."""
    encode = load_encoding(encoding).encode_ordinary
    whole = len(encode(text))
    assert counter_for(encoding).count(text) == whole
    assert "".join(segments(text)) == text
    every = re.split(tokens._BORDER, text)
    assert sum(len(encode(part)) for part in every) == whole


@given(st.lists(TANGLED, min_size=2, max_size=4), st.sampled_from(ENCODINGS))
def test_counts_of_what_grows_and_shrinks_are_exact(parts: list[str], encoding: EncodingName) -> None:
    """What is remembered of one text is true in the next, whatever was put before, between or after."""
    long = "so it goes " * 1000
    for text in (*accumulate(parts), *accumulate([long, *parts]), *accumulate([long, *reversed(parts)])):
        assert counter_for(encoding).count(text) == len(load_encoding(encoding).encode_ordinary(text))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_long_text_may_go_on_differently(encoding: EncodingName) -> None:
    """Where it was cut before " it", "self" makes "itself" of the word before: one token, not two."""
    text = " it" * 5000
    other = text[: len(text) - len(segments(text)[-1])] + "self"
    counter = TiktokenCounter(encoding)
    assert counter.count(text) == 5000
    assert counter.count(other) == other.count("it")


class Overheard:
    """An encoding that remembers how many characters it was handed."""

    def __init__(self) -> None:
        self.characters = 0

    def encode_ordinary(self, text: str) -> list[str]:
        self.characters += len(text)
        return text.split()


@pytest.mark.parametrize("end", ["\n\n", "\n", " "])
def test_a_growing_text_costs_what_is_new(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is encoded about once while it grows in 200 steps, by paragraphs, by lines, or on one line."""
    overheard = Overheard()
    monkeypatch.setattr(tokens, "load_encoding", lambda _: overheard)
    counter = TiktokenCounter("cl100k_base")
    text = ""
    for number in range(200):
        text += f"Passage {number} says something{' else again' * 40}.{end}"
        assert counter.count(text) == len(text.split())
    assert overheard.characters < 2 * len(text)


def test_a_change_costs_what_is_near_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line put first renumbers the 100 after it: of each, only the beginning is encoded again."""
    overheard = Overheard()
    monkeypatch.setattr(tokens, "load_encoding", lambda _: overheard)
    counter = TiktokenCounter("cl100k_base")
    lines = [" ".join(f"says {number}.{word}" for word in range(200)) for number in range(100)]
    counter.count("\n".join(f"[{place}] {line}" for place, line in enumerate(lines, 1)))
    before = overheard.characters
    counter.count("\n".join(f"[{place}] {line}" for place, line in enumerate(["the first", *lines], 1)))
    assert overheard.characters - before < before / 5


def test_what_is_remembered_is_bounded() -> None:
    """Long texts are counted each time; of short ones the last are kept."""
    asked: list[str] = []

    def length(text: str) -> int:
        asked.append(text)
        return len(text)

    count = remembered(length, texts=2, longest=3)
    assert [count(text) for text in ("abc", "abc", "abcd", "abcd", "x", "y", "abc")] == [3, 3, 4, 4, 1, 1, 3]
    assert asked == ["abc", "abcd", "abcd", "x", "y", "abc"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_text_that_tiktoken_gives_up_on_is_an_error(encoding: EncodingName) -> None:
    """A million blanks in a row end in a panic there, which no ``except Exception`` catches."""
    with pytest.raises(HooklineError, match="900,000 blanks in a row"):
        counter_for(encoding).count("x" + " " * 1_000_000 + "x")
    for most in (" " * 899_999, "\n" * 899_999):
        text = f"x{most}x"
        assert counter_for(encoding).count(text) == len(load_encoding(encoding).encode_ordinary(text))


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A real tokenizer.json: words, split at white space."""
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "one": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_a_tokenizer_of_ones_own(tokenizer: Path) -> None:
    """``tokenizer.json:PATH``, without special tokens."""
    counter = counter_for(f"tokenizer.json:{tokenizer}")
    assert counter.count("one two one <|endoftext|>") == 4
    assert counter.encoding == f"tokenizer.json:{tokenizer}"


def test_a_tokenizer_counts_the_whole_text(tokenizer: Path) -> None:
    """Cutting, filling up and special tokens, as an embedding model's file has them, do not touch a count."""
    made = tokenizers.Tokenizer.from_file(str(tokenizer))
    made.enable_truncation(8)
    made.enable_padding(length=8)
    made.add_special_tokens(["[UNK]", "<|endoftext|>"])
    made.save(str(tokenizer.with_name("cut.json")))
    counter = counter_for(f"tokenizer.json:{tokenizer.with_name('cut.json')}")
    assert counter.count("one " * 100) == 100
    assert counter.count("one") == 1
    assert counter.count("a<|endoftext|>b \ud800") == 2
    assert counter.count("") == 0


def test_a_tokenizer_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing or damaged: the file is named."""
    (tmp_path / "damaged.json").write_text("{}")
    for name in ("missing.json", "damaged.json"):
        with pytest.raises(BadInput, match=name):
            counter_for(f"tokenizer.json:{tmp_path / name}")


@given(st.text())
def test_a_declared_floor_is_never_an_undercount(text: str) -> None:
    """At 2.5 characters a token: no fewer tokens than that makes."""
    assert counter_for("characters:2.5").count(text) * 2.5 >= len(text)
    assert counter_for("characters:2.5").count("abcdef") == 3
    assert counter_for("characters:0.1").count("abc") == 30
    assert counter_for("characters:2.5").encoding == "characters:2.5"


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "p50k_base",
        "characters:0",
        "characters:nan",
        "characters:inf",
        "characters:",
        "characters:-1",
        "server",
    ],
)
def test_nothing_is_guessed(spec: str) -> None:
    """A way of counting that nobody knows is an error."""
    with pytest.raises(BadInput, match="no way to count"):
        counter_for(spec)


def test_a_server_counts() -> None:
    """vLLM's ``/tokenize``; texts that were asked for are remembered."""
    with StrictServer(declares_limits=True) as server:
        counter = ServerCounter(server.base_url, server.key, "gpt-4o-mini")
        for text in ("", "one two three", "<|endoftext|>", "<|endoftext|>"):
            assert counter.count(text) == counter_for("o200k_base").count(text)


def test_llama_cpp_counts() -> None:
    """Its ``/tokenize`` reads ``content``, and takes special tokens' names for tokens unless told not to."""
    encoding = load_encoding("o200k_base")

    def tokenize(request: Any) -> None:
        body = json.loads(state.bodies[-1])
        special: Any = "all" if body.get("parse_special", True) else set()
        ids = encoding.encode(body["content"], allowed_special=special, disallowed_special=())
        content = json.dumps({"tokens": ids}).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    texts = ["one two three", "a\n\nb", "<|endoftext|>", "\ud800 half", "long " * 5000, "one two three", ""]
    with served({"POST /tokenize": tokenize}) as state:
        counter = ServerCounter(state.base_url, "kéy", "any")
        assert [counter.count(text) for text in texts] == [len(encoding.encode_ordinary(t)) for t in texts]
        assert len(state.asked) == 5
        assert set(state.keys) == {"Bearer kéy".encode().decode("latin-1")}


def test_a_server_that_hangs_up_is_asked_once_more() -> None:
    """A connection that was kept may be closed by the time it is used: that is no failure yet."""

    def hang_up(request: Any) -> None:
        state.answers["POST /tokenize"] = {"tokens": [1, 2]} if len(state.asked) == 1 else hang_up

    with served({"POST /tokenize": hang_up}) as state:
        assert ServerCounter(state.base_url, None, "any").count("one two") == 2
        state.answers["POST /tokenize"] = hang_up
        with pytest.raises(ServiceFailure, match="RemoteProtocolError"):
            ServerCounter(state.base_url, None, "any").count("one two")
        assert len(state.asked) == 4


@pytest.mark.parametrize(
    "reply",
    [
        b"<html>",
        b"[" * 100_000,
        [],
        {},
        {"count": "7"},
        {"count": True},
        {"count": -1},
        {"tokens": 7},
        500,
        401,
    ],
)
def test_what_a_server_says_is_not_trusted(reply: Any) -> None:
    """Anything but a number or a list of tokens is an error in one line, without the URL's password."""
    with served({"POST /tokenize": reply}) as state:
        base_url = state.base_url.replace("//", "//me:secret@")
        with pytest.raises(ServiceFailure, match=r"^http://127\.0\.0\.1:\d+/tokenize counts no tokens \(.*$"):
            ServerCounter(base_url, None, "any").count("one")


def test_a_server_that_counts_nothing_is_named() -> None:
    """One line with the remedy, whether it refuses, says nonsense or is not there."""
    with StrictServer() as server:
        base_url = server.base_url
        with pytest.raises(
            ServiceFailure, match=r"counts no tokens \(status 404\): declare characters_per_token"
        ):
            ServerCounter(base_url, None, "gpt-4o-mini").count("one")
    with pytest.raises(ServiceFailure, match="ConnectError"):
        ServerCounter(base_url, None, "gpt-4o-mini").count("one")


def test_known_counts() -> None:
    """Literal values: two encodings differ, and special tokens' names are ordinary text."""
    assert counter_for("cl100k_base").count("tiktoken is great!") == 6
    assert counter_for("cl100k_base").count("<|endoftext|>") == 7
    assert counter_for("o200k_base").count("") == 0
    assert (
        load_encoding("o200k_base").decode(load_encoding("o200k_base").encode_ordinary("Überraschung 🎉"))
        == "Überraschung 🎉"
    )


def test_a_damaged_rank_file_is_refused_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with another hash is an error that names it; it is neither used nor deleted."""
    shutil.copy(RANK_FILES / "cl100k_base.tiktoken", tmp_path)
    damaged = tmp_path / "cl100k_base.tiktoken"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    monkeypatch.setattr(tokens, "RANK_FILES", tmp_path)
    with pytest.raises(HooklineError, match=r"cl100k_base\.tiktoken is missing or damaged"):
        load_encoding("cl100k_base")
    assert damaged.exists()


def test_loading_leaves_the_environment_and_the_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """tiktoken is handed a copy in a folder of its own, and a user's cache setting stays."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "mine")
    before = {path: path.stat().st_mtime_ns for path in RANK_FILES.iterdir()}
    tiktoken.registry.ENCODINGS.pop("cl100k_base", None)
    load_encoding("cl100k_base")
    assert os.environ["TIKTOKEN_CACHE_DIR"] == "mine"
    assert {path: path.stat().st_mtime_ns for path in RANK_FILES.iterdir()} == before
