"""Diffs as models write them: whatever the text, whole hunks come out, nothing raises and nothing is invented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.diff_reading import DiffUnits, is_diff_salvageable, read_diff
from generation.diffs import CutHunk, EndOfDiff, Header, Hunk, Line, Manifest, Tail, written

HEADER = "diff --git a/oven.py b/oven.py\n--- a/oven.py\n+++ b/oven.py\n"
FIRST = "@@ -4,3 +4,3 @@ def bake():\n rye\n-wheat\n+spelt\n salt\n"
SECOND = "@@ -20,2 +20,3 @@\n oil\n+butter\n milk\n"

pieces = st.sampled_from(
    [
        *HEADER.splitlines(keepends=True),
        *FIRST.splitlines(keepends=True),
        *(
            "@@ @@\n",
            "@@ -1 +1 @@",
            "@@",
            "--- ",
            "+++ ",
            "--- /dev/null\n",
            "+++ b/new.py\n",
            "@@ -0,0 +1,2 @@\n",
        ),
        *(
            "```diff\n",
            "```\n",
            "\n",
            " \n",
            "-",
            "+",
            "\\ No newline at end of file\n",
            "\r\n",
            "# END-OF-DIFF\n",
        ),
        *(
            "FILES:\n",
            "- oven.py\n",
            "rename from a\n",
            "rename to b\n",
            "new file mode 100644\n",
            "Prose.\n",
            "-- \n",
        ),
        *(
            "deleted file mode 100644\n",
            "new mode 100755\n",
            "GIT binary patch\n",
            "\ud800",
            "é",
            "@@ -9999999999,1 +1 @@\n",
        ),
    ]
)
texts = st.lists(st.one_of(pieces, st.text(max_size=5)), max_size=25).map("".join)


def hunks(text: str, *, cut: bool = False) -> list[Hunk]:
    return [unit.value for unit in read_diff(text, cut=cut) if isinstance(unit.value, Hunk)]


@given(texts, st.booleans())
def test_every_text_can_be_read(text: str, cut: bool) -> None:
    """Nothing raises, and every line of every hunk stands in the text."""
    for unit in read_diff(text, cut=cut):
        if isinstance(unit.value, Hunk):
            assert any(line.op != " " for line in unit.value.lines)
            for line in unit.value.lines:
                assert line.text.rstrip("\r\n") in text


@given(texts, st.lists(st.integers(1, 7), min_size=1, max_size=9))
def test_how_a_text_is_split_makes_no_difference(text: str, sizes: list[int]) -> None:
    """Read in pieces, the units are those of the whole."""
    parser = DiffUnits()
    units = []
    at = 0
    while at < len(text):
        size = sizes[at % len(sizes)]
        units += parser.feed(text[at : at + size])
        at += size
    assert [*units, *parser.finish(cut=False)] == read_diff(text)
    assert parser.text == text


@given(st.integers(0, len(HEADER + FIRST + SECOND)))
def test_a_prefix_has_no_hunk_that_the_whole_has_not(length: int) -> None:
    """However a reply is cut, its hunks are among those of the whole, and the first is there once it is whole."""
    whole = HEADER + FIRST + SECOND
    found = hunks(whole[:length], cut=True)
    assert [hunk.lines for hunk in found] == [hunk.lines for hunk in hunks(whole)][: len(found)]
    if length >= len(HEADER + FIRST):
        assert found


@given(texts)
def test_a_hunk_can_be_written_and_read_again(text: str) -> None:
    """What the journal has of a hunk is that hunk."""
    for unit in read_diff(text):
        if isinstance(unit.value, Hunk) and unit.value.header.path and unit.value.new_start is not None:
            (again,) = [one for one in read_diff(written(unit.value)) if isinstance(one.value, Hunk)]
            assert again.value.lines == unit.value.lines
            assert again.value.header.path == unit.value.header.path


def test_prose_and_fences_are_passed_over() -> None:
    """A sentence, a fence, a list after the diff: the hunks are the same."""
    reply = f"Sure! Here it is:\n\n```diff\n{HEADER}{FIRST}{SECOND}```\n\nI changed:\n- the flour\n+ some butter\n"
    assert [hunk.lines for hunk in hunks(reply)] == [hunk.lines for hunk in hunks(HEADER + FIRST + SECOND)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@@ -4,3 +4,3 @@", "@@ -4,9 +4,1 @@"),
        ("@@ -4,3 +4,3 @@", "@@ -4,2 +4,2 @@"),
        ("@@ -4,3 +4,3 @@ def bake():", "@@ @@"),
        ("@@ -4,3 +4,3 @@ def bake():", "@@"),
        ("@@ -4,3 +4,3 @@ def bake():", "@@ ... @@"),
        ("@@ -4,3 +4,3 @@ def bake():", "@@ def bake():"),
        ("@@ -4,3 +4,3 @@", "@@ -4,3 +4,3"),
        ("@@ -4,3 +4,3 @@", "@@ \u22124,3 +4,3 @@"),
        ("@@ -4,3 +4,3 @@", "@@ -1 +1 @@"),
    ],
)
def test_wrong_counts_and_no_counts_do_not_lose_a_hunk(old: str, new: str) -> None:
    """What follows shows that a hunk is whole, whatever its header says; what the last one's says must fit."""
    found = hunks(HEADER + FIRST.replace(old, new) + SECOND)
    assert [line.text for line in found[0].lines] == ["rye\n", "wheat\n", "spelt\n", "salt\n"]
    assert len(found) == 2
    fits = "4,3 +4,3" in new
    assert len(hunks(HEADER + FIRST.replace(old, new))) == fits  # as the last thing, only counts speak for it


def test_what_comes_after_the_last_line_break_is_never_trusted() -> None:
    """A line that is cut is no line, even where the counts would fit with it; a reply that ended may lack one."""
    whole = HEADER + "@@ -4,1 +4,1 @@\n-wheat\n+spelt"
    assert hunks(whole, cut=True) == []
    assert (
        hunks(HEADER + "@@ -1,2 +1,3 @@\n a\n+b\n ```python", cut=True) == []
    )  # a context line, and no fence
    (hunk,) = hunks(whole)
    assert hunk.lines[-1] == Line(op="+", text="spelt\n")


def test_what_shows_that_the_counts_lie_is_heeded() -> None:
    """Counts that fit in a reply that was cut where the hunk goes on: it is not whole."""
    assert len(hunks(HEADER + FIRST, cut=True)) == 1
    assert len(hunks(HEADER + FIRST + "@", cut=True)) == 1
    for more in (" pepper", "+pep", "-"):
        assert hunks(HEADER + FIRST + more, cut=True) == []


def test_the_mark_of_a_missing_line_break_may_have_been_cut() -> None:
    """``file_may_end_here`` until something else follows."""
    cut = HEADER + FIRST
    assert hunks(cut, cut=True)[0].file_may_end_here
    assert hunks(cut + "\\ No new", cut=True)[0].file_may_end_here
    assert not hunks(cut + "@@ -2", cut=True)[0].file_may_end_here
    assert not hunks(cut)[0].file_may_end_here
    (hunk,) = hunks(cut + "\\ No newline at end of file\n")
    assert [line.text for line in hunk.lines][-1] == "salt"


def test_a_hunk_that_is_begun_anew_is_the_second_one() -> None:
    """Broken off and written again from its ``@@`` inside one reply: the first half is no hunk."""
    half = "@@ -4,9 +4,9 @@ def bake():\n rye\n-wheat\n"
    for between in ("", HEADER, "```\n\nOnce more:\n\n```diff\n" + HEADER):
        (first, second) = hunks(HEADER + half + between + FIRST + SECOND)
        assert [line.text for line in first.lines] == ["rye\n", "wheat\n", "spelt\n", "salt\n"]
        assert second.old_start == 20
    assert len(hunks(HEADER + half + SECOND)) == 2  # its counts were wrong, and another hunk follows


def test_a_hunk_may_lack_its_first_line() -> None:
    """Marked lines right below the names, or after a blank line, are a hunk without numbers."""
    for between in ("", "\n"):
        (hunk,) = hunks(f"```diff\n--- oven.py\n+++ oven.py\n{between}-wheat\n+spelt\n```\n")
        assert (hunk.header.path, hunk.old_start, hunk.new_lines) == ("oven.py", None, ["spelt\n"])


def test_blank_context_lines_may_have_lost_their_space() -> None:
    """Inside a hunk and at its end, as far as the counts want them; what is beyond is the space before prose."""
    reply = HEADER + "@@ -1,4 +1,4 @@\n rye\n\n-wheat\n+spelt\n\n\n\nThat is all.\n"
    (hunk,) = hunks(reply)
    assert [(line.op, line.text) for line in hunk.lines] == [
        *((" ", "rye\n"), (" ", "\n"), ("-", "wheat\n"), ("+", "spelt\n"), (" ", "\n")),
    ]


def test_a_reply_with_windows_line_ends_is_read_without_them() -> None:
    """Its hunks are the same; a file's own carriage returns stay where only they have them."""
    text = (HEADER + FIRST + SECOND).replace("\n", "\r\n")
    assert [hunk.lines for hunk in hunks(text)] == [hunk.lines for hunk in hunks(HEADER + FIRST + SECOND)]
    (hunk,) = hunks(HEADER + "@@ -1 +1 @@\n-rye\r\n+spelt\r\n")
    assert hunk.new_lines == ["spelt\r\n"]


def test_lines_that_look_like_headers_stay_in_their_hunk() -> None:
    """A deleted line ``-- x`` and an added ``++ y`` are lines; a real header after them is one."""
    body = "@@ -1,3 +1,3 @@\n a\n--- x\n+++ y\n b\n"
    first, second = hunks(HEADER + body + "--- a/two.py\n+++ b/two.py\n@@ -1 +1 @@\n-c\n+d\n")
    assert [line.text for line in first.lines] == ["a\n", "-- x\n", "++ y\n", "b\n"]
    assert second.header.path == "two.py"


def test_fences_and_marks_inside_a_hunk_are_its_lines() -> None:
    """A context line that is a fence, or the end's mark as text, does not end the hunk."""
    (hunk,) = hunks(HEADER + "@@ -1,2 +1,3 @@\n ```toml\n+# END-OF-DIFF\n ```\n")
    assert [line.text for line in hunk.lines] == ["```toml\n", "# END-OF-DIFF\n", "```\n"]


def test_hunks_with_the_same_made_up_numbers_are_all_kept() -> None:
    """Models that do not count write the same numbers on every hunk: they are others, not one begun anew."""
    texts = [
        FIRST.replace("@@ -4,3 +4,3 @@", "@@ -0,0 +0,0 @@"),
        SECOND.replace("@@ -20,2 +20,3 @@", "@@ -0,0 +0,0 @@"),
    ]
    found = hunks(HEADER + "".join(texts) + texts[0].replace("rye", "oats") + "# END-OF-DIFF\n")
    assert [hunk.old_lines[0] for hunk in found] == ["rye\n", "oil\n", "oats\n"]


def broken(text: str) -> list[CutHunk]:
    return [unit.value for unit in read_diff(text) if isinstance(unit.value, CutHunk)]


@pytest.mark.parametrize("first", ["@@ @@", "@@ -4,1 +4,1 @@", "@@ -4,2 +4,2 @@"])
def test_a_hunk_that_goes_on_behind_a_line_without_a_mark_is_no_hunk(first: str) -> None:
    """A context line that lost its space: half of the hunk is not passed off as all of it, and it is told."""
    text = f"{HEADER}{first}\n rye\n-wheat\n+spelt\nsalt\n-sugar\n+honey\n{SECOND}"
    assert [hunk.old_start for hunk in hunks(text)] == [20]
    assert [one.header.path for one in broken(text) if one.header] == ["oven.py"]


def test_a_fence_in_a_hunk_ends_it_only_where_nothing_goes_on() -> None:
    """One that opens a block is a line that lost its space; behind one that closes, marked lines show the same."""
    opening = f"{HEADER}@@ -1,4 +1,4 @@\n text\n```sh\n-make\n+make all\n more\n"
    assert hunks(opening)[0].old_lines == ["text\n", "```sh\n", "make\n", "more\n"]
    closing = f"{HEADER}@@ -1,4 +1,4 @@\n-text\n+words\n```\n-make\n+make all\n"
    assert hunks(closing) == []
    assert len(broken(closing)) == 1


def test_names_of_another_file_end_a_header() -> None:
    """A mode, and the next file's names without a ``diff --git`` line of their own: the mode stays with its file."""
    text = f"diff --git a/run b/run\nold mode 100644\nnew mode 100755\n{HEADER[HEADER.index('---') :]}{FIRST}"
    assert headers(text) == [Header(old="run", new="run", mode="100755")]
    assert hunks(text)[0].header == Header(old="oven.py", new="oven.py")


def test_the_name_of_a_new_file_is_known_from_its_first_line() -> None:
    """A header that was cut in its last name: what goes on without one belongs to that file."""
    parser = DiffUnits()
    parser.feed("diff --git a/new.py b/new.py\nnew file mode 100644\n--- /dev/null\n+++ b/ne")
    parser.finish(cut=True)
    assert parser.cut_hunk
    assert parser.cut_hunk.header == Header(old=None, new="new.py", mode="100644")


def test_without_its_mark_a_reply_is_read_as_cut() -> None:
    """``stop`` in the middle of a line: that line is none, and the hunk is not whole."""
    for text, whole in (
        (FIRST[:-3], 0),
        (FIRST, 1),
        (FIRST[:-1] + "\n# END-OF-DIFF", 1),
        (SECOND[:-1] + "\n```", 1),
    ):
        parser = DiffUnits(needs_mark=True)
        units = [*parser.feed(HEADER + text), *parser.finish(cut=False)]
        assert sum(isinstance(unit.value, Hunk) for unit in units) == whole


def test_a_manifest_in_a_reply_that_goes_on_is_no_tail() -> None:
    """Its list looks like deleted lines."""
    parser = DiffUnits(Header(old="oven.py", new="oven.py"))
    units = parser.feed("FILES:\n- oven.py\n- shop.py\n" + HEADER + FIRST) + parser.finish(cut=False)
    assert [type(unit.value) for unit in units] == [Manifest, Hunk]


@pytest.mark.parametrize(
    "text", ["@@ -" + "9" * 5000 + ",1 +1 @@\n-a\n", '--- "\ud800"\n+++ "\udc80"\n@@ -1 +1 @@\n-a\n+b\n']
)
def test_numbers_and_names_that_cannot_be_are_read_all_the_same(text: str) -> None:
    """Python refuses such integers and such text; the reader does not raise."""
    read_diff(text)


def headers(text: str) -> list[Header]:
    return [unit.value for unit in read_diff(text) if isinstance(unit.value, Header)]


def test_moves_modes_and_empty_files_are_units_of_their_own() -> None:
    """Each is whole when something follows it, and never before."""
    rename = "diff --git a/a.py b/b.py\nsimilarity index 100%\nrename from a.py\nrename to b.py\n"
    mode = "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n"
    empty = "diff --git a/py.typed b/py.typed\nnew file mode 100644\nindex 0000000..e69de29\n"
    gone = "diff --git a/gone b/gone\ndeleted file mode 100644\nindex e69de29..0000000\n"
    assert headers(rename + mode + empty + gone) == [
        Header(old="a.py", new="b.py", move="rename"),
        Header(old="run", new="run", mode="100755"),
        Header(old=None, new="py.typed", mode="100644"),
        Header(old="gone", new=None),
    ]
    cut = [unit.value for unit in read_diff(rename + mode, cut=True)]
    assert cut == [Header(old="a.py", new="b.py", move="rename")]


def test_a_new_file_whose_lines_never_came_is_not_an_empty_one() -> None:
    """Its index line says that there is something in it; a binary file has nothing that could be read."""
    head = "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..1234567\n"
    assert headers(head + HEADER + FIRST) == []
    assert [one.is_binary for one in headers(head + "GIT binary patch\nliteral 3\nzcmZ\n\n" + HEADER)] == [
        True
    ]
    assert [one.is_binary for one in headers("diff --git a/x b/x\nBinary files a/x and b/x differ\n")] == [
        True
    ]


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        ("--- a/x.py\n+++ b/x.py", "x.py"),
        ("--- x.py\n+++ x.py", "x.py"),
        ("--- a/x.py\t2026-11-24 10:00:00\n+++ b/x.py\t2026-11-24 10:00:00", "x.py"),
        ("--- x.py 2026-11-24 10:00:00\n+++ x.py 2026-11-24 10:00:00", "x.py"),
        ('--- "a/caf\\303\\251 \\"x\\".py"\n+++ "b/caf\\303\\251 \\"x\\".py"', 'café "x".py'),
        ("--- “a/x.py”\n+++ “b/x.py”", "x.py"),
        ("--- a/my file.py\n+++ b/my file.py", "my file.py"),
        ("--- /dev/null\n+++ b/x.py", "x.py"),
        ("--- a/x.py\n+++ /dev/null", "x.py"),
        ("--- a/a/x.py\n+++ b/a/x.py", "a/x.py"),
        ("--- `x.py`\n+++ `x.py`", "x.py"),
    ],
)
def test_names_are_read_as_tools_and_models_write_them(lines: str, path: str) -> None:
    """With and without prefixes, timestamps, quotes of any kind."""
    (hunk,) = hunks(f"{lines}\n@@ -1 +1 @@\n-a\n+b\n")
    assert hunk.header.path == path


def test_the_manifest_and_the_end() -> None:
    """The files announced before the diff, and the mark behind it; either may be decorated."""
    units = read_diff(f"**FILES:**\n- `oven.py`\n- new.py (new)\n\n{HEADER}{FIRST}\n**# END-OF-DIFF**\n")
    assert [type(unit.value) for unit in units] == [Manifest, Hunk, EndOfDiff]
    assert units[0].value == Manifest(paths=("oven.py", "new.py"))


def test_a_reply_that_goes_on_in_the_middle_is_recognised() -> None:
    """Lines before any header, in a reply that goes on with a file, are the tail of a hunk; hunks then follow."""
    header = Header(old="oven.py", new="oven.py")
    parser = DiffUnits(header)
    units = parser.feed("at\n+spelt\n salt\n" + SECOND) + parser.finish(cut=False)
    assert [unit.value for unit in units[:1]] == [Tail("+spelt\n salt\n")]
    assert units[1].value.header == header


def test_what_was_cut_is_told() -> None:
    """The hunk that was begun, with its file and its first line, up to the last character."""
    parser = DiffUnits()
    parser.feed(HEADER + FIRST + "@@ -20,2 +20,3 @@\n oil\n+but")
    parser.finish(cut=True)
    cut = parser.cut_hunk
    assert cut is not None
    assert (str(cut), cut.text) == ("oven.py @@ -20", "@@ -20,2 +20,3 @@\n oil\n+but")
    assert parser.cut == cut.text


def test_salvageable() -> None:
    """The seed's question: is anything in it that is whole?"""
    assert is_diff_salvageable(HEADER + FIRST + "@@ -20,2")
    assert not is_diff_salvageable(HEADER + FIRST[:-3])
    assert not is_diff_salvageable("I am sorry, I cannot do that.")
    assert not is_diff_salvageable("")
