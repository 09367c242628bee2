"""Files that are written all together or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rag.files import make_own_folder, write_all


def test_everything_is_written(tmp_path: Path) -> None:
    """New files in new folders, replaced ones with the mode they had, deleted ones gone; nothing else is left."""
    (tmp_path / "old").write_text("before")
    (tmp_path / "old").chmod(0o750)
    (tmp_path / "gone").write_text("x")
    write_all(
        {tmp_path / "old": b"after", tmp_path / "gone": None, tmp_path / "a" / "b" / "new": b"new"},
        {tmp_path / "a" / "b" / "new": 0o755},
    )
    there = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in there.items()} == {"old": b"after", "a/b/new": b"new"}
    assert stat.S_IMODE(there["old"].stat().st_mode) == 0o750
    assert stat.S_IMODE(there["a/b/new"].stat().st_mode) == 0o755


def test_whoever_stops_it_half_way_finds_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between two files."""
    for name in ("a", "b"):
        (tmp_path / name).write_text("before")
    replace = Path.replace

    def stop(self: Path, target: Path) -> Path:
        if target.name == "b" and self.read_bytes() == b"after":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_all({tmp_path / "a": b"after", tmp_path / "b": b"after"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"before"}


def test_a_folder_of_ours_is_ignored_by_git(tmp_path: Path) -> None:
    """What was made is, from its outermost folder on; a folder that was there is left as it is."""
    make_own_folder(tmp_path / "ours" / "deep")
    assert (tmp_path / "ours" / ".gitignore").read_text() == "*\n"
    (tmp_path / "theirs").mkdir()
    make_own_folder(tmp_path / "theirs")
    assert list((tmp_path / "theirs").iterdir()) == []


def test_nothing_is_written_where_something_cannot_be(tmp_path: Path) -> None:
    """A folder stands where a file should be: what was there stays, and no new folder is left behind."""
    (tmp_path / "old").write_text("before")
    (tmp_path / "blocked").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match="blocked"):
        write_all({tmp_path / "old": b"after", tmp_path / "deep" / "new": b"n", tmp_path / "blocked": b"x"})
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "old").read_text() == "before"
