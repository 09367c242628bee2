"""What the README shows is what happens, and the tree it draws is the tree."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from samples import DATA, ROOT

from hookline import cli

README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("rag", "ingest", "generation", "hookline")


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
def test_the_readmes_commands_and_python_run(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every ``$`` line exits with 0, in order, and then every Python block runs."""
    for name in ("oskar-fixes", "mara-bakes", "quiet-counter"):  # half of them: what is shown needs no more
        shutil.copytree(DATA / "creators" / name, workplace / "data" / "creators" / name)
    (workplace / "data" / "trends.csv").symlink_to(DATA / "trends.csv")
    commands = [
        line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")
    ]
    assert len(commands) >= 4
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "hookline"
        assert cli.run(arguments) == 0, command
    assert {path.name for path in workplace.iterdir()} >= {"february.csv", "february.html"}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {})
    assert "oskar-fixes" in capsys.readouterr().out


def test_the_tree_in_the_readme_is_the_tree() -> None:
    """Every module and folder of the packages is drawn, nothing else is, and every top-level entry exists."""
    (tree,) = blocks("text")
    drawn: dict[str, set[str]] = {}
    package = ""
    for line in tree.splitlines():
        if not line.startswith(" "):
            package = line.split()[0].rstrip("/")
            assert (ROOT / package).exists(), package
            drawn[package] = set()
        else:
            drawn[package] |= set(re.findall(r"(?:^|\s)([a-z_]+(?:\.py|/))(?=\s)", line))
    for name in [*PACKAGES, *(package for package in drawn if "/" in package)]:
        there = {
            f"{path.name}/" if path.is_dir() else path.name
            for path in (ROOT / name).iterdir()
            if path.name not in {"__init__.py", "__pycache__"}
        }
        assert drawn[name] == there
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    folders = {line.split("/")[0] for line in listed.split("\0") if "/" in line and not line.startswith(".")}
    assert folders <= set(drawn)


def test_every_make_target_of_the_readme_exists() -> None:
    """The README's two commands, and the targets it names, are in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"make ([a-z]+)", README)) - {"sure"}
    assert {"demo", "test", "setup", "help"} <= named
    for target in named - {"and"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
