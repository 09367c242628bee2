"""What a model is shown of a repository: exact text, a hard budget, and a word about everything left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from diff_writers import repository
from hypothesis import given
from hypothesis import strategies as st
from samples import ROOT

from generation.code_context import CodeContext, trace
from generation.repository import Repository
from rag.tokens import counter_for

FILES = {
    f"src/{name}": (ROOT / "rag" / name).read_text(encoding="utf-8")
    for name in ("packing.py", "retry.py", "store.py")
}
COUNTER = counter_for("o200k_base")


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    extra = {
        "blank.py": "",
        "notes.md": "# Retry\n\nHow often.\n",
        "data.bin": "a\0b",
        "long.py": "x = 1\n\n\n\n" * 900,
    }
    return Repository(repository(tmp_path_factory.mktemp("context") / "repo", {**FILES, **extra}))


def context(repo: Repository, request: str, *named: str, budget_tokens: int = 2000) -> CodeContext:
    return CodeContext(
        repository=repo, request=request, named=named, counter=COUNTER, budget_tokens=budget_tokens
    )


def test_files_that_are_named_are_shown_whole(repo: Repository) -> None:
    """To the letter, each below its path and its number of lines."""
    packed = context(repo, "anything", "src/retry.py", "src/store.py").packed()
    for path in ("src/retry.py", "src/store.py"):
        lines = FILES[path].count("\n")
        assert f"== {path}: all {lines} lines\n{FILES[path].rstrip()}" in packed.text
    assert not packed.dropped


def test_files_are_found_by_the_words_of_the_request(repo: Repository) -> None:
    """Names in code count by their parts; binary files are never read."""
    found = context(repo, "what a service asked for: retry after how many seconds").paths
    assert found[0] == "src/retry.py"
    assert "data.bin" not in found
    assert context(repo, "zzz qqq").packed().text == ""


@pytest.fixture(scope="module")
def found(repo: Repository) -> CodeContext:
    return context(repo, "pack passages and retry")


@given(budget_tokens=st.integers(1, 3000))
def test_the_budget_is_a_hard_cap_and_every_part_is_told(found: CodeContext, budget_tokens: int) -> None:
    """Law 2 and 3: the final string never has more tokens, and what is not in it was dropped with a reason."""
    packed = found.packed(budget_tokens)
    assert packed.tokens == COUNTER.count(packed.text) <= budget_tokens
    assert all(one.reason for one in packed.dropped)
    assert packed.kept or packed.dropped


@given(budget_tokens=st.integers(50, 3000))
def test_what_is_shown_is_what_stands_in_the_file(found: CodeContext, budget_tokens: int) -> None:
    """Each part is exactly the lines that its heading names: a hunk copied from it fits."""
    shown = found.packed(budget_tokens)
    for passage in shown.passages:
        if passage.video_id in FILES:
            assert passage.text == FILES[passage.video_id][passage.start_char : passage.end_char]


def test_a_file_that_does_not_fit_is_shown_in_parts_with_its_outline(repo: Repository) -> None:
    """The outline has every definition with its line; the parts are those nearest to the request."""
    some = context(repo, "interleave rankings in turn", "src/packing.py")
    packed = some.packed(700)
    assert packed.text.startswith("== src/packing.py: outline, with line numbers\n")
    assert "def in_turn(" in packed.text
    assert packed.tokens <= 700
    told = trace(packed, some.lines_of)
    assert told["tokens"] == packed.tokens
    assert told["dropped"]


def test_only_some_files_and_only_once(repo: Repository) -> None:
    """``only`` leaves the others out, a file that is not there as well; the same question is answered from memory."""
    some = context(repo, "pack", "src/packing.py", "src/retry.py")
    packed = some.packed(only=["src/retry.py", "gone.py"])
    assert packed.text.startswith("== src/retry.py: all")
    assert "packing.py" not in packed.text.split("\n")[0]
    assert some.packed(only=["src/retry.py", "gone.py"]) is packed


def test_blank_lines_stay_between_parts(repo: Repository) -> None:
    """A file cut into parts and put together again is the file."""
    path = Path("long.py")
    packed = context(repo, "x", str(path)).packed(100_000)
    assert packed.text == "== long.py: all 3600 lines\n" + ("x = 1\n\n\n\n" * 900).removesuffix("\n")
