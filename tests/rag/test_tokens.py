"""Token counts are tiktoken's own, and need no network."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
from pathlib import Path

import pytest
import tiktoken
import tiktoken_ext.openai_public
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
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
    "\n|\n\n|\r\n| |\t|/|//|a|B|é|e\u0301|\u0301|7|123|.|!!|'s|'S|\u0085|\u2028|\u00a0|\x1c|\x0b|中|🎉|"
    f"<|endoftext|>|word |Word|`|#|{'x' * 600}".split("|")
)
TANGLED = st.lists(PIECES | st.text(max_size=3), max_size=60).map("".join)


@given(TANGLED, st.sampled_from(ENCODINGS))
def test_counts_by_segment_are_exact(text: str, encoding: EncodingName) -> None:
    """Line breaks, white space, slashes, marks and contractions in any order: segments add up to the whole."""
    loaded = load_encoding(encoding)
    assert "".join(segments(text)) == text
    assert sum(len(loaded.encode_ordinary(part)) for part in segments(text)) == len(
        loaded.encode_ordinary(text)
    )
    every = [part for part in tokens._BORDER.split(text) if part]
    assert sum(len(loaded.encode_ordinary(part)) for part in every) == len(loaded.encode_ordinary(text))


def test_a_growing_text_costs_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 200 appended paragraphs, each was encoded about once: not once for every text it stood in."""
    encoded: list[int] = []

    class Loaded:
        def encode_ordinary(self, text: str) -> list[int]:
            encoded.append(len(text))
            return [0] * len(text.split())

    monkeypatch.setattr(tokens, "load_encoding", lambda _: Loaded())
    counter = TiktokenCounter("cl100k_base")
    text = ""
    for number in range(200):
        text += f"Passage {number} " + "says something " * 40 + "\n\n"
        assert counter.count(text) == len(text.split())
    assert sum(encoded) < 3 * len(text)


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


@pytest.mark.parametrize(
    "spec", ["", "p50k_base", "characters:0", "characters:nan", "characters:inf", "characters:", "server"]
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
