"""At every cut, what is salvaged is exactly the hunks that were whole: a slow reference beside the fast rules."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from diff_cases import RANGES, FilePart, Reply, styled, taken_apart, with_crlf, with_wrong_counts, written
from diff_writers import diff_between, edited
from samples import ROOT

from generation.patching import salvaged

BEFORE = {
    "retry.py": (ROOT / "rag" / "retry.py").read_text(encoding="utf-8"),
    "dedupe.py": (ROOT / "rag" / "dedupe.py").read_text(encoding="utf-8").replace("repeat", "répète"),
    "end.txt": "one\ntwo\nthree",
    "gone.txt": "a\nb\n",
    "moved.py": (ROOT / "rag" / "store.py").read_text(encoding="utf-8"),
}
AFTER = {
    "retry.py": edited(BEFORE["retry.py"], 1, every=25),
    "dedupe.py": edited(BEFORE["dedupe.py"], 2, every=10),
    "end.txt": "one\ntwo\nthree\nfour",
    "new.py": "x = 1\ny = 2\n",
    "elsewhere.py": edited(BEFORE["moved.py"], 3, every=25),
}
Tree = dict[str, str]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[FilePart]:
    return taken_apart(diff_between(tmp_path_factory.mktemp("salvage") / "repo", BEFORE, AFTER).encode())


def trees_of(parts: Sequence[FilePart], reply: Reply) -> list[Tree]:
    """The tree after none, one, two, ... of the true hunks, put in by their line numbers, one after the other."""
    trees = [dict(BEFORE)]
    for unit in reply.units:
        part = parts[unit.file]
        header = b"".join(part.header).decode()
        tree = dict(trees[-1])
        old = re.search(r"^(?:--- a/|rename from )(.+)$", header, re.MULTILINE)
        new = re.search(r"^(?:\+\+\+ b/|rename to )(.+)$", header, re.MULTILINE)
        if unit.hunk is None:
            assert old
            assert new
            tree[new[1]] = tree.pop(old[1])
        else:
            name = new[1] if new else old[1] if old else ""
            tree[name] = _put(tree.get(name, ""), part.hunks[unit.hunk])
            if "+++ /dev/null" in header:
                del tree[name]
        trees.append(tree)
    return trees


def _put(text: str, hunk: Sequence[bytes]) -> str:
    """``text`` after ``hunk``, which is where its line numbers say."""
    lines = text.splitlines(keepends=True)
    place = RANGES.match(hunk[0])
    assert place
    at = int(place[3]) - (place[4] != b"0")
    made = lines[:at]
    last = ""
    for line in (raw.decode() for raw in hunk[1:]):
        if line[0] == "\\" and last != "-":
            made[-1] = made[-1].rstrip("\n")
        if line[0] in " +":
            made.append(line[1:])
        at += line[0] in " -"
        last = line[0]
    return "".join(made + lines[at:])


def overlay(name: str, parts: Sequence[FilePart]) -> Reply:
    match name:
        case "wrong counts":
            return written(with_wrong_counts(parts, random.Random(5)))
        case "fenced":
            return written(styled(parts, "no index"), fences="each")
        case "crlf":
            return written(with_crlf(parts) or [])
        case _:
            return written(parts)


@pytest.mark.parametrize("name", ["clean", "wrong counts", "fenced", "crlf"])
def test_at_every_cut_the_tree_is_that_of_the_hunks_that_were_whole(name: str, parts: list[FilePart]) -> None:
    """Never less than what can be known to be whole, never more than what arrived, never half of a hunk."""
    clean = written(parts)
    trees = trees_of(parts, clean)
    assert trees[-1] == AFTER
    reply = overlay(name, parts)
    ends = {unit.end + by for unit in reply.units for by in (-1, 0, 1)}
    cuts = sorted({*range(0, len(reply.data) + 1, 17), *(end for end in ends if 0 <= end <= len(reply.data))})
    for cut in cuts:
        if reply.deceives(cut):
            continue
        text = reply.data[:cut].decode("utf-8", "surrogateescape")
        patch = salvaged(text, lambda path: BEFORE[path].encode() if path in BEFORE else None, cut=True)
        tree: Tree = dict(BEFORE)
        for path, content in patch.after().items():
            if content is None:
                del tree[path]
            else:
                tree[path] = content.decode()
        least, most = reply.provable(cut), max(reply.arrived(cut), reply.told(cut))
        assert tree in trees[least : most + 1], f"cut at {cut}: not the tree of {least} to {most} hunks"


def test_the_reference_knows_a_half_hunk(parts: list[FilePart]) -> None:
    """A tree with half of a hunk is none of the trees, so the test above can fail."""
    trees = trees_of(parts, written(parts))
    assert len({str(sorted(tree.items())) for tree in trees}) == len(trees)
    half = replace(parts[0], hunks=(parts[0].hunks[0][: len(parts[0].hunks[0]) // 2],))
    assert half.hunks[0] != parts[0].hunks[0]
