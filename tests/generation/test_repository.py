"""The user's repository: what is never read, and how a diff gets into it: whole, or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from diff_writers import git, repository

from generation.judging import judged
from generation.patching import Unreadable, salvaged
from generation.repository import MAX_FILE_BYTES, Repository
from rag.errors import BadInput

TEXT = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n"
DIFF = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1,4 +1,4 @@\n one\n-two\n+zwei\n three\n four\n"
TWO = DIFF + "--- a/src/b.py\n+++ b/src/b.py\n@@ -5,4 +5,3 @@\n five\n-six\n seven\n eight\n"
NEW = "diff --git a/deep/new.py b/deep/new.py\nnew file mode 100755\n--- /dev/null\n+++ b/deep/new.py\n@@ -0,0 +1 @@\n+x = 1\n"
GONE = "diff --git a/alone/c.py b/alone/c.py\ndeleted file mode 100644\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    files = {"src/a.py": TEXT, "src/b.py": TEXT, "alone/c.py": TEXT, ".gitignore": "secret\nbuild/\n"}
    return Repository(repository(tmp_path / "repo", files))


def tree(repo: Repository) -> dict[str, bytes]:
    """Every file of the work tree, git's own left out."""
    return {
        str(path.relative_to(repo.root)): path.read_bytes()
        for path in sorted(repo.root.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


def test_what_is_no_repository_is_refused_with_the_remedy(tmp_path: Path, repo: Repository) -> None:
    """A folder that is missing, one without git, and one inside of a repository."""
    with pytest.raises(BadInput, match="no folder"):
        Repository(tmp_path / "missing")
    (tmp_path / "plain").mkdir()
    with pytest.raises(BadInput, match="git init"):
        Repository(tmp_path / "plain")
    with pytest.raises(BadInput, match="inside of the repository"):
        Repository(repo.root / "src")


def test_what_may_be_read_is_what_git_tracks_or_would(repo: Repository) -> None:
    """New files too; never ignored, huge or binary ones, links, or git's own."""
    root = repo.root
    (root / "new.py").write_text("x\n")
    (root / "secret").write_text("password\n")
    (root / "build").mkdir()
    (root / "build" / "out.py").write_text("x\n")
    (root / "huge.txt").write_text("x" * (MAX_FILE_BYTES + 1))
    (root / "binary").write_bytes(b"a\0b")
    (root / "link.py").symlink_to("/etc/passwd")
    (root / "out").symlink_to("/etc")
    fresh = Repository(root)
    assert set(fresh.files) == {
        ".gitignore",
        "src/a.py",
        "src/b.py",
        "alone/c.py",
        "new.py",
        "huge.txt",
        "binary",
    }
    assert fresh.read("src/a.py") == TEXT.encode()
    assert fresh.read("nothing.py") is None
    for path, why in {
        "secret": "ignored",
        "build/out.py": "ignored",
        "build/more.py": "ignored",  # not there, and would be ignored
        "huge.txt": "is never read",
        "binary": "binary",
        "link.py": "link",
        "out/passwd": "link",
        "src": "folder",
        ".git/config": "git's own",
        "../x": "leaves the repository",
    }.items():
        with pytest.raises(Unreadable, match=why):
            fresh.read(path)


def test_another_repository_inside_is_not_read(repo: Repository) -> None:
    """A nested clone or a submodule is its own."""
    repository(repo.root / "inner", {"x.py": "x\n"})
    fresh = Repository(repo.root)
    assert not any(path.startswith("inner") for path in fresh.files)
    with pytest.raises(Unreadable):
        fresh.read("inner/x.py")


def test_a_diff_is_applied_as_a_whole(repo: Repository) -> None:
    """Changed, new and deleted files; modes; the folder that has become empty goes; git agrees with the result."""
    (repo.root / "src" / "a.py").chmod(0o755)
    patch = salvaged(TWO + NEW + GONE, repo.read, cut=False)
    assert judged(patch).accepted
    assert repo.apply(patch) == ["alone/c.py", "deep/new.py", "src/a.py", "src/b.py"]
    assert tree(repo) == {
        ".gitignore": b"secret\nbuild/\n",
        "deep/new.py": b"x = 1\n",
        "src/a.py": TEXT.replace("two", "zwei").encode(),
        "src/b.py": TEXT.replace("six\n", "").encode(),
    }
    assert not (repo.root / "alone").exists()
    assert stat.S_IMODE((repo.root / "src" / "a.py").stat().st_mode) == 0o755
    assert stat.S_IMODE((repo.root / "deep" / "new.py").stat().st_mode) == 0o755


def test_applying_twice_is_refused_or_changes_nothing(repo: Repository) -> None:
    """The same patch has nothing left to do; its diff, read again, does not fit any more."""
    patch = salvaged(TWO, repo.read, cut=False)
    repo.apply(patch)
    before = tree(repo)
    assert repo.apply(patch) == []
    again = salvaged(TWO, repo.read, cut=False)
    assert again.diff() == ""
    assert tree(repo) == before


def test_a_file_that_changed_meanwhile_stops_everything(repo: Repository) -> None:
    """Not one file is written where another has changed since the diff was made, or stands where one should be."""
    patch = salvaged(TWO + NEW, repo.read, cut=False)
    (repo.root / "src" / "b.py").write_text(TEXT + "nine\n")
    before = tree(repo)
    with pytest.raises(BadInput, match=r"src/b\.py has changed since"):
        repo.apply(patch)
    assert tree(repo) == before
    (repo.root / "src" / "b.py").write_text(TEXT)
    (repo.root / "deep").mkdir()
    (repo.root / "deep" / "new.py").write_text("mine\n")
    before = tree(repo)
    with pytest.raises(BadInput, match=r"deep/new\.py has changed since"):
        Repository(repo.root).apply(patch)
    assert tree(repo) == before


def test_lines_that_are_in_no_commit_are_not_overwritten(repo: Repository) -> None:
    """A dirty file may be changed beside what is new in it; never where that would be lost."""
    path = repo.root / "src" / "a.py"
    path.write_text(TEXT.replace("seven", "SEVEN"))
    repo.apply(salvaged(DIFF, repo.read, cut=False))  # another line
    assert path.read_text() == TEXT.replace("seven", "SEVEN").replace("two", "zwei")
    for diff in (
        "--- a/src/a.py\n+++ b/src/a.py\n@@ -6,3 +6,3 @@\n six\n-SEVEN\n+7\n eight\n",
        "diff --git a/src/a.py b/src/a.py\ndeleted file mode 100644\n",
    ):
        before = tree(repo)
        with pytest.raises(BadInput, match=r"src/a\.py has changes that are in no commit"):
            repo.apply(salvaged(diff, repo.read, cut=False))
        assert tree(repo) == before


def test_a_file_that_was_never_committed_may_grow_and_not_shrink(repo: Repository) -> None:
    """All of its lines are in no commit; in a repository without any commit, so are everybody's."""
    (repo.root / "draft.py").write_text("a\nb\n")
    fresh = Repository(repo.root)
    fresh.apply(
        salvaged("--- a/draft.py\n+++ b/draft.py\n@@ -1,2 +1,3 @@\n a\n+and\n b\n", fresh.read, cut=False)
    )
    with pytest.raises(BadInput, match=r"draft\.py has changes that are in no commit"):
        fresh.apply(
            salvaged("--- a/draft.py\n+++ b/draft.py\n@@ -1,2 +1,1 @@\n-a\n and\n", fresh.read, cut=False)
        )


def test_when_one_file_cannot_be_written_none_is(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the middle takes everything back, folders too."""
    patch = salvaged(TWO + NEW, repo.read, cut=False)
    before = tree(repo)
    replaced: list[Path] = []
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if len(replaced) == 2 and target.name == "new.py":
            raise OSError(28, "No space left on device", str(target))
        replaced.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadInput, match="nothing was changed"):
        repo.apply(patch)
    assert len(replaced) > 2  # two were there, and taken back
    assert tree(repo) == before
    assert not (repo.root / "deep").exists()


def test_a_run_that_was_killed_in_the_middle_is_finished_by_the_next(repo: Repository) -> None:
    """A file that has its new content already is left alone, and the others follow."""
    patch = salvaged(TWO, repo.read, cut=False)
    (repo.root / "src" / "a.py").write_text(TEXT.replace("two", "zwei"))
    assert repo.apply(patch) == ["src/b.py"]


def test_what_the_users_repository_configures_is_not_run(repo: Repository, tmp_path: Path) -> None:
    """Neither a file system monitor nor an external diff of the repository's configuration is started."""
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "diff.external", "core.pager"):
        git(repo.root, "config", key, str(script))
    (repo.root / "src" / "a.py").write_text(TEXT.replace("seven", "SEVEN"))
    fresh = Repository(repo.root)
    fresh.apply(salvaged(DIFF, fresh.read, cut=False))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("hidden", ["attributes", "assume-unchanged", "skip-worktree", "marks"])
def test_uncommitted_lines_are_seen_however_they_are_hidden_from_git(hidden: str, repo: Repository) -> None:
    """Attributes and flags of the index make git's own diff blind; lines may look like a diff's headers."""
    path = repo.root / "src" / "a.py"
    old, mine = ("-- two", "++ mine") if hidden == "marks" else ("two", "mine")
    path.write_text(TEXT.replace("two", old))
    git(repo.root, "commit", "-qam", "as it was", "--allow-empty")
    path.write_text(TEXT.replace("two", mine))
    if hidden == "attributes":
        (repo.root / ".gitattributes").write_text("*.py -diff\n")
    elif hidden != "marks":
        git(repo.root, "update-index", f"--{hidden}", "src/a.py")
    before = path.read_text()
    fresh = Repository(repo.root)
    patch = salvaged(
        f"--- a/src/a.py\n+++ b/src/a.py\n@@ -1,3 +1,3 @@\n one\n-{mine}\n+x\n three\n", fresh.read, cut=False
    )
    with pytest.raises(BadInput, match="in no commit"):
        fresh.apply(patch)
    assert path.read_text() == before


def test_other_line_ends_in_the_commit_are_no_change(repo: Repository) -> None:
    """A checkout with ``core.autocrlf``: the file has CRLF, the commit has not, and nothing would be lost."""
    git(repo.root, "config", "core.autocrlf", "true")
    (repo.root / "src" / "a.py").write_bytes(TEXT.replace("\n", "\r\n").encode())
    fresh = Repository(repo.root)
    fresh.apply(salvaged(DIFF, fresh.read, cut=False))
    assert (repo.root / "src" / "a.py").read_bytes() == TEXT.replace("two", "zwei").replace(
        "\n", "\r\n"
    ).encode()


def test_a_file_that_moves_keeps_its_mode(repo: Repository) -> None:
    """An executable file stays one."""
    (repo.root / "src" / "a.py").chmod(0o755)
    git(repo.root, "commit", "-qam", "run")
    repo.apply(
        salvaged(
            "diff --git a/src/a.py b/run.py\nrename from src/a.py\nrename to run.py\nd", repo.read, cut=False
        )
    )
    assert stat.S_IMODE((repo.root / "run.py").stat().st_mode) == 0o755
    assert not (repo.root / "src" / "a.py").exists()


def test_nothing_is_made_where_it_does_not_belong(repo: Repository) -> None:
    """Below a file, in another repository, in Hookline's own folder, over a file that is only in the index."""
    repository(repo.root / "inner", {"x.py": "x\n"})
    (repo.root / "alone" / "c.py").unlink()
    fresh = Repository(repo.root)
    for path, why in {
        "src/a.py/new.py": "is a file, no folder",
        "inner/new.py": "another repository",
        ".hookline/journal/x.jsonl": "Hookline's own",
        "alone/c.py": "in git's index and not in the work tree",
        "x" * 300: "no path of a file",
        "/".join(["deep"] * 300): "too long",
    }.items():
        with pytest.raises(Unreadable, match=why):
            fresh.read(path)


def test_the_remedy_fits_what_is_wrong(tmp_path: Path) -> None:
    """A bare repository is not one that 'git init' would mend."""
    git(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(BadInput, match="give the folder of a work tree"):
        Repository(tmp_path / "bare")


def test_the_judge_leaves_the_repository_alone(repo: Repository) -> None:
    """No index, object or file of the user's is touched when a diff is judged, and a wrong diff is refused."""
    state = sorted((str(path), path.stat().st_mtime_ns) for path in repo.root.rglob("*"))
    patch = salvaged(TWO, repo.read, cut=False)
    assert judged(patch).accepted
    patch.files["src/a.py"].before = b"something else\n"
    verdict = judged(patch)
    assert not verdict.accepted
    assert set(verdict.refused) == {"src/a.py"}
    assert sorted((str(path), path.stat().st_mtime_ns) for path in repo.root.rglob("*")) == state
