"""The diff as a task: what is asked for next, whatever came before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from diff_writers import git, repository

from generation.code_context import CodeContext
from generation.codegen import Codegen, CodegenJournal, write_diff
from generation.diff_writing import DiffTask
from generation.limits import limits_of
from generation.model import ScriptedModel
from generation.moves import Move
from generation.patching import Patch
from generation.repository import Repository
from rag.errors import ModelFailure
from rag.tokens import counter_for

OVEN = "".join(f"line_{number} = {number}\n" for number in range(1, 41))
HEAD = "--- a/oven.py\n+++ b/oven.py\n"
END = "# END-OF-DIFF\n"


def hunk(line: int, new: str) -> str:
    """Line ``line`` of the oven replaced."""
    around = "".join(f" line_{number} = {number}\n" for number in (line + 1, line + 2, line + 3))
    before = "".join(f" line_{number} = {number}\n" for number in (line - 3, line - 2, line - 1))
    return f"@@ -{line - 3},7 +{line - 3},7 @@\n{before}-line_{line} = {line}\n+{new}\n{around}"


FIVE, NINETEEN, THIRTY = hunk(5, "five = 5"), hunk(19, "nineteen = 19"), hunk(30, "thirty = 30")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(repository(tmp_path / "repo", {"oven.py": OVEN, "shop.py": OVEN}))


class Run:
    """One run against prepared replies."""

    def __init__(
        self, repo: Repository, *replies: str | ModelFailure | tuple[str, ModelFailure], token: str = "t"
    ) -> None:
        self.model = ScriptedModel(limits_of("gpt-4o-mini"), list(replies))
        self.journal = CodegenJournal(repo.root.parent / f"{token}.jsonl")
        counter = counter_for("o200k_base")
        self.result: Codegen = asyncio.run(
            write_diff(
                "Rename lines.",
                repo,
                files=["oven.py"],
                model=self.model,
                counter=counter,
                journal=self.journal,
                token=token,
                max_retries=1,
            )
        )

    def asked(self, number: int) -> str:
        return self.model.requests[number].messages[-1].content


CUT = ModelFailure("the connection was lost", kind="interrupted")


def test_the_first_request_has_the_request_the_files_and_the_form(repo: Repository) -> None:
    """And nothing about earlier replies; temperature 0.2, the first cap 4096."""
    run = Run(repo, HEAD + FIVE + END)
    (request,) = run.model.requests
    assert (request.temperature, request.max_tokens) == (0.2, 4096)
    assert "# END-OF-DIFF" in request.messages[0].content
    assert request.messages[1].content.startswith(
        "The request:\nRename lines.\n\nThe files as they are:\n\n== oven.py: all 40"
    )
    assert "kept" not in request.messages[1].content
    assert (run.result.status, run.result.verified) == ("complete", True)


def test_a_cut_reply_goes_on_at_the_cut_hunk(repo: Repository) -> None:
    """What is kept by file and range, what there was of the cut hunk, and where to go on; the file is known."""
    run = Run(repo, (HEAD + FIVE + NINETEEN[:60], CUT), NINETEEN + THIRTY + END)
    said = run.asked(1)
    assert "These 1 hunks are kept. Never write them again:\n- oven.py: @@ -2,7 @@" in said
    assert (
        f"a hunk of oven.py was cut off and is not kept. Write it again, from its @@ line on. There was of it:\n{NINETEEN[:60]}"
        in said
    )
    assert run.result.status == "continued"
    assert sum(file.hunks_kept for file in run.result.files) == 3
    git(repo.root, "apply", "--check", "-", stdin=run.result.diff)


def test_hunks_that_come_again_are_not_progress(repo: Repository) -> None:
    """A model that repeats itself is stopped, and what is whole is returned."""
    run = Run(repo, *[(HEAD + FIVE + NINETEEN[:60], CUT)] * 3)
    assert run.result.status == "partial"
    assert len(run.model.requests) == 3
    assert [one.path for one in run.result.missing] == ["oven.py", ""]
    assert "five" in run.result.diff


def test_files_that_are_done_are_not_shown_again(repo: Repository) -> None:
    """With a manifest, context is only of what is not finished."""
    files = "FILES:\n- oven.py\n- shop.py\n"
    shop = HEAD.replace("oven", "shop")
    run = Run(repo, (files + HEAD + FIVE + shop + NINETEEN[:60], CUT), shop + NINETEEN + END)
    assert "== oven.py" in run.asked(0)
    assert "== oven.py" not in run.asked(1)
    assert "== shop.py" in run.asked(1)
    assert any("only files that are not finished: shop.py" in line for line in run.result.calls[1].left_out)


def test_a_new_file_larger_than_a_reply_is_made_and_then_appended_to(repo: Repository) -> None:
    """A small creation, then hunks at its end, of which the model is shown the last lines; it is whole or absent."""
    new = "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1,2 @@\n+one = 1\n+two = 2\n"
    more = "--- a/new.py\n+++ b/new.py\n@@ -2,1 +2,2 @@\n two = 2\n+three = 3\n"
    run = Run(repo, (new + more[:60], CUT), more + END)
    assert (
        "new.py is created so far with 2 lines. Append at its end, which is now:\none = 1\ntwo = 2"
        in run.asked(1)
    )
    assert run.result.patch.after() == {"new.py": b"one = 1\ntwo = 2\nthree = 3\n"}
    part = Run(repo, (HEAD + FIVE + new + more[:60], CUT), "", "", token="other")
    assert part.result.status == "partial"
    assert "new.py" not in part.result.diff
    assert any(one.path == "new.py" and "left out" in one.reason for one in part.result.missing)
    again = Run(repo, more + END, token="other")  # its lines were kept
    assert again.result.status == "continued"
    assert again.result.patch.after()["new.py"] == b"one = 1\ntwo = 2\nthree = 3\n"


def test_a_resumed_run_asks_again_for_what_no_longer_fits(repo: Repository) -> None:
    """The file has changed since: the hunk is refused with its real lines, and written again."""
    Run(repo, (HEAD + FIVE + NINETEEN, CUT), CUT, CUT, CUT)
    (repo.root / "oven.py").write_text(OVEN.replace("line_5 = 5", "line_5 = 55"))
    mended = FIVE.replace("line_5 = 5\n", "line_5 = 55\n")
    run = Run(Repository(repo.root), HEAD + mended + END)
    assert "a hunk of oven.py was refused: its lines are not in the file; did you mean line" in run.asked(0)
    assert run.result.status == "continued"
    git(repo.root, "apply", "--check", "-", stdin=run.result.diff)


def test_a_cut_hunk_that_is_given_up_is_missing(repo: Repository) -> None:
    """The model ends without it: asked once more, then reported with the line that it began at."""
    run = Run(repo, (HEAD + FIVE + NINETEEN[:60], CUT), HEAD + THIRTY + END, END, END)
    assert run.result.status == "partial"
    (missing,) = run.result.missing
    assert (missing.path, missing.reason) == ("oven.py", "cut: the reply ended in it (interrupted)")
    assert f"There was of it:\n{NINETEEN[:60]}" in run.asked(2)
    assert run.result.files[0].hunks_dropped == 1


def test_a_cut_after_the_end_was_said_is_no_less_a_cut(repo: Repository) -> None:
    """A file that was forgotten comes in a second reply, and is cut there: it is not whole because of the first."""
    new = "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1,2 @@\n+one = 1\n+two = 2\n"
    more = "--- a/new.py\n+++ b/new.py\n@@ -2,1 +2,2 @@\n two = 2\n+thr"
    first = f"FILES:\n- oven.py\n- new.py\n{HEAD}{FIVE}{END}"
    run = Run(repo, first, (new + more, CUT), "", "")
    assert run.result.status == "partial"
    assert "new.py" not in run.result.diff
    assert {one.path for one in run.result.missing} == {"new.py", ""}


def test_hunks_without_a_header_belong_to_the_file_that_was_written_last(repo: Repository) -> None:
    """Not to one that was cut long before: the files have the same lines, and nothing would tell."""
    shop = HEAD.replace("oven", "shop")
    run = Run(
        repo,
        (HEAD + FIVE + NINETEEN[:60], CUT),
        (shop + FIVE + NINETEEN, CUT),
        THIRTY + END,
        HEAD + NINETEEN + END,
    )
    after = {path: (content or b"").decode() for path, content in run.result.patch.after().items()}
    assert "thirty" in after["shop.py"]
    assert "thirty" not in after["oven.py"]
    assert run.result.status == "continued"


def test_a_prompt_that_is_made_anew_changes_nothing(repo: Repository) -> None:
    """Where it does not fit at once it is composed several times: hunks without a header still find their file."""
    task = DiffTask(
        context=CodeContext(
            repository=repo,
            request="x",
            named=["oven.py"],
            counter=counter_for("o200k_base"),
            budget_tokens=99,
        ),
        patch=Patch(repo.read),
        counter=counter_for("o200k_base"),
    )
    replies = (
        (HEAD + FIVE + HEAD.replace("oven", "shop") + NINETEEN[:60], "length"),
        (NINETEEN + END, "stop"),
    )
    for text, reason in replies:
        for save_tokens in (0, 50, 100):
            ask = task.ask(["diff"], Move(at_once=1, strategy="continue"), save_tokens=save_tokens)
        for unit in [*ask.parser.feed(text), *ask.parser.finish(cut=reason == "length")]:
            task.keep(unit)
        task.ended(reason)
    assert task.missing() == []
    assert list(task.patch.files) == ["oven.py", "shop.py"]


def test_a_header_that_was_cut_is_answered_by_its_file(repo: Repository) -> None:
    """The rest of it, in the middle of a line, is no hunk's tail."""
    run = Run(
        repo,
        (HEAD + FIVE + "diff --git a/shop.py b/shop.py\n--- a/sh", CUT),
        "op.py\n+++ b/shop.py\n" + NINETEEN + END,
        HEAD.replace("oven", "shop") + NINETEEN + END,
        END,
    )
    assert run.result.status == "continued"
    assert "nineteen" in (run.result.patch.after()["shop.py"] or b"").decode()


LAST = "@@ -38,3 +38,4 @@\n line_38 = 38\n line_39 = 39\n line_40 = 40\n+last = 41\n"


@pytest.mark.parametrize(("rest", "ends"), [("", "\n"), ("\\ No newline at end of file\n", "")])
def test_a_hunk_that_was_cut_right_behind_its_last_line(repo: Repository, rest: str, ends: str) -> None:
    """It may lack the mark of a missing line break: that comes, or the model has nothing to add. It is not lost."""
    run = Run(repo, (HEAD + LAST, CUT), rest + END)
    assert "was cut off and is not kept" in run.asked(1)
    assert run.result.status == "continued"
    assert run.result.patch.after()["oven.py"] == f"{OVEN}last = 41{ends}".encode()
    again = Run(repo, token="t")  # it is in the journal: nobody is asked
    assert again.result.diff == run.result.diff


def test_a_refused_hunk_is_answered_by_nothing_else(repo: Repository) -> None:
    """Others with its number, or in the same reply, do not make it good; two with one number are two."""
    bad = [FIVE.replace("line_5 = 5", f"line_5 = {wrong}").replace("-2,7", "-1,7") for wrong in ("55", "555")]
    good = NINETEEN.replace("-16,7", "-1,7")
    run = Run(repo, HEAD + bad[0] + bad[1] + good + END, END, END)
    assert run.result.status == "partial"
    assert [one.path for one in run.result.missing] == ["oven.py", "oven.py"]
    assert run.result.files[0].hunks_dropped == 2


def test_a_cut_hunk_is_not_answered_by_one_far_away(repo: Repository) -> None:
    """One line of it that stands there as well proves nothing."""
    cut = THIRTY[: THIRTY.index("-line_30")].replace("line_28", "line_6").replace("line_29", "line_7")
    run = Run(repo, (HEAD + FIVE + cut, CUT), HEAD + hunk(9, "nine = 9") + END, END, END)
    assert run.result.status == "partial"


def test_a_killed_run_remembers_what_was_refused_and_announced(repo: Repository) -> None:
    """The reply was never put down whole: its manifest and the hunk that did not fit are there all the same."""
    bad = FIVE.replace("line_5 = 5", "line_5 = 55")
    run = Run(
        repo, (f"FILES:\n- oven.py\n- shop.py\n{HEAD}{bad}{NINETEEN}{THIRTY}", CUT), CUT, CUT, token="killed"
    )
    lines = [line for line in run.journal.path.read_text().splitlines() if '"reply"' not in line]
    run.journal.path.write_text("\n".join(lines))
    again = Run(repo, END, END, END, token="killed")
    missing = {one.path for one in again.result.missing}
    assert again.result.status == "partial"
    assert missing == {"oven.py"}  # shop.py was asked for, and left alone
    assert any("shop.py was announced" in warning for warning in again.result.warnings)


def test_a_rename_that_was_announced_by_both_names_is_done(repo: Repository) -> None:
    """And the file of a hunk that was cut after it is shown under the name that it still has."""
    move = "diff --git a/oven.py b/stove.py\nrename from oven.py\nrename to stove.py\n--- a/oven.py\n+++ b/stove.py\n"
    files = "FILES:\n- oven.py\n- stove.py\n"
    assert Run(repo, files + move + FIVE + END).result.status == "complete"
    run = Run(repo, (files + move + FIVE + NINETEEN[:60], CUT), move + NINETEEN + END, token="cut")
    assert run.result.status == "continued"
    assert "== oven.py: all 40 lines" in run.asked(1)


def test_what_was_applied_by_hand_is_not_done_twice(repo: Repository) -> None:
    """The diff of a partial run was applied, then the run is resumed: an insertion does not come again."""
    insertion = "@@ -1,3 +1,4 @@\n+import os\n line_1 = 1\n line_2 = 2\n line_3 = 3\n"
    part = Run(repo, (HEAD + insertion + NINETEEN[:60], CUT), CUT, CUT)
    git(repo.root, "apply", "-", stdin=part.result.diff)
    run = Run(Repository(repo.root), HEAD + NINETEEN + END)
    assert run.result.status == "continued"
    assert "import os" not in "".join(line for line in run.result.diff.splitlines() if line.startswith("+"))
    assert any("is in the file already" in warning for warning in run.result.warnings)


def test_no_change_at_all_is_not_a_success(repo: Repository) -> None:
    """The mark alone: nothing was written, and that is said."""
    run = Run(repo, END)
    assert (run.result.status, run.result.diff, run.result.verified) == ("failed", "", False)
    assert run.result.missing[0].reason == "the model wrote no change"


def test_every_reply_is_in_the_journal(repo: Repository) -> None:
    """As it was, with the reason why it ended, beside the hunks as they came."""
    replies = [HEAD + FIVE + NINETEEN[:60], NINETEEN + END]
    run = Run(repo, (replies[0], CUT), replies[1])
    entries = run.journal.entries()
    assert [entry["reply"] for entry in entries if "reply" in entry] == replies
    assert [entry["reason"] for entry in entries if "reply" in entry] == ["interrupted", "stop"]
    assert [entry["unit"].count("@@ -") for entry in entries if "unit" in entry] == [
        1,
        1,
        0,
    ]  # and the end's mark
