"""What units cost is remembered between runs, and what was seen replaces what was assumed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.learned import MARGIN_FLOOR_TOKENS, Costs, Memory, is_cut_below


def test_a_mean_of_units() -> None:
    """The mean of the first ten, then a running one."""
    costs = Costs()
    for tokens in (100, 200, 300):
        costs.saw_unit(tokens)
    assert costs.unit_tokens == pytest.approx(200)
    for _ in range(100):
        costs.saw_unit(500)
    assert costs.unit_tokens == pytest.approx(500, rel=0.01)


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(-50, 3000)), max_size=20), st.integers(200, 2000)
)
def test_the_margin_has_a_floor_and_covers_what_was_seen(
    prompts: list[tuple[int, int]], unmeasured: int
) -> None:
    """It starts at the seeds' value; an undercount counts at once; three bills make it small."""
    costs = Costs()
    for number, (counted, undercount) in enumerate(prompts, 1):
        costs.saw_prompt(counted=counted, billed=counted + undercount)
        margin = costs.margin_tokens(unmeasured)
        assert margin >= MARGIN_FLOOR_TOKENS
        assert margin >= undercount
        assert margin >= unmeasured or number >= 3
    if len(prompts) >= 3 and all(undercount <= 0 for _, undercount in prompts):
        assert costs.margin_tokens(unmeasured) == MARGIN_FLOOR_TOKENS


def test_reasoning_is_reserved_for() -> None:
    """The assumption, until three replies; then half more than the peak, which fades."""
    costs = Costs()
    assert costs.reserve_tokens(4000) == 4000
    for _ in range(3):
        costs.saw_reply(cap=9000, tokens=2500, reasoning_tokens=2000, cut=False)
    assert costs.reserve_tokens(4000) == 3000
    for _ in range(20):
        costs.saw_reply(cap=9000, tokens=300, reasoning_tokens=100, cut=False)
    assert costs.reserve_tokens(4000) == 1000


def test_where_replies_are_cut() -> None:
    """Below the cap that was asked for: remembered, until replies prove longer."""
    costs = Costs()
    costs.saw_reply(cap=2000, tokens=300, reasoning_tokens=0, cut=True)
    assert costs.cut_at_tokens == 300
    costs.saw_reply(cap=2000, tokens=250, reasoning_tokens=0, cut=False)
    assert costs.cut_at_tokens == 375
    costs.saw_reply(cap=2000, tokens=400, reasoning_tokens=0, cut=False)
    assert costs.cut_at_tokens == 0
    costs.saw_reply(cap=2000, tokens=2000, reasoning_tokens=0, cut=True)
    assert costs.cut_at_tokens == 0


def test_a_servers_last_token() -> None:
    """A count off by one is no cut of somebody else's."""
    assert not is_cut_below(4096, 4095)
    assert is_cut_below(4096, 3000)


def test_it_is_there_in_the_next_run(tmp_path: Path) -> None:
    """By model and task; another model knows nothing of it."""
    path = tmp_path / "folder" / "learned.json"
    memory = Memory(path)
    memory.costs("gpt-4o", "rows").saw_unit(120)
    memory.save()
    assert Memory(path).costs("gpt-4o", "rows") == Costs(units=1, unit_tokens=120)
    assert Memory(path).costs("gpt-4o", "text") == Costs()
    assert {file.name for file in path.parent.iterdir()} == {"learned.json", ".gitignore"}


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', '{"gpt-4o rows": {"unit_tokens": -1}}', "\ud800"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    """It is learned anew, and nothing fails."""
    path = tmp_path / "learned.json"
    path.write_text(content, errors="surrogatepass")
    assert Memory(path).costs("gpt-4o", "rows") == Costs()


def test_what_cannot_be_written_is_not_remembered(tmp_path: Path) -> None:
    """A file where the folder should be: the run goes on."""
    (tmp_path / "folder").write_text("")
    memory = Memory(tmp_path / "folder" / "learned.json")
    memory.costs("gpt-4o", "rows").saw_unit(120)
    memory.save()
