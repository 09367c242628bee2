"""``hookline codegen`` from end to end: a real repository, real git, and a strict server with a small cap."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from diff_writers import DiffWriter, Habit, diff_between, edited, git, parts_of, repository
from filelock import FileLock
from samples import ROOT
from strict_openai import QUOTA, Disconnect, Malformed, Ok, ReasoningEatsAll, StrictServer, rate_limited

from hookline import cli, codegen
from hookline.settings import load_settings
from rag.errors import BadInput

CAP = 512
NAMES = ("packing.py", "tokens.py", "retry.py", "store.py")
BEFORE = {
    **{f"src/{name}": (ROOT / "rag" / name).read_text(encoding="utf-8") for name in NAMES},
    "move/me.py": (ROOT / "rag" / "dedupe.py").read_text(encoding="utf-8"),
    "old/gone.py": "a = 1\nb = 2\n",
}
AFTER = {
    **{f"src/{name}": edited(BEFORE[f"src/{name}"], seed) for seed, name in enumerate(NAMES)},
    "moved/me.py": edited(BEFORE["move/me.py"], 9, every=12),
    "src/new.py": "".join(f"value_{number} = {number}\n" for number in range(20)),
}
REQUEST = "Change what is to be changed, and move me.py"


@pytest.fixture(scope="module")
def diff(tmp_path_factory: pytest.TempPathFactory) -> str:
    return diff_between(tmp_path_factory.mktemp("truth") / "repo", BEFORE, AFTER)


@pytest.fixture(name="serve")
def serve_cut(serve: Callable[..., StrictServer]) -> Callable[..., StrictServer]:
    """A server that cuts what ``writer`` writes."""
    return lambda writer, **options: serve(**{"writer": writer, "reply_cap": CAP, **options})


@pytest.fixture
def repo(workplace: Path) -> Path:
    return repository(workplace / "repo", BEFORE)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the JSON and what stderr says."""
    capsys.readouterr()
    code = cli.run(["codegen", *arguments, "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out else {}, printed.err


def files() -> list[str]:
    return [argument for path in BEFORE for argument in ("--file", path)]


def tree(repo: Path) -> dict[str, str]:
    return {
        str(path.relative_to(repo)): path.read_text(encoding="utf-8")
        for path in sorted(repo.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


def applied(repo: Path, diff: str) -> dict[str, str]:
    """What git makes of the repository with ``diff``."""
    git(repo, "apply", "-", stdin=diff)
    return tree(repo)


@pytest.mark.parametrize("habit", ["asked", "restarts"])
def test_a_diff_of_many_replies_is_the_whole_diff(
    habit: Habit,
    diff: str,
    repo: Path,
    serve: Callable[..., StrictServer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Cut every 512 tokens: the final tree is that of the full diff, and little is paid for twice."""
    writer = DiffWriter(diff, habit, CAP)
    server = serve(writer)
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), *files())
    assert (code, report["status"], report["verified"], report["missing"]) == (0, "continued", True, [])
    assert tree(repo) == BEFORE  # nothing touches the work tree without --apply
    assert applied(repo, report["diff"]) == AFTER
    ideal = len(server.encodings["o200k_base"].encode_ordinary(writer.whole))
    paid = report["tokens"]["output"]
    assert ideal > 4 * CAP
    assert paid < 1.35 * ideal
    assert (
        sum(file["hunks_kept"] for file in report["files"]) == len(parts_of(diff)) + 1
    )  # a rename and its hunks
    assert {call["strategy"] for call in report["calls"]} == {"first", "continue"}


def test_a_model_that_goes_on_in_the_middle_loses_only_the_hunks_that_were_cut(
    diff: str, repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything else is there, each of them was asked for again, and each is reported."""
    writer = DiffWriter(diff, "middle", CAP)
    serve(writer)
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), *files())
    assert (code, report["status"], report["verified"]) == (3, "partial", True)
    true = {part.text for part in parts_of(diff) if part.text}
    kept = "\n".join(line for line in report["diff"].splitlines() if line.startswith(("+", "-")))
    whole = [
        part for part in true if "\n".join(line for line in part.splitlines() if line[:1] in "+-") in kept
    ]
    lost = len(true) - len(whole)
    assert 1 <= lost <= len(report["calls"])
    assert len(report["missing"]) == lost
    assert all(one["reason"].startswith("cut") for one in report["missing"])
    assert "was cut off and is not kept" in writer.seen[-1]
    applied(repo, report["diff"])


def test_a_model_that_begins_anew_every_time_ends_partial(
    diff: str, repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """It can never end: after ``max_retries`` more rounds without a new hunk, what is whole is returned."""
    serve(DiffWriter(diff, "everything", CAP))
    code, report, said = run(capsys, REQUEST, "--repo", str(repo), *files())
    assert (code, report["status"], report["verified"]) == (3, "partial", True)
    assert [call["units_kept"] > 0 for call in report["calls"]] == [True, False, False, False]
    missing = {one["path"] for one in report["missing"]}
    assert {"src/new.py", "src/tokens.py", ""} <= missing
    assert "3 rounds in a row brought nothing new" in said
    applied(repo, report["diff"])


def test_what_was_partial_is_resumed_and_applied(
    diff: str, repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """A quota ends the run in the middle: 3, then --resume asks for the rest alone and --apply writes all of it."""
    writer = DiffWriter(diff, "asked", CAP)
    serve(writer, faults=[Disconnect(300), rate_limited(ms=1), QUOTA])
    code, report, said = run(capsys, REQUEST, "--repo", str(repo), "--apply", *files())
    assert (code, report["status"], report["applied"]) == (3, "partial", [])
    assert "quota" in json.dumps(report["missing"])
    assert "not applied" in said
    assert tree(repo) == BEFORE
    kept = sum(file["hunks_kept"] for file in report["files"])
    assert kept >= 2
    server, asked = serve(writer), len(writer.seen)
    token = report["resume_token"]
    code, report, _ = run(capsys, "--repo", str(repo), "--resume", token, "--apply")
    assert (code, report["status"], report["resume_token"]) == (0, "continued", token)
    assert tree(repo) == AFTER
    assert set(report["applied"]) == {
        path for path in {*BEFORE, *AFTER} if BEFORE.get(path) != AFTER.get(path)
    }
    assert f"These {kept} hunks are kept" in writer.seen[asked]
    asked = len(server.requests)
    code, report, _ = run(
        capsys, "--repo", str(repo), "--resume", token
    )  # all of it is there: nobody is asked
    assert len(server.requests) == asked


def test_a_killed_run_is_resumed_from_its_hunks(
    diff: str, repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal that ends anywhere is gone on with: the tree is the same, and no hunk in it is written again."""
    writer = DiffWriter(diff, "asked", CAP)
    serve(writer)
    _, report, _ = run(capsys, REQUEST, "--repo", str(repo), *files())
    (journal,) = Path(".hookline/journal").glob("codegen-*.jsonl")
    whole = journal.read_bytes()
    for share in (0.3, 0.62, 0.9):
        journal.write_bytes(whole[: int(share * len(whole))])
        _, again, _ = run(capsys, "--repo", str(repo), "--resume", report["resume_token"])
        assert again["diff"] == report["diff"]
        assert again["tokens"]["output"] < report["tokens"]["output"]


def test_the_raw_replies_are_kept(
    diff: str, repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """Word for word, in the journal that the token names."""
    server = serve(DiffWriter(diff, "asked", CAP))
    _, report, _ = run(capsys, REQUEST, "--repo", str(repo), *files())
    journal = Path(f".hookline/journal/codegen-{report['resume_token']}.jsonl")
    entries = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines() if line]
    assert [entry["reply"] for entry in entries if "reply" in entry] == [
        reply.text for reply in server.replies
    ]


def replying(*replies: str) -> Callable[[Any], str]:
    """A model that gives these replies in turn, the last one for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


TITLE = "--- a/src/store.py\n+++ b/src/store.py\n@@ -1,3 +1,3 @@\n-{0}\n+# changed\n{1}\n{2}\n"
LINES = BEFORE["src/store.py"].splitlines()
GOOD = TITLE.format(LINES[0], " " + LINES[1], " " + LINES[2])


def test_a_hunk_that_does_not_fit_is_sent_back_with_the_real_lines(
    repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """The model sees why and what stands there, and mends it; the rest is not asked for again."""
    bad = GOOD.replace(LINES[0], "'''Where chunks are.'''")
    server = serve(replying(bad + "# END-OF-DIFF\n", GOOD + "# END-OF-DIFF\n"))
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), "--file", "src/store.py")
    assert (code, report["status"]) == (0, "continued")
    assert "was refused: its lines are not in the file" in server.requests[1].last_text
    assert report["files"] == [{"path": "src/store.py", "hunks_kept": 1, "hunks_dropped": 0}]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../outside.py", "leaves the repository"),
        ("/etc/passwd", "leaves the repository"),
        (".git/hooks/post-checkout", "git's own"),
        ("out/passwd", "is a link"),
        ("secret.env", "ignored"),
    ],
)
def test_paths_that_try_to_escape_are_refused(
    path: str,
    why: str,
    repo: Path,
    workplace: Path,
    serve: Callable[..., StrictServer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is written there, it is said why, and the rest of the diff is unharmed."""
    (workplace / "elsewhere").mkdir()
    (repo / "out").symlink_to(workplace / "elsewhere")
    (repo / ".gitignore").write_text("*.env\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "ignore")
    evil = f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+evil\n"
    serve(replying(GOOD + evil + "# END-OF-DIFF\n"))
    everywhere = sorted(map(str, workplace.rglob("*")))
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), "--apply", "--file", "src/store.py")
    assert (code, report["status"]) == (3, "partial")
    assert any(why in one["reason"] for one in report["missing"])
    assert [file["path"] for file in report["files"] if file["hunks_kept"]] == ["src/store.py"]
    journals = sorted(str(one) for one in workplace.rglob("*") if ".hookline" in one.parts)
    assert sorted({*everywhere, *journals}) == sorted(map(str, workplace.rglob("*")))


def test_applying_over_changes_that_are_in_no_commit_is_refused(
    repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """A dirty tree: a change elsewhere is no obstacle, one that would be overwritten is, and nothing is lost."""
    dirty = GOOD.replace(f"-{LINES[0]}", "-mine")
    (repo / "src" / "store.py").write_text(BEFORE["src/store.py"].replace(LINES[0], "mine", 1))
    (repo / "src" / "tokens.py").write_text("mine\n")
    serve(replying(dirty + "# END-OF-DIFF\n", GOOD + "# END-OF-DIFF\n"))
    before = tree(repo)
    code, _, said = run(capsys, REQUEST, "--repo", str(repo), "--apply", "--file", "src/store.py")
    assert code == 2
    assert "src/store.py has changes that are in no commit" in said
    assert "--resume" in said
    assert tree(repo) == before
    (repo / "src" / "store.py").write_text(BEFORE["src/store.py"])
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), "--apply", "--file", "src/store.py")
    assert (code, report["applied"]) == (0, ["src/store.py"])
    assert (repo / "src" / "tokens.py").read_text() == "mine\n"


def test_a_reply_without_the_end_mark_is_asked_whether_it_was_whole(
    repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """``stop`` is not believed: a model that then writes the mark alone had ended, one that never does is partial."""
    server = serve(replying(GOOD, "# END-OF-DIFF"))
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), "--file", "src/store.py")
    assert (code, report["status"], len(server.requests)) == (0, "continued", 2)
    serve(replying(GOOD))
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), "--file", "src/store.py")
    assert (code, report["status"], report["verified"]) == (3, "partial", True)
    assert [one["path"] for one in report["missing"]] == [""]


def test_files_that_were_announced_and_never_begun_are_reported(
    repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest is compared with what came; a model that is asked and says that nothing is left ends the matter."""
    first = "FILES:\n- src/store.py\n- src/tokens.py\n" + GOOD + "# END-OF-DIFF\n"
    serve(replying(first, "# END-OF-DIFF\n"))
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), "--file", "src/store.py")
    assert (code, report["status"]) == (0, "continued")
    assert "src/tokens.py was announced, and then left alone" in report["warnings"]
    serve(replying(first, "Well..."))
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), "--file", "src/store.py")
    assert (code, report["status"]) == (3, "partial")
    assert report["missing"] == [{"path": "src/tokens.py", "reason": "announced, and nothing of it came"}]


def test_a_file_that_no_longer_parses_is_flagged(
    repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the diff, which is what the model wrote, and the report says so."""
    serve(replying(GOOD.replace("+# changed", "+def (:") + "# END-OF-DIFF\n"))
    code, report, said = run(capsys, REQUEST, "--repo", str(repo), "--file", "src/store.py")
    assert code == 0
    assert any("src/store.py parsed before and does not any more" in one for one in report["warnings"])
    assert "src/store.py parsed before" in said


def test_nothing_at_all_is_failed(
    repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """Prose for ever: no diff, status failed, exit code 3, and the token still works."""
    serve(replying("I would rather not."))
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), "--file", "src/store.py")
    assert (code, report["status"], report["diff"], report["verified"]) == (3, "failed", "", False)
    serve(replying(GOOD + "# END-OF-DIFF\n"))
    code, report, _ = run(capsys, "--repo", str(repo), "--resume", report["resume_token"])
    assert (code, report["status"]) == (0, "continued")


def test_every_fault_ends_in_the_same_tree(
    diff: str, repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """Lost connections, a rate limit, nonsense, and a reply that was all thought: the diff is whole all the same."""
    faults = [
        Disconnect(200),
        Malformed("word salad"),
        rate_limited(ms=1),
        Ok(),
        ReasoningEatsAll(),
        Disconnect(0),
    ]
    serve(DiffWriter(diff, "asked", CAP), faults=faults)
    code, report, _ = run(capsys, REQUEST, "--repo", str(repo), *files())
    assert (code, report["status"]) == (0, "continued")
    assert applied(repo, report["diff"]) == AFTER


def test_files_are_found_where_none_is_named(
    diff: str, repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """The request's words find the file; the context stays under its budget and says what was left out."""
    os.environ["HOOKLINE_CODEGEN_CONTEXT_TOKENS"] = "900"
    server = serve(replying(GOOD + "# END-OF-DIFF\n"))
    code, report, _ = run(
        capsys, "the in-memory store: neighbours by cosine, videos and chunks", "--repo", str(repo)
    )
    assert code == 0
    context = report["context"]
    assert context["tokens"] <= 900
    assert "src/store.py" in {part["path"] for part in context["kept"]}
    assert context["dropped"]
    assert all(one["reason"] for one in context["dropped"])
    assert "== src/store.py: outline, with line numbers" in server.requests[0].last_text


def test_the_context_gives_way_before_the_request_does(
    diff: str, repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """A window that is too small for the files: parts of them are shown, it is said, and the diff comes."""
    Path("hookline.toml").write_text(
        "[models.gpt-4o-mini]\ncontext_window = 6000\nmax_output = 1000\nencoding = 'o200k_base'\n"
    )
    serve(DiffWriter(diff, "asked", CAP))
    code, report, said = run(capsys, REQUEST, "--repo", str(repo), *files())
    assert (code, report["status"]) == (0, "continued")
    assert applied(repo, report["diff"]) == AFTER
    assert all(call["prompt_tokens"] + call["max_tokens"] <= 6000 for call in report["calls"])
    assert "parts left out" in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["x", "--repo", "missing"], "no folder"),
        (["x", "--repo", "."], "git init"),
        (["  ", "--repo", "repo"], "the request is empty"),
        (["--repo", "repo"], "the request is empty"),
        (["x", "--repo", "repo", "--file", "nothing.py"], "--file nothing.py"),
        (["x", "--repo", "repo", "--file", "../x.py"], "leaves the repository"),
        (["x", "--repo", "repo", "--resume", "20260101-000000-abc"], "no such run"),
        (["x", "--repo", "repo", "--resume", "../x"], "is no token"),
        (["x", "--repo", "repo", "--out", "taken.diff"], "exists"),
        (["x", "--repo", "repo", "--model", "offline"], "no model to call"),
        (["x"], "--repo"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    why: str,
    repo: Path,
    serve: Callable[..., StrictServer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, the field and the remedy, and nobody was asked."""
    Path("taken.diff").write_text("mine")
    server = serve(replying(GOOD))
    code, report, said = run(capsys, *arguments)
    assert (code, report) == (2, {})
    assert why in said
    assert said.count("\n") == 1
    assert not server.requests
    assert Path("taken.diff").read_text() == "mine"


def test_the_diff_goes_to_a_file_or_to_stdout(
    repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json stdout has the diff, or the path of the file it was written to."""
    serve(replying(GOOD + "# END-OF-DIFF\n"))
    assert cli.run(["codegen", REQUEST, "--repo", str(repo), "--file", "src/store.py"]) == 0
    diff = capsys.readouterr().out
    assert (
        cli.run(["codegen", REQUEST, "--repo", str(repo), "--file", "src/store.py", "--out", "d/a.diff"]) == 0
    )
    assert capsys.readouterr().out == "d/a.diff\n"
    assert Path("d/a.diff").read_text() == diff
    git(repo, "apply", "--check", "-", stdin=diff)


def test_the_diff_on_stdout_has_the_files_own_bytes(
    repo: Path, serve: Callable[..., StrictServer], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A file that is not UTF-8: what is printed applies."""
    (repo / "latin.txt").write_bytes(b"caf\xe9\ntwo\nthree\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "latin")
    serve(replying("--- a/latin.txt\n+++ b/latin.txt\n@@ -2,2 +2,2 @@\n-two\n+zwei\n three\n# END-OF-DIFF\n"))
    assert cli.run(["codegen", REQUEST, "--repo", str(repo), "--file", "latin.txt"]) == 0
    Path("a.diff").write_bytes(capfdbinary.readouterr().out)
    git(repo, "apply", "--check", str(Path("a.diff").absolute()))


def test_empty_files_and_impossible_names_are_no_obstacle(
    repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty file is named as such; a path no system could have is refused, and the rest stays."""
    (repo / "__init__.py").write_text("")
    evil = f"--- /dev/null\n+++ b/{'x' * 300}\n@@ -0,0 +1 @@\n+x\n"
    server = serve(replying(GOOD + evil + "# END-OF-DIFF\n"))
    code, report, _ = run(
        capsys, REQUEST, "--repo", str(repo), "--file", "__init__.py", "--file", "src/store.py"
    )
    assert (code, report["status"], report["verified"]) == (3, "partial", True)
    assert "Empty files: __init__.py" in server.requests[0].last_text


def test_one_run_is_gone_on_with_by_one_process(
    repo: Path, serve: Callable[..., StrictServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """A second one is refused; a run that was applied has nothing left to do."""
    serve(replying(GOOD + "# END-OF-DIFF\n"))
    _, report, _ = run(capsys, REQUEST, "--repo", str(repo), "--file", "src/store.py")
    token = report["resume_token"]
    with FileLock(f".hookline/journal/codegen-{token}.jsonl.lock"):
        code, _, said = run(capsys, "--repo", str(repo), "--resume", token)
    assert code == 2
    assert "another process goes on" in said
    assert run(capsys, "--repo", str(repo), "--resume", token, "--apply")[0] == 0
    code, _, said = run(capsys, "--repo", str(repo), "--resume", token, "--apply")
    assert code == 2
    assert "its diff was applied" in said


def test_the_repository_one_is_in_stays_clean(
    repo: Path,
    serve: Callable[..., StrictServer],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``--repo .``: the journal is beside the files, git does not see it, and no model is shown it."""
    monkeypatch.chdir(repo)
    server = serve(replying(GOOD + "# END-OF-DIFF\n"))
    for _ in range(2):
        assert run(capsys, "zebra unicorn store", "--repo", ".")[0] == 0
    assert git(repo, "status", "--porcelain") == ""
    assert ".hookline" not in server.requests[1].last_text


def test_from_python(repo: Path, serve: Callable[..., StrictServer]) -> None:
    """The same as an async function; a resume that does not belong is bad input."""
    server = serve(replying(GOOD + "# END-OF-DIFF\n"))
    result = asyncio.run(codegen(REQUEST, repo, files=["src/store.py"], settings=load_settings()))
    assert (result.status, result.verified) == ("complete", True)
    assert server.requests[0].body["temperature"] == 0.2
    assert server.requests[0].max_tokens == 4096
    asked: Mapping[str, Any]
    for asked in ({"request": "another"}, {"request": None, "files": ["src/tokens.py"]}):
        with pytest.raises(BadInput, match="--resume"):
            asyncio.run(codegen(repo=repo, resume=result.resume_token, **asked))
