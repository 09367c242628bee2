"""Units out of a stream: whole ones at once, partial ones never (law 5)."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from generation.units import JsonMembers, Unit

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\{}[],:é\n', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(alphabet='1234"{}', min_size=1, max_size=3), VALUES, max_size=5)
PROSE = st.text(alphabet='ab" .`\n', max_size=12)


def _feed(text: str, cuts: list[int]) -> list[Unit]:
    members = JsonMembers()
    edges = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [unit for a, b in pairwise(edges) for unit in members.feed(text[a:b])]


@given(OBJECTS, PROSE, PROSE, st.lists(st.integers(0, 200), max_size=6), st.sampled_from([None, 1]))
def test_any_cutting_gives_what_the_whole_object_holds(
    value: dict[str, Any], before: str, after: str, cuts: list[int], indent: int | None
) -> None:
    """However the text arrives, and whatever surrounds it, the units are the object's members in order."""
    text = before + json.dumps(value, indent=indent) + after
    assert [(unit.key, unit.value) for unit in _feed(text, cuts)] == list(value.items())


@given(OBJECTS, st.integers(0, 400))
def test_a_prefix_gives_only_whole_members_and_all_of_them(value: dict[str, Any], cut: int) -> None:
    """Law 5: cut anywhere, each unit is a member of the whole; law 4: none that had closed is missing."""
    text = json.dumps(value)
    units = _feed(text[:cut], [])
    items = list(value.items())
    assert [(unit.key, unit.value) for unit in units] == items[: len(units)]
    closed = 0
    at = 1
    for key, item in items:
        member = f"{json.dumps(key)}: {json.dumps(item)}"
        at = text.index(member, at) + len(member)
        closed += at <= cut if isinstance(item, dict | list) else at < cut
    assert len(units) == closed


@given(st.text(alphabet='{}[]",:\\1a \n', max_size=60))
def test_no_text_raises(text: str) -> None:
    """Malformed output is expected input: parsing returns values, never raises."""
    for unit in _feed(text, [7, 20]):
        assert unit.problem is not None or json.loads("{" + unit.text + "}") == {unit.key: unit.value}


def test_a_malformed_member_does_not_take_its_neighbours_along() -> None:
    """A member that is no JSON is reported under its key; those around it are whole."""
    units = _feed('```json\n{"1": {"a": 1}, "2": {"a": oops}, "3": {"a": 3}}\n```', [])
    assert [(unit.key, unit.value) for unit in units] == [("1", {"a": 1}), ("2", None), ("3", {"a": 3})]
    assert units[1].problem is not None


def test_a_reply_nested_without_end_is_a_problem_not_a_crash() -> None:
    """Thousands of brackets are reported like any other member that cannot be decoded."""
    units = _feed('{"1": ' + "[" * 5000 + "]" * 5000 + ', "2": {}}', [])
    assert units[0].problem is not None
    assert (units[-1].key, units[-1].value) == ("2", {})
