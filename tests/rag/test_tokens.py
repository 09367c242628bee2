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
from hypothesis import given
from hypothesis import strategies as st

from rag import tokens
from rag.errors import HooklineError
from rag.tokens import ENCODINGS, RANK_FILES, RANK_SHA256, EncodingName, counter_for, load_encoding


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
