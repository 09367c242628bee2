"""Hunks onto files and back into a diff: what git makes of it is what we say, and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from diff_writers import diff_between, parts_of
from hypothesis import given
from hypothesis import strategies as st

from generation.diff_reading import read_diff
from generation.diffs import Header, Hunk
from generation.judging import judged
from generation.patching import Patch, salvaged, unsafe_path
from generation.placing import FileText, Placed, render

GOLDEN = Path(__file__).parents[1] / "golden"
lines = st.lists(
    st.sampled_from(["a\n", "b\n", "c\n", "\n", "  d\n", "é\r\n", "-- x\n", "++ y\n", "\\ z\n"]), max_size=25
)
ends = st.sampled_from(["", "end", "end\n"])
contents = st.builds(lambda body, end: "".join(body) + end, lines, ends)


def reader(files: Mapping[str, str]) -> Callable[[str], bytes | None]:
    return lambda path: files[path].encode("utf-8", "surrogateescape") if path in files else None


def git_diff(folder: Path, before: str, after: str) -> str:
    """Git's own diff of one file."""
    (folder / "before").write_text(before, encoding="utf-8", newline="")
    (folder / "after").write_text(after, encoding="utf-8", newline="")
    done = subprocess.run(
        ["git", "diff", "--no-index", "--no-color", "before", "after"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    text = done.stdout.decode()
    return text.replace("a/before", "a/file").replace("b/after", "b/file")


def result(patch: Patch, path: str = "file") -> str | None:
    content = patch.after().get(path)
    return None if content is None else content.decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diffs")


@given(before=contents, after=contents)
def test_applying_the_diff_of_two_files_gives_the_second(folder: Path, before: str, after: str) -> None:
    """``apply(a, diff(a, b)) == b``, for git's diff and for our own of the same change."""
    diff = git_diff(folder, before, after)
    patch = salvaged(diff, reader({"file": before}), cut=False)
    if before == after:
        assert patch.diff() == ""
        return
    assert result(patch) == after
    again = salvaged(patch.diff(), reader({"file": before}), cut=False)
    assert result(again) == after
    assert judged(patch).accepted


@given(before=contents, after=contents, at=st.floats(0, 1))
def test_no_prefix_of_a_diff_changes_what_the_whole_does_not(
    folder: Path, before: str, after: str, at: float
) -> None:
    """However a diff is cut, each line that was changed is one that the whole changes, in the same way."""
    diff = git_diff(folder, before, after)
    whole = salvaged(diff, reader({"file": before}), cut=False)
    part = salvaged(diff[: int(at * len(diff))], reader({"file": before}), cut=True)
    for file in part.files.values():
        assert set(file.text.changes()) <= set(whole.files["file"].text.changes())
        assert judged(part).accepted


@given(before=contents, after=contents)
def test_hunks_that_come_again_change_nothing(folder: Path, before: str, after: str) -> None:
    """The same diff twice, as a model writes it that begins anew, is the same as once."""
    diff = git_diff(folder, before, after)
    patch = salvaged(diff + diff, reader({"file": before}), cut=False)
    assert (before if patch.diff() == "" else result(patch)) == after


@given(before=contents, after=contents)
def test_our_diff_is_gits(folder: Path, before: str, after: str) -> None:
    """What is rendered of a file has git's own hunks: three lines of context, and its marks."""
    diff = git_diff(folder, before, after)
    patch = salvaged(diff, reader({"file": before}), cut=False)
    ours = [part.text.split("@@")[1] for part in parts_of(patch.diff()) if part.text]
    gits = [part.text.split("@@")[1] for part in parts_of(diff) if part.text]
    assert ours == gits or sum(map(len, ours)) <= sum(map(len, gits)) + 40  # another, as short, way to say it


OVEN = """\
import flour

def bake(bread):
    heat(220)
    wait(40)
    return bread

def cool(bread):
    wait(60)
    return bread

def slice_(bread, count):
    for _ in range(count):
        cut(bread)
    return bread
"""
HEAD = "--- a/oven.py\n+++ b/oven.py\n"


def placed(diff: str, before: str = OVEN) -> tuple[Placed, str]:
    """What became of the one hunk in ``diff``, and the file after it."""
    patch = Patch(reader({"oven.py": before}))
    (unit,) = read_diff(HEAD + diff + "# END-OF-DIFF\n")[:-1]
    became = patch.add(unit.value)
    return became, result(patch, "oven.py") or before


@pytest.mark.parametrize(
    ("hunk", "note"),
    [
        ("@@ -3,3 +3,3 @@\n def bake(bread):\n-    heat(220)\n+    heat(200)\n     wait(40)\n", ""),
        (
            "@@ -90,3 +90,3 @@\n def bake(bread):\n-    heat(220)\n+    heat(200)\n     wait(40)\n",
            "is at line 3, not 90",
        ),
        ("@@ @@\n def bake(bread):\n-    heat(220)\n+    heat(200)\n     wait(40)\n", ""),
        ("@@ -3,9 +3,1 @@\n def bake(bread):\n-    heat(220)\n+    heat(200)\n     wait(40)\n", ""),
        ("@@ -4 +4 @@\n-    heat(220)\n+    heat(200)\n", ""),
        (
            "@@ -3,3 +3,3 @@\n def bake(bread):  \n-    heat(220)\n+    heat(200)\n     wait(40)\n",
            "trailing spaces are not as in the file",
        ),
        (
            "@@ -3,3 +3,3 @@\n def bake(bread):\n\n-    heat(220)\n+    heat(200)\n     wait(40)\n",
            "blank lines are not as in the file",
        ),
        (
            "@@ -3,3 +3,3 @@\n def bake(bread):\n     # hot!\n-    heat(220)\n+    heat(200)\n     wait(40)\n",
            "some context lines are not as in the file",
        ),
        ("@@ -3,3 +3,3 @@\n def bake(bread):\n-heat(220)\n+heat(200)\n wait(40)\n", None),
        ("@@ -4,2 +4,2 @@\n-heat(220)\n+heat(200)\n wait(40)\n", "indentation is not as in the file"),
    ],
)
def test_a_hunk_finds_its_place_although_its_header_or_spaces_are_wrong(hunk: str, note: str | None) -> None:
    """Wrong numbers, no numbers, wrong counts, spaces: the file's own lines stay as they are; it is said."""
    became, after = placed(hunk)
    if note is None:  # not every line is indented less by the same: that is another text
        assert became.outcome == "refused"
        assert after == OVEN
    else:
        assert became == Placed(outcome="kept", note=note)
        assert after == OVEN.replace("heat(220)", "heat(200)")


def test_a_hunk_that_fits_in_two_places_is_refused() -> None:
    """Without a number that tells them apart, nothing is guessed; with one, the nearest is taken."""
    became, after = placed("@@ @@\n-    return bread\n+    return loaf\n")
    assert (became.outcome, after) == ("refused", OVEN)
    assert "lines 6, 10, 15" in became.reason
    became, after = placed("@@ -10 +10 @@\n-    return bread\n+    return loaf\n")
    assert became.outcome == "kept"
    assert after.splitlines()[9] == "    return loaf"


def test_a_hunk_that_is_not_in_the_file_is_shown_the_nearest_lines() -> None:
    """The reason has the real lines, with their numbers."""
    became, after = placed("@@ -3,2 +3,2 @@\n def bake(loaf):\n-    heat(180)\n+    heat(200)\n")
    assert (became.outcome, after) == ("refused", OVEN)
    assert "did you mean line 1 on:\nimport flour\n\ndef bake(bread):\n    heat(220)" in became.reason


def test_of_two_hunks_that_change_the_same_line_the_first_stays() -> None:
    """The second is refused, and says so."""
    patch = Patch(reader({"oven.py": OVEN}))
    for number, outcome in ((200, "kept"), (180, "refused"), (200, "repeat")):
        hunk = f"@@ -3,3 +3,3 @@\n def bake(bread):\n-    heat(220)\n+    heat({number})\n     wait(40)\n"
        (unit,) = read_diff(HEAD + hunk)
        assert patch.add(unit.value).outcome == outcome


def test_a_hunk_may_build_on_the_one_before_it() -> None:
    """Context that an earlier hunk has made is found in the file as it is becoming."""
    first = "@@ -1,2 +1,3 @@\n import flour\n+import salt\n \n"
    second = "@@ -2,2 +2,3 @@\n import salt\n+import yeast\n \n"
    patch = salvaged(HEAD + first + second, reader({"oven.py": OVEN}), cut=False)
    assert (result(patch, "oven.py") or "").startswith("import flour\nimport salt\nimport yeast\n\n")
    assert judged(patch).accepted


@pytest.mark.parametrize("before", [OVEN.replace("\n", "\r\n"), OVEN.rstrip("\n")])
def test_the_files_own_line_breaks_stay(before: str) -> None:
    """A diff with plain line ends for a file with others, and one that forgot the mark at the file's end."""
    became, after = placed(
        "@@ -14,2 +14,2 @@\n         cut(bread)\n-    return bread\n+    return slices\n", before
    )
    assert became.outcome == "kept"
    assert after == before[: before.rindex("return bread")] + before[before.rindex("return bread") :].replace(
        "return bread", "return slices"
    )


def test_a_last_hunk_is_trusted_only_where_it_ends_as_hunks_do() -> None:
    """Counts alone: with as much context behind it as before it, or at the end with a line that was there."""
    patch = Patch(reader({"oven.py": OVEN}))
    whole = "@@ -3,3 +3,3 @@\n def bake(bread):\n-    heat(220)\n+    heat(200)\n     wait(40)\n"
    short = "@@ -8,2 +8,2 @@\n def cool(bread):\n-    wait(60)\n+    wait(90)\n"
    at_end = "@@ -15,1 +15,2 @@\n     return bread\n+# the end\n"
    for hunk, outcome in ((whole, "kept"), (short, "unproven"), (at_end, "unproven")):
        (unit,) = read_diff(HEAD + hunk, cut=True)
        assert patch.add(unit.value).outcome == outcome
    (unit,) = read_diff(HEAD + at_end + "d", cut=True)  # something follows, so the file's end is as it is
    assert patch.add(unit.value).outcome == "kept"


def test_a_mark_that_arrived_ends_the_file() -> None:
    """Behind ``\\ No newline at end of file`` nothing can follow: the hunk is whole, even as the last thing of a cut."""
    mark = "\\ No newline at end of file\n"
    hunk = f"@@ -1 +1 @@\n-v = 1\n{mark}+v = 2\n"
    for reply, after in (
        (f"{HEAD}{hunk}{mark}", "v = 2"),
        (f"{HEAD}{hunk}", None),
        (f"{HEAD}{hunk}{mark[:9]}", None),
    ):
        assert result(salvaged(reply, reader({"oven.py": "v = 1"}), cut=True), "oven.py") == after


NEW = "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1,2 @@\n+one = 1\n+two = 2\n"


def test_a_new_file_is_made_once_and_goes_on_at_its_end() -> None:
    """A small creation, then hunks that append; the same creation again is nothing new, another one is refused."""
    patch = Patch(reader({}))
    more = "--- a/new.py\n+++ b/new.py\n@@ -2,1 +2,2 @@\n two = 2\n+three = 3\n"
    bare = "--- a/new.py\n+++ b/new.py\n@@ -3,0 +4,1 @@\n+four = 4\n"
    other = NEW.replace("one", "uno")
    outcomes = [patch.add(read_diff(text)[0].value).outcome for text in (NEW, NEW, more, bare, bare, other)]
    assert outcomes == ["kept", "repeat", "kept", "kept", "repeat", "refused"]
    assert result(patch, "new.py") == "one = 1\ntwo = 2\nthree = 3\nfour = 4\n"
    assert judged(patch).accepted
    assert patch.diff().startswith(
        "diff --git a/new.py b/new.py\nnew file mode 100644\n--- /dev/null\n+++ b/new.py\n"
    )


def test_a_new_file_that_was_cut_is_absent() -> None:
    """Cut anywhere, even right behind its last line, where its line break might still be taken back."""
    for length in range(len(NEW) + 1):
        assert salvaged(NEW[:length], reader({}), cut=True).diff() == ""
    assert salvaged(NEW + "d", reader({}), cut=True).diff() != ""


def test_a_file_is_deleted_as_a_whole_or_not_at_all() -> None:
    """Every line, or a header that says so and nothing else; never some of its lines."""
    head = "diff --git a/oven.py b/oven.py\ndeleted file mode 100644\n"
    whole = f"{head}--- a/oven.py\n+++ /dev/null\n@@ -1,15 +0,0 @@\n" + "".join(
        f"-{line}\n" for line in OVEN.splitlines()
    )
    for diff in (whole, head):
        patch = salvaged(diff, reader({"oven.py": OVEN}), cut=False)
        assert patch.after() == {"oven.py": None}
        assert judged(patch).accepted
    for length in range(len(whole)):
        assert salvaged(whole[:length], reader({"oven.py": OVEN}), cut=True).diff() == ""
    part = f"{head}--- a/oven.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-import flour\n-\n"
    assert salvaged(part, reader({"oven.py": OVEN}), cut=False).diff() == ""


def test_moves_copies_and_modes(tmp_path: Path) -> None:
    """Git's own diff with a rename that is edited, a copy, a mode and an empty file comes out as it went in."""
    before = {"a.py": OVEN, "b.py": OVEN.replace("bake", "roast"), "run": "#!/bin/sh\n"}
    after = {"c.py": OVEN.replace("220", "200"), "b.py": before["b.py"], "run": "#!/bin/sh\n", "empty": ""}
    diff = diff_between(tmp_path / "repo", before, after)
    diff += "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n"
    diff += "diff --git a/b.py b/d.py\nsimilarity index 100%\ncopy from b.py\ncopy to d.py\n"
    patch = salvaged(diff, reader(before), cut=False)
    made = {path: None if content is None else content.decode() for path, content in patch.after().items()}
    assert made == {
        "a.py": None,
        "c.py": after["c.py"],
        "empty": "",
        "run": "#!/bin/sh\n",
        "d.py": before["b.py"],
    }
    assert judged(patch).accepted
    for part in ("rename from a.py\nrename to c.py\n", "new mode 100755\n", "copy from b.py\ncopy to d.py\n"):
        assert part in patch.diff()


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/etc/passwd",
            "../x.py",
            "a/../../x.py",
            "~/x.py",
            "C:/x.py",
            "a\\x.py",
            "./x.py",
            "a//x.py",
            "a/",
        ),
        *(
            ".git/config",
            "sub/.git/hooks/post-checkout",
            ".GIT/config",
            ".git ./config",
            "git~1/config",
            "a\nb.py",
            "a\0b",
        ),
    ],
)
def test_a_path_that_leads_out_or_is_gits_own_is_refused_before_anything_is_read(path: str) -> None:
    """Law 7: as the file that is changed, made, deleted, or moved from or to."""

    def never(asked: str) -> bytes | None:
        raise AssertionError(asked)

    assert unsafe_path(path)
    patch = Patch(never)
    (unit,) = read_diff("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    hunk = unit.value
    for header in (
        Header(old=path, new=path),
        Header(old=None, new=path),
        Header(old=path, new=None),
        Header(old=path, new="fine.py", move="rename"),
        Header(old="fine.py", new=path, move="copy"),
    ):
        assert patch.add(header).outcome == "refused"
        assert (
            patch.add(
                Hunk(**{**{name: getattr(hunk, name) for name in hunk.__slots__}, "header": header})
            ).outcome
            == "refused"
        )
    assert patch.diff() == ""


def test_binary_files_are_refused() -> None:
    """In the diff, and in the repository."""
    (unit,) = read_diff(
        "diff --git a/x b/x\nnew file mode 100644\nindex 0..1\nGIT binary patch\nliteral 3\nzcm\n"
    )
    assert "binary" in Patch(reader({})).add(unit.value).reason
    (unit,) = read_diff("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    assert "binary" in Patch(lambda _: b"a\0b").add(unit.value).reason


def test_an_unknown_path_is_answered_with_a_known_one() -> None:
    """The same name elsewhere, or a name that is much like it."""
    patch = Patch(reader({}), ("src/oven.py", "src/store.py"))
    for path, meant in (("oven.py", "src/oven.py"), ("src/stor.py", "src/store.py")):
        (unit,) = read_diff(f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n")
        assert patch.add(unit.value).reason == f"there is no {path}; did you mean {meant}"


@pytest.mark.parametrize("mode", ["120000", "160000", "040000"])
def test_links_and_other_repositories_are_never_made(mode: str) -> None:
    """A mode that is not a plain file's is refused."""
    link = f"diff --git a/x b/x\nnew file mode {mode}\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc/passwd\n"
    assert salvaged(link, reader({}), cut=False).diff() == ""


@pytest.mark.parametrize(
    ("name", "hunks"),
    [
        *(("git_cr", 1), ("git_delete", 1), ("git_filenames_with_spaces", 1), ("git_no_prefix", 4)),
        *(("git_quoted_filename", 1), ("git_rename", 2), ("sample4", 3), ("sample5", 2)),
        *(("sample6", 1), ("sample7", 1)),  # their last hunk is longer, or shorter, than its header says
    ],
)
def test_published_samples_are_read_to_their_last_hunk(name: str, hunks: int) -> None:
    """Tool authors' own samples, with their CRLF, spaces, quotes, renames and deletions."""
    text = (GOLDEN / "samples" / f"unidiff-{name}.diff").read_bytes().decode("utf-8", "surrogateescape")
    found = [unit.value for unit in read_diff(text)]
    assert len([one for one in found if isinstance(one, Hunk)]) == hunks
    assert all((one.header if isinstance(one, Hunk) else one).path for one in found)


BAKERY = (GOLDEN / "written" / "before.txt").read_text(encoding="utf-8")
WHOLE = (GOLDEN / "written" / "after.txt").read_text(encoding="utf-8")
CUT = WHOLE.replace("< 19", "< 18").replace("Good evening", "Good night")


@pytest.mark.parametrize("name", sorted(path.stem for path in (GOLDEN / "written").glob("[a-z]*.md")))
def test_every_way_to_write_a_diff_gives_the_same_file(name: str) -> None:
    """Replies with the defects that models' diffs have, each in a file of its own; those cut lack the last hunk."""
    reply = (GOLDEN / "written" / f"{name}.md").read_bytes().decode()
    cut = name.startswith("cut")
    patch = salvaged(reply, reader({"bakery.py": BAKERY}), cut=cut)
    assert result(patch, "bakery.py") == (CUT if cut else WHOLE)
    assert judged(patch).accepted


@pytest.mark.parametrize("name", ["aider-useragent-httpx", "aider-useragent-requests"])
def test_real_replies(name: str) -> None:
    """A model's own words around its diff, and hunks without numbers: the new file is what it wrote."""
    reply = (GOLDEN / "replies" / f"{name}.md").read_text(encoding="utf-8")
    patch = salvaged(reply, reader({}), cut=False)
    written = [
        line[1:] + "\n" for line in reply.splitlines() if line[:1] == "+" and not line.startswith("+++")
    ]
    assert result(patch, "useragent.py") == "".join(written)
    assert judged(patch).accepted


def test_a_hunk_of_a_function_that_is_not_there_is_not_put_into_another() -> None:
    """Context that was invented may be a comment, never what says where the hunk belongs."""
    became, after = placed("@@ -3,2 +3,2 @@\n def roast(bread):\n-    wait(40)\n+    wait(50)\n")
    assert (became.outcome, after) == ("refused", OVEN)


def test_a_number_that_is_right_is_heeded_whatever_was_wrong_before() -> None:
    """The hunk before had a wrong number; this one stands to the letter where it says."""
    lines = [f"line {number % 40}\n" for number in range(400)]
    first = "@@ -1,3 +1,3 @@\n line 20\n-unique\n+one\n line 21\n"
    lines[220:221] = ["line 20\n", "unique\n"]
    second = "@@ -20,3 +20,3 @@\n line 19\n-line 20\n+two\n line 21\n"
    patch = salvaged(HEAD + first + second, reader({"oven.py": "".join(lines)}), cut=False)
    made = (result(patch, "oven.py") or "").splitlines()
    assert made.index("two") == 20


def test_a_second_place_is_never_lost_as_a_repeat() -> None:
    """The same change at 10 and 20; a number nearer to the first place, which is done: it is refused, not forgotten."""
    text = "".join("same\n" if number in {10, 20} else f"line {number}\n" for number in range(1, 31))
    patch = Patch(reader({"oven.py": text}))
    for start, outcome in ((10, "kept"), (13, "refused"), (20, "kept"), (14, "refused")):
        (unit,) = read_diff(f"{HEAD}@@ -{start} +{start} @@\n-same\n+other\n")
        assert patch.add(unit.value).outcome == outcome
    (unit,) = read_diff(f"{HEAD}@@ @@\n-same\n+other\n```\n")
    assert patch.add(unit.value).outcome == "repeat"  # word for word one that was kept


def test_lines_that_repeat_themselves_can_be_appended() -> None:
    """An append that equals the last line is one, if its number says that it follows."""
    patch = Patch(reader({"oven.py": "a\n"}))
    for start in (1, 2):
        (unit,) = read_diff(f"{HEAD}@@ -{start},0 +{start + 1} @@\n+a\n")
        assert patch.add(unit.value).outcome == "kept"
    assert result(patch, "oven.py") == "a\na\na\n"


def test_a_rename_that_is_refused_takes_its_hunks_along() -> None:
    """They are not put into the other file that stands there already."""
    move = "diff --git a/a.py b/oven.py\nrename from a.py\nrename to oven.py\n"
    hunk = "@@ -4 +4 @@\n-    heat(220)\n+    heat(200)\n"
    patch = salvaged(
        f"{move}--- a/a.py\n+++ b/oven.py\n{hunk}", reader({"a.py": OVEN, "oven.py": OVEN}), cut=False
    )
    assert (patch.diff(), len(patch.refused)) == ("", 2)


def test_a_file_that_moved_may_leave_another_in_its_place() -> None:
    """A rename, and a new file under the old name: git takes both."""
    move = "diff --git a/oven.py b/stove.py\nrename from oven.py\nrename to stove.py\n"
    shim = "--- /dev/null\n+++ b/oven.py\n@@ -0,0 +1 @@\n+from stove import *\n"
    patch = salvaged(move + shim + "d", reader({"oven.py": OVEN}), cut=False)
    assert patch.after() == {"stove.py": OVEN.encode(), "oven.py": b"from stove import *\n"}
    assert judged(patch).accepted


def test_one_file_that_git_refuses_does_not_take_the_others_along() -> None:
    """A file and a folder of one name cannot both be; the rest of the diff stands."""
    new = "--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+x\n"
    hunk = f"{HEAD}@@ -4 +4 @@\n-    heat(220)\n+    heat(200)\n"
    patch = salvaged(new.format("x") + new.format("x/y") + hunk + "d", reader({"oven.py": OVEN}), cut=False)
    verdict = judged(patch)
    assert set(verdict.refused) == {"x/y"}
    assert judged(patch.without(["x/y"])).accepted


def test_a_new_file_that_is_begun_anew_with_more_is_the_longer_one() -> None:
    """A creation that begins with what there is of the file, as a model writes it that starts again."""
    patch = Patch(reader({}))
    longer = NEW.replace("+1,2 @@", "+1,3 @@") + "+three = 3\n"
    assert [patch.add(read_diff(text)[0].value).outcome for text in (NEW, longer)] == ["kept", "kept"]
    assert result(patch, "new.py") == "one = 1\ntwo = 2\nthree = 3\n"


def test_half_of_a_new_file_is_not_salvaged() -> None:
    """Its second hunk was cut: the file is absent, and told."""
    more = "--- a/new.py\n+++ b/new.py\n@@ -2,1 +2,2 @@\n two = 2\n+three"
    patch = salvaged(NEW + more, reader({}), cut=True)
    assert patch.diff() == ""
    assert len(patch.refused) == 2


def test_a_file_whose_new_name_is_nothing_is_deleted() -> None:
    """``+++ /dev/null`` and no lines: it is the file that goes. Two names and no move: it is said which is changed."""
    patch = salvaged("--- a/oven.py\n+++ /dev/null\n# END-OF-DIFF\n", reader({"oven.py": OVEN}), cut=False)
    assert patch.after() == {"oven.py": None}
    (unit,) = read_diff("--- a/oven.py\n+++ b/stove.py\n@@ -4 +4 @@\n-    heat(220)\n+    heat(200)\n")
    became = Patch(reader({"oven.py": OVEN})).add(unit.value)
    assert became == Placed(outcome="kept", note="there is no stove.py, it changes oven.py")


def test_blank_lines_that_are_there_keep_their_place() -> None:
    """A paragraph that goes between two others stays a paragraph although another blank line is missing."""
    text = "one word\n\ntwo words\n\n\nthree words\n"
    hunk = "@@ -1,5 +1,7 @@\n one word\n \n+new words\n+\n two words\n \n three words\n"
    patch = salvaged(f"{HEAD}{hunk}", reader({"oven.py": text}), cut=False)
    assert result(patch, "oven.py") == text.replace("two words", "new words\n\ntwo words")


def test_what_is_not_in_a_patch_is_told() -> None:
    """Law 3: each hunk that does not fit, and the one that is not whole, with a reason."""
    bad = "@@ -3,2 +3,2 @@\n def bake(loaf):\n-    heat(180)\n+    heat(200)\n"
    half = "@@ -8,4 +8,4 @@\n def cool(bread):\n-    wait(60)\n"
    patch = salvaged(HEAD + bad + half, reader({"oven.py": OVEN}), cut=True)
    (first, why), (second, also) = patch.refused
    assert (str(first), str(second)) == ("oven.py @@ -3,2", "oven.py @@ -8")
    assert why.startswith("its lines are not in the file")
    assert also == "nothing shows that it is whole"


def test_render_of_nothing_is_nothing() -> None:
    """A file without changes has no hunks."""
    assert render(FileText(["a\n"])) == ""
